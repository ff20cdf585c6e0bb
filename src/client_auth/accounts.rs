//! What a name is checked against: its verifier, or one made up for a name that does not exist.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::hmac;
use thiserror::Error;
use tokio::sync::Semaphore;
use tracing::warn;

use super::Users;
use crate::config::verifier::Verifier;
use crate::config::{Method, Password, Proof, User};
use crate::secret::Secret;

/// PostgreSQL's own (scram_iterations, SCRAM_SHA_256_DEFAULT_ITERATIONS; RFC 7677 asks for at least as many).
const ITERATIONS: u32 = 4096;

/// As PostgreSQL makes them (SCRAM_DEFAULT_SALT_LEN), in bytes.
const SALT_BYTES: usize = 16;

/// All users, each with a verifier.
pub(crate) struct Accounts {
    users: BTreeMap<String, Entry>,
    /// Those that a certificate proves.
    certified: BTreeMap<String, Arc<User>>,
    /// A fake salt is an HMAC of the name under this key, so that it never changes and replicas agree.
    salt_key: hmac::Key,
    /// What most verifiers have: a fake one must not stand out.
    usual_iterations: AtomicU32,
    /// Key derivations under way: thousands of hashes each, so no more than there are cores.
    derivations: Arc<Semaphore>,
}

/// One user.
struct Entry {
    user: Arc<User>,
    /// `None`: it is kept at AWS, and has not been read yet.
    verifier: RwLock<Option<Arc<Verifier>>>,
}

/// What one name is checked against.
pub(super) struct Account {
    /// `None`: nobody has this name.
    pub(super) user: Option<Arc<User>>,
    pub(super) method: Method,
    pub(super) verifier: Arc<Verifier>,
    /// What the user refers to has not been read yet: nothing proves it. For the log.
    pub(super) is_unread: bool,
}

/// No verifier could be made.
#[derive(Debug, Error)]
pub enum AccountsError {
    /// The key derivation was stopped.
    #[error("deriving a verifier from a password")]
    Derivation(#[source] tokio::task::JoinError),
}

impl Accounts {
    /// Gives every user a verifier; a plain password that a reference led to is hashed here, once.
    ///
    /// # Errors
    /// See [`AccountsError`].
    pub(crate) async fn new(users: &Users, salt_key: hmac::Key) -> Result<Self, AccountsError> {
        let (mut entries, mut certified) = (BTreeMap::new(), BTreeMap::new());
        for (name, user) in users {
            let Proof::Passwords(passwords) = &user.proof else {
                certified.insert(name.clone(), Arc::clone(user));
                continue;
            };
            let Some(stored) = passwords.first() else { continue };
            let verifier = verifier(&salt_key, name, &stored.password).await?;
            entries
                .insert(name.clone(), Entry { user: Arc::clone(user), verifier: RwLock::new(verifier.map(Arc::new)) });
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let usual_iterations = AtomicU32::new(usual(&entries));
        Ok(Self { users: entries, certified, salt_key, usual_iterations, derivations: Arc::new(Semaphore::new(cores)) })
    }

    /// What a user's reference leads to now.
    ///
    /// # Errors
    /// See [`AccountsError`]; then the old one stays.
    pub(crate) async fn renew(&self, name: &str, password: &Password) -> Result<(), AccountsError> {
        let verifier = verifier(&self.salt_key, name, password).await?;
        let Some(entry) = self.users.get(name) else { return Ok(()) };
        let usual_before = self.usual_iterations.load(Ordering::Relaxed);
        // One more of the usual ones stays usual: what all have is counted only where it can change.
        let may_change = verifier.as_ref().is_some_and(|verifier| verifier.iterations != usual_before);
        *entry.verifier.write().unwrap_or_else(PoisonError::into_inner) = verifier.map(Arc::new);
        if may_change {
            self.usual_iterations.store(usual(&self.users), Ordering::Relaxed);
        }
        Ok(())
    }

    /// A stranger is answered like most users: those that are not like most can be told from strangers.
    pub(crate) fn warn_of_odd_ones(&self) {
        let usual_iterations = self.usual_iterations.load(Ordering::Relaxed);
        for (name, entry) in &self.users {
            let Some(verifier) = entry.verifier() else { continue };
            let what = if verifier.iterations != usual_iterations {
                "its verifier has another iteration count than most"
            } else if verifier.salt.len() != SALT_BYTES {
                "its verifier has a salt of another length than 16 bytes"
            } else if entry.user.method == Method::Cleartext {
                "its method is cleartext"
            } else {
                continue;
            };
            warn!(user = name.as_str(), "{what}: strangers can find out that this user exists");
        }
    }

    /// Whether somebody has this name: for the log only.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.users.contains_key(name) || self.certified.contains_key(name)
    }

    /// The user of this name, if a certificate is what proves it.
    pub(super) fn certified(&self, name: &str) -> Option<Arc<User>> {
        self.certified.get(name).cloned()
    }

    /// The account of `name`; never fails, and takes as long for a stranger.
    pub(super) fn find(&self, name: &str) -> Account {
        let fake = self.fake(name);
        let Some(entry) = self.users.get(name) else {
            return Account { user: None, method: Method::Auto, verifier: Arc::new(fake), is_unread: false };
        };
        let user = Arc::clone(&entry.user);
        let stored = entry.verifier();
        let is_unread = stored.is_none();
        let verifier = match stored {
            Some(verifier) if user.enabled => verifier,
            // The right password of a disabled user must not earn the server's proof: that would tell.
            Some(verifier) => {
                Arc::new(Verifier { salt: verifier.salt.clone(), iterations: verifier.iterations, ..fake })
            }
            None => Arc::new(fake),
        };
        Account { method: user.method, user: Some(user), verifier, is_unread }
    }

