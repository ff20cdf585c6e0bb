//! Makes verifiers of passwords, and checks the passwords that clients send. Owns how many key
//! derivations run at once, and which of them waits for which.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use thiserror::Error;
use tracing::warn;

use super::unknown::Fakes;
use crate::address::neighbourhood;
use crate::blocking::{Lanes, Unfinished};
use crate::client_auth::verifiers::{Keys, Verifiers};
use crate::config::Password;
use crate::crypto::Verifier;
use crate::crypto::verifier::ITERATIONS;
use crate::secret::Secret;

/// No verifier could be made.
#[derive(Debug, Error)]
pub enum AccountsError {
    /// The key derivation was stopped.
    #[error("deriving a verifier from a password")]
    Derivation(#[source] Unfinished),
}

/// The key derivations of the proxy. Clients that wait for one are not yet authenticated: there are
/// `limits.max_handshakes` of them at most, each waits for `limits.startup_timeout` at most.
pub(super) struct Derivations {
    /// Verifiers and salts where there is no password.
    pub(super) fakes: Fakes,
    /// The derivations of passwords that clients send: no more at once than there are cores, and
    /// one of each address. The others of an address wait in a queue of its own, so a crowd at one
    /// address keeps nobody else waiting.
    of_clients: Arc<Lanes<IpAddr>>,
    /// The derivations of passwords that references lead to: one at a time, however many are new.
    of_references: Arc<Lanes<()>>,
}

impl Derivations {
    /// Starts with no derivation under way. `salt_key` is the key that the salts of unknown users
    /// are made by. Beside `before`, those of an earlier configuration, the bounds hold for both
    /// together.
    pub(super) fn new(salt_key: hmac::Key, before: Option<&Self>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (of_clients, of_references) = match before {
            Some(before) => (Arc::clone(&before.of_clients), Arc::clone(&before.of_references)),
            None => (Arc::new(Lanes::new("client-password", 1, cores)), Arc::new(Lanes::new("own-password", 1, 1))),
        };
        Self { fakes: Fakes::new(salt_key), of_clients, of_references }
    }

    /// Finds the index of the verifier whose password a client at `from` has sent.
    ///
    /// # Errors
    /// The work was not done, so that nothing is known of the password.
    pub(super) async fn check_password(
        &self,
        from: IpAddr,
        verifiers: Verifiers,
        password: Secret,
    ) -> Result<Option<usize>, Unfinished> {
        self.of_clients
            .run(neighbourhood(from), move || verifiers.index_by_password(&password))
            .await
    }

    /// Makes the verifiers of a user. SCRAM sends one salt and one iteration count before it sees a
    /// proof: those of the first verifier, under which plain passwords are hashed too. Another
    /// verifier that has others cannot be proved. `None`: nothing has been read yet.
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
        let (mut keys, mut is_read) = (self.fakes.keys(name), false);
        for (keys, password) in keys.iter_mut().zip(passwords) {
            let verifier = match password {
                Password::Remote(_) => continue,
                Password::Verifier(verifier) if (&verifier.salt, verifier.iterations) != (&salt, iterations) => {
                    warn!(
                        event = "verifier unusable",
                        user = name,
                        "its second verifier has another salt or iteration count than the first, and proves nothing: \
                         hash-password --like makes one that does"
                    );
                    continue;
                }
                Password::Verifier(verifier) => verifier.clone(),
                Password::Plain(password) => {
                    self.verifier(password.clone(), salt.clone(), iterations)
                        .await?
                }
            };
            *keys = Keys::from(&verifier);
            is_read = true;
        }
        Ok(is_read.then_some(Verifiers { salt, iterations, keys }))
    }

    /// Derives the verifier of a password that a reference led to.
    async fn verifier(&self, password: Secret, salt: Vec<u8>, iterations: u32) -> Result<Verifier, AccountsError> {
        let derived = self
            .of_references
            .run((), move || Verifier::derive(&password, &salt, iterations))
            .await;
        derived.map_err(AccountsError::Derivation)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    /// Issue 11, A4: a crowd at one address stood ahead of everybody in the queue that all share.
    #[tokio::test]
    async fn key_derivations_of_one_address_wait_for_each_other_alone() {
        let derivations = Derivations::new(hmac::Key::new(hmac::HMAC_SHA256, b"test"), None);
        let verifiers = derivations.fakes.verifiers("a", 1);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let check =
            |from: &str| derivations.check_password(address(from), verifiers.clone(), Secret::new("x".to_owned()));
        let held = derivations
            .of_clients
            .turn(neighbourhood(address("2001:db8::1")))
            .await;
        let mut crowd: Vec<_> = (0..100).map(|_| Box::pin(check("2001:db8::2"))).collect();
        for waiting in &mut crowd {
            assert!(poll!(waiting).is_pending(), "one at a time for a /64");
        }
        // A machine with one core has one turn, which is taken.
        if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
            assert_eq!(check("10.0.0.1").await.unwrap(), None);
        }
        drop((held, crowd));
        assert_eq!(check("2001:db8::2").await.unwrap(), None);
    }
}
