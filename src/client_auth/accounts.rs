//! What a name is checked against: the verifiers of its passwords, or some made up for a name that
//! does not exist.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use tracing::warn;

pub(crate) use self::derive::AccountsError;
use self::derive::Derivations;
use self::entry::Entry;
use self::listed::Listed;
use super::verifiers::Verifiers;
use super::{Reason, Users};
use crate::blocking::Unfinished;
use crate::clock::Clock;
use crate::config::{AnyUser, BEFORE_CONN_ID, Holder, Method, Password, Proof, User};
use crate::crypto::verifier::{ITERATIONS, SALT_BYTES};
use crate::limits::bans::CountedUser;
use crate::references::Listing;
use crate::secret::Secret;

mod derive;
mod entry;
mod listed;
#[cfg(test)]
mod tests;
mod unknown;

/// All users.
pub(crate) struct Accounts {
    /// Those with an entry of their own, by password.
    users: BTreeMap<String, Entry>,
    /// Those with an entry of their own, by certificate.
    certified: BTreeMap<String, Holder>,
    /// `users."*"` by certificate.
    any_certified: Option<Holder>,
    /// Those without: `users."*"` by an SSM path.
    listed: Option<Listed>,
    /// What most verifiers have: a fake one must not stand out.
    usual_iterations: AtomicU32,
    /// Whether there are names of which no password has been read yet: some user's, or the path of
    /// `users."*"`.
    is_any_unread: AtomicBool,
    /// Held while both are found, so that the last to look is the last to say.
    counting: Mutex<()>,
    derivations: Derivations,
    clock: Arc<dyn Clock>,
}

/// What one name is checked against.
pub(super) struct Account {
    /// Who a password of these proves the client to be. `Err`: nobody, whatever it shows; for the
    /// log.
    pub(super) user: Result<Holder, Reason>,
    pub(super) method: Method,
    pub(super) verifiers: Verifiers,
    /// Whether a wrong proof counts towards a ban.
    pub(super) is_counted: bool,
}

