//! Stored values: SSM parameters and Secrets Manager secrets, read with the base identity.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_ssm::operation::get_parameter::GetParameterOutput;
use aws_sdk_ssm::operation::get_parameters_by_path::GetParametersByPathOutput;
use aws_sdk_ssm::types::ParameterType;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::arn::Arn;
use super::call::Calls;
use super::error::{AwsError, Call};
use super::operation::Operation;
use crate::cache::{Cache, Fetch, Perishable};
use crate::secret::Secret;

/// How long a stored value is used before it is read again (lava does the same).
pub(crate) const STORED_MAX_AGE: Duration = Duration::from_secs(120);

/// The most parameters that SSM lists in one page (SSM API, `GetParametersByPath`).
const PAGE: i32 = 10;

/// Where a value is stored. It is the key of the cache of stored values.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum StoredAt {
    /// An SSM parameter, by name or ARN.
    Parameter { name: String, region: Option<String> },
    /// A Secrets Manager secret, by name or ARN.
    Secret { id: String, region: Option<String> },
}

/// A value that was read from SSM or Secrets Manager.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The text of the parameter or secret.
    pub(crate) text: Secret,
    /// Whether it is a SecureString or a secret, which may hold a password.
    pub(crate) is_secure: bool,
}

impl Perishable for Stored {
    fn expires_at(&self) -> Option<SystemTime> {
        None
    }
}

/// Some of the parameters below a path.
#[derive(Debug)]
pub(crate) struct Page {
    /// The parameters, each with the last element of its name.
    pub(crate) found: Vec<(String, Stored)>,
    /// The token of the next page. `None`: this is the last.
    pub(crate) next: Option<String>,
}

/// Reads stored values. It makes its calls through the [`Calls`] that it holds.
pub(crate) struct StoreReader(pub(crate) Arc<Calls>);

impl StoredAt {
    /// An SSM parameter by its name or ARN. It is read in the ARN's Region, or else in `otherwise`;
    /// `None` is the base's own Region.
    pub(crate) fn parameter(name: &str, otherwise: Option<&str>) -> Self {
        Self::Parameter { name: name.to_owned(), region: region_of(name, otherwise) }
    }

    /// A secret by its name or ARN, read where [`StoredAt::parameter`] says.
    pub(crate) fn secret(id: &str, otherwise: Option<&str>) -> Self {
        Self::Secret { id: id.to_owned(), region: region_of(id, otherwise) }
    }

    /// The call that reads it.
    pub(crate) fn call(&self) -> Call {
        match self {
            Self::Parameter { name, .. } => Call::new(Operation::GetParameter, name),
            Self::Secret { id, .. } => Call::new(Operation::GetSecretValue, id),
        }
    }
}

/// Where a name is read: in its ARN's Region, else in `otherwise`.
fn region_of(name: &str, otherwise: Option<&str>) -> Option<String> {
    let own = Arn::parse(name)
        .map(|arn| arn.region)
        .filter(|region| !region.is_empty());
    own.or(otherwise).map(str::to_owned)
}

impl StoreReader {
    /// Reads a value from AWS, past any cache.
    ///
    /// # Errors
    /// The error of the call, or [`AwsError::Unusable`].
    pub(crate) async fn read(&self, place: &StoredAt) -> Result<Stored, AwsError> {
        let call = place.call();
        match place {
            StoredAt::Parameter { name, region } => {
                let clients = self.0.clients(region.as_deref());
                let send = || {
                    clients
                        .ssm()
                        .get_parameter()
                        .name(name)
                        .with_decryption(true)
                        .send()
                };
                let read = |answer: GetParameterOutput| {
                    let parameter = answer.parameter.ok_or("the answer has no parameter")?;
                    let is_secure = parameter.r#type == Some(ParameterType::SecureString);
                    let text = parameter.value.ok_or("the answer has no value")?;
                    Ok(Stored { text: Secret::new(text), is_secure })
                };
                self.0
                    .make(&call, (None, region.as_deref()), None, send, read)
                    .await
            }
            StoredAt::Secret { id, region } => {
                let clients = self.0.clients(region.as_deref());
                let send = || {
                    clients
                        .secrets_manager()
                        .get_secret_value()
                        .secret_id(id)
                        .send()
                };
                let read = |answer: GetSecretValueOutput| {
                    let text = answer
                        .secret_string
                        .ok_or("the secret is binary, not text")?;
                    Ok(Stored { text: Secret::new(text), is_secure: true })
                };
                self.0
                    .make(&call, (None, region.as_deref()), None, send, read)
                    .await
            }
        }
    }

    /// Lists a page of the SSM parameters right below a path, in the base's own Region.
    ///
    /// # Errors
    /// The error of the call, or [`AwsError::Unusable`].
    pub(crate) async fn page(&self, path: &str, from: Option<&str>) -> Result<Page, AwsError> {
        let call = Call::new(Operation::GetParametersByPath, path);
        let clients = self.0.clients(None);
        let send = || {
            let page = clients
                .ssm()
                .get_parameters_by_path()
                .path(path)
                .recursive(false)
                .with_decryption(true);
            page.max_results(PAGE)
                .set_next_token(from.map(str::to_owned))
                .send()
        };
        let read = |answer: GetParametersByPathOutput| {
            let found = answer
                .parameters
                .unwrap_or_default()
                .into_iter()
                .map(|parameter| {
                    let name = parameter.name.ok_or("a parameter without a name")?;
                    let name = name.rsplit('/').next().unwrap_or_default().to_owned();
                    let text = Secret::new(parameter.value.ok_or("a parameter without a value")?);
                    Ok((name, Stored { text, is_secure: parameter.r#type == Some(ParameterType::SecureString) }))
                });
            let next = answer.next_token.filter(|token| !token.is_empty());
            Ok(Page { found: found.collect::<Result<_, &'static str>>()?, next })
        };
        self.0.make(&call, (None, None), None, send, read).await
    }
}

impl Fetch for StoreReader {
    type Key = StoredAt;
    type Value = Stored;
    type Error = AwsError;

    fn fetch<'a>(
        &'a self,
        place: &'a StoredAt,
        _cache: &'a Arc<Cache<Self>>,
    ) -> BoxFuture<'a, Result<Stored, AwsError>> {
        self.read(place).boxed()
    }

    fn name(&self, place: &StoredAt) -> String {
        place.call().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_where_its_arn_says() {
        for (name, otherwise, want) in [
            ("/lava/prod/id", None, None),
            ("/lava/prod/id", Some("us-east-1"), Some("us-east-1")),
            ("arn:aws:ssm:eu-west-1:123456789012:parameter/x", Some("us-east-1"), Some("eu-west-1")),
            ("arn:aws:ssm", None, None),
            ("arn:aws:secretsmanager::1:secret:x", None, None),
        ] {
            assert_eq!(region_of(name, otherwise).as_deref(), want, "{name}");
        }
    }
}
