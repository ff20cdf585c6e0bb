//! What a call is named, and what may go wrong with it.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::code::Code;
use super::operation::Operation;
use crate::config::BoundsError;
use crate::fault::Kind;
use crate::wire::refusal::Refusal;

/// A call to AWS as logs and `check` name it: what is called, and on what. Never a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    /// A parameter, a secret, a role, a workgroup, a cluster; empty where there is nothing to name.
    pub(crate) on: String,
    /// Where it was asked, once that is known: what is not there may be elsewhere.
    pub(crate) region: Option<String>,
}

impl Call {
    pub(crate) fn new(operation: Operation, on: &str) -> Self {
        Self { operation, on: on.to_owned(), region: None }
    }

    pub(super) fn within(&self, region: Option<&str>) -> Self {
        Self { region: region.map(str::to_owned), ..self.clone() }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operation.fmt(f)?;
        if !self.on.is_empty() {
            write!(f, " {}", self.on)?;
        }
        self.region
            .as_ref()
            .map_or(Ok(()), |region| write!(f, " in {region}"))
    }
}

/// Why nothing was fetched, or what was fetched cannot be used.
#[derive(Debug, Error)]
pub(crate) enum AwsError {
    /// AWS refused for good: a right, a name or a value is wrong.
    #[error("{call} was refused ({code})")]
    Denied { call: Call, code: Code, source: Box<dyn Error + Send + Sync> },
    /// AWS said "slower".
    #[error("{call} was throttled ({code})")]
    Throttled { call: Call, code: Code, source: Box<dyn Error + Send + Sync> },
    /// Unreachable or failing: another time it may do.
    #[error("{call} failed ({code})")]
    Unavailable { call: Call, code: Code, source: Box<dyn Error + Send + Sync> },
    /// An answer, or a stored value, that cannot be used.
    #[error("{call}: {what}")]
    Unusable { call: Call, what: &'static str },
    /// `web_identity_token_file` cannot be read.
    #[error("web_identity_token_file {}", path.display())]
    TokenFile { path: PathBuf, source: std::io::Error },
    /// The spec and its secret together do not say enough, or say what cannot be.
    #[error("the spec, with its secret: {0}")]
    Spec(String),
    /// The spec's writer may not say what it says.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
    /// The flight's deadline passed. `name`: what it was to bring.
    #[error("{name}: no answer within {}s", .after.as_secs_f32())]
    Deadline { name: String, after: Duration },
    /// The flight panicked or was stopped.
    #[error("the flight was lost")]
    Lost,
    /// Another flight that this one needed.
    #[error(transparent)]
    Needed(Arc<AwsError>),
    /// Another error, and what of the spec led to it.
    #[error("{what}")]
    Of { what: String, source: Arc<AwsError> },
}

impl AwsError {
    /// The error itself, whichever flight it came from.
    pub(crate) fn root(&self) -> &Self {
        match self {
            Self::Needed(error) | Self::Of { source: error, .. } => error.root(),
            error => error,
        }
    }

    /// Asking again would change nothing: somebody has to mend something.
    pub(crate) fn is_final(&self) -> bool {
        match self.root() {
            Self::Denied { .. } | Self::Unusable { .. } | Self::TokenFile { .. } | Self::Spec(_) | Self::Bounds(_) => {
                true
            }
            Self::Throttled { .. }
            | Self::Unavailable { .. }
            | Self::Deadline { .. }
            | Self::Lost
            | Self::Needed(_)
            | Self::Of { .. } => false,
        }
    }

    /// Of another flight, which remembers it itself.
    pub(crate) fn is_needed(&self) -> bool {
        match self {
            Self::Needed(_) => true,
            Self::Of { source, .. } => source.is_needed(),
            _ => false,
        }
    }

    /// Whether AWS need not be asked again for a while. A file costs nobody anything.
    pub(crate) fn is_remembered(&self) -> bool {
        self.is_final() && !self.is_needed() && !matches!(self.root(), Self::TokenFile { .. })
    }

    /// Final, and about what was asked for: what was fetched before is not to be used either. An
    /// AWS that does not know any more who asks has said nothing about that.
    pub(crate) fn revokes(&self) -> bool {
        self.is_final() && !self.code().is_some_and(Code::is_of_caller)
    }

    /// The same, told with what of the spec led to it.
    pub(crate) fn of(self: Arc<Self>, what: impl Into<String>) -> Arc<Self> {
        Arc::new(Self::Of { what: what.into(), source: self })
    }

    /// AWS asked for patience.
    pub(crate) fn is_throttled(&self) -> bool {
        matches!(self.root(), Self::Throttled { .. })
    }

    /// How it is classed where it ends a login.
    pub(crate) fn kind(&self) -> Kind {
        match self.root() {
            Self::Lost => Kind::Internal,
            error if error.is_final() => Kind::Operator,
            _ => Kind::Unavailable,
        }
    }

    /// What the client reads of it.
    pub(crate) fn refusal(&self, conn_id: &str) -> Refusal {
        match self.kind() {
            Kind::Internal => Refusal::internal(),
            Kind::Operator => Refusal::not_available(conn_id),
            Kind::Client | Kind::Unavailable => Refusal::not_now(conn_id),
        }
    }

    /// Why the call failed, in a word. `None`: it is no call that failed.
    pub(crate) fn code(&self) -> Option<&Code> {
        match self.root() {
            Self::Denied { code, .. } | Self::Throttled { code, .. } | Self::Unavailable { code, .. } => Some(code),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_another_flight_or_of_a_file_are_not_cached_again() {
        let spec = || Arc::new(AwsError::Spec("no database".into()));
        assert!(AwsError::Spec(String::new()).is_remembered());
        assert!(AwsError::Of { what: "password".into(), source: spec() }.is_remembered());
        for not in [
            AwsError::Needed(spec()),
            AwsError::Of { what: "external_id".into(), source: Arc::new(AwsError::Needed(spec())) },
            AwsError::TokenFile { path: "token".into(), source: std::io::ErrorKind::NotFound.into() },
            AwsError::Lost,
        ] {
            assert!(!not.is_remembered(), "{not:?}");
        }
    }

    #[test]
    fn an_identity_that_aws_no_longer_knows_does_not_revoke_held_values() {
        let denied = |code: &str| {
            let source = Box::new(fmt::Error);
            AwsError::Denied { call: Call::new(Operation::GetParameter, "/x"), code: code.into(), source }
        };
        for code in ["AccessDenied", "AccessDeniedException", "ParameterNotFound", "ResourceNotFoundException"] {
            assert_eq!((denied(code).is_final(), denied(code).revokes()), (true, true), "{code}");
        }
        for code in [
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "OptInRequired",
            "RequestExpired",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ] {
            assert_eq!((denied(code).is_final(), denied(code).revokes()), (true, false), "{code}");
        }
        assert!(!AwsError::Lost.revokes());
    }
}
