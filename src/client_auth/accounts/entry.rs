//! A user with an entry of its own, and its one or two passwords.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;
use tracing::warn;

use super::ITERATIONS;
use super::derive::{AccountsError, Derivations};
use super::fake::Fakes;
use crate::client_auth::verifiers::{Keys, Verifiers};
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
        self.verifiers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes verifiers of what there is.
    pub(super) async fn make(&self, name: &str, fakes: &Fakes, derivations: &Derivations) -> Result<(), AccountsError> {
        let passwords = self.passwords.lock().await;
        self.publish(verifiers(name, &passwords, fakes, derivations).await?);
        Ok(())
    }

    /// The same with another password in a slot. Where that fails the old one stays.
    pub(super) async fn renew(
        &self,
        name: &str,
        slot: usize,
        password: Password,
        fakes: &Fakes,
        derivations: &Derivations,
    ) -> Result<(), AccountsError> {
        let mut passwords = self.passwords.lock().await;
        let mut renewed = passwords.clone();
        let Some(place) = renewed.get_mut(slot) else { return Ok(()) };
        *place = password;
        self.publish(verifiers(name, &renewed, fakes, derivations).await?);
        *passwords = renewed;
        Ok(())
    }

    fn publish(&self, verifiers: Option<Verifiers>) {
        *self.verifiers.write().unwrap_or_else(PoisonError::into_inner) = verifiers.map(Arc::new);
    }
}

/// SCRAM tells one salt and one count of rounds before it sees a proof: those of the first verifier, under which plain passwords
/// are hashed too. Another verifier that has others cannot be proved. `None`: nothing has been read yet.
pub(super) async fn verifiers(
    name: &str,
    passwords: &[Password],
    fakes: &Fakes,
    derivations: &Derivations,
) -> Result<Option<Verifiers>, AccountsError> {
    let given = passwords.iter().find_map(|password| match password {
        Password::Verifier(verifier) => Some((verifier.salt.clone(), verifier.iterations)),
        Password::Plain(_) | Password::Remote(_) => None,
    });
    let (salt, iterations) = given.unwrap_or_else(|| (fakes.salt(name), ITERATIONS));
    let (mut slots, mut is_read) = (fakes.slots(name), false);
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
            Password::Plain(password) => derivations.verifier(password.clone(), salt.clone(), iterations).await?,
        };
        *slot = Keys::from(&verifier);
        is_read = true;
    }
    Ok(is_read.then_some(Verifiers { salt, iterations, slots }))
}
