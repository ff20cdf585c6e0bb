//! Where AWS's services are.

use crate::config::Aws;

/// The endpoint of each service, as `AWS_ENDPOINT_URL_<SERVICE>` or else `[aws] endpoint_url` says.
///
/// `None`: the SDK says, by `AWS_ENDPOINT_URL` or its own rules. They are read here since the SDK
/// would let `AWS_ENDPOINT_URL` win over the configuration.
#[derive(Debug)]
pub(super) struct Endpoints {
    pub(super) dynamodb: Option<String>,
    pub(super) redshift: Option<String>,
    pub(super) redshift_serverless: Option<String>,
    pub(super) secrets_manager: Option<String>,
    pub(super) ssm: Option<String>,
    pub(super) sts: Option<String>,
}

impl Endpoints {
    /// Reads the endpoints from environment and configuration.
    pub(super) fn new(aws: &Aws, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let endpoint = |service: &str| env(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| aws.endpoint_url.clone());
        Self {
            dynamodb: endpoint("DYNAMODB"),
            redshift: endpoint("REDSHIFT"),
            redshift_serverless: endpoint("REDSHIFT_SERVERLESS"),
            secrets_manager: endpoint("SECRETS_MANAGER"),
            ssm: endpoint("SSM"),
            sts: endpoint("STS"),
        }
    }
}
