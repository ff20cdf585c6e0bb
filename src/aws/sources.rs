//! Where the base identity's keys can come from: the SDK's providers, in the order of its default
//! chain.
//!
//! Its chain ends at the first provider that fails. Ours passes a `default` profile over that can
//! never be used: one that somebody has left on an instance must not hide the instance's role. A
//! profile that `AWS_PROFILE` names, one that fails for now, and one that has had keys are never
//! passed over: to become somebody else is worse than to have no keys.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::identity::IdentityCache;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::{CredentialsError, TokenError};
use aws_sdk_sts::config::SharedHttpClient;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;
use tracing::{info, warn};

use super::identity::{LOAD, Load, Loaded, Look, look};
use super::words::told;
use crate::blocking::Lanes;

/// What a source is called in logs. The order is that of the SDK's default chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Source {
    Environment,
    Profile,
    WebIdentity,
    Container,
    Instance,
}

/// All sources. They read files in place, and those may hang: they are asked on a thread of their
/// own.
pub(super) struct Sources {
    chain: Arc<Chain>,
    /// One load at a time, and one look at the files: what hangs keeps its thread, and no other is
    /// begun.
    loads: Lanes<()>,
    looks: Lanes<()>,
}

#[derive(Debug)]
struct Chain {
    /// Region, HTTP client and kind of endpoints for those that call AWS.
    config: SdkConfig,
    /// The shared files that profiles stand in.
    files: Vec<PathBuf>,
    /// `AWS_PROFILE` names a profile.
    is_profile_named: bool,
    /// To ask whose keys some are.
    caller: Caller,
    environment: EnvironmentVariableCredentialsProvider,
    web_identity: WebIdentityTokenCredentialsProvider,
    container: EcsCredentialsProvider,
    instance: ImdsCredentialsProvider,
    last: Mutex<Last>,
}

/// How to ask AWS whose keys some are.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) config: SdkConfig,
    pub(super) endpoint_url: Option<String>,
    /// Where calls are made, where the base has no Region of its own.
    pub(super) otherwise: Arc<OnceLock<Region>>,
}

/// What became of the last load.
#[derive(Debug, Default)]
struct Last {
    /// The source that had keys.
    had_keys: Option<Source>,
    /// A profile was passed over, and that was told.
    was_passed_over: bool,
}

impl Sources {
    /// By the environment, with what is common to all clients of AWS. `client` is for the sources
    /// alone: its connections end with each load.
    pub(super) fn new(client: SharedHttpClient, caller: Caller, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let config = caller.config.to_builder().http_client(client).build();
        let shared = provider_config(&config);
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let home = set("HOME").map(PathBuf::from);
        let file = |name: &str, default: &str| {
            set(name)
                .map(PathBuf::from)
                .or_else(|| home.as_ref().map(|home| home.join(default)))
        };
        let files = [file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"), file("AWS_CONFIG_FILE", ".aws/config")];
        let chain = Chain {
            files: files.into_iter().flatten().collect(),
            is_profile_named: set("AWS_PROFILE").is_some(),
            caller,
            environment: EnvironmentVariableCredentialsProvider::new(),
            web_identity: WebIdentityTokenCredentialsProvider::builder()
                .configure(&shared)
                .build(),
            container: EcsCredentialsProvider::builder().configure(&shared).build(),
            instance: ImdsCredentialsProvider::builder()
                .configure(&shared)
                .build(),
            config,
            last: Mutex::default(),
        };
        let lanes = |name| Lanes::new(name, 1, 1);
        Self { chain: Arc::new(chain), loads: lanes("aws-keys"), looks: lanes("aws-files") }
    }
}

impl Chain {
    /// Runs [`Chain::find`] on a runtime that is this thread's own.
    fn load(&self) -> Loaded {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(CredentialsError::provider_error)?;
        let found = runtime.block_on(async { timeout(LOAD, self.find()).await });
        // Not to wait for a name that is still being looked up.
        runtime.shutdown_background();
        found.unwrap_or_else(|_elapsed| Err(CredentialsError::provider_timed_out(LOAD)))
    }

