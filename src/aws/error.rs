//! How a call is named, and what may go wrong with it.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::code::Code;
use super::operation::Operation;
use crate::cache::FetchError;
use crate::config::BoundsError;
use crate::fault::Kind;
use crate::wire::refusal::Refusal;

/// The name of a call to AWS in logs and in `check`: the operation, and what it is called on. It
/// never holds a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Call {
    /// The operation that is called.
    pub(crate) operation: Operation,
    /// The parameter, secret, role, workgroup or cluster that is asked about. Empty where there is
    /// nothing to name.
    pub(crate) on: String,
    /// The Region that was asked, once it is known: a thing that is not there may be in another.
    pub(crate) region: Option<String>,
}

impl Call {
    /// Names a call, as yet without a Region.
    pub(crate) fn new(operation: Operation, on: &str) -> Self {
        Self { operation, on: on.to_owned(), region: None }
    }

    /// Names the same call, made in `region`. `None`: the Region is not known.
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
    /// AWS refused the call for good, because a right, a name or a value is wrong.
    #[error("{call} was refused ({code})")]
    Denied { call: Call, code: Code, source: Box<dyn Error + Send + Sync> },
    /// AWS asked for fewer calls, and did so until the call was given up.
    #[error("{call} was throttled ({code})")]
    Throttled { call: Call, code: Code, source: Box<dyn Error + Send + Sync> },
    /// AWS could not be reached or failed. The same call may succeed later.
    #[error("{call} failed ({code})")]
    Unavailable { call: Call, code: Code, source: Box<dyn Error + Send + Sync> },
    /// AWS answered, but the answer or the stored value in it cannot be used.
    #[error("{call}: {what}")]
    Unusable { call: Call, what: &'static str },
    /// The file that `web_identity_token_file` names cannot be read.
    #[error("web_identity_token_file {}", path.display())]
    TokenFile { path: PathBuf, source: std::io::Error },
    /// The spec and its secret together say too little for a login, or contradict each other.
    #[error("the spec, with its secret: {0}")]
    Spec(String),
    /// The spec goes beyond the bounds that its writer is held to.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
    /// The deadline of the flight passed. `name` says what it was to fetch.
    #[error("{name}: no answer within {}s", .after.as_secs_f32())]
    Deadline { name: String, after: Duration },
    /// The flight panicked or was stopped.
    #[error("the flight was lost")]
    Lost,
    /// The flight failed since another one, whose value it needed, failed with this error.
    #[error(transparent)]
    Needed(Arc<AwsError>),
    /// An error is wrapped together with `what`, the part of the spec that led to it.
    #[error("{what}")]
    Of { what: String, source: Arc<AwsError> },
}

impl AwsError {
    /// The error that began it, whichever flight it came from.
    pub(crate) fn root(&self) -> &Self {
        match self {
            Self::Needed(error) | Self::Of { source: error, .. } => error.root(),
            error => error,
        }
    }

    /// Whether asking again is of no use before somebody fixes something.
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

    /// Whether it is the error of another flight, whose cache remembers it.
    pub(crate) fn is_needed(&self) -> bool {
        match self {
            Self::Needed(_) => true,
            Self::Of { source, .. } => source.is_needed(),
            _ => false,
        }
    }

    /// Wraps the error, so that it names the part of the spec (`what`) that led to it.
    pub(crate) fn of(self: Arc<Self>, what: impl Into<String>) -> Arc<Self> {
        Arc::new(Self::Of { what: what.into(), source: self })
    }

    /// Whether AWS asked for fewer calls.
    pub(crate) fn is_throttled(&self) -> bool {
        matches!(self.root(), Self::Throttled { .. })
    }

    /// The class of a login that this error ends.
    pub(crate) fn kind(&self) -> Kind {
        match self.root() {
            Self::Lost => Kind::Internal,
            error if error.is_final() => Kind::Operator,
            _ => Kind::Unavailable,
        }
    }

    /// The refusal that a client reads whose login this error ends.
    pub(crate) fn refusal(&self, conn_id: &str) -> Refusal {
        match self.kind() {
            Kind::Internal => Refusal::internal(),
            Kind::Operator => Refusal::not_available(conn_id),
            Kind::Client | Kind::Unavailable => Refusal::not_now(conn_id),
        }
    }

    /// Why the call failed, in a word. `None`: something else than a call failed.
    pub(crate) fn code(&self) -> Option<&Code> {
        match self.root() {
            Self::Denied { code, .. } | Self::Throttled { code, .. } | Self::Unavailable { code, .. } => Some(code),
            _ => None,
        }
    }
}

impl FetchError for AwsError {
    /// Whether AWS need not be asked again for a while. Another flight's error is remembered by
    /// that flight's cache, and to read a file again costs nobody anything.
    fn is_remembered(&self) -> bool {
        self.is_final() && !self.is_needed() && !matches!(self.root(), Self::TokenFile { .. })
    }

    /// Whether the error is final and about what was asked for, so that a value fetched before is
    /// not to be used either. An AWS that does not know the caller any more has said nothing about
    /// that.
    fn revokes(&self) -> bool {
        self.is_final() && !self.code().is_some_and(Code::is_of_caller)
    }

    fn deadline(name: String, after: Duration) -> Self {
        Self::Deadline { name, after }
    }

    fn lost() -> Self {
        Self::Lost
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
