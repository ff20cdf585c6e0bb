//! Who the client is: challenges it and checks the answer.
//!
//! Ends with the proof, not with AuthenticationOk. A name that does not exist walks the same path
//! as one that does, to the same answer.

use tracing::debug;

use self::accounts::{Account, PasswordAccount};
pub(crate) use self::accounts::{Accounts, AccountsError, Standing};
pub(crate) use self::error::AuthError;
pub(crate) use self::reason::Reason;
use self::reason::Verification;
use crate::config::{Holder, Method};
use crate::limits::bans::Attempt;
use crate::startup::Client;
use crate::startup::request::SentUser;

mod accounts;
mod answer;
mod certificate;
mod error;
mod password;
mod reason;
mod scram;
mod verifiers;

/// A client that has proved who it is.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    /// The name that the client has proved to have.
    pub(crate) user: String,
    /// The entry of the configuration that the user falls under, with its rights.
    pub(crate) holder: Holder,
    /// The index of the verifier whose password the client showed. `None`: a certificate proved it.
    pub(crate) verifier_index: Option<usize>,
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
    let account = match accounts.find(user.name()) {
        Account::Certificate(holder) => return verify_certificate(client, user, holder),
        Account::Password(account) => account,
    };
    let verification = verify_password(client, accounts, &account, attempt).await?;
    let principal = conclude(user, account, verification)?;
    // From 1, as the metric counts them.
    let slot = principal.verifier_index.map(|index| index + 1);
    debug!(user = principal.user.as_str(), slot, "proved");
    Ok(principal)
}

async fn verify_password(
    client: &mut Client,
    accounts: &Accounts,
    account: &PasswordAccount,
    attempt: &Attempt<'_>,
) -> Result<Verification, AuthError> {
    let exchange = exchange_for(account.method, client);
    debug!(?exchange, encrypted = client.tls.is_some(), "asking for a proof");
    match exchange {
        Exchange::Scram => scram::verify(client, &account.verifiers, attempt).await,
        Exchange::Cleartext if client.tls.is_some() => password::verify(client, account, accounts, attempt).await,
        Exchange::Cleartext => Err(AuthError::CleartextWithoutTls),
    }
}

/// Turns the account and its proof into a principal. If the account itself is barred, that reason
/// is logged rather than the proof's, but whether it was a guess is a matter of the exchange alone:
/// the same bytes count alike for every name.
fn conclude(user: &SentUser, account: PasswordAccount, verification: Verification) -> Result<Principal, AuthError> {
    let failed = |reason, is_guess| Err(AuthError::Failed { user: user.clone(), reason, is_guess });
    match (account.holder, verification) {
        (Ok(holder), Verification::Proved(index)) => {
            Ok(Principal { user: user.name().to_owned(), holder, verifier_index: Some(index) })
        }
        (Err(barred), Verification::Proved(_)) => failed(barred, false),
        (Err(barred), Verification::Failed(why)) => failed(barred, account.is_counted && why.is_guess()),
        (Ok(_), Verification::Failed(why)) => failed(why, account.is_counted && why.is_guess()),
    }
}

/// Asks for nothing: the TLS handshake has brought the certificate, or has not.
fn verify_certificate(client: &Client, user: &SentUser, holder: Holder) -> Result<Principal, AuthError> {
    let tls = client
        .tls
        .as_ref()
        .and_then(|tls| Some((tls.certificate.as_ref()?, tls.is_constrained)));
    let (certificate, is_constrained) = tls.ok_or(AuthError::CertificateMissing)?;
    // Of a disabled user the right certificate counts like another's, as the right password does.
    let failed = |reason| Err(AuthError::Failed { user: user.clone(), reason, is_guess: true });
    match certificate::proves(certificate, is_constrained, user.name()) {
        false => failed(Reason::WrongCertificate),
        true if !holder.rights().enabled => failed(Reason::Disabled),
        true => Ok(Principal { user: user.name().to_owned(), holder, verifier_index: None }),
    }
}

#[derive(Debug)]
enum Exchange {
    Scram,
    Cleartext,
}

/// Chooses how to ask for the password. AWS's own drivers cannot do SASL
/// (docs/protocol/redshift-wire.md 4.4); they get a cleartext prompt, inside TLS only. In clear
/// they are told that TLS is required, upon which JDBC's `sslmode=allow` comes back with it.
fn exchange_for(method: Method, client: &Client) -> Exchange {
    match method {
        Method::Scram => Exchange::Scram,
        Method::Cleartext => Exchange::Cleartext,
        Method::Auto if client.startup.is_aws_driver() => Exchange::Cleartext,
        Method::Auto => Exchange::Scram,
    }
}
