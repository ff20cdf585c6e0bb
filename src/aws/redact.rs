//! The SDK's own words about calls that failed and keys that it did not find, without what they
//! quote.

use std::env::VarError;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;

/// The mark behind which the SDK quotes what a `credential_process` wrote to its standard error,
/// where `set -x` writes keys.
const QUOTED: &str = "Stderr:";

/// Writes an error and its causes in one line, without secrets.
///
/// The SDK's words about a body that it cannot read quote the body, and its words about a variable,
/// a document or a program that failed quote those. Such causes are named here, and not quoted.
pub(super) fn redacted(error: &(dyn Error + 'static)) -> String {
    let mut causes = Vec::<String>::new();
    for cause in std::iter::successors(Some(error), |&cause| cause.source()) {
        let text = cause.to_string();
        let ours = if cause.is::<VarError>() {
            Some("an environment variable is not UTF-8".to_owned())
        } else if text.contains("JSON") {
            Some("a document is not the JSON that it should be".to_owned())
        } else {
            text.split_once(QUOTED)
                .map(|(before, _quoted)| format!("{before}(what it wrote to stderr is not shown)"))
        };
        let is_last = ours.is_some();
        let text = ours.unwrap_or(text);
        if causes.last() != Some(&text) {
            causes.push(text);
        }
        if is_last {
            break;
        }
    }
    causes.join(": ")
}

/// The error of one load, shared by all who waited for it.
#[derive(Clone, Debug)]
pub(super) struct SharedError(Arc<CredentialsError>);

impl SharedError {
    /// Makes an error of the SDK's one that several waiters can share.
    pub(super) fn new(error: CredentialsError) -> Self {
        Self(Arc::new(error))
    }

    /// Makes an error of the same kind, with the same words and causes.
    pub(super) fn to_error(&self) -> CredentialsError {
        match &*self.0 {
            CredentialsError::CredentialsNotLoaded(_) => CredentialsError::not_loaded(self.clone()),
            CredentialsError::InvalidConfiguration(_) => CredentialsError::invalid_configuration(self.clone()),
            CredentialsError::ProviderError(_) | CredentialsError::ProviderTimedOut(_) => {
                CredentialsError::provider_error(self.clone())
            }
            _ => CredentialsError::unhandled(self.clone()),
        }
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stderr_of_a_credential_process_is_redacted() {
        let text =
            "Error retrieving credentials: external process exited with code exit status: 1. Stderr: + echo planted";
        let inner = CredentialsError::provider_error(text);
        let error = CredentialsError::provider_error(inner);
        for error in [SharedError::new(error).to_error(), CredentialsError::provider_error(text)] {
            let told = redacted(&error);
            assert!(!told.contains("planted") && told.contains("exited with code exit status: 1"), "{told}");
        }
    }

    #[test]
    fn an_error_that_many_wait_for_keeps_its_kind_and_its_causes() {
        let again = SharedError::new(CredentialsError::invalid_configuration("a profile that is not there"));
        let error = again.to_error();
        assert!(matches!(error, CredentialsError::InvalidConfiguration(_)));
        assert!(redacted(&error).ends_with("a profile that is not there"));
        assert!(matches!(
            SharedError::new(CredentialsError::not_loaded("none")).to_error(),
            CredentialsError::CredentialsNotLoaded(_)
        ));
    }
}
