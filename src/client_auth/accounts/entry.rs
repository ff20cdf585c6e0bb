//! A user with an entry of its own, and its one or two passwords.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use super::derive::{AccountsError, Derivations};
use crate::client_auth::verifiers::Verifiers;
use crate::config::{Password, User};

/// A user that is proved by a password.
pub(super) struct Entry {
    /// The user's entry in the configuration.
    pub(super) user: Arc<User>,
    /// The passwords as they were read last. Locked while verifiers are made of them, so that one
    /// renewal cannot overtake another; no login waits for it.
    passwords: Mutex<Vec<Password>>,
    /// The verifiers that logins are checked against. `None`: all passwords are kept at AWS, and
    /// none has been read yet.
    verifiers: ArcSwapOption<Verifiers>,
}

impl Entry {
    /// Starts without verifiers: no password counts before [`Entry::derive`].
    pub(super) fn new(user: Arc<User>, passwords: impl Iterator<Item = Password>) -> Self {
        Self { user, passwords: Mutex::new(passwords.collect()), verifiers: ArcSwapOption::empty() }
    }

    /// The verifiers that logins are checked against. `None`: all passwords of the user are kept at
    /// AWS, and none has been read yet. Takes no lock.
    pub(super) fn verifiers(&self) -> Option<Arc<Verifiers>> {
        self.verifiers.load_full()
    }

    /// Makes verifiers of those passwords that are there.
    pub(super) async fn derive(&self, name: &str, derivations: &Derivations) -> Result<(), AccountsError> {
        let passwords = self.passwords.lock().await;
        let verifiers = derivations.verifiers(name, &passwords).await?;
        self.verifiers.store(verifiers.map(Arc::new));
        Ok(())
    }

    /// Replaces the password at this index, and makes verifiers of all. Where that fails the old
    /// one stays.
    pub(super) async fn renew(
        &self,
        name: &str,
        index: usize,
        password: Password,
        derivations: &Derivations,
    ) -> Result<(), AccountsError> {
        let mut passwords = self.passwords.lock().await;
        let mut renewed = passwords.clone();
        let Some(replaced) = renewed.get_mut(index) else { return Ok(()) };
        *replaced = password;
        let verifiers = derivations.verifiers(name, &renewed).await?;
        self.verifiers.store(verifiers.map(Arc::new));
        *passwords = renewed;
        Ok(())
    }
}
