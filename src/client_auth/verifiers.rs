//! The verifiers of one user: checks a password, or a proof of one. No network, no clock.

use crate::config::MAX_PASSWORDS;
use crate::crypto::Verifier;
use crate::crypto::derive::hmac_sha256;
use crate::secret::{Secret, SecretBytes};

/// The verifiers of all passwords of one user. They have one salt and one iteration count, so that
/// one derivation serves all of them.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Verifiers {
    /// The salt of all the user's passwords, 1–64 bytes.
    pub(super) salt: Vec<u8>,
    /// The PBKDF2 rounds of all the user's passwords, 1–1,000,000.
    pub(super) iterations: u32,
    /// The keys of each password. There are always as many, found by the verifier's index: where
    /// there is no password, the keys are some that no password leads to.
    pub(super) keys: [Keys; MAX_PASSWORDS],
}

/// The keys of one password's verifier.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Keys {
    /// H(ClientKey): what a client's proof leads to.
    pub(super) stored: SecretBytes<[u8; 32]>,
    /// The key by which the proxy proves that it knows the verifier.
    pub(super) server: SecretBytes<[u8; 32]>,
}

impl From<&Verifier> for Keys {
    fn from(verifier: &Verifier) -> Self {
        Self { stored: verifier.stored_key.clone(), server: verifier.server_key.clone() }
    }
}

impl Verifiers {
    /// Gives these keys the salt and iteration count of another.
    pub(super) fn like(self, other: &Self) -> Self {
        Self { salt: other.salt.clone(), iterations: other.iterations, ..self }
    }

    /// Finds the index of the verifier that this password matches. As slow as the iteration count
    /// says: not for an async thread.
    pub(super) fn index_by_password(&self, password: &Secret) -> Option<usize> {
        let derived = Verifier::derive(password, &self.salt, self.iterations);
        self.index(|keys| derived.stored_key == keys.stored)
    }

    /// Finds the index of the verifier whose password a ClientProof was made with (RFC 5802
    /// section 3).
    pub(super) fn index_by_proof(&self, auth_message: &[u8], proof: &SecretBytes<[u8; 32]>) -> Option<usize> {
        self.index(|keys| {
            let signature = hmac_sha256(&keys.stored, auth_message);
            proof.clone().xor(&signature).sha256() == keys.stored
        })
    }

    /// Makes the ServerSignature, which shows the client that we have the keys at this index.
    pub(super) fn server_signature(&self, index: usize, auth_message: &[u8]) -> Option<SecretBytes<[u8; 32]>> {
        self.keys
            .get(index)
            .map(|keys| hmac_sha256(&keys.server, auth_message))
    }

    /// Looks at the keys of every verifier, whichever matches, so that the time does not tell which
    /// one did.
    fn index(&self, matches: impl Fn(&Keys) -> bool) -> Option<usize> {
        let mut found = None;
        for (at, keys) in self.keys.iter().enumerate() {
            let is_it = matches(keys);
            found = found.or(is_it.then_some(at));
        }
        found
    }
}
