//! Who the client is: challenge it and check the answer.
//!
//! Ends with the proof, not with AuthenticationOk. A name that does not exist walks the same path
//! as one that does, to the same answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;
use tracing::debug;

use self::accounts::Account;
pub(crate) use self::accounts::{Accounts, AccountsError};
use crate::blocking::Unfinished;
use crate::config::{Holder, Method, User};
use crate::fault::{Fault, Kind};
use crate::limits::bans::Attempt;
use crate::startup::Client;
use crate::startup::request::SentUser;
use crate::wire::refusal::Refusal;
use crate::wire::{Frame, WireError};

mod accounts;
mod certificate;
mod password;
mod scram;
mod verifiers;

/// Longest answer to a challenge, in bytes; PostgreSQL's own bound (PG_MAX_AUTH_TOKEN_LENGTH is
/// larger, but for GSS).
const MAX_ANSWER: usize = 10_000;

/// A proven client.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) user: String,
    pub(crate) holder: Holder,
    /// Which of its passwords it showed, from 0. `None`: it needed none.
    pub(crate) slot: Option<usize>,
}

/// Why a client is not let in.
#[derive(Debug, Error)]
pub(crate) enum AuthError {
    /// It left, as psql does to ask for the password, or broke off.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// It left, without a word, when it was asked for SASL: psql, to ask its user for the password,
    /// or a driver that does not know SASL (libpq before 10, pgjdbc before 42.2, AWS's ODBC
    /// driver).
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
    /// Something else than the answer to the challenge.
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

/// For the log only.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum Reason {
    #[error("wrong password")]
    WrongPassword,
    #[error(
        "the client's certificate is in another name, or not for clients (extended key usage), or its only name is a common name \
             and a CA of its chain has name constraints"
    )]
    WrongCertificate,
    #[error("a malformed SCRAM message")]
    Malformed,
    #[error("the proof is bound to another channel or nonce: somebody is in between, or the client is in error")]
    OtherExchange,
    /// The proof was made with the right password, so it is no guess.
    #[error(
        "the password is right, but its proof is bound to another TLS channel: TLS ends ahead of us, or somebody is in between"
    )]
    OtherChannel,
    #[error("the client says that it saw no offer of channel binding, but it was made one: somebody is in between")]
    Downgrade,
    /// A ban began while this login was under way. We do not say whether the proof was right; a
    /// cleartext password was not even hashed.
    #[error("too many wrong proofs meanwhile")]
    Withheld,
    #[error("unknown user")]
    UnknownUser,
    #[error("disabled user")]
    Disabled,
    #[error("expired password")]
    Expired,
    /// Nothing that can be proved is known of the user, so that whatever it shows may be right.
    #[error("the user's password is a reference that has not been read yet, or that leads to nothing usable")]
    Unread,
}

impl Reason {
    /// Whether an exchange that ended so was a wrong guess: a proof that was finished, and wrong.
    fn is_guess(self) -> bool {
        match self {
            Self::WrongPassword | Self::WrongCertificate | Self::OtherExchange => true,
            // No proof was finished (after a malformed message or a downgrade none can be), or it
            // was right.
            Self::Malformed | Self::OtherChannel | Self::Downgrade | Self::Withheld => false,
            // Of the account, not of an exchange.
            Self::UnknownUser | Self::Disabled | Self::Expired | Self::Unread => false,
        }
    }
}

/// Lets the client prove that it is `user`. A conn_id behind the user's name changes nothing here:
/// whether it leads anywhere is judged after the proof.
///
/// # Errors
/// See [`AuthError`].
pub(crate) async fn verify(
    client: &mut Client,
    accounts: &Accounts,
    user: &SentUser,
    attempt: &Attempt<'_>,
) -> Result<Principal, AuthError> {
    if let Some(holder) = accounts.certified(user.name()) {
        return certified(client, user, holder);
    }
    let account = accounts.find(user.name());
    let shown = prove(client, accounts, &account, attempt).await?;
    let principal = judge(user, account, shown)?;
    debug!(user = principal.user.as_str(), slot = principal.slot, "proved");
    Ok(principal)
}

/// Which password the client showed, or why none.
async fn prove(
    client: &mut Client,
    accounts: &Accounts,
    account: &Account,
    attempt: &Attempt<'_>,
) -> Result<Result<usize, Reason>, AuthError> {
    let exchange = asked_as(account.method, client);
    debug!(?exchange, encrypted = client.tls.is_some(), "asking for a proof");
    match exchange {
        Exchange::Scram => scram::prove(client, &account.verifiers, attempt).await,
        Exchange::Cleartext if client.tls.is_some() => password::prove(client, account, accounts, attempt).await,
        Exchange::Cleartext => Err(AuthError::CleartextWithoutTls),
    }
}

/// Turns the account and its proof into a principal. If the account itself is barred, that reason
/// is logged rather than the proof's, but whether it was a guess is a matter of the exchange alone:
/// the same bytes count alike for every name.
fn judge(user: &SentUser, account: Account, shown: Result<usize, Reason>) -> Result<Principal, AuthError> {
    let is_guess = account.is_counted && shown.is_err_and(Reason::is_guess);
    match (account.user, shown) {
        (Ok(holder), Ok(slot)) => Ok(Principal { user: user.name().to_owned(), holder, slot: Some(slot) }),
        (Err(reason), _) | (Ok(_), Err(reason)) => Err(AuthError::Failed { user: user.clone(), reason, is_guess }),
    }
}

/// Nothing is asked: the handshake has brought the proof, or not.
fn certified(client: &Client, user: &SentUser, holder: Holder) -> Result<Principal, AuthError> {
    let tls = client
        .tls
        .as_ref()
        .and_then(|tls| Some((tls.certificate.as_ref()?, tls.is_constrained)));
    let (certificate, is_constrained) = tls.ok_or(AuthError::CertificateMissing)?;
    // Of a disabled user the right certificate counts like another's, as the right password does.
    let failed = |reason| Err(AuthError::Failed { user: user.clone(), reason, is_guess: true });
    match certificate::proves(certificate, is_constrained, user.name()) {
        false => failed(Reason::WrongCertificate),
        true if !holder.rights.enabled => failed(Reason::Disabled),
        true => Ok(Principal { user: user.name().to_owned(), holder, slot: None }),
    }
}

/// The next message, if it is one that answers a challenge. Anything else, a second startup packet
/// above all, has no place here (CVE-2026-107350).
async fn answer(client: &mut Client) -> Result<Frame, AuthError> {
    let frame = client.wire.frame(MAX_ANSWER).await?;
    if frame.tag() == b'p' { Ok(frame) } else { Err(AuthError::Protocol("an answer to the authentication request")) }
}

#[derive(Debug)]
enum Exchange {
    Scram,
    Cleartext,
}

/// AWS's own drivers cannot do SASL (docs/protocol/redshift-wire.md 4.4); they get a cleartext
/// prompt, inside TLS only. In clear they are told that TLS is required, upon which JDBC's
/// `sslmode=allow` comes back with it.
fn asked_as(method: Method, client: &Client) -> Exchange {
    match method {
        Method::Scram => Exchange::Scram,
        Method::Cleartext => Exchange::Cleartext,
        Method::Auto if client.startup.is_aws_driver() => Exchange::Cleartext,
        Method::Auto => Exchange::Scram,
    }
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

/// All users by name.
type Users = BTreeMap<String, Arc<User>>;
