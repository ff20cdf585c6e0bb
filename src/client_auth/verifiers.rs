//! What one user's passwords are checked against, be they told or proved: no network, no clock.

use crate::config::MAX_PASSWORDS;
use crate::crypto::Verifier;
use crate::crypto::derive::hmac_sha256;
use crate::secret::{Secret, SecretBytes};

/// One salt and one count of rounds, for one derivation serves all of a user's passwords.
#[derive(Clone)]
pub(super) struct Verifiers {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    /// Always as many: where there is no password the keys are some that none leads to.
    pub(super) slots: [Keys; MAX_PASSWORDS],
}

/// What is kept of one password.
#[derive(Clone)]
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
    /// The same keys under another's salt and rounds.
    pub(super) fn like(self, other: &Self) -> Self {
        Self { salt: other.salt.clone(), iterations: other.iterations, ..self }
    }

    /// Which password this is. As slow as its rounds: not for an async thread.
    pub(super) fn slot_of_password(&self, password: &Secret) -> Option<usize> {
        let derived = Verifier::derive(password, &self.salt, self.iterations);
        self.slot(|keys| derived.stored_key == keys.stored)
    }

    /// Which password a ClientProof was made with (RFC 5802 section 3).
    pub(super) fn slot_of_proof(&self, auth_message: &[u8], proof: &SecretBytes<[u8; 32]>) -> Option<usize> {
        self.slot(|keys| {
            let signature = hmac_sha256(&keys.stored, auth_message);
            proof.clone().xor(&signature).sha256() == keys.stored
        })
    }

    /// ServerSignature: shows that we have the keys of that slot.
    pub(super) fn server_signature(&self, slot: usize, auth_message: &[u8]) -> Option<SecretBytes<[u8; 32]>> {
        self.slots
            .get(slot)
            .map(|keys| hmac_sha256(&keys.server, auth_message))
    }

    /// Every slot is looked at, whichever matches.
    fn slot(&self, matches: impl Fn(&Keys) -> bool) -> Option<usize> {
        let mut found = None;
        for (at, keys) in self.slots.iter().enumerate() {
            let is_it = matches(keys);
            found = found.or(is_it.then_some(at));
        }
        found
    }
}
