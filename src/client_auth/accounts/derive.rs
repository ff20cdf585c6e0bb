//! Whose key derivations wait for whose.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::Semaphore;

use crate::client_auth::verifiers::Verifiers;
use crate::config::Verifier;
use crate::derive::derive;
use crate::secret::Secret;

/// No verifier could be made.
#[derive(Debug, Error)]
pub enum AccountsError {
    /// The key derivation was stopped.
    #[error("deriving a verifier from a password")]
    Derivation(#[source] tokio::task::JoinError),
}

/// Those under way. Who waits for one is a client not yet authenticated, of which there are `limits.max_handshakes` at most,
/// each for `limits.startup_timeout`.
pub(super) struct Derivations {
    /// Of clients: no more than there are cores.
    asked: Arc<Semaphore>,
    /// Of what references lead to, however many are new: one at a time.
    ours: Arc<Semaphore>,
}

impl Default for Derivations {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { asked: Arc::new(Semaphore::new(cores)), ours: Arc::new(Semaphore::new(1)) }
    }
}

impl Derivations {
    /// Which of a user's passwords a client has sent.
    pub(super) async fn slot_of(&self, verifiers: Verifiers, password: Secret) -> Option<usize> {
        derive(&self.asked, move || verifiers.slot_of_password(&password)).await.ok().flatten()
    }

    /// The verifier of a password that a reference led to.
    pub(super) async fn verifier(
        &self,
        password: Secret,
        salt: Vec<u8>,
        iterations: u32,
    ) -> Result<Verifier, AccountsError> {
        let derived = derive(&self.ours, move || Verifier::derive(&password, &salt, iterations)).await;
        derived.map_err(AccountsError::Derivation)
    }
}
