//! Whose some keys are, as STS says.

use std::sync::{Arc, OnceLock};

use aws_config::identity::IdentityCache;
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;

use crate::aws::arn::Arn;

/// Asks STS whose some keys are.
#[derive(Debug)]
pub(in crate::aws) struct PrincipalLookup {
    /// The SDK's settings, which the client of STS is made of.
    pub(in crate::aws) config: SdkConfig,
    /// The URL of STS's endpoint. `None`: the SDK chooses it.
    pub(in crate::aws) endpoint_url: Option<String>,
    /// The Region to ask in where the configuration has none: the first that was called.
    pub(in crate::aws) called: Arc<OnceLock<Region>>,
}

impl PrincipalLookup {
    /// The ARN of the role or user that the keys are of. `None`: STS does not say.
    pub(super) async fn principal(&self, keys: &Credentials) -> Option<String> {
        let mut config = aws_sdk_sts::config::Builder::from(&self.config);
        config.set_region(self.config.region().or_else(|| self.called.get()).cloned());
        if let Some(url) = &self.endpoint_url {
            config.set_endpoint_url(Some(url.clone()));
        }
        let config = config
            .credentials_provider(keys.clone())
            .identity_cache(IdentityCache::no_cache());
        let client = aws_sdk_sts::Client::from_conf(config.build());
        let answer = match client.get_caller_identity().send().await {
            Ok(answer) => answer,
            // The first may have been refused for this machine's clock. The client knows AWS's by
            // now.
            Err(error) if error.as_service_error().is_some() => client.get_caller_identity().send().await.ok()?,
            Err(_) => return None,
        };
        Some(without_session(&answer.arn?).to_owned())
    }
}

/// The ARN without the session's name, which each renewal of a role session may change.
fn without_session(arn: &str) -> &str {
    let is_session = Arn::parse(arn).is_some_and(|arn| arn.is_session());
    match arn.rsplit_once('/') {
        Some((role, _session)) if is_session && role.contains('/') => role,
        _ => arn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_the_same_in_each_of_its_sessions() {
        let role = without_session("arn:aws:sts::123456789012:assumed-role/etl/assume-role-from-profile-1");
        assert_eq!(role, without_session("arn:aws:sts::123456789012:assumed-role/etl/assume-role-from-profile-2"));
        assert_ne!(role, without_session("arn:aws:sts::123456789012:assumed-role/other/s"));
        let user = "arn:aws:iam::123456789012:user/team/etl";
        assert_eq!(without_session(user), user);
    }
}
