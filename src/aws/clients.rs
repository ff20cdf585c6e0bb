//! The base AWS identity, and one set of clients for each region.

use std::sync::{Arc, OnceLock};

use aws_config::identity::IdentityCache;
use aws_config::meta::region::RegionProviderChain;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::error::TokenError;
use aws_credential_types::provider::{future, token::ProvideToken};
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use dashmap::DashMap;
use thiserror::Error;

use super::forward_proxy::{self, ForwardProxy};
use super::identity::Identity;
use super::region;
use super::skew::Skew;
use super::sources::{PrincipalLookup, Sources};
use crate::clock::{Clock, SystemClock};
use crate::config::{Aws, HomeRegion};

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
    /// `None`: static keys.
    identity: Option<Identity>,
    /// The forward proxy that calls by https go through. `None`: they go straight to AWS.
    proxy: Option<ForwardProxy>,
    endpoints: Arc<Endpoints>,
    /// What the answers' dates tell of this machine's clock.
    skew: Skew,
    /// The first Region that was called, where the base has none.
    called: Arc<OnceLock<Region>>,
    /// By region.
    clients: DashMap<Option<String>, Arc<Clients>>,
}

/// Where services are, most specific first: `AWS_ENDPOINT_URL_<SERVICE>`, `[aws] endpoint_url`.
/// `None`: where the SDK says, by `AWS_ENDPOINT_URL` or its own rules. Left alone, the SDK would
/// let the second win over the first.
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
    /// By the environment: keys as the SDK's default chain finds them, and a forward proxy where
    /// there is one. Calls no API, but the metadata service for the Region where `home` needs it.
    pub async fn from_environment(aws: &Aws, home: HomeRegion, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let proxy = ForwardProxy::of(env);
        let client = forward_proxy::http_client(proxy.as_ref());
        let config = ProviderConfig::without_region().with_http_client(client.clone());
        let region = region::find(aws, home, &config).await;
        // A chain of one, for the SDK's own would ask the metadata service.
        let region = RegionProviderChain::first_try(region);
        // Nor are bearer tokens of any use, whose chain would ask it too.
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            .region(region);
        let loader = loader.token_provider(NoToken);
        let base = Self::load(loader.no_credentials(), aws, env).await;
        let principals = PrincipalLookup {
            config: base.config.clone(),
            endpoint_url: base.endpoints.sts.clone(),
            called: Arc::clone(&base.called),
        };
        let sources = Sources::new(forward_proxy::http_client(proxy.as_ref()), principals, env);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let identity = Identity::new(Box::new(sources), base.skew.correct(&clock));
        let keys = SharedCredentialsProvider::new(identity.clone());
        // The identity is its own cache, which the SDK's would only hide.
        let config = base
            .config
            .into_builder()
            .credentials_provider(keys)
            .identity_cache(IdentityCache::no_cache());
        Self { config: config.build(), identity: Some(identity), proxy, ..base }
    }

    /// By static keys: for tests, whose environment is not theirs to change.
    pub async fn with_keys(aws: &Aws, access_key_id: &str, secret_access_key: &str) -> Self {
        let keys = Credentials::new(access_key_id, secret_access_key, None, None, "static keys");
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).credentials_provider(keys);
        if let Some(region) = &aws.region {
            loader = loader.region(Region::new(region.clone()));
        }
        Self::load(loader, aws, &|_| None).await
    }

    async fn load(loader: ConfigLoader, aws: &Aws, env: &dyn Fn(&str) -> Option<String>) -> Self {
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
        let (skew, called) = (Skew::default(), Arc::default());
        Self { config, identity: None, proxy: None, endpoints, skew, called, clients: DashMap::new() }
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
        if let Some(region) = &region {
            self.called.get_or_init(|| Region::new(region.clone()));
        }
        let made = Arc::new(self.make(region.as_deref()));
        if self.clients.len() >= MAX_REGIONS {
            // The base's own stay; the others are made again when they are needed.
            self.clients.retain(|region, _| region.is_none());
        }
        Arc::clone(&self.clients.entry(region).or_insert(made))
    }

    /// Which keys of the base identity are in use: for [`Base::renew`].
    pub(crate) fn generation(&self) -> u64 {
        self.identity.as_ref().map_or(0, Identity::generation)
    }

    /// Which identity that is: another number once it is, or may be, another. What was got under
    /// the one before is not to be used any more.
    pub(crate) fn identity_number(&self) -> u64 {
        self.identity.as_ref().map_or(0, Identity::number)
    }

    /// What is known of this machine's clock.
    pub(crate) fn skew(&self) -> &Skew {
        &self.skew
    }

    /// AWS has refused the keys of this generation: reads them again where they come from. Whether
    /// there are others now.
    pub(crate) async fn renew(&self, seen: u64) -> bool {
        match &self.identity {
            Some(identity) => identity.renew(seen).await,
            None => false,
        }
    }

    /// The forward proxy that calls to AWS's own endpoints go through, and the variable that names
    /// it. `None` also where AWS is called by plain http, on loopback.
    pub(crate) fn forward_proxy(&self) -> Option<(&str, &'static str)> {
        let url = self.endpoints.sts.as_deref().or(self.config.endpoint_url());
        let is_plain = url.is_some_and(|url| url.starts_with("http:"));
        self.proxy
            .as_ref()
            .filter(|_| !is_plain)
            .map(|proxy| (&*proxy.address, proxy.variable))
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
            skew: self.skew.clone(),
            dynamodb: OnceLock::new(),
            redshift: OnceLock::new(),
            redshift_serverless: OnceLock::new(),
            secrets_manager: OnceLock::new(),
            ssm: OnceLock::new(),
            sts: OnceLock::new(),
        }
    }
}

/// No service that the proxy calls takes a bearer token.
#[derive(Debug)]
struct NoToken;

impl ProvideToken for NoToken {
    fn provide_token<'a>(&'a self) -> future::ProvideToken<'a>
    where
        Self: 'a,
    {
        future::ProvideToken::ready(Err(TokenError::not_loaded("no bearer tokens here")))
    }
}

/// The services that the proxy calls, in one region, under the base identity. A client is dear to
/// make, and most configurations need few of them: each is made at its first call.
#[derive(Debug)]
pub(crate) struct Clients {
    config: SdkConfig,
    endpoints: Arc<Endpoints>,
    skew: Skew,
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
                let mut config = $sdk::config::Builder::from(&self.config).interceptor(self.skew.clone());
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
