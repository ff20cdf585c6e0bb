//! The chain of sources, and which of them has keys.

use std::error::Error;
use std::path::PathBuf;

use aws_config::SdkConfig;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::{CredentialsError, TokenError};
use parking_lot::Mutex;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::aws::identity::{FileMark, LOAD_TIMEOUT, Loaded, file_marks};
use crate::aws::redact::redacted;

/// A source of keys, in the order of the SDK's default chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Source {
    Environment,
    Profile,
    WebIdentity,
    Container,
    Instance,
}

/// The SDK's providers in the order of its default chain.
#[derive(Debug)]
pub(super) struct ProviderChain {
    /// The Region, HTTP client and kind of endpoints of those providers that call AWS.
    config: SdkConfig,
    /// The shared files that have profiles.
    files: Vec<PathBuf>,
    /// `AWS_PROFILE` names a profile.
    is_profile_named: bool,
    environment: EnvironmentVariableCredentialsProvider,
    web_identity: WebIdentityTokenCredentialsProvider,
    container: EcsCredentialsProvider,
    instance: ImdsCredentialsProvider,
    /// Held for a line at a time.
    last: Mutex<Last>,
}

/// The facts that earlier loads have left for later ones.
#[derive(Debug, Default)]
struct Last {
    /// The source that had keys.
    had_keys: Option<Source>,
    /// Whether it was logged that a profile was passed over.
    is_reported: bool,
}

impl ProviderChain {
    /// Reads from the environment where the sources are. `config` is what is common to all clients
    /// of AWS, with an HTTP client for the sources alone.
    pub(super) fn new(config: SdkConfig, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let shared = provider_config(&config);
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let home = set("HOME").map(PathBuf::from);
        let file = |name: &str, default: &str| {
            set(name)
                .map(PathBuf::from)
                .or_else(|| home.as_ref().map(|home| home.join(default)))
        };
        let files = [file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"), file("AWS_CONFIG_FILE", ".aws/config")];
        Self {
            files: files.into_iter().flatten().collect(),
            is_profile_named: set("AWS_PROFILE").is_some(),
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
        }
    }

    /// The marks of the shared files now.
    pub(super) fn file_marks(&self) -> Vec<FileMark> {
        file_marks(&self.files)
    }

    /// Finds keys, on a runtime of this thread's own, which it blocks.
    pub(super) fn load(&self) -> Loaded {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(CredentialsError::provider_error)?;
        let found = runtime.block_on(async { timeout(LOAD_TIMEOUT, self.find()).await });
        // Does not wait for a name that is still being looked up.
        runtime.shutdown_background();
        found.unwrap_or_else(|_elapsed| Err(CredentialsError::provider_timed_out(LOAD_TIMEOUT)))
    }

    /// Asks one provider after the other.
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
            // A file that is being written may look as if it had none.
            Err(error) if self.is_profile_named || self.last.lock().had_keys == Some(Source::Profile) => {
                return Err(error);
            }
            Err(CredentialsError::CredentialsNotLoaded(_)) => {}
            Err(error) if is_for_good(&error) => passed_over = Some(error),
            Err(error) => return Err(error),
        }
        let elsewhere = self.behind_the_profile().await;
        match (elsewhere, passed_over) {
            (Ok((source, keys)), Some(error)) => {
                let was_reported = std::mem::replace(&mut self.last.lock().is_reported, true);
                if !was_reported {
                    warn!(
                        event = "profile passed over",
                        error = redacted(&error).as_str(),
                        identity = source.name(),
                        "the AWS profile cannot be used and is passed over"
                    );
                }
                self.found(source, Ok(keys))
            }
            (Ok((source, keys)), None) => self.found(source, Ok(keys)),
            // No other source has any, so that the profile is what has to be fixed.
            (Err(CredentialsError::CredentialsNotLoaded(_)), Some(error)) => Err(error),
            (Err(error), _) => Err(error),
        }
    }

    /// Asks the providers behind the profile.
    async fn behind_the_profile(&self) -> Result<(Source, Credentials), CredentialsError> {
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

    /// Logs the source of keys where it is another one than before.
    fn found(&self, source: Source, keys: Loaded) -> Loaded {
        if keys.is_ok() {
            let before = self.last.lock().had_keys.replace(source);
            if before != Some(source) {
                info!(event = "base credentials found", identity = source.name(), "found the base credentials");
            }
        }
        keys
    }
}

/// Whether a profile is of no use until somebody changes something: it is set up wrongly, or is one
/// of SSO without a session. Whatever else fails (a call, a program) may succeed in a minute.
fn is_for_good(error: &CredentialsError) -> bool {
    if matches!(error, CredentialsError::InvalidConfiguration(_)) {
        return true;
    }
    let mut causes = std::iter::successors(Some(error as &(dyn Error + 'static)), |&cause| cause.source());
    // The SDK has types for these causes, but only one of them is public.
    causes.any(|cause| {
        let text = cause.to_string();
        cause.is::<TokenError>() || text.contains("/.aws/sso/cache/") || text.contains("cached SSO token file")
    })
}

impl Source {
    /// The name of the source in logs.
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

/// Settings for a provider. They are made anew each time, for settings that have been used remember
/// the profiles that were read.
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
        assert!(!is_for_good(&CredentialsError::provider_timed_out(LOAD_TIMEOUT)));
        assert!(!is_for_good(&CredentialsError::unhandled("no access key id in response")));
    }
}
