//! SCRAM-SHA-256 verifiers: what is stored in place of a password.
//!
//! Owns PostgreSQL's text of them (`pg_authid.rolpassword`, scram-common.c) and how they are made.
//! The exchange that uses them is client_auth's.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::derive;
use crate::secret::{Secret, SecretBytes};

/// A password's SCRAM-SHA-256 verifier. `Debug` shows the iterations only: who has the rest can
/// guess at the password, and with `server_key` play the server.
#[derive(Clone, Eq, PartialEq)]
pub struct Verifier {
    /// PBKDF2 rounds, 1–1,000,000: each login costs as many.
    pub iterations: u32,
    /// The salt: 1–64 bytes.
    pub salt: Vec<u8>,
    /// The StoredKey of RFC 5802: H(ClientKey).
    pub stored_key: SecretBytes<[u8; 32]>,
    /// The ServerKey of RFC 5802: HMAC(SaltedPassword, "Server Key").
    pub server_key: SecretBytes<[u8; 32]>,
}

impl Verifier {
    /// Reads `SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`, the latter three in base64.
    ///
    /// # Errors
    /// `Shape`: not of that form. `Iterations`, `Salt`, `Key`: that part is out of its range. None
    /// repeats the text.
    pub fn parse(text: &str) -> Result<Self, BadVerifier> {
        let rest = text.strip_prefix(PREFIX).ok_or(BadVerifier::Shape)?;
        let (front, keys) = rest.split_once('$').ok_or(BadVerifier::Shape)?;
        let (iterations, salt) = front.split_once(':').ok_or(BadVerifier::Shape)?;
        let (stored_key, server_key) = keys.split_once(':').ok_or(BadVerifier::Shape)?;
        let iterations = Some(iterations)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .filter(|iterations| (1..=MAX_ITERATIONS).contains(iterations))
            .ok_or(BadVerifier::Iterations)?;
        let salt = STANDARD
            .decode(salt)
            .ok()
            .filter(|salt| (1..=64).contains(&salt.len()))
            .ok_or(BadVerifier::Salt)?;
        let key = |text| {
            STANDARD
                .decode(text)
                .ok()
                .and_then(|key| key.try_into().ok())
                .map(SecretBytes::<[u8; 32]>::new)
                .ok_or(BadVerifier::Key)
        };
        Ok(Self { iterations, salt, stored_key: key(stored_key)?, server_key: key(server_key)? })
    }

    /// Makes the verifier of a password, which is first brought into SASLprep's form (RFC 4013);
    /// one that SASLprep refuses is taken as it is, as PostgreSQL does. 0 iterations count as 1.
    /// Slow on purpose: not for an async thread.
    #[must_use]
    pub fn derive(password: &Secret, salt: &[u8], iterations: u32) -> Self {
        let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        let derive::DerivedKeys { stored, server } = derive::keys(password, salt, rounds);
        Self { iterations: rounds.get(), salt: salt.to_vec(), stored_key: stored, server_key: server }
    }

    /// Whether this is the password's verifier. As slow as `derive`; compares in constant time.
    #[must_use]
    pub fn matches(&self, password: &Secret) -> bool {
        let derived = Self::derive(password, &self.salt, self.iterations);
        derived.stored_key == self.stored_key
    }
}

/// In PostgreSQL's text; it is as secret as the keys.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, stored, server) =
            (STANDARD.encode(&self.salt), self.stored_key.to_base64(), self.server_key.to_base64());
        write!(f, "{PREFIX}{}:{salt}${stored}:{server}", self.iterations)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// Why a text is no verifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadVerifier {
    /// The text has another form than a verifier.
    #[error("not a verifier of the form SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY")]
    Shape,
    /// The iteration count is not a number from 1 to 1,000,000.
    #[error("the verifier's iterations must be 1 to 1000000")]
    Iterations,
    /// The salt is not base64 of 1 to 64 bytes.
    #[error("the verifier's salt must be base64 of 1 to 64 bytes")]
    Salt,
    /// A key is not base64 of 32 bytes.
    #[error("the verifier's keys must each be base64 of 32 bytes")]
    Key,
}

