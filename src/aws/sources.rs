//! Where the base identity's keys can come from: the SDK's providers, in the order of its default chain.
//!
//! Its chain ends at the first provider that fails. Ours passes a profile over that cannot be used: a `[default]` profile
//! that somebody has left on an instance must not hide the instance's role.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tracing::{info, warn};

use super::identity::{Load, Loaded};
use crate::fault::chain;

/// What a source is called in logs. The order is that of the SDK's default chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Source {
    Environment,
    Profile,
    WebIdentity,
    Container,
    Instance,
}

/// All sources.
#[derive(Debug)]
pub(super) struct Sources {
    /// Region, HTTP client and kind of endpoints for those that call AWS.
    config: SdkConfig,
    /// The shared files that profiles stand in.
    files: Vec<PathBuf>,
    /// `AWS_PROFILE` names a profile.
    is_profile_named: bool,
    environment: EnvironmentVariableCredentialsProvider,
    web_identity: WebIdentityTokenCredentialsProvider,
    container: EcsCredentialsProvider,
    instance: ImdsCredentialsProvider,
    last: Mutex<Last>,
}

/// What became of the last load.
#[derive(Debug, Default)]
struct Last {
    /// Who had keys.
    source: Option<Source>,
    /// A profile was passed over, and that was told.
    was_passed_over: bool,
}

impl Sources {
    /// By the environment, with what is common to all clients of AWS.
    pub(super) fn new(config: SdkConfig, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let shared = provider_config(&config);
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let home = set("HOME").map(PathBuf::from);
        let file = |name: &str, default: &str| {
            set(name).map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(default)))
        };
        let files = [file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"), file("AWS_CONFIG_FILE", ".aws/config")];
        Self {
            files: files.into_iter().flatten().collect(),
            is_profile_named: set("AWS_PROFILE").is_some(),
            environment: EnvironmentVariableCredentialsProvider::new(),
            web_identity: WebIdentityTokenCredentialsProvider::builder().configure(&shared).build(),
            container: EcsCredentialsProvider::builder().configure(&shared).build(),
            instance: ImdsCredentialsProvider::builder().configure(&shared).build(),
            config,
            last: Mutex::default(),
        }
    }

    async fn find(&self) -> Loaded {
        let mut passed_over = None;
        match self.environment.provide_credentials().await {
            Err(CredentialsError::CredentialsNotLoaded(_)) => {}
            keys => return self.found(Source::Environment, keys),
        }
        // A provider of profiles reads its files once: a new one for each load reads what stands there now.
        let profile = ProfileFileCredentialsProvider::builder().configure(&provider_config(&self.config)).build();
        match profile.provide_credentials().await {
            Err(error @ CredentialsError::CredentialsNotLoaded(_)) => {
                if self.is_profile_named {
                    passed_over = Some(error);
                }
            }
            // Who we were by the profile we stay: what fails now may do in a minute.
            Err(error) if self.last().source != Some(Source::Profile) => passed_over = Some(error),
            keys => return self.found(Source::Profile, keys),
        }
        let elsewhere = self.beyond_the_profile().await;
        match (elsewhere, passed_over) {
            (Ok((source, keys)), Some(error)) => {
                let was_told = std::mem::replace(&mut self.last().was_passed_over, true);
                if !was_told {
                    warn!(
                        error = chain(&error).as_str(),
                        identity = source.name(),
                        "the AWS profile cannot be used and is passed over"
                    );
                }
                self.found(source, Ok(keys))
            }
            (Ok((source, keys)), None) => self.found(source, Ok(keys)),
            // Nobody else has any: what is wrong with the profile is what has to be put right.
            (Err(CredentialsError::CredentialsNotLoaded(_)), Some(error)) => Err(error),
            (Err(error), _) => Err(error),
        }
    }

    async fn beyond_the_profile(&self) -> Result<(Source, Credentials), CredentialsError> {
        let others: [(Source, &dyn ProvideCredentials); 3] = [
            (Source::WebIdentity, &self.web_identity),
            (Source::Container, &self.container),
            (Source::Instance, &self.instance),
        ];
        for (source, provider) in others {
            match provider.provide_credentials().await {
                Err(CredentialsError::CredentialsNotLoaded(_)) => {}
                keys => return keys.map(|keys| (source, keys)),
            }
        }
        Err(CredentialsError::not_loaded(
            "neither the environment, a profile, a web identity, a container nor an instance has any",
        ))
    }

    fn found(&self, source: Source, keys: Loaded) -> Loaded {
        if keys.is_ok() {
            let before = self.last().source.replace(source);
            if before != Some(source) {
                info!(identity = source.name(), "found the base credentials");
            }
        }
        keys
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Load for Sources {
    fn load(&self) -> BoxFuture<'_, Loaded> {
        self.find().boxed()
    }

    fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment variables",
            Self::Profile => "profile",
            Self::WebIdentity => "web identity token",
            Self::Container => "container",
            Self::Instance => "instance metadata",
        }
    }
}

/// A new one each time: one that has been used remembers the profiles it has read.
fn provider_config(config: &SdkConfig) -> ProviderConfig {
    let provider = ProviderConfig::without_region()
        .with_region(config.region().cloned())
        .with_use_fips(config.use_fips())
        .with_use_dual_stack(config.use_dual_stack());
    match config.http_client() {
        Some(client) => provider.with_http_client(client),
        None => provider,
    }
}
