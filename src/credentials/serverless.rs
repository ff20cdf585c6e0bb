//! Redshift Serverless: SSM external id → AssumeRole → GetCredentials (lava's path, connection-spec.md 6).

use std::time::Duration;

use aws_sdk_redshiftserverless::config::{Builder, IdentityCache};
use aws_sdk_sts::config::Credentials;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::failure::{class, timeouts};
use super::{DbLogin, MintError, MintLogin, Order};
use crate::aws::Base;
use crate::config::RoleHop;
use crate::secret::Secret;

/// Life of a role session: it is used for one call, and a chained one may not live over an hour.
const ROLE_SESSION_SECS: i32 = 900;

/// What CloudTrail shows as the caller's session.
const ROLE_SESSION_NAME: &str = "redshift-iam-proxy";

/// `ExternalId` of AssumeRole: 2–1224 of these (STS API reference). Checked here, since STS's refusal would quote it.
fn is_external_id(text: &str) -> bool {
    (2..=1224).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte))
}

/// Mints logins on workgroups with the base identity, or with a role that it assumes.
pub(crate) struct Serverless {
    base: Base,
}

impl Serverless {
    /// `timeout` bounds a whole flight.
    pub(crate) fn new(base: Base, timeout: Duration) -> Self {
        Self { base: base.with_timeouts(timeouts(timeout)) }
    }

    async fn mint_login(&self, order: &Order) -> Result<DbLogin, MintError> {
        const OPERATION: &str = "GetCredentials";
        let identity = match &order.role {
            Some(role) => under(self.assume(role, order.region.as_deref()).await?),
            None => Builder::new(),
        };
        let answer = self
            .base
            .clients(order.region.as_deref())
            .redshift_serverless
            .get_credentials()
            .workgroup_name(&order.workgroup)
            .db_name(&order.database)
            .duration_seconds(i32::try_from(order.life.as_secs()).unwrap_or(ROLE_SESSION_SECS))
            .customize()
            .config_override(identity)
            .send()
            .await
            .map_err(|error| class(OPERATION, &error, None))?;
        let unusable = |what| MintError::Unusable { operation: OPERATION, what };
        let expires_at = answer.expiration.ok_or(unusable("the answer has no expiration"))?;
        Ok(DbLogin {
            user: answer.db_user.ok_or(unusable("the answer has no dbUser"))?,
            password: Secret::new(answer.db_password.ok_or(unusable("the answer has no dbPassword"))?),
            expires_at: Some(expires_at.try_into().map_err(|_range| unusable("an expiration out of range"))?),
        })
    }

    /// In the proxy's own Region, or the workgroup's where it has none.
    async fn assume(&self, role: &RoleHop, region: Option<&str>) -> Result<Credentials, MintError> {
        const OPERATION: &str = "AssumeRole";
        let external_id = match &role.external_id {
            Some(parameter) => Some(self.external_id(parameter, region).await?),
            None => None,
        };
        let external_id = external_id.as_ref().map(Secret::expose);
        let answer = self
            .base
            .home_clients(region)
            .sts
            .assume_role()
            .role_arn(&role.role_arn)
            .role_session_name(ROLE_SESSION_NAME)
            .duration_seconds(ROLE_SESSION_SECS)
            .set_external_id(external_id.map(str::to_owned))
            .send()
            .await
            .map_err(|error| class(OPERATION, &error, external_id))?;
        let session = answer
            .credentials
            .ok_or(MintError::Unusable { operation: OPERATION, what: "the answer has no credentials" })?;
        let expires_at = session.expiration.try_into().ok();
        let token = Some(session.session_token);
        Ok(Credentials::new(session.access_key_id, session.secret_access_key, token, expires_at, OPERATION))
    }

    /// Reads the SSM parameter that holds the external id: in its ARN's Region, or as [`Self::assume`].
    async fn external_id(&self, parameter: &str, region: Option<&str>) -> Result<Secret, MintError> {
        const OPERATION: &str = "GetParameter";
        let clients = match region_of_arn(parameter) {
            Some(region) => self.base.clients(Some(region)),
            None => self.base.home_clients(region),
        };
        let answer = clients
            .ssm
            .get_parameter()
            .name(parameter)
            .with_decryption(true)
            .send()
            .await
            .map_err(|error| class(OPERATION, &error, None))?;
        let value = answer.parameter.and_then(|parameter| parameter.value).map(Secret::new);
        value.filter(|value| is_external_id(value.expose())).ok_or(MintError::Unusable {
            operation: OPERATION,
            what: "the parameter's value is no external id (2-1224 of A-Z a-z 0-9 _ + = , . @ : / -)",
        })
    }
}

/// The role's identity in place of the base's, for one call: a new one each time, not to be kept in a cache.
fn under(role: Credentials) -> Builder {
    Builder::new().credentials_provider(role).identity_cache(IdentityCache::no_cache())
}

/// `arn:PARTITION:ssm:REGION:ACCOUNT:parameter/NAME`; `None` for a plain name.
fn region_of_arn(parameter: &str) -> Option<&str> {
    parameter.strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
}

impl MintLogin for Serverless {
    fn mint<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<DbLogin, MintError>> {
        self.mint_login(order).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_read_where_its_arn_says() {
        assert_eq!(region_of_arn("/lava/prod/id"), None);
        assert_eq!(region_of_arn("arn:aws:ssm:eu-west-1:123456789012:parameter/x"), Some("eu-west-1"));
        assert_eq!(region_of_arn("arn:aws:ssm"), None);
    }

    #[test]
    fn external_ids_are_checked_before_they_are_sent() {
        assert!(is_external_id("ab"));
        assert!(is_external_id("0123-Ab_+=,.@:/"));
        for bad in ["", "a", "with space", "new\nline", "ü1", &"x".repeat(1225)] {
            assert!(!is_external_id(bad), "{bad:?}");
        }
    }
}