/// PostgreSQL's own rounds (scram_iterations, SCRAM_SHA_256_DEFAULT_ITERATIONS; RFC 7677 asks for
/// at least as many).
pub(crate) const ITERATIONS: u32 = 4096;

/// A salt as PostgreSQL makes them (SCRAM_DEFAULT_SALT_LEN), in bytes.
pub(crate) const SALT_BYTES: usize = 16;

const PREFIX: &str = "SCRAM-SHA-256$";

/// A second or so of a core; what comes from a file should not be able to ask for more.
const MAX_ITERATIONS: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    /// RFC 7677, section 3: user `user`, password `pencil`.
    #[test]
    fn the_example_of_rfc_7677_holds() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::derive(&secret("pencil"), &salt, 4096);
        let message = b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let server = derive::hmac_sha256(&verifier.server_key, message);
        assert_eq!(server.to_base64(), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let proof = STANDARD
            .decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .unwrap();
        let proof = SecretBytes::<[u8; 32]>::new(proof.try_into().unwrap());
        let signature = derive::hmac_sha256(&verifier.stored_key, message);
        assert_eq!(proof.xor(&signature).sha256(), verifier.stored_key);
    }

    /// As made by PostgreSQL's own rule: SASLprep, else the raw bytes. U+00A0 becomes a blank,
    /// U+00AD nothing, U+FB01 `fi`; U+0007 is refused, as is a string of both directions. Of U+00AD
    /// alone nothing is left: PostgreSQL and libpq then take the raw bytes, and so do we;
    /// postgres_protocol hashes the empty text.
    #[test]
    fn verifiers_of_postgresql_are_read_matched_and_written_again() {
        for password in ["demo-password", "p", "a\u{a0}b", "a\u{ad}b", "\u{fb01}n", "bell\u{7}", "\u{627}1", "\u{ad}"] {
            let text = postgres_protocol::password::scram_sha_256(password.as_bytes());
            let verifier = Verifier::parse(&text).unwrap();
            assert_eq!(verifier.to_string(), text);
            if password != "\u{ad}" {
                assert!(verifier.matches(&secret(password)), "{password:?}");
            }
            assert!(!verifier.matches(&secret("other")), "{password:?}");
            let derived = Verifier::derive(&secret(password), &verifier.salt, verifier.iterations);
            assert_eq!(derived.server_key == verifier.server_key, password != "\u{ad}");
        }
    }

    #[test]
    fn malformed_verifiers_are_refused() {
        let (salt, key) = (STANDARD.encode([1; 16]), STANDARD.encode([2; 32]));
        let good = format!("SCRAM-SHA-256$4096:{salt}${key}:{key}");
        assert!(Verifier::parse(&good).is_ok());
        for (text, want) in [
            (String::new(), BadVerifier::Shape),
            ("md5abc".into(), BadVerifier::Shape),
            (format!("SCRAM-SHA-256$4096:{salt}"), BadVerifier::Shape),
            (format!("scram-sha-256$4096:{salt}${key}:{key}"), BadVerifier::Shape),
            (format!("SCRAM-SHA-256$4096${key}:{key}"), BadVerifier::Shape),
            (format!("SCRAM-SHA-256$0:{salt}${key}:{key}"), BadVerifier::Iterations),
            (format!("SCRAM-SHA-256$+1:{salt}${key}:{key}"), BadVerifier::Iterations),
            (format!("SCRAM-SHA-256$1000001:{salt}${key}:{key}"), BadVerifier::Iterations),
            (format!("SCRAM-SHA-256$4096:${key}:{key}"), BadVerifier::Salt),
            (format!("SCRAM-SHA-256$4096:!${key}:{key}"), BadVerifier::Salt),
            (format!("SCRAM-SHA-256$4096:{}${key}:{key}", STANDARD.encode([1; 65])), BadVerifier::Salt),
            (format!("SCRAM-SHA-256$4096:{salt}${salt}:{key}"), BadVerifier::Key),
            (format!("{good} "), BadVerifier::Key),
        ] {
            assert_eq!(Verifier::parse(&text).unwrap_err(), want, "{text}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let verifier = Verifier::derive(&secret("pencil"), b"salt", 1);
        assert_eq!(format!("{verifier:?}"), "Verifier { iterations: 1, .. }");
    }
}
