//! Where AWS's services are.

use crate::config::Aws;

/// The endpoint of each service, as `AWS_ENDPOINT_URL_<SERVICE>` or else `[aws] endpoint_url` says.
///
/// `None`: the SDK says, by `AWS_ENDPOINT_URL` or its own rules. They are read here since the SDK
/// would let `AWS_ENDPOINT_URL` win over the configuration.
#[derive(Debug)]
pub(super) struct Endpoints {
    /// The URL of DynamoDB's endpoint. `None`: the SDK chooses it.
    pub(super) dynamodb: Option<String>,
    /// The URL of Redshift's endpoint. `None`: the SDK chooses it.
    pub(super) redshift: Option<String>,
    /// The URL of Redshift Serverless's endpoint. `None`: the SDK chooses it.
    pub(super) redshift_serverless: Option<String>,
    /// The URL of Secrets Manager's endpoint. `None`: the SDK chooses it.
    pub(super) secrets_manager: Option<String>,
    /// The URL of SSM's endpoint. `None`: the SDK chooses it.
    pub(super) ssm: Option<String>,
    /// The URL of STS's endpoint. `None`: the SDK chooses it.
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
