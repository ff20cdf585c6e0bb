//! Who the client is: challenge it and check the answer.
//!
//! Ends with the proof, not with AuthenticationOk. A name that does not exist walks the same path as one that does, to
//! the same answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;
use tracing::debug;

pub(crate) use self::accounts::{Accounts, AccountsError};
use crate::config::{Method, User};
use crate::fault::{Fault, Kind};
use crate::startup::Client;
use crate::wire::refusal::Refusal;
use crate::wire::{Frame, WireError};

mod accounts;
mod certificate;
mod password;
mod scram;

/// Longest answer to a challenge, in bytes; PostgreSQL's own bound (PG_MAX_AUTH_TOKEN_LENGTH is larger, but for GSS).
const MAX_ANSWER: usize = 10_000;

/// A proven client.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) user: String,
    pub(crate) rights: Arc<User>,
}

/// Why a client is not let in.
#[derive(Debug, Error)]
pub(crate) enum AuthError {
    /// It left, as psql does to ask for the password, or broke off.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Unknown user, wrong password, disabled user: the client reads the same of all.
    #[error("{reason}")]
    Failed { user: String, reason: Reason },
    /// Something else than the answer to the challenge.
    #[error("the client broke the protocol: expected {0}")]
    Protocol(&'static str),
    /// The user's proof is a certificate, and the client has shown none.
    #[error("the client has shown no certificate")]
    CertificateMissing,
    /// A password would have to be asked for in clear.
    #[error("the user's method is cleartext, but the connection is not encrypted")]
    CleartextWithoutTls,
}

/// For the log only.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum Reason {
    #[error("wrong password")]
    WrongPassword,
    #[error("the client's certificate is in another name, or not for clients (extended key usage)")]
    WrongCertificate,
    #[error("unknown user")]
    UnknownUser,
    #[error("disabled user")]
    Disabled,
    #[error("the user's password is a reference that has not been read yet")]
    Unread,
}

/// Lets the client prove that it is `user`.
///
/// # Errors
/// See [`AuthError`].
pub(crate) async fn verify(client: &mut Client, accounts: &Accounts, user: &str) -> Result<Principal, AuthError> {
    if let Some(rights) = accounts.certified(user) {
        return certified(client, user, rights);
    }
    let account = accounts.find(user);
    let exchange = asked_as(account.method, client);
    debug!(?exchange, encrypted = client.tls.is_some(), "asking for a proof");
    let proven = match exchange {
        Exchange::Scram => scram::prove(client, &account).await?,
        Exchange::Cleartext if client.tls.is_some() => password::prove(client, &account, accounts).await?,
        Exchange::Cleartext => return Err(AuthError::CleartextWithoutTls),
    };
    let failed = |reason| Err(AuthError::Failed { user: user.to_owned(), reason });
    match account.user {
        None => failed(Reason::UnknownUser),
        Some(user) if !user.enabled => failed(Reason::Disabled),
        Some(_) if account.is_unread => failed(Reason::Unread),
        Some(_) if !proven => failed(Reason::WrongPassword),
        Some(rights) => Ok(Principal { user: user.to_owned(), rights }),
    }
}

/// Nothing is asked: the handshake has brought the proof, or not.
fn certified(client: &Client, user: &str, rights: Arc<User>) -> Result<Principal, AuthError> {
    let certificate = client.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
    let certificate = certificate.ok_or(AuthError::CertificateMissing)?;
    let failed = |reason| Err(AuthError::Failed { user: user.to_owned(), reason });
    match certificate::proves(certificate, user) {
        false => failed(Reason::WrongCertificate),
        true if !rights.enabled => failed(Reason::Disabled),
        true => Ok(Principal { user: user.to_owned(), rights }),
    }
}

/// The next message, if it is one that answers a challenge. Anything else, a second startup packet above all, has no
/// place here (CVE-2026-107350).
async fn answer(client: &mut Client) -> Result<Frame, AuthError> {
    let frame = client.wire.frame(MAX_ANSWER).await?;
    if frame.tag() == b'p' { Ok(frame) } else { Err(AuthError::Protocol("an answer to the authentication request")) }
}

#[derive(Debug)]
enum Exchange {
    Scram,
    Cleartext,
}

/// AWS's own drivers cannot do SASL (redshift-wire.md 4.4); they get a cleartext prompt, inside TLS only.
fn asked_as(method: Method, client: &Client) -> Exchange {
    match method {
        Method::Scram => Exchange::Scram,
        Method::Cleartext => Exchange::Cleartext,
        Method::Auto if client.tls.is_some() && client.startup.is_aws_driver() => Exchange::Cleartext,
        Method::Auto => Exchange::Scram,
    }
}

impl Fault for AuthError {
    fn kind(&self) -> Kind {
        Kind::Client
    }

    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Wire(WireError::Closed | WireError::Io(_)) => None,
            Self::Wire(WireError::Length(_)) => Some(Refusal::protocol("a message of a possible length")),
            Self::Failed { user, .. } => Some(Refusal::password_failed(user)),
            Self::Protocol(expected) => Some(Refusal::protocol(expected)),
            Self::CertificateMissing => Some(Refusal::certificate_required()),
            Self::CleartextWithoutTls => Some(Refusal::tls_required()),
        }
    }
}

/// All users by name.
type Users = BTreeMap<String, Arc<User>>;