    async fn find(&self) -> Loaded {
        let mut passed_over = None;
        match self.environment.provide_credentials().await {
            Err(CredentialsError::CredentialsNotLoaded(_)) => {}
            keys => return self.found(Source::Environment, keys),
        }
        // A provider of profiles reads its files once: a new one for each load reads what stands
        // there now.
        let profile = ProfileFileCredentialsProvider::builder()
            .configure(&provider_config(&self.config))
            .build();
        match profile.provide_credentials().await {
            Ok(keys) => return self.found(Source::Profile, Ok(keys)),
            // Half a file, as one that is being written, looks like none.
            Err(error) if self.is_profile_named || self.last().had_keys == Some(Source::Profile) => return Err(error),
            Err(CredentialsError::CredentialsNotLoaded(_)) => {}
            Err(error) if is_for_good(&error) => passed_over = Some(error),
            Err(error) => return Err(error),
        }
        let elsewhere = self.beyond_the_profile().await;
        match (elsewhere, passed_over) {
            (Ok((source, keys)), Some(error)) => {
                let was_told = std::mem::replace(&mut self.last().was_passed_over, true);
                if !was_told {
                    warn!(
                        error = told(&error).as_str(),
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
            let before = self.last().had_keys.replace(source);
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
        let chain = Arc::clone(&self.chain);
        let unfinished = |error| Err(CredentialsError::provider_error(error));
        async move {
            self.loads
                .run((), move || chain.load())
                .await
                .unwrap_or_else(unfinished)
        }
        .boxed()
    }

    fn look(&self) -> BoxFuture<'_, Vec<Look>> {
        let chain = Arc::clone(&self.chain);
        // Without a thread there is nothing to be seen.
        async move {
            self.looks
                .run((), move || look(&chain.files))
                .await
                .unwrap_or_default()
        }
        .boxed()
    }

    fn principal<'a>(&'a self, keys: &'a Credentials) -> BoxFuture<'a, Option<String>> {
        self.chain.caller.principal(keys).boxed()
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.chain.fmt(f)
    }
}

impl Caller {
    async fn principal(&self, keys: &Credentials) -> Option<String> {
        let mut config = aws_sdk_sts::config::Builder::from(&self.config);
        config.set_region(
            self.config
                .region()
                .or_else(|| self.otherwise.get())
                .cloned(),
        );
        if let Some(url) = &self.endpoint_url {
            config.set_endpoint_url(Some(url.clone()));
        }
        let config = config
            .credentials_provider(keys.clone())
            .identity_cache(IdentityCache::no_cache());
        let client = aws_sdk_sts::Client::from_conf(config.build());
        let answer = match client.get_caller_identity().send().await {
            Ok(answer) => answer,
            // It may have been refused for the clock, which the client has learned by now.
            Err(error) if error.as_service_error().is_some() => client.get_caller_identity().send().await.ok()?,
            Err(_) => return None,
        };
        Some(without_session(&answer.arn?).to_owned())
    }
}

/// The role of a role session (`arn:P:sts::ACCOUNT:assumed-role/NAME/SESSION`): each renewal may
/// have a session's name of its own.
fn without_session(arn: &str) -> &str {
    match arn.rsplit_once('/') {
        Some((role, _session)) if role.contains(":assumed-role/") => role,
        _ => arn,
    }
}

/// Whether a profile is of no use until somebody changes something: it is set up wrongly, or is one
/// of SSO without a session. What fails besides (a call, a program) may do in a minute.
fn is_for_good(error: &CredentialsError) -> bool {
    if matches!(error, CredentialsError::InvalidConfiguration(_)) {
        return true;
    }
    let mut causes = std::iter::successors(Some(error as &(dyn Error + 'static)), |&cause| cause.source());
    // The SDK has types for it, but keeps all but one to itself.
    causes.any(|cause| {
        let text = cause.to_string();
        cause.is::<TokenError>() || text.contains("/.aws/sso/cache/") || text.contains("cached SSO token file")
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_of_no_use_where_its_set_up_or_its_sso_session_is_missing() {
        let nested = |error: TokenError| CredentialsError::provider_error(CredentialsError::provider_error(error));
        assert!(is_for_good(&CredentialsError::invalid_configuration("login_session")));
        assert!(is_for_good(&nested(TokenError::provider_error("expired"))));
        assert!(is_for_good(&CredentialsError::provider_error("failed to read `/home/u/.aws/sso/cache/ee.json`")));
        assert!(!is_for_good(&CredentialsError::provider_error("AssumeRole: ThrottlingException")));
        assert!(!is_for_good(&CredentialsError::provider_timed_out(LOAD)));
        assert!(!is_for_good(&CredentialsError::unhandled("no access key id in response")));
    }

    #[test]
    fn a_role_is_the_same_in_each_of_its_sessions() {
        let role = without_session("arn:aws:sts::123456789012:assumed-role/etl/assume-role-from-profile-1");
        assert_eq!(role, without_session("arn:aws:sts::123456789012:assumed-role/etl/assume-role-from-profile-2"));
        assert_ne!(role, without_session("arn:aws:sts::123456789012:assumed-role/other/s"));
        let user = "arn:aws:iam::123456789012:user/team/etl";
        assert_eq!(without_session(user), user);
    }
}
