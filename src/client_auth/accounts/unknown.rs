//! Unknown users: their made-up verifiers, and their names in logs and bans. Also the salts of
//! passwords that came without one.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;

use crate::client_auth::verifiers::{Keys, Verifiers};
use crate::config::MAX_PASSWORDS;
use crate::crypto::verifier::SALT_BYTES;
use crate::secret::SecretBytes;

/// Makes up what an unknown user is checked against. All of it is an HMAC of the name, so that it
/// never changes and replicas agree.
pub(super) struct Fakes {
    key: hmac::Key,
}

impl Fakes {
    /// Makes everything up by this key, which all replicas share.
    pub(super) fn new(key: hmac::Key) -> Self {
        Self { key }
    }

    /// Makes verifiers that no password matches.
    pub(super) fn verifiers(&self, name: &str, iterations: u32) -> Verifiers {
        Verifiers { salt: self.salt(name), iterations, keys: self.keys(name) }
    }

    /// Makes keys that no password leads to.
    pub(super) fn keys(&self, name: &str) -> [Keys; MAX_PASSWORDS] {
        let keys =
            |stored: &[u8], server: &[u8]| Keys { stored: self.tag(stored, name), server: self.tag(server, name) };
        [keys(b"stored key", b"server key"), keys(b"second stored key", b"second server key")]
    }

    /// Makes the salt of a name.
    pub(super) fn salt(&self, name: &str) -> Vec<u8> {
        let tag = self.sign(b"salt", name);
        tag.as_ref().iter().take(SALT_BYTES).copied().collect()
    }

    /// Makes the tag by which bans tell names apart without keeping them.
    pub(super) fn pseudonym(&self, name: &str) -> SecretBytes<[u8; 32]> {
        self.tag(b"pseudonym", name)
    }

    fn tag(&self, purpose: &[u8], name: &str) -> SecretBytes<[u8; 32]> {
        SecretBytes::of(self.sign(purpose, name).as_ref())
    }

    fn sign(&self, purpose: &[u8], name: &str) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(purpose);
        context.update(&[0]);
        context.update(name.as_bytes());
        context.sign()
    }
}

/// The name of an unknown user in logs: the beginning of a hash, since people type passwords where
/// a name belongs.
pub(super) fn alias(name: &str) -> String {
    let hash = digest(&SHA256, name.as_bytes());
    hash.as_ref()
        .iter()
        .take(4)
        .fold("unknown-".to_owned(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_user_is_logged_as_a_hash() {
        assert_eq!(alias("abc"), "unknown-ba7816bf");
    }
}
