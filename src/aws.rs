//! The base AWS identity, and one set of clients for each region.

use std::sync::{Arc, OnceLock};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_sts::config::Credentials;
use dashmap::DashMap;
use thiserror::Error;

use crate::config::Aws;

/// Regions whose clients are kept: more than AWS has, fewer than a writer of specs can make up.
const MAX_REGIONS: usize = 64;

/// The AWS SDK would panic at its first call.
#[derive(Debug, Error)]
#[error("there are no CA certificates to verify AWS by: install ca-certificates, or set SSL_CERT_FILE")]
pub struct NoRoots;

/// Whether AWS can be verified at all: to be asked before a [`Base`] is made.
///
/// # Errors
/// The system has no CA certificate.
pub(crate) fn require_roots() -> Result<(), NoRoots> {
    if rustls_native_certs::load_native_certs().certs.is_empty() { Err(NoRoots) } else { Ok(()) }
}

/// How to call AWS. Its HTTP connections belong to the runtime that calls.
#[derive(Debug)]
pub struct Base {
    config: SdkConfig,
    endpoints: Arc<Endpoints>,
    /// By region.
    clients: DashMap<Option<String>, Arc<Clients>>,
}

/// Where services are, most specific first: `AWS_ENDPOINT_URL_<SERVICE>`, `[aws] endpoint_url`. `None`: where the SDK
/// says, by `AWS_ENDPOINT_URL` or its own rules. Left alone, the SDK would let the second win over the first.
#[derive(Debug)]
struct Endpoints {
    dynamodb: Option<String>,
    redshift: Option<String>,
    redshift_serverless: Option<String>,
    secrets_manager: Option<String>,
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
        let endpoints = Arc::new(Endpoints {
            dynamodb: endpoint("DYNAMODB"),
            redshift: endpoint("REDSHIFT"),
            redshift_serverless: endpoint("REDSHIFT_SERVERLESS"),
            secrets_manager: endpoint("SECRETS_MANAGER"),
            ssm: endpoint("SSM"),
            sts: endpoint("STS"),
        });
        // Trying again is the gate's business: it knows what is throttled, and who else is waiting.
        let config = loader.retry_config(RetryConfig::disabled()).load().await;
        Self { config, endpoints, clients: DashMap::new() }
    }

    /// The same with bounds on every call.
    #[must_use]
    pub(crate) fn with_timeouts(self, timeouts: TimeoutConfig) -> Self {
        Self { config: self.config.into_builder().timeout_config(timeouts).build(), ..self }
    }

    /// The clients of a region (default: the base's own).
    pub(crate) fn clients(&self, region: Option<&str>) -> Arc<Clients> {
        let region = region.map(str::to_owned);
        if let Some(clients) = self.clients.get(&region) {
            return Arc::clone(&clients);
        }
        let made = Arc::new(self.make(region.as_deref()));
        if self.clients.len() >= MAX_REGIONS {
            // The base's own stay; the others are made again when they are needed.
            self.clients.retain(|region, _| region.is_none());
        }
        Arc::clone(&self.clients.entry(region).or_insert(made))
    }

    /// The base's own region, or `otherwise` where it has none: `None` is the base's own.
    pub(crate) fn home<'r>(&self, otherwise: Option<&'r str>) -> Option<&'r str> {
        otherwise.filter(|_| self.config.region().is_none())
    }

    /// The name of the region that [`Base::clients`] means, where one is known.
    pub(crate) fn region_name<'r>(&'r self, region: Option<&'r str>) -> Option<&'r str> {
        region.or_else(|| self.config.region().map(Region::as_ref))
    }

    fn make(&self, region: Option<&str>) -> Clients {
        let mut config = self.config.to_builder();
        if let Some(region) = region {
            config.set_region(Region::new(region.to_owned()));
        }
        Clients {
            config: config.build(),
            endpoints: Arc::clone(&self.endpoints),
            dynamodb: OnceLock::new(),
            redshift: OnceLock::new(),
            redshift_serverless: OnceLock::new(),
            secrets_manager: OnceLock::new(),
            ssm: OnceLock::new(),
            sts: OnceLock::new(),
        }
    }
}

/// The services that the proxy calls, in one region, under the base identity. A client is dear to make, and most
/// configurations need few of them: each is made at its first call.
#[derive(Debug)]
pub(crate) struct Clients {
    config: SdkConfig,
    endpoints: Arc<Endpoints>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    redshift: OnceLock<aws_sdk_redshift::Client>,
    redshift_serverless: OnceLock<aws_sdk_redshiftserverless::Client>,
    secrets_manager: OnceLock<aws_sdk_secretsmanager::Client>,
    ssm: OnceLock<aws_sdk_ssm::Client>,
    sts: OnceLock<aws_sdk_sts::Client>,
}

macro_rules! client {
    ($service:ident, $sdk:ident) => {
        pub(crate) fn $service(&self) -> &$sdk::Client {
            self.$service.get_or_init(|| {
                let mut config = $sdk::config::Builder::from(&self.config);
                if let Some(url) = &self.endpoints.$service {
                    config.set_endpoint_url(Some(url.clone()));
                }
                $sdk::Client::from_conf(config.build())
            })
        }
    };
}

impl Clients {
    client!(dynamodb, aws_sdk_dynamodb);
    client!(redshift, aws_sdk_redshift);
    client!(redshift_serverless, aws_sdk_redshiftserverless);
    client!(secrets_manager, aws_sdk_secretsmanager);
    client!(ssm, aws_sdk_ssm);
    client!(sts, aws_sdk_sts);
}
