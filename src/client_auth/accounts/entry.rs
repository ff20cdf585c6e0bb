//! A user with an entry of its own, and its one or two passwords.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use super::derive::{AccountsError, Derivations};
use crate::client_auth::verifiers::Verifiers;
use crate::config::{Password, Proof, StoredPassword, User};

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
    /// Makes verifiers of those passwords that are there. What the entry of an earlier
    /// configuration has read of the same references is taken over, and its verifiers too if the
    /// passwords are the same: to derive them takes long.
    pub(super) async fn new(
        name: &str,
        user: &Arc<User>,
        stored: &[StoredPassword],
        before: Option<&Self>,
        derivations: &Derivations,
    ) -> Result<Self, AccountsError> {
        let read_before = match before {
            Some(before) => Some((before, before.passwords.lock().await.clone())),
            None => None,
        };
        let passwords: Vec<_> = stored
            .iter()
            .map(|stored| {
                let known = read_before
                    .as_ref()
                    .filter(|_| matches!(stored.password, Password::Remote(_)))
                    .and_then(|(before, passwords)| before.read_from(stored, passwords));
                known.unwrap_or(&stored.password).clone()
            })
            .collect();
        let verifiers = match &read_before {
            Some((before, same)) if *same == passwords => before.verifiers(),
            _ => derivations.verifiers(name, &passwords).await?.map(Arc::new),
        };
        let (user, passwords) = (Arc::clone(user), Mutex::new(passwords));
        Ok(Self { user, passwords, verifiers: ArcSwapOption::new(verifiers) })
    }

    /// The one of these passwords of this entry that the reference of another entry led to.
    fn read_from<'p>(&self, other: &StoredPassword, passwords: &'p [Password]) -> Option<&'p Password> {
        let Proof::Passwords(stored) = &self.user.proof else { return None };
        let at = stored
            .iter()
            .position(|stored| stored.from.is_some() && stored.from == other.from)?;
        passwords.get(at)
    }

    /// The verifiers that logins are checked against. `None`: all passwords of the user are kept at
    /// AWS, and none has been read yet. Takes no lock.
    pub(super) fn verifiers(&self) -> Option<Arc<Verifiers>> {
        self.verifiers.load_full()
    }

    /// Replaces the password at this index, and makes verifiers of all. Returns whether it is
    /// another password than before. Where that fails the old one stays.
    pub(super) async fn renew(
        &self,
        name: &str,
        index: usize,
        read: Password,
        derivations: &Derivations,
    ) -> Result<bool, AccountsError> {
        let mut passwords = self.passwords.lock().await;
        let mut renewed = passwords.clone();
        let Some(replaced) = renewed.get_mut(index) else { return Ok(false) };
        if *replaced == read {
            return Ok(false);
        }
        *replaced = read;
        let verifiers = derivations.verifiers(name, &renewed).await?;
        self.verifiers.store(verifiers.map(Arc::new));
        *passwords = renewed;
        Ok(true)
    }
}
