//! Why there is no login.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::config::BoundsError;
use crate::fault::{Fault, Kind};
use crate::wire::refusal::Refusal;

/// A call to AWS as logs and `check` name it: what is called, and on what. Never a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Call {
    pub(crate) operation: &'static str,
    /// A parameter, a secret, a role, a workgroup, a cluster; empty where there is nothing to name.
    pub(crate) on: String,
}

impl Call {
    pub(crate) fn new(operation: &'static str, on: &str) -> Self {
        Self { operation, on: on.to_owned() }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        if self.on.is_empty() { Ok(()) } else { write!(f, " {}", self.on) }
    }
}

/// Why nothing was fetched, or what was fetched cannot be used.
#[derive(Debug, Error)]
pub(crate) enum MintError {
    /// AWS refused for good: a right, a name or a value is wrong.
    #[error("{call} was refused ({code})")]
    Denied { call: Call, code: String, source: Box<dyn Error + Send + Sync> },
    /// AWS said "slower".
    #[error("{call} was throttled ({code})")]
    Throttled { call: Call, code: String, source: Box<dyn Error + Send + Sync> },
    /// Unreachable or failing: another time it may do.
    #[error("{call} failed ({code})")]
    Unavailable { call: Call, code: String, source: Box<dyn Error + Send + Sync> },
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
    /// The flight's deadline passed.
    #[error("no answer within {}s", .0.as_secs_f32())]
    Deadline(Duration),
    /// The flight panicked or was stopped.
    #[error("the flight was lost")]
    Lost,
    /// Another flight that this one needed.
    #[error(transparent)]
    Needed(Arc<MintError>),
}

impl MintError {
    /// The error itself, whichever flight it came from.
    pub(crate) fn root(&self) -> &Self {
        match self {
            Self::Needed(error) => error.root(),
            error => error,
        }
    }

    /// Worth remembering: asking again at once would only spend quota.
    pub(crate) fn is_final(&self) -> bool {
        match self.root() {
            Self::Denied { .. } | Self::Unusable { .. } | Self::TokenFile { .. } | Self::Spec(_) | Self::Bounds(_) => {
                true
            }
            Self::Throttled { .. } | Self::Unavailable { .. } | Self::Deadline(_) | Self::Lost | Self::Needed(_) => {
                false
            }
        }
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

    /// The code that AWS answered with.
    pub(crate) fn code(&self) -> Option<&str> {
        match self.root() {
            Self::Denied { code, .. } | Self::Throttled { code, .. } | Self::Unavailable { code, .. } => Some(code),
            _ => None,
        }
    }
}

/// A [`MintError`] on the way to a connection. The error is shared by all who waited for the same flight.
#[derive(Debug, Error)]
#[error("connection {conn_id}: no credential")]
pub(crate) struct CredentialError {
    pub(crate) conn_id: String,
    pub(crate) source: Arc<MintError>,
}

impl Fault for CredentialError {
    fn kind(&self) -> Kind {
        self.source.kind()
    }

    fn refusal(&self) -> Option<Refusal> {
        Some(self.source.refusal(&self.conn_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_flight_is_our_fault_and_a_deadline_is_nobodys() {
        let told = |error| {
            let error = CredentialError { conn_id: "x".into(), source: Arc::new(error) };
            (error.kind(), error.refusal())
        };
        assert_eq!(told(MintError::Lost), (Kind::Internal, Some(Refusal::internal())));
        let deadline = MintError::Deadline(Duration::from_secs(20));
        assert_eq!(told(deadline), (Kind::Unavailable, Some(Refusal::not_now("x"))));
        let spec = || MintError::Spec("no database".into());
        assert_eq!(told(spec()), (Kind::Operator, Some(Refusal::not_available("x"))));
        assert_eq!(told(MintError::Needed(Arc::new(spec()))), (Kind::Operator, Some(Refusal::not_available("x"))));
    }
}
