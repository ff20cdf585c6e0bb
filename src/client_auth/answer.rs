//! The client's answer to an authentication request.

use super::error::AuthError;
use crate::startup::Client;
use crate::wire::Frame;

/// Longest answer to a challenge, in bytes; PostgreSQL's own bound (PG_MAX_AUTH_TOKEN_LENGTH is
/// larger, but for GSS).
const MAX_ANSWER: usize = 10_000;

/// Reads the next message, which must be one that answers a challenge. Anything else, a second
/// startup packet above all, has no place here (CVE-2026-107350).
pub(super) async fn answer(client: &mut Client) -> Result<Frame, AuthError> {
    let frame = client.wire.frame(MAX_ANSWER).await?;
    if frame.tag() == b'p' { Ok(frame) } else { Err(AuthError::Protocol("an answer to the authentication request")) }
}
