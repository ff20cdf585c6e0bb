//! How the proof of a client ends without one.

use thiserror::Error;

use super::reason::Reason;
use crate::blocking::Unfinished;
use crate::fault::{Fault, Kind};
use crate::startup::request::SentUser;
use crate::wire::WireError;
use crate::wire::refusal::Refusal;

/// Why a client is not let in.
#[derive(Debug, Error)]
pub(crate) enum AuthError {
    /// The client left, as psql does to ask for the password, or broke off.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The client left without a word when it was asked for SASL: psql, to ask its user for the
    /// password, or a driver that does not know SASL (libpq before 10, pgjdbc before 42.2, AWS's
    /// ODBC driver).
    #[error(
        "the client left when it was asked for SASL: either to ask its user for the password first, as psql does, or because \
         its driver has no SCRAM (users.*.method = \"cleartext\" serves such drivers)"
    )]
    LeftAtSasl(#[source] WireError),
    /// The client has proved nothing, whatever the [`Reason`]: unknown, disabled or expired user,
    /// wrong password or certificate, a SCRAM exchange that does not add up. The client reads the
    /// same of all.
    #[error("{reason}")]
    Failed {
        user: SentUser,
        reason: Reason,
        /// Whether it was a wrong guess, which leads to a ban. Only what every name is judged by
        /// decides it, or a ban would tell who has an account.
        is_guess: bool,
    },
    /// The client sent something else than the answer to the challenge.
    #[error("the client broke the protocol: expected {0}")]
    Protocol(&'static str),
    /// The user's proof is a certificate, and the client has shown none.
    #[error("the client has shown no certificate")]
    CertificateMissing,
    /// A password would have to be asked for in clear.
    #[error("the user's method is cleartext, but the connection is not encrypted")]
    CleartextWithoutTls,
    /// The system gave no random bytes.
    #[error("no randomness for a nonce")]
    Randomness,
    /// The password that the client sent could not be checked.
    #[error("the key derivation of the client's password did not finish")]
    Unfinished(#[source] Unfinished),
}

impl Fault for AuthError {
    fn kind(&self) -> Kind {
        match self {
            Self::Wire(_)
            | Self::LeftAtSasl(_)
            | Self::Failed { .. }
            | Self::Protocol(_)
            | Self::CertificateMissing
            | Self::CleartextWithoutTls => Kind::Client,
            Self::Randomness | Self::Unfinished(_) => Kind::Internal,
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Wire(WireError::Closed | WireError::Io(_)) | Self::LeftAtSasl(_) => None,
            Self::Wire(WireError::Length(_)) => Some(Refusal::protocol("a message of a possible length")),
            Self::Failed { user, .. } => Some(Refusal::password_failed(user.as_sent())),
            Self::Protocol(expected) => Some(Refusal::protocol(expected)),
            Self::CertificateMissing => Some(Refusal::certificate_required()),
            Self::CleartextWithoutTls => Some(Refusal::tls_required()),
            Self::Randomness | Self::Unfinished(_) => Some(Refusal::internal()),
        }
    }
}
