//! The base AWS identity, and one set of clients for each region.

use std::sync::Arc;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_sts::config::Credentials;
use dashmap::DashMap;

use crate::config::Aws;

/// Tries of one call, the first included; the SDK waits between them with full jitter.
const ATTEMPTS: u32 = 3;

/// How to call AWS. Its HTTP connections belong to the runtime that calls.
#[derive(Debug)]
pub struct Base {
    config: SdkConfig,
    endpoints: Endpoints,
    /// By region; as many as configuration names. A client is dear to make: it loads trust anchors.
    clients: DashMap<Option<String>, Arc<Clients>>,
}

/// The services that the proxy calls, in one region, under the base identity.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) redshift_serverless: aws_sdk_redshiftserverless::Client,
    pub(crate) ssm: aws_sdk_ssm::Client,
    pub(crate) sts: aws_sdk_sts::Client,
}

/// Where services are, most specific first: `AWS_ENDPOINT_URL_<SERVICE>`, `[aws] endpoint_url`. `None`: where the SDK
/// says, by `AWS_ENDPOINT_URL` or its own rules. Left alone, the SDK would let the second win over the first.
#[derive(Debug)]
struct Endpoints {
    redshift_serverless: Option<String>,
    ssm: Option<String>,
    sts: Option<String>,
}

impl Base {
    /// By the SDK's default chain: environment, profile, web identity, ECS, EKS Pod Identity, IMDSv2. Calls no API.
    pub async fn from_environment(aws: &Aws, env: &dyn Fn(&str) -> Option<String>) -> Self {
        Self::load(aws_config::defaults(BehaviorVersion::latest()), aws, env).await
    }

    /// By static keys: for tests, whose environment is not theirs to change.
    pub async fn with_keys(aws: &Aws, access_key_id: &str, secret_access_key: &str) -> Self {
        let keys = Credentials::new(access_key_id, secret_access_key, None, None, "static keys");
        let loader = aws_config::defaults(BehaviorVersion::latest()).credentials_provider(keys);
        Self::load(loader, aws, &|_| None).await
    }

    async fn load(mut loader: ConfigLoader, aws: &Aws, env: &dyn Fn(&str) -> Option<String>) -> Self {
        if let Some(region) = &aws.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let endpoint = |service: &str| env(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| aws.endpoint_url.clone());
        let endpoints = Endpoints {
            redshift_serverless: endpoint("REDSHIFT_SERVERLESS"),
            ssm: endpoint("SSM"),
            sts: endpoint("STS"),
        };
        let config = loader.retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS)).load().await;
        Self { config, endpoints, clients: DashMap::new() }
    }

    /// The same with bounds on every call.
    pub(crate) fn with_timeouts(self, timeouts: TimeoutConfig) -> Self {
        Self { config: self.config.into_builder().timeout_config(timeouts).build(), ..self }
    }

    /// The clients of a region (default: the base's own).
    pub(crate) fn clients(&self, region: Option<&str>) -> Arc<Clients> {
        Arc::clone(&self.clients.entry(region.map(str::to_owned)).or_insert_with(|| Arc::new(self.make(region))))
    }

    /// The clients of the base's own region, or of `otherwise` where it has none.
    pub(crate) fn home_clients(&self, otherwise: Option<&str>) -> Arc<Clients> {
        self.clients(if self.config.region().is_none() { otherwise } else { None })
    }

    fn make(&self, region: Option<&str>) -> Clients {
        let mut config = self.config.to_builder();
        if let Some(region) = region {
            config.set_region(Region::new(region.to_owned()));
        }
        let config = config.build();
        let mut redshift_serverless = aws_sdk_redshiftserverless::config::Builder::from(&config);
        let mut ssm = aws_sdk_ssm::config::Builder::from(&config);
        let mut sts = aws_sdk_sts::config::Builder::from(&config);
        if let Some(url) = &self.endpoints.redshift_serverless {
            redshift_serverless.set_endpoint_url(Some(url.clone()));
        }
        if let Some(url) = &self.endpoints.ssm {
            ssm.set_endpoint_url(Some(url.clone()));
        }
        if let Some(url) = &self.endpoints.sts {
            sts.set_endpoint_url(Some(url.clone()));
        }
        Clients {
            redshift_serverless: aws_sdk_redshiftserverless::Client::from_conf(redshift_serverless.build()),
            ssm: aws_sdk_ssm::Client::from_conf(ssm.build()),
            sts: aws_sdk_sts::Client::from_conf(sts.build()),
        }
    }
}
