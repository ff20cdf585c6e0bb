//! SCRAM-SHA-256 as clients speak it (RFC 5802, RFC 7677), with every part open to be got wrong.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::raw::message;

/// One SCRAM exchange.
#[derive(Clone, Debug)]
pub(crate) struct Scram {
    /// The GS2 header, usually `n,,`.
    pub(crate) gs2: String,
    pub(crate) nonce: String,
}

impl Default for Scram {
    fn default() -> Self {
        Self { gs2: "n,,".into(), nonce: "rOprNGfwEbeRWgbNEkqO".into() }
    }
}

impl Scram {
    /// client-first-message.
    pub(crate) fn first(&self) -> String {
        format!("{}{}", self.gs2, self.first_bare())
    }

    fn first_bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// client-final-message, right for `password`.
    pub(crate) fn last(&self, challenge: &str, password: &str) -> String {
        let nonce = part(challenge, "r=");
        self.last_with(&STANDARD.encode(&self.gs2), nonce, challenge, password)
    }

    /// The client-final-message with another `c=` and `r=`, which the proof covers.
    pub(crate) fn last_with(&self, binding: &str, nonce: &str, challenge: &str, password: &str) -> String {
        let salt = STANDARD.decode(part(challenge, "s=")).unwrap();
        let rounds: u32 = part(challenge, "i=").parse().unwrap();
        let mut salted = [0; 32];
        let rounds = NonZeroU32::new(rounds).unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut salted);
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, &client_key);
        let unproven = format!("c={binding},r={nonce}");
        let auth_message = format!("{},{challenge},{unproven}", self.first_bare());
        let signature = sign(stored_key.as_ref(), auth_message.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(key, signature)| key ^ signature)
            .collect();
        format!("{unproven},p={}", STANDARD.encode(proof))
    }
}

/// SASLInitialResponse.
pub(crate) fn initial_response(mechanism: &str, first: &[u8]) -> Vec<u8> {
    let length = u32::try_from(first.len()).unwrap().to_be_bytes();
    message(b'p', &[mechanism.as_bytes(), b"\0", &length, first].concat())
}

/// An attribute of a SCRAM message, by its name with `=`.
pub(crate) fn part<'a>(message: &'a str, name: &str) -> &'a str {
    message
        .split(',')
        .find_map(|part| part.strip_prefix(name))
        .unwrap_or_else(|| panic!("no {name} in {message}"))
}

fn sign(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data)
        .as_ref()
        .to_vec()
}
