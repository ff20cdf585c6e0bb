//! A user with an entry of its own, and its one or two passwords.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use super::derive::{AccountsError, Derivations};
use crate::client_auth::verifiers::Verifiers;
use crate::config::{Password, User};

pub(super) struct Entry {
    pub(super) user: Arc<User>,
    /// By slot, as they were read last. Held while verifiers are made of them.
    passwords: Mutex<Vec<Password>>,
    /// `None`: all are kept at AWS, and none has been read yet.
    verifiers: RwLock<Option<Arc<Verifiers>>>,
}

impl Entry {
    /// No password counts before [`Entry::make`].
    pub(super) fn new(user: Arc<User>, passwords: impl Iterator<Item = Password>) -> Self {
        Self { user, passwords: Mutex::new(passwords.collect()), verifiers: RwLock::default() }
    }

    pub(super) fn verifiers(&self) -> Option<Arc<Verifiers>> {
        self.verifiers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Makes verifiers of what there is.
    pub(super) async fn make(&self, name: &str, derivations: &Derivations) -> Result<(), AccountsError> {
        let passwords = self.passwords.lock().await;
        self.publish(derivations.verifiers(name, &passwords).await?);
        Ok(())
    }

    /// The same with another password in a slot. Where that fails the old one stays.
    pub(super) async fn renew(
        &self,
        name: &str,
        slot: usize,
        password: Password,
        derivations: &Derivations,
    ) -> Result<(), AccountsError> {
        let mut passwords = self.passwords.lock().await;
        let mut renewed = passwords.clone();
        let Some(place) = renewed.get_mut(slot) else { return Ok(()) };
        *place = password;
        self.publish(derivations.verifiers(name, &renewed).await?);
        *passwords = renewed;
        Ok(())
    }

    fn publish(&self, verifiers: Option<Verifiers>) {
        *self
            .verifiers
            .write()
            .unwrap_or_else(PoisonError::into_inner) = verifiers.map(Arc::new);
    }
}
