//! SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677; PostgreSQL protocol, "SASL Authentication").
//!
//! The exchange itself is pgwire's; messages are checked here before its decoders see them, and whatever it objects
//! to becomes one answer.

use pgwire::api::auth::sasl::scram::{ScramSecret, ScramServerAuth};
use pgwire::messages::startup::Authentication;
use tracing::trace;

use super::accounts::Account;
use super::{AuthError, answer};
use crate::startup::Client;
use crate::wire::{self, Frame, take_cstr};

/// The one mechanism offered.
const MECHANISM: &str = "SCRAM-SHA-256";

/// Runs the exchange to its end. `Ok(false)`: the proof is wrong, or nothing that could be one.
pub(super) async fn prove(client: &mut Client, account: &Account) -> Result<bool, AuthError> {
    client.wire.send(&Authentication::SASL(vec![MECHANISM.to_owned()])).await?;
    let frame = answer(client).await?;
    let first = initial_response(&frame)?;
    let verifier = &account.verifier;
    let secret = ScramSecret::Verifier {
        salt: verifier.salt.clone(),
        iterations: verifier.iterations as usize,
        stored_key: verifier.stored_key.to_vec(),
        server_key: verifier.server_key.to_vec(),
    };
    let Ok((challenge, exchange)) = ScramServerAuth::new().on_client_first_message_with_secret(first, secret) else {
        trace!("malformed first SCRAM message");
        return Ok(false);
    };
    client.wire.send(&Authentication::SASLContinue(challenge.into())).await?;
    let frame = answer(client).await?;
    let Ok(server_proof) = exchange.on_client_final_message(frame.body()) else { return Ok(false) };
    client.wire.send(&Authentication::SASLFinal(server_proof.into())).await?;
    Ok(true)
}

/// SASLInitialResponse: mechanism, length, client-first message.
fn initial_response(frame: &Frame) -> Result<&[u8], AuthError> {
    const BAD: AuthError = AuthError::Protocol("a SASLInitialResponse for SCRAM-SHA-256");
    let mut body = frame.body();
    if take_cstr(&mut body).ok_or(BAD)? != MECHANISM {
        return Err(BAD);
    }
    let (length, message) = body.split_at_checked(4).ok_or(BAD)?;
    if wire::peek_u32(length, 0) as usize == message.len() { Ok(message) } else { Err(BAD) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &[u8]) -> Frame {
        let length = u32::try_from(4 + body.len()).unwrap();
        Frame::from_bytes(&[b"p", &length.to_be_bytes()[..], body].concat())
    }

    #[test]
    fn initial_responses_are_checked_before_they_are_used() {
        assert_eq!(initial_response(&frame(b"SCRAM-SHA-256\0\0\0\0\x02ab")).unwrap(), b"ab");
        for body in [
            &b""[..],
            b"SCRAM-SHA-256",
            b"SCRAM-SHA-256\0",
            b"SCRAM-SHA-256\0\0\0\0",
            b"SCRAM-SHA-256\0\0\0\0\x03ab",
            b"SCRAM-SHA-256\0\0\0\0\x01ab",
            b"SCRAM-SHA-256\0\xff\xff\xff\xff",
            b"SCRAM-SHA-256\0\x80\0\0\0ab",
            b"SCRAM-SHA-256-PLUS\0\0\0\0\x02ab",
            b"PLAIN\0\0\0\0\x02ab",
        ] {
            assert!(initial_response(&frame(body)).is_err(), "{body:?}");
        }
    }
}
