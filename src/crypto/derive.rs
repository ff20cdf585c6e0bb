//! SCRAM's key derivation: from a password to the two keys of its verifier (RFC 5802 section 3).

use std::borrow::Cow;
use std::num::NonZeroU32;

use aws_lc_rs::{hmac, pbkdf2};
use zeroize::Zeroizing;

use crate::secret::{Secret, SecretBytes};

/// The two keys that a verifier has of a password.
pub(super) struct DerivedKeys {
    /// H(ClientKey)
    pub(super) stored: SecretBytes<[u8; 32]>,
    /// HMAC(SaltedPassword, "Server Key")
    pub(super) server: SecretBytes<[u8; 32]>,
}

/// Derives the keys of a password, which is first brought into SASLprep's form (RFC 4013); one that
/// SASLprep refuses is taken as it is, as PostgreSQL does. Slow on purpose: not for an async
/// thread.
pub(super) fn keys(password: &Secret, salt: &[u8], rounds: NonZeroU32) -> DerivedKeys {
    let prepared = match stringprep::saslprep(password.expose()) {
        Ok(prepared) if !prepared.is_empty() => prepared,
        Ok(_) | Err(_) => Cow::Borrowed(password.expose()),
    };
    let prepared = Zeroizing::new(prepared.into_owned());
    let salted = SecretBytes::fill(|salted: &mut [u8; 32]| {
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, prepared.as_bytes(), salted);
    });
    DerivedKeys { stored: hmac_sha256(&salted, b"Client Key").sha256(), server: hmac_sha256(&salted, b"Server Key") }
}

/// Signs a message with HMAC-SHA-256.
pub(crate) fn hmac_sha256(key: &SecretBytes<[u8; 32]>, message: &[u8]) -> SecretBytes<[u8; 32]> {
    SecretBytes::of(hmac::sign(&key.to_hmac_key(), message).as_ref())
}
