//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS in PostgreSQL's messages ("SASL Authentication"). The
//! exchange itself is [`exchange`]'s.

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pgwire::messages::startup::Authentication;

use self::exchange::{Mechanism, Offer};
use super::answer::answer;
use super::error::AuthError;
use super::reason::{Reason, Verification};
use super::verifiers::Verifiers;
use crate::limits::bans::Attempt;
use crate::startup::Client;
use crate::wire::{self, Frame, WireError, take_cstr};

mod exchange;

/// The length of our nonce before base64; as many as PostgreSQL's (SCRAM_RAW_NONCE_LEN).
const NONCE_BYTES: usize = 18;

/// Runs the exchange to its end.
pub(super) async fn verify(
    client: &mut Client,
    verifiers: &Verifiers,
    attempt: &Attempt<'_>,
) -> Result<Verification, AuthError> {
    let offer = Offer::new(client.tls.as_ref().and_then(|tls| tls.end_point.clone()));
    client
        .wire
        .send(&Authentication::SASL(offer.mechanisms()))
        .await?;
    let frame = first_answer(client).await?;
    let (mechanism, message) = initial_response(&frame, &offer)?;
    let challenged = match offer.first(mechanism, message, verifiers, &nonce()?) {
        Ok(challenged) => challenged,
        Err(reason) => return Ok(Verification::Failed(reason)),
    };
    client
        .wire
        .send(&Authentication::SASLContinue(challenged.server_first().to_owned().into()))
        .await?;
    let frame = answer(client).await?;
    let proven = match challenged.last(frame.body(), verifiers) {
        Ok(proven) => proven,
        Err(reason) => return Ok(Verification::Failed(reason)),
    };
    if !attempt.is_allowed() {
        return Ok(Verification::Failed(Reason::BannedMeanwhile));
    }
    client
        .wire
        .send(&Authentication::SASLFinal(proven.server_final.into()))
        .await?;
    Ok(Verification::Proved(proven.index))
}

/// The answer to the request for SASL. A client that leaves instead may be one whose driver does
/// not know SASL, which says nothing to its user that would help: the operator is to read of it.
/// One that has named a user and nothing else is a health check (HAProxy's `pgsql-check`).
async fn first_answer(client: &mut Client) -> Result<Frame, AuthError> {
    let is_health_check = client.startup.is_of_health_check();
    answer(client).await.map_err(|error| match error {
        AuthError::Wire(gone @ (WireError::Closed | WireError::Io(_))) if !is_health_check => {
            AuthError::LeftAtSasl(gone)
        }
        other => other,
    })
}

fn nonce() -> Result<String, AuthError> {
    let mut bytes = [0; NONCE_BYTES];
    rand::fill(&mut bytes).map_err(|_unspecified| AuthError::Randomness)?;
    Ok(STANDARD.encode(bytes))
}

/// SASLInitialResponse: mechanism, length, client-first message.
fn initial_response<'f>(frame: &'f Frame, offer: &Offer) -> Result<(Mechanism, &'f [u8]), AuthError> {
    const BAD: AuthError = AuthError::Protocol("a SASLInitialResponse for SCRAM-SHA-256");
    let mut body = frame.body();
    let mechanism = take_cstr(&mut body)
        .and_then(|name| offer.mechanism(name))
        .ok_or(BAD)?;
    let (length, message) = body.split_at_checked(4).ok_or(BAD)?;
    if wire::peek_u32(length, 0) as usize == message.len() { Ok((mechanism, message)) } else { Err(BAD) }
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
        let (plain, bound) = (Offer::new(None), Offer::new(Some([1].as_slice().into())));
        let first =
            |body: &[u8], offer: &Offer| initial_response(&frame(body), offer).map(|(m, text)| (m, text.to_vec()));
        assert_eq!(first(b"SCRAM-SHA-256\0\0\0\0\x02ab", &plain).unwrap(), (Mechanism::Scram, b"ab".to_vec()));
        let plus = b"SCRAM-SHA-256-PLUS\0\0\0\0\x02ab";
        assert_eq!(first(plus, &bound).unwrap(), (Mechanism::ScramPlus, b"ab".to_vec()));
        assert!(first(plus, &plain).is_err(), "not offered");
        for body in [
            &b""[..],
            b"SCRAM-SHA-256",
            b"SCRAM-SHA-256\0",
            b"SCRAM-SHA-256\0\0\0\0",
            b"SCRAM-SHA-256\0\0\0\0\x03ab",
            b"SCRAM-SHA-256\0\0\0\0\x01ab",
            b"SCRAM-SHA-256\0\xff\xff\xff\xff",
            b"SCRAM-SHA-256\0\x80\0\0\0ab",
            b"PLAIN\0\0\0\0\x02ab",
        ] {
            assert!(first(body, &bound).is_err(), "{body:?}");
        }
    }

    #[test]
    fn nonces_are_new_each_time_and_fit_a_message() {
        let (one, other) = (nonce().unwrap(), nonce().unwrap());
        assert_ne!(one, other);
        assert_eq!((one.len(), one.contains(',')), (24, false));
    }
}
