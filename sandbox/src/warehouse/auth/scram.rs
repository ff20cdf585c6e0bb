//! Authentication requests 10, 11 and 12: SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel
//! binding.
//!
//! Own code because the book may hold several good passwords for a user: all of them are tried
//! against one proof, which a server that keeps one verifier per user cannot do. Passwords are
//! ASCII, so SASLprep leaves them alone.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Dialogue, Failure, random};
use crate::warehouse::refusal::Refusal;
use crate::wire;

const MECHANISM: &str = "SCRAM-SHA-256";

/// PostgreSQL's default.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);

pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(dialogue: &mut Dialogue<'_, S>) -> Result<bool, Failure> {
    dialogue
        .ask(10, format!("{MECHANISM}\0\0").as_bytes())
        .await?;
    let body = dialogue.answer(b'p').await?;
    let exchange = initial_response(&body)
        .and_then(|first| Exchange::begin(first, &STANDARD.encode(random::<18>()), random()))
        .ok_or_else(malformed)?;
    dialogue.ask(11, exchange.server_first.as_bytes()).await?;
    let body = dialogue.answer(b'p').await?;
    let last = std::str::from_utf8(&body)
        .ok()
        .and_then(|last| exchange.client_final(last))
        .ok_or_else(malformed)?;
    let passwords = (dialogue.passwords)();
    let Some(signature) = passwords
        .iter()
        .find_map(|password| exchange.verify(&last, password))
    else {
        return Ok(false);
    };
    dialogue
        .ask(12, format!("v={}", STANDARD.encode(signature)).as_bytes())
        .await?;
    Ok(true)
}

fn malformed() -> Refusal {
    Refusal::protocol("malformed SCRAM message")
}

/// SASLInitialResponse: the mechanism's name and the first message.
fn initial_response(body: &[u8]) -> Option<&str> {
    let (mechanism, rest) = wire::text(body)?;
    let (first, rest) = wire::counted(rest)?;
    (mechanism == MECHANISM && rest.is_empty()).then(|| std::str::from_utf8(first).ok())?
}

struct Exchange {
    salt: [u8; 16],
    gs2_header: String,
    client_first_bare: String,
    nonce: String,
    server_first: String,
}

struct ClientFinal<'a> {
    without_proof: &'a str,
    proof: Vec<u8>,
}

impl Exchange {
    fn begin(client_first: &str, server_nonce: &str, salt: [u8; 16]) -> Option<Self> {
        // `n,,` or `y,,` (we offered no channel binding); an authorization id between the commas is
        // not used.
        let after_flag = client_first
            .strip_prefix("n,")
            .or_else(|| client_first.strip_prefix("y,"))?;
        let (_, bare) = after_flag.split_once(',')?;
        let gs2_header = client_first.strip_suffix(bare)?;
        let nonce = format!("{}{server_nonce}", attribute(bare, "r=").filter(|nonce| !nonce.is_empty())?);
        Some(Self {
            salt,
            gs2_header: gs2_header.to_owned(),
            client_first_bare: bare.to_owned(),
            server_first: format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(salt)),
            nonce,
        })
    }

    /// `None` also if it repeats another header or nonce than this exchange's.
    fn client_final<'a>(&self, message: &'a str) -> Option<ClientFinal<'a>> {
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let header = STANDARD.decode(attribute(without_proof, "c=")?).ok()?;
        let same = header == self.gs2_header.as_bytes() && attribute(without_proof, "r=")? == self.nonce;
        same.then_some(ClientFinal { without_proof, proof: STANDARD.decode(proof).ok()? })
    }

    /// The server's signature, if the proof was made with this password.
    fn verify(&self, last: &ClientFinal<'_>, password: &str) -> Option<Vec<u8>> {
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &self.salt, password.as_bytes(), &mut salted);
        let stored_key = digest::digest(&digest::SHA256, &hmac(&salted, b"Client Key"));
        let messages = format!("{},{},{}", self.client_first_bare, self.server_first, last.without_proof);
        let signature = hmac(stored_key.as_ref(), messages.as_bytes());
        if last.proof.len() != signature.len() {
            return None;
        }
        let client_key: Vec<u8> = last
            .proof
            .iter()
            .zip(&signature)
            .map(|(proof, mask)| proof ^ mask)
            .collect();
        let proven = digest::digest(&digest::SHA256, &client_key).as_ref() == stored_key.as_ref();
        proven.then(|| hmac(&hmac(&salted, b"Server Key"), messages.as_bytes()))
    }
}

fn attribute<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split(',').find_map(|part| part.strip_prefix(name))
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data)
        .as_ref()
        .to_vec()
}

#[cfg(test)]
mod tests {
    use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

    use super::*;

    /// An independent client against the exchange: the server's signature must satisfy it as well.
    #[test]
    fn a_foreign_client_and_this_server_agree_on_the_right_password_only() {
        for (binding, right) in [(ChannelBinding::unrequested(), true), (ChannelBinding::unsupported(), false)] {
            let mut client = ScramSha256::new(if right { b"pencil" } else { b"crayon" }, binding);
            let first = std::str::from_utf8(client.message()).unwrap();
            let exchange = Exchange::begin(first, "3rfcNHYJY1ZVvWVs7j", [7; 16]).unwrap();
            client.update(exchange.server_first.as_bytes()).unwrap();
            let last = exchange
                .client_final(std::str::from_utf8(client.message()).unwrap())
                .unwrap();
            let signature = exchange.verify(&last, "pencil");
            assert_eq!(signature.is_some(), right);
            if let Some(signature) = signature {
                client
                    .finish(format!("v={}", STANDARD.encode(signature)).as_bytes())
                    .unwrap();
            }
        }
    }

    #[test]
    fn another_nonce_header_or_a_bound_channel_is_malformed() {
        let exchange = Exchange::begin("y,,n=,r=abc", "def", [0; 16]).unwrap();
        assert!(exchange.client_final("c=eSws,r=abcdef,p=AAAA").is_some());
        for message in ["c=biws,r=abcdef,p=AAAA", "c=eSws,r=abcxyz,p=AAAA", "c=eSws,r=abcdef", ""] {
            assert!(exchange.client_final(message).is_none(), "{message}");
        }
        for first in ["p=tls-server-end-point,,n=,r=abc", "n,,n=", "n,", "n,,n=,r="] {
            assert!(Exchange::begin(first, "def", [0; 16]).is_none(), "{first}");
        }
    }
}