impl Accounts {
    /// Gives every user its verifiers; a plain password that a reference led to is hashed here,
    /// once. `clock`: by which passwords expire.
    ///
    /// # Errors
    /// See [`AccountsError`].
    pub(crate) async fn new(
        users: &Users,
        any: Option<&AnyUser>,
        salt_key: hmac::Key,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AccountsError> {
        let mut accounts = Self {
            users: BTreeMap::new(),
            certified: BTreeMap::new(),
            any_certified: any
                .filter(|any| any.path.is_none())
                .map(|any| Holder::any(&any.rights)),
            listed: any
                .filter(|any| any.path.is_some())
                .map(|any| Listed::new(Arc::clone(&any.rights))),
            usual_iterations: AtomicU32::new(ITERATIONS),
            is_any_unread: AtomicBool::new(true),
            counting: Mutex::default(),
            derivations: Derivations::new(salt_key),
            clock,
        };
        for (name, user) in users {
            let Proof::Passwords(passwords) = &user.proof else {
                accounts.certified.insert(name.clone(), Holder::own(user));
                continue;
            };
            let entry = Entry::new(Arc::clone(user), passwords.iter().map(|stored| stored.password.clone()));
            entry.make(name, &accounts.derivations).await?;
            accounts.users.insert(name.clone(), entry);
        }
        accounts.count();
        Ok(accounts)
    }

    /// What the reference in a slot of a user's leads to now.
    ///
    /// # Errors
    /// See [`AccountsError`]; then the old one stays.
    pub(crate) async fn renew(&self, name: &str, slot: usize, password: Password) -> Result<(), AccountsError> {
        let Some(entry) = self.users.get(name) else { return Ok(()) };
        let was_unread = entry.verifiers().is_none();
        entry.renew(name, slot, password, &self.derivations).await?;
        let usual = self.usual_iterations.load(Ordering::Relaxed);
        // One more of the usual ones stays usual: what all have is counted only where it can
        // change.
        if was_unread
            || entry
                .verifiers()
                .is_some_and(|verifiers| verifiers.iterations != usual)
        {
            self.count();
        }
        Ok(())
    }

    /// Who is below the path of `users."*"` now: nobody else is one of them from here on. Gives
    /// back the names that have another password than before, or are new.
    ///
    /// # Errors
    /// See [`AccountsError`]; then those of before stay.
    pub(crate) async fn relist(&self, listing: Listing) -> Result<Vec<String>, AccountsError> {
        let Some(listed) = &self.listed else { return Ok(Vec::new()) };
        let has_entry = |name: &String| self.users.contains_key(name) || self.certified.contains_key(name);
        let others = listing.into_iter().filter(|(name, _)| !has_entry(name));
        let renewed = listed.renew(others, &self.derivations).await?;
        self.count();
        Ok(renewed)
    }

    /// A stranger is answered like most users: those that are not like most can be told from
    /// strangers.
    pub(crate) fn warn_of_odd_ones(&self) {
        const SO: &str = "strangers can find out that this user exists";
        for (name, entry) in &self.users {
            let Some(verifiers) = entry.verifiers() else { continue };
            if let Some(what) = self.oddity(&verifiers, entry.user.method) {
                warn!(user = name.as_str(), "{what}: {SO}");
            }
        }
        if self.any_certified.is_none() {
            for name in self.certified.keys() {
                warn!(user = name.as_str(), "it is asked for a certificate: {SO}");
            }
        }
        let Some(listed) = &self.listed else { return };
        let odd = listed
            .all()
            .filter(|verifiers| self.oddity(verifiers, listed.rights.method).is_some())
            .count();
        if odd > 0 {
            warn!(user = "*", users = odd, "their verifiers or their method differ from most: {SO}");
        }
    }

    /// What the name is called in logs: itself, or what stands for one that nobody has. As much
    /// work for either.
    pub(crate) fn known_as(&self, name: &str) -> String {
        let alias = unknown::alias(name);
        if self.knows(name) { name.to_owned() } else { alias }
    }

    /// What the name is counted as by bans.
    pub(crate) fn counted_as(&self, name: &str, known_as: &str) -> CountedUser {
        CountedUser::new(self.derivations.fakes.pseudonym(name), known_as)
    }

    /// Whether somebody has this name. Of `users."*"` by certificate nobody has one before it is
    /// shown.
    fn knows(&self, name: &str) -> bool {
        self.users.contains_key(name)
            || self.certified.contains_key(name)
            || self
                .listed
                .as_ref()
                .is_some_and(|listed| listed.find(name).is_some())
    }

    /// Who has this name, if a certificate is what proves it. Any name without `~` may be one of
    /// `users."*"`.
    pub(super) fn certified(&self, name: &str) -> Option<Holder> {
        let may_be_any = || !self.users.contains_key(name) && !name.contains(BEFORE_CONN_ID);
        let any = || self.any_certified.as_ref().filter(|_| may_be_any());
        self.certified.get(name).or_else(any).cloned()
    }

    /// The account of `name`; never fails, and takes as long for a stranger.
    ///
    /// A wrong proof of a user of whom nothing has been read yet is not counted, for it may be
    /// right. Nor is one of an unknown name then: who of those that are never banned has an entry
    /// would show.
    pub(super) fn find(&self, name: &str) -> Account {
        let is_any_unread = self.is_any_unread.load(Ordering::Relaxed);
        let fake = self
            .derivations
            .fakes
            .of(name, self.usual_iterations.load(Ordering::Relaxed));
        let Some((holder, stored)) = self.known(name) else {
            // While nobody below the path is known yet, each name may be one of them.
            let is_unread = self.listed.as_ref().is_some_and(|listed| !listed.is_read());
            let reason = if is_unread { Reason::Unread } else { Reason::UnknownUser };
            let method = self.usual_method();
            return Account { user: Err(reason), method, verifiers: fake, is_counted: !is_any_unread };
        };
        let barred = self.barred(&holder.rights);
        let is_counted = stored.is_some() || !is_any_unread;
        let (user, verifiers) = match (stored, barred) {
            (Some(verifiers), None) => (Ok(holder.clone()), Verifiers::clone(&verifiers)),
            // The right password must not earn the server's proof: that would tell.
            (Some(verifiers), Some(why)) => (Err(why), fake.like(&verifiers)),
            (None, why) => (Err(why.unwrap_or(Reason::Unread)), fake),
        };
        Account { user, method: holder.rights.method, verifiers, is_counted }
    }

    /// Which of the account's passwords a client at `from` has sent: thousands of hashes, on a
    /// thread of its own, one at a time for each address.
    ///
    /// # Errors
    /// The work was not done, so that nothing is known of the password.
    pub(super) async fn slot_of(
        &self,
        account: &Account,
        from: IpAddr,
        password: Secret,
    ) -> Result<Option<usize>, Unfinished> {
        self.derivations
            .slot_of(from, account.verifiers.clone(), password)
            .await
    }

    fn known(&self, name: &str) -> Option<(Holder, Option<Arc<Verifiers>>)> {
        if let Some(entry) = self.users.get(name) {
            return Some((Holder::own(&entry.user), entry.verifiers()));
        }
        let listed = self.listed.as_ref()?;
        let verifiers = listed.find(name)?;
        Some((Holder::any(&listed.rights), verifiers))
    }

    /// Why no password proves this user now.
    fn barred(&self, user: &User) -> Option<Reason> {
        if !user.enabled {
            return Some(Reason::Disabled);
        }
        user.password_expires
            .filter(|&end| self.clock.now() >= end)
            .map(|_| Reason::Expired)
    }

    /// How strangers are asked: where any name may be one of `users."*"`, as they are.
    fn usual_method(&self) -> Method {
        self.listed
            .as_ref()
            .map_or(Method::Auto, |listed| listed.rights.method)
    }

    /// What tells a user from a stranger.
    fn oddity(&self, verifiers: &Verifiers, method: Method) -> Option<&'static str> {
        if verifiers.iterations != self.usual_iterations.load(Ordering::Relaxed) {
            Some("its verifier has another iteration count than most")
        } else if verifiers.salt.len() != SALT_BYTES {
            Some("its verifier has a salt of another length than 16 bytes")
        } else if method != self.usual_method() {
            Some("its method is not that of strangers (auto, or that of users.\"*\")")
        } else {
            None
        }
    }

    /// Finds whether anything is unread, and the most frequent count of rounds; PostgreSQL's own
    /// where there are no users.
    fn count(&self) {
        let _turn = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_any_unread = self.users.values().any(|entry| entry.verifiers().is_none())
            || self.listed.as_ref().is_some_and(|listed| !listed.is_read());
        self.is_any_unread.store(is_any_unread, Ordering::Relaxed);
        let mut seen = HashMap::<u32, usize>::new();
        let of_entries = self.users.values().filter_map(Entry::verifiers);
        for verifiers in of_entries.chain(self.listed.iter().flat_map(Listed::all)) {
            *seen.entry(verifiers.iterations).or_default() += 1;
        }
        // Of two as frequent the smaller: strangers cost as much.
        let usual = seen
            .into_iter()
            .max_by_key(|&(count, times)| (times, Reverse(count)));
        self.usual_iterations
            .store(usual.map_or(ITERATIONS, |(count, _)| count), Ordering::Relaxed);
    }
}
