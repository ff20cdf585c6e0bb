//! Database logins derived from IAM: what one is, and who mints it.

use std::error::Error;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use thiserror::Error;

use crate::config::{ConnSpec, Role};
use crate::fault::{Fault, Kind};
use crate::secret::Secret;
use crate::wire::refusal::Refusal;

pub(crate) mod cache;
pub(crate) mod failure;
pub(crate) mod serverless;

/// A database user and its password.
#[derive(Debug)]
pub(crate) struct DbLogin {
    /// Copied from the API, byte for byte: it is the startup message's user and part of the MD5 hash.
    pub(crate) user: String,
    pub(crate) password: Secret,
    /// AWS's wall clock. `None`: it does not expire.
    pub(crate) expires_at: Option<SystemTime>,
}

/// Everything that shapes a credential, and nothing else: the cache's key.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Order {
    pub(crate) region: Option<String>,
    pub(crate) workgroup: String,
    pub(crate) database: String,
    pub(crate) role: Option<Role>,
    /// 900–3600 s, the range GetCredentials accepts (configuration has checked it).
    pub(crate) life: Duration,
}

impl Order {
    /// What has to be asked for to open `spec`.
    pub(crate) fn new(spec: &ConnSpec) -> Self {
        Self {
            region: spec.region.clone(),
            workgroup: spec.workgroup.clone(),
            database: spec.database.clone(),
            role: spec.role.clone(),
            life: spec.password_duration,
        }
    }
}

/// Mints logins.
pub(crate) trait MintLogin: Send + Sync {
    /// Fetches a new login, all calls included. The expiry returned is AWS's wall clock; the cache subtracts its
    /// margin, callers do not.
    fn mint<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<DbLogin, MintError>>;
}

/// Why no login was minted.
#[derive(Debug, Error)]
pub(crate) enum MintError {
    /// AWS refused for good: a right, a name or a value is wrong.
    #[error("{operation} was refused ({code})")]
    Denied { operation: &'static str, code: String, source: Box<dyn Error + Send + Sync> },
    /// Throttled, unreachable or failing: another time it may do.
    #[error("{operation} failed ({code})")]
    Unavailable { operation: &'static str, code: String, source: Box<dyn Error + Send + Sync> },
    /// An answer, or a stored value, that cannot be used.
    #[error("{operation}: {what}")]
    Unusable { operation: &'static str, what: &'static str },
    /// The flight's deadline passed.
    #[error("no credential within {}s", .0.as_secs_f32())]
    Deadline(Duration),
    /// The flight panicked or was stopped.
    #[error("the credential flight was lost")]
    Lost,
}

impl MintError {
    /// Worth remembering: asking again at once would only spend quota.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Denied { .. } | Self::Unusable { .. })
    }

    /// Calls have to become fewer.
    pub(crate) fn is_throttled(&self) -> bool {
        matches!(self, Self::Unavailable { code, .. } if failure::is_throttling(code))
    }
}

/// A [`MintError`] on the way to a connection. The error is shared by all who waited for the same flight.
#[derive(Debug, Error)]
#[error("connection {conn_id}: no credential")]
pub(crate) struct CredentialError {
    pub(crate) conn_id: String,
    pub(crate) source: std::sync::Arc<MintError>,
}

impl Fault for CredentialError {
    fn kind(&self) -> Kind {
        match *self.source {
            MintError::Denied { .. } | MintError::Unusable { .. } => Kind::Operator,
            MintError::Unavailable { .. } | MintError::Deadline(_) => Kind::Unavailable,
            MintError::Lost => Kind::Internal,
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        Some(match *self.source {
            MintError::Denied { .. } | MintError::Unusable { .. } => Refusal::not_available(&self.conn_id),
            MintError::Unavailable { .. } | MintError::Deadline(_) => Refusal::not_now(&self.conn_id),
            MintError::Lost => Refusal::internal(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_flight_is_our_fault_and_a_deadline_is_nobodys() {
        let told = |error| {
            let error = CredentialError { conn_id: "x".into(), source: std::sync::Arc::new(error) };
            (error.kind(), error.refusal())
        };
        assert_eq!(told(MintError::Lost), (Kind::Internal, Some(Refusal::internal())));
        let deadline = MintError::Deadline(Duration::from_secs(20));
        assert_eq!(told(deadline), (Kind::Unavailable, Some(Refusal::not_now("x"))));
    }
}
