//! Verifiers from passwords: those of a user, and which of them a client has sent. Owns whose
//! derivation waits for whose.

use std::net::IpAddr;

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

/// Makes verifiers. Who waits for one is a client not yet authenticated, of which there are
/// `limits.max_handshakes` at most, each for `limits.startup_timeout`.
pub(super) struct Derivations {
    /// What stands where there is no password.
    pub(super) fakes: Fakes,
    /// Of clients: no more than there are cores, and one of each address, which is all that stands
    /// in the queue of that address: a crowd at one address keeps nobody else waiting.
    asked: Lanes<IpAddr>,
    /// Of what references lead to, however many are new: one at a time.
    ours: Lanes<()>,
}

impl Derivations {
    pub(super) fn new(salt_key: hmac::Key) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            fakes: Fakes::new(salt_key),
            asked: Lanes::new("client-password", 1, cores),
            ours: Lanes::new("own-password", 1, 1),
        }
    }

    /// Which of a user's passwords a client at `from` has sent.
    ///
    /// # Errors
    /// The work was not done, so that nothing is known of the password.
    pub(super) async fn slot_of(
        &self,
        from: IpAddr,
        verifiers: Verifiers,
        password: Secret,
    ) -> Result<Option<usize>, Unfinished> {
        self.asked
            .run(neighbourhood(from), move || verifiers.slot_of_password(&password))
            .await
    }

    /// SCRAM tells one salt and one count of rounds before it sees a proof: those of the first
    /// verifier, under which plain passwords are hashed too. Another verifier that has others
    /// cannot be proved. `None`: nothing has been read yet.
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
                Password::Plain(password) => {
                    self.verifier(password.clone(), salt.clone(), iterations)
                        .await?
                }
            };
            *slot = Keys::from(&verifier);
            is_read = true;
        }
        Ok(is_read.then_some(Verifiers { salt, iterations, slots }))
    }

    /// The verifier of a password that a reference led to.
    async fn verifier(&self, password: Secret, salt: Vec<u8>, iterations: u32) -> Result<Verifier, AccountsError> {
        let derived = self
            .ours
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
    async fn clients_of_one_address_wait_for_each_other_and_for_nobody_elses_crowd() {
        let derivations = Derivations::new(hmac::Key::new(hmac::HMAC_SHA256, b"test"));
        let verifiers = derivations.fakes.of("a", 1);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let slot_of = |from: &str| derivations.slot_of(address(from), verifiers.clone(), Secret::new("x".to_owned()));
        let held = derivations
            .asked
            .turn(neighbourhood(address("2001:db8::1")))
            .await;
        let mut crowd: Vec<_> = (0..100).map(|_| Box::pin(slot_of("2001:db8::2"))).collect();
        for waiting in &mut crowd {
            assert!(poll!(waiting).is_pending(), "one at a time for a /64");
        }
        // A machine with one core has one turn, which is taken.
        if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
            assert_eq!(slot_of("10.0.0.1").await.unwrap(), None);
        }
        drop((held, crowd));
        assert_eq!(slot_of("2001:db8::2").await.unwrap(), None);
    }
}