    /// A verifier that no password matches.
    fn fake(&self, name: &str) -> Verifier {
        let key = |purpose: &[u8]| tag(&self.salt_key, purpose, name);
        Verifier {
            iterations: self.usual_iterations.load(Ordering::Relaxed),
            salt: salt(&self.salt_key, name),
            stored_key: key(b"stored key"),
            server_key: key(b"server key"),
        }
    }
}

impl Entry {
    fn verifier(&self) -> Option<Arc<Verifier>> {
        self.verifier.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A plain password is hashed here, once. `None`: it has not been read yet.
async fn verifier(salt_key: &hmac::Key, name: &str, password: &Password) -> Result<Option<Verifier>, AccountsError> {
    let password = match password {
        Password::Verifier(verifier) => return Ok(Some(verifier.clone())),
        Password::Remote(_) => return Ok(None),
        Password::Plain(password) => password.clone(),
    };
    let salt = salt(salt_key, name);
    let derived = tokio::task::spawn_blocking(move || Verifier::derive(&password, &salt, ITERATIONS)).await;
    derived.map(Some).map_err(AccountsError::Derivation)
}

fn salt(key: &hmac::Key, name: &str) -> Vec<u8> {
    tag(key, b"salt", name).into_iter().take(SALT_BYTES).collect()
}

fn tag(key: &hmac::Key, purpose: &[u8], name: &str) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    context.update(purpose);
    context.update(&[0]);
    context.update(name.as_bytes());
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}

/// The most frequent count; PostgreSQL's own where there are no users.
fn usual(users: &BTreeMap<String, Entry>) -> u32 {
    let mut seen = HashMap::<u32, usize>::new();
    for verifier in users.values().filter_map(Entry::verifier) {
        *seen.entry(verifier.iterations).or_default() += 1;
    }
    seen.into_iter().max_by_key(|&(count, times)| (times, count)).map_or(ITERATIONS, |(count, _)| count)
}

/// Whether `password` is the one behind `verifier`: thousands of hashes, off the event loop and bounded in number.
pub(super) async fn matches(accounts: &Accounts, verifier: Arc<Verifier>, password: Secret) -> bool {
    let Ok(permit) = Arc::clone(&accounts.derivations).acquire_owned().await else { return false };
    let derived = tokio::task::spawn_blocking(move || {
        // Held to the end of the work, which goes on when the client that asked for it is gone.
        let _permit = permit;
        verifier.matches(&password)
    });
    derived.await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StoredPassword;

    fn key() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, b"test")
    }

    fn user(password: Password) -> Arc<User> {
        Arc::new(of(true, password))
    }

    fn of(enabled: bool, password: Password) -> User {
        User {
            enabled,
            proof: Proof::Passwords(vec![StoredPassword { password, from: None }]),
            password_expires: None,
            method: Method::Auto,
            connections: Vec::new(),
            from: Vec::new(),
            max_sessions: None,
            db_roles: Vec::new(),
            db_user: None,
        }
    }

    #[tokio::test]
    async fn replicas_agree_on_what_a_stranger_sees() {
        let users = Users::new();
        let (one, two) = (Accounts::new(&users, key()).await.unwrap(), Accounts::new(&users, key()).await.unwrap());
        let (a, b) = (one.find("stranger").verifier, two.find("stranger").verifier);
        assert_eq!((&a.salt, a.iterations, a.stored_key), (&b.salt, b.iterations, b.stored_key));
        assert_eq!((a.salt.len(), a.iterations), (SALT_BYTES, ITERATIONS));
        assert_ne!(a.salt, one.find("another").verifier.salt);
    }

    #[tokio::test]
    async fn a_fake_verifier_has_the_usual_iteration_count_and_matches_nothing() {
        let password = Secret::new("secret".into());
        let verifier = |iterations| Password::Verifier(Verifier::derive(&password, b"0123456789abcdef", iterations));
        let users = [("a", 1000), ("b", 1000), ("c", 4096)].map(|(name, n)| (name.to_owned(), user(verifier(n))));
        let accounts = Accounts::new(&users.into(), key()).await.unwrap();
        let stranger = accounts.find("stranger");
        assert!(stranger.user.is_none());
        assert_eq!(stranger.verifier.iterations, 1000);
        assert!(!matches(&accounts, stranger.verifier, password.clone()).await);
        assert!(matches(&accounts, accounts.find("c").verifier, password).await);
    }

    #[tokio::test]
    async fn a_disabled_users_own_password_proves_nothing() {
        let password = Secret::new("secret".into());
        let verifier = Verifier::derive(&password, b"0123456789abcdef", 4096);
        let disabled = of(false, Password::Verifier(verifier.clone()));
        let accounts = Accounts::new(&Users::from([("a".to_owned(), Arc::new(disabled))]), key()).await.unwrap();
        let account = accounts.find("a");
        assert_eq!((&account.verifier.salt, account.verifier.iterations), (&verifier.salt, 4096));
        assert!(!matches(&accounts, account.verifier, password).await);
    }

    #[tokio::test]
    async fn a_plain_password_becomes_a_verifier() {
        let password = Secret::new("pässword".into());
        let users = Users::from([("a".to_owned(), user(Password::Plain(password.clone())))]);
        let accounts = Accounts::new(&users, key()).await.unwrap();
        assert!(matches(&accounts, accounts.find("a").verifier, password).await);
        assert!(!matches(&accounts, accounts.find("a").verifier, Secret::new("other".into())).await);
    }
}
