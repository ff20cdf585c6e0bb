//! A password that the client sends as it is, inside TLS; it is checked against the same verifiers.

use pgwire::messages::startup::Authentication;

use super::accounts::{Accounts, PasswordAccount};
use super::answer::answer;
use super::error::AuthError;
use super::reason::{Reason, Verification};
use crate::limits::bans::Attempt;
use crate::secret::Secret;
use crate::startup::Client;
use crate::wire::take_cstr;

/// Asks for the password and checks it. redshift_connector sends a Flush right behind its answer:
/// it stays in the buffer and goes upstream with the client's first bytes, where it does no harm.
pub(super) async fn verify(
    client: &mut Client,
    account: &PasswordAccount,
    accounts: &Accounts,
    attempt: &Attempt<'_>,
) -> Result<Verification, AuthError> {
    client.wire.send(&Authentication::CleartextPassword).await?;
    let frame = answer(client).await?;
    let mut body = frame.body();
    let password = match take_cstr(&mut body) {
        Some(password) if body.is_empty() => Secret::new(password.to_owned()),
        _ => return Err(AuthError::Protocol("a PasswordMessage")),
    };
    drop(frame);
    if !attempt.is_allowed() {
        return Ok(Verification::Failed(Reason::BannedMeanwhile));
    }
    let index = accounts
        .check_password(account, client.peer.address.ip(), password)
        .await
        .map_err(AuthError::Unfinished)?;
    Ok(index.map_or(Verification::Failed(Reason::WrongPassword), Verification::Proved))
}
