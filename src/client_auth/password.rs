//! The password itself, inside TLS, checked against the same verifiers.

use pgwire::messages::startup::Authentication;

use super::accounts::{Account, Accounts};
use super::{AuthError, Reason, answer};
use crate::limits::bans::Attempt;
use crate::secret::Secret;
use crate::startup::Client;
use crate::wire::take_cstr;

/// Asks and checks: which password was told, or that it is none. redshift_connector sends a Flush
/// right behind its answer: it stays in the buffer and goes upstream with the client's first bytes,
/// where it does no harm.
pub(super) async fn prove(
    client: &mut Client,
    account: &Account,
    accounts: &Accounts,
    attempt: &Attempt<'_>,
) -> Result<Result<usize, Reason>, AuthError> {
    client.wire.send(&Authentication::CleartextPassword).await?;
    let frame = answer(client).await?;
    let mut body = frame.body();
    let password = match take_cstr(&mut body) {
        Some(password) if body.is_empty() => Secret::new(password.to_owned()),
        _ => return Err(AuthError::Protocol("a PasswordMessage")),
    };
    drop(frame);
    if !attempt.is_allowed() {
        return Ok(Err(Reason::Withheld));
    }
    let slot = accounts
        .slot_of(account, client.peer.address.ip(), password)
        .await
        .map_err(AuthError::Unfinished)?;
    Ok(slot.ok_or(Reason::WrongPassword))
}
