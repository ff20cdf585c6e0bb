//! Verifiers from passwords: those of a user, and which of them a client has sent. Owns whose derivation waits for whose.

use std::sync::Arc;

use aws_lc_rs::hmac;
use thiserror::Error;
use tokio::sync::Semaphore;
use tracing::warn;

use super::fake::Fakes;
use crate::client_auth::verifiers::{Keys, Verifiers};
use crate::config::verifier::ITERATIONS;
use crate::config::{Password, Verifier};
use crate::derive::derive;
use crate::secret::Secret;

/// No verifier could be made.
#[derive(Debug, Error)]
pub enum AccountsError {
    /// The key derivation was stopped.
    #[error("deriving a verifier from a password")]
    Derivation(#[source] tokio::task::JoinError),
}

/// Makes verifiers. Who waits for one is a client not yet authenticated, of which there are `limits.max_handshakes` at most,
/// each for `limits.startup_timeout`.
pub(super) struct Derivations {
    /// What stands where there is no password.
    pub(super) fakes: Fakes,
    /// Of clients: no more than there are cores.
    asked: Arc<Semaphore>,
    /// Of what references lead to, however many are new: one at a time.
    ours: Arc<Semaphore>,
}

impl Derivations {
    pub(super) fn new(salt_key: hmac::Key) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { fakes: Fakes::new(salt_key), asked: Arc::new(Semaphore::new(cores)), ours: Arc::new(Semaphore::new(1)) }
    }

    /// Which of a user's passwords a client has sent.
    pub(super) async fn slot_of(&self, verifiers: Verifiers, password: Secret) -> Option<usize> {
        derive(&self.asked, move || verifiers.slot_of_password(&password)).await.ok().flatten()
    }

    /// SCRAM tells one salt and one count of rounds before it sees a proof: those of the first verifier, under which plain
    /// passwords are hashed too. Another verifier that has others cannot be proved. `None`: nothing has been read yet.
    pub(super) async fn verifiers(
        &self,
        name: &str,
        passwords: &[Password],
    ) -> Result<Option<Verifiers>, AccountsError> {
        let given = passwords.iter().find_map(|password| match password {
            Password::Verifier(verifier) => Some((verifier.salt.clone(), verifier.iterations)),
            Password::Plain(_) | Password::Remote(_) => None,
        });
        let (salt, iterations) = given.unwrap_or_else(|| (self.fakes.salt(name), ITERATIONS));
        let (mut slots, mut is_read) = (self.fakes.slots(name), false);
        for (slot, password) in slots.iter_mut().zip(passwords) {
            let verifier = match password {
                Password::Remote(_) => continue,
                Password::Verifier(verifier) if (&verifier.salt, verifier.iterations) != (&salt, iterations) => {
                    warn!(
                        user = name,
                        "its second verifier has another salt or iteration count than the first, and proves nothing: \
                         hash-password --like makes one that does"
                    );
                    continue;
                }
                Password::Verifier(verifier) => verifier.clone(),
                Password::Plain(password) => self.verifier(password.clone(), salt.clone(), iterations).await?,
            };
            *slot = Keys::from(&verifier);
            is_read = true;
        }
        Ok(is_read.then_some(Verifiers { salt, iterations, slots }))
    }

    /// The verifier of a password that a reference led to.
    async fn verifier(&self, password: Secret, salt: Vec<u8>, iterations: u32) -> Result<Verifier, AccountsError> {
        let derived = derive(&self.ours, move || Verifier::derive(&password, &salt, iterations)).await;
        derived.map_err(AccountsError::Derivation)
    }
}
