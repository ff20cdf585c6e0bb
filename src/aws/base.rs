//! How AWS is called: the base identity, and one set of clients for each Region.

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
use parking_lot::Mutex;
use thiserror::Error;

use super::clients::Clients;
use super::endpoints::Endpoints;
use super::forward_proxy::{self, ForwardProxy};
use super::identity::BaseIdentity;
use super::region;
use super::skew::Skew;
use super::sources::{PrincipalLookup, Sources};
use crate::clock::{Clock, SystemClock};
use crate::config::{Aws, HomeRegion};

/// The most Regions whose clients are kept: more than AWS has, fewer than a writer of specs can
/// make up.
const MAX_REGIONS: usize = 64;

/// The system has no CA certificates. The AWS SDK would panic at its first call.
#[derive(Debug, Error)]
#[error("there are no CA certificates to verify AWS by: install ca-certificates, or set SSL_CERT_FILE")]
pub struct NoRoots;

/// Checks that AWS can be verified at all. This has to be done before a [`Base`] is made.
///
/// # Errors
/// The system has no CA certificate.
pub(crate) fn require_roots() -> Result<(), NoRoots> {
    if rustls_native_certs::load_native_certs().certs.is_empty() { Err(NoRoots) } else { Ok(()) }
}

/// How to call AWS. Its HTTP connections belong to the runtime that makes the first call.
#[derive(Debug)]
pub struct Base {
    config: SdkConfig,
    /// The deadlines of every call that clients make. `None`: the SDK's own.
    timeouts: Mutex<Option<TimeoutConfig>>,
    /// The keys that are found in the environment. `None`: the keys are static.
    identity: Option<BaseIdentity>,
    /// The forward proxy that calls by https go through. `None`: they go straight to AWS.
    proxy: Option<ForwardProxy>,
    endpoints: Arc<Endpoints>,
    /// The difference between this machine's clock and AWS's, as the dates of AWS's answers tell
    /// it.
    skew: Skew,
    /// The first Region that was called, where the base has none.
    called: Arc<OnceLock<Region>>,
    /// The clients by Region; `None` is the base's own. All who call share them.
    clients: DashMap<Option<String>, Arc<Clients>>,
}

impl Base {
    /// Takes keys where the SDK's default chain finds them, and a forward proxy from the
    /// environment where there is one. This calls no API, but asks the metadata service for the
    /// Region where `home` needs it.
    pub async fn from_environment(aws: &Aws, home: HomeRegion, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let proxy = ForwardProxy::of(env);
        let client = forward_proxy::http_client(proxy.as_ref());
        let config = ProviderConfig::without_region().with_http_client(client.clone());
        let region = region::find(aws, home, &config).await;
        // A chain of one provider, for the SDK's own chain would ask the metadata service.
        let region = RegionProviderChain::first_try(region);
        // The chain of bearer tokens, which are of no use here, would ask it too.
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
        let identity = BaseIdentity::new(Box::new(sources), base.skew.correct(&clock));
        let keys = SharedCredentialsProvider::new(identity.clone());
        // The identity is its own cache, which the SDK's would only hide.
        let config = base
            .config
            .into_builder()
            .credentials_provider(keys)
            .identity_cache(IdentityCache::no_cache());
        Self { config: config.build(), identity: Some(identity), proxy, ..base }
    }

    /// Takes static keys. It is for tests, which cannot change the environment of their process.
    pub async fn with_keys(aws: &Aws, access_key_id: &str, secret_access_key: &str) -> Self {
        let keys = Credentials::new(access_key_id, secret_access_key, None, None, "static keys");
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).credentials_provider(keys);
        if let Some(region) = &aws.region {
            loader = loader.region(Region::new(region.clone()));
        }
        Self::load(loader, aws, &|_| None).await
    }

    async fn load(loader: ConfigLoader, aws: &Aws, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let endpoints = Arc::new(Endpoints::new(aws, env));
        // The gate retries, for it knows what is throttled and who else is waiting.
        let config = loader.retry_config(RetryConfig::disabled()).load().await;
        let (skew, called) = (Skew::default(), Arc::default());
        let (timeouts, clients) = (Mutex::default(), DashMap::new());
        Self { config, timeouts, identity: None, proxy: None, endpoints, skew, called, clients }
    }

    /// Sets the deadlines of every call that clients of this base make from now on. The clients
    /// that there are go on with theirs for those who hold them.
    pub(crate) fn set_timeouts(&self, timeouts: TimeoutConfig) {
        let before = self.timeouts.lock().replace(timeouts.clone());
        if before != Some(timeouts) {
            self.clients.clear();
        }
    }

    /// The clients of a Region. `None`: the base's own Region.
    pub(crate) fn clients(&self, region: Option<&str>) -> Arc<Clients> {
        let region = region.map(str::to_owned);
        if let Some(clients) = self.clients.get(&region) {
            return Arc::clone(&clients);
        }
        if let Some(region) = &region {
            self.called.get_or_init(|| Region::new(region.clone()));
        }
        let mut config = self.config.to_builder();
        if let Some(timeouts) = self.timeouts.lock().clone() {
            config.set_timeout_config(Some(timeouts));
        }
        if let Some(region) = &region {
            config.set_region(Region::new(region.clone()));
        }
        let made = Arc::new(Clients::new(config.build(), Arc::clone(&self.endpoints), self.skew.clone()));
        if self.clients.len() >= MAX_REGIONS {
            // The clients of the base's own Region stay. Others are made again when they are
            // needed.
            self.clients.retain(|region, _| region.is_none());
        }
        Arc::clone(&self.clients.entry(region).or_insert(made))
    }

    /// The number of the keys of the base identity that are in use, which [`Base::renew`] takes.
    pub(crate) fn generation(&self) -> u64 {
        self.identity.as_ref().map_or(0, BaseIdentity::generation)
    }

    /// The number of the base identity. It changes once the keys are, or may be, another
    /// identity's; whatever was fetched under the one before must not be used any more.
    pub(crate) fn identity_number(&self) -> u64 {
        self.identity.as_ref().map_or(0, BaseIdentity::number)
    }

    /// The difference between this machine's clock and AWS's, as far as it is known.
    pub(crate) fn skew(&self) -> &Skew {
        &self.skew
    }

    /// Loads the keys again, since AWS has refused those of generation `seen`. The answer is
    /// whether there are others now.
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

    /// The Region to call in: `None`, which is the base's own, or `otherwise` where it has none.
    pub(crate) fn home<'r>(&self, otherwise: Option<&'r str>) -> Option<&'r str> {
        otherwise.filter(|_| self.config.region().is_none())
    }

    /// The name of the Region that [`Base::clients`] calls in, where one is known.
    pub(crate) fn region_name<'r>(&'r self, region: Option<&'r str>) -> Option<&'r str> {
        region.or_else(|| self.config.region().map(Region::as_ref))
    }
}

/// A provider without bearer tokens, since no service that the proxy calls takes one.
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
