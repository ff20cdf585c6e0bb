//! What a name is checked against: the verifiers of its passwords, or some made up for an unknown
//! user.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use tracing::warn;

pub(crate) use self::derive::AccountsError;
use self::derive::Derivations;
use self::entry::Entry;
use self::listed::{Listed, Lookup};
use self::usual::{Seen, Usual};
use super::reason::Reason;
use super::verifiers::Verifiers;
use crate::blocking::Unfinished;
use crate::clock::Clock;
use crate::config::{AnyProof, AnyUser, BEFORE_CONN_ID, Holder, Method, Password, Proof, Rights, User};
use crate::limits::bans::CountedUser;
use crate::references::Listing;
use crate::secret::Secret;

mod derive;
mod entry;
mod listed;
#[cfg(test)]
mod tests;
mod unknown;
mod usual;

/// The users by name, as the configuration has them, but for `users."*"`.
type Users = BTreeMap<String, Arc<User>>;

/// The accounts: all users, and the verifiers of their passwords. One is shared by all sessions,
/// which look names up in it without waiting, and by the references, which renew passwords.
pub(crate) struct Accounts {
    own: BTreeMap<String, OwnEntry>,
    any: AnyEntry,
    usual: Usual,
    derivations: Derivations,
    clock: Arc<dyn Clock>,
}

/// The proof that is asked of a user that has an entry of its own.
enum OwnEntry {
    Password(Entry),
    Certificate(Holder),
}

/// The proof that `users."*"` asks of a user that has no entry of its own.
enum AnyEntry {
    /// The configuration has no `users."*"`: nobody without an entry is a user.
    Missing,
    /// A parameter below an SSM path.
    Listed(Listed),
    /// A certificate in the user's name.
    Certificate(Holder),
}

/// What is known of a user name, by an entry of its own or by `users."*"`.
enum Found {
    /// The user has a password. `None`: its verifiers were not read yet.
    Password(Holder, Option<Arc<Verifiers>>),
    /// The user has to show a certificate.
    Certificate(Holder),
    /// There is no such user.
    Nobody,
}

/// Who a user is that has proved its name before.
pub(crate) enum Standing {
    /// The user's entry. It may be disabled.
    Known(Holder),
    /// Nobody has this name any more.
    Nobody,
    /// The path of `users."*"` has not been read yet, so that nobody can tell.
    Unread,
}

/// The proof that one name has to show.
pub(super) enum Account {
    /// A certificate proves the holder.
    Certificate(Holder),
    /// A password proves the holder, or the name is unknown.
    Password(PasswordAccount),
}

/// The verifiers that the password of one name is checked against, and what follows from a match.
pub(super) struct PasswordAccount {
    /// The user that a password proves the client to be. `Err`: none does, for this reason.
    pub(super) holder: Result<Holder, Reason>,
    /// The way in which the client is asked for its password.
    pub(super) method: Method,
    /// The verifiers of the user's passwords, or made-up ones that no password matches.
    pub(super) verifiers: Verifiers,
    /// Whether a wrong proof counts towards a ban.
    pub(super) is_counted: bool,
}

impl Accounts {
    /// Gives every user its verifiers; a plain password that a reference led to is hashed here,
    /// once. Passwords expire by `clock`. What the accounts of an earlier configuration have read
    /// of the same references is taken over.
    ///
    /// # Errors
    /// See [`AccountsError`].
    pub(crate) async fn new(
        users: &Users,
        any: Option<&Arc<AnyUser>>,
        salt_key: hmac::Key,
        clock: Arc<dyn Clock>,
        before: Option<&Self>,
    ) -> Result<Self, AccountsError> {
        let derivations = Derivations::new(salt_key, before.map(|before| &before.derivations));
        let mut own = BTreeMap::new();
        for (name, user) in users {
            let entry = match &user.proof {
                Proof::Certificate => OwnEntry::Certificate(Holder::Own(Arc::clone(user))),
                Proof::Passwords(stored) => {
                    let before = before.and_then(|before| before.entry(name));
                    OwnEntry::Password(Entry::new(name, user, stored, before, &derivations).await?)
                }
            };
            own.insert(name.clone(), entry);
        }
        let any = match any.map(|any| (any, &any.proof)) {
            None => AnyEntry::Missing,
            Some((any, AnyProof::Certificate)) => AnyEntry::Certificate(Holder::Any(Arc::clone(any))),
            Some((any, AnyProof::Passwords { .. })) => {
                AnyEntry::Listed(Listed::new(Arc::clone(any), before.and_then(Self::listed)))
            }
        };
        let accounts = Self { own, any, usual: Usual::new(), derivations, clock };
        accounts.recount();
        Ok(accounts)
    }

    /// Replaces one password of a user by what the reference at this index leads to now. Returns
    /// whether that is another password than before.
    ///
    /// # Errors
    /// See [`AccountsError`]; then the old one stays.
    pub(crate) async fn renew(&self, name: &str, index: usize, password: Password) -> Result<bool, AccountsError> {
        let Some(entry) = self.entry(name) else { return Ok(false) };
        let was_unread = entry.verifiers().is_none();
        let is_another = entry
            .renew(name, index, password, &self.derivations)
            .await?;
        let usual = self.usual.iterations();
        // If the new verifier has the most common iteration count, that count cannot change: no
        // recount over all users then.
        if was_unread
            || entry
                .verifiers()
                .is_some_and(|verifiers| verifiers.iterations != usual)
        {
            self.recount();
        }
        Ok(is_another)
    }

    /// The users with entries of their own whose verifiers are others than in an earlier
    /// configuration.
    pub(crate) fn renewed_since(&self, before: &Self) -> Vec<String> {
        let verifiers = |accounts: &Self, name: &str| accounts.entry(name).and_then(Entry::verifiers);
        let is_renewed = |name: &&String| match (verifiers(self, name), verifiers(before, name)) {
            (Some(now), Some(then)) => !Arc::ptr_eq(&now, &then) && now != then,
            (now, then) => now.is_some() != then.is_some(),
        };
        self.own.keys().filter(is_renewed).cloned().collect()
    }

    /// Who a user is now that has proved its name before, under this configuration or an earlier
    /// one. Whoever did so by an entry of its own (`has_own_entry`), which is gone now, has shown
    /// nothing that `users."*"` by certificate knows.
    pub(crate) fn standing(&self, name: &str, has_own_entry: bool) -> Standing {
        match self.look_up(name) {
            Found::Certificate(Holder::Any(_)) if has_own_entry => Standing::Nobody,
            Found::Password(holder, _) | Found::Certificate(holder) => Standing::Known(holder),
            Found::Nobody if self.listed().is_some_and(|listed| !listed.is_read()) => Standing::Unread,
            Found::Nobody => Standing::Nobody,
        }
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        match self.own.get(name) {
            Some(OwnEntry::Password(entry)) => Some(entry),
            Some(OwnEntry::Certificate(_)) | None => None,
        }
    }

    /// Replaces all users below the path of `users."*"` by those of a new listing, and gives back
    /// the names that have another password than before, or are new. Names with an entry of their
    /// own are kept too: the next configuration may take that entry away.
    ///
    /// # Errors
    /// See [`AccountsError`]; then the users of before stay.
    pub(crate) async fn relist(&self, listing: Listing) -> Result<Vec<String>, AccountsError> {
        let Some(listed) = self.listed() else { return Ok(Vec::new()) };
        let mut renewed = listed.renew(listing, &self.derivations).await?;
        renewed.retain(|name| !self.own.contains_key(name));
        self.recount();
        Ok(renewed)
    }

    /// Warns of users that differ from most. An unknown user is answered like most users, so those
    /// that are not like most can be told from unknown ones.
    pub(crate) fn warn_of_odd_ones(&self) {
        const SO: &str = "clients can find out that this user exists";
        let is_any_certified = matches!(self.any, AnyEntry::Certificate(_));
        for (name, own) in &self.own {
            let what = match own {
                OwnEntry::Password(entry) => entry
                    .verifiers()
                    .and_then(|verifiers| self.oddity(&verifiers, entry.user.rights.method)),
                OwnEntry::Certificate(_) => (!is_any_certified).then_some("it is asked for a certificate"),
            };
            if let Some(what) = what {
                warn!(event = "user told apart", user = name.as_str(), "{what}: {SO}");
            }
        }
        let Some(listed) = self.listed() else { return };
        let odd = self
            .verifiers_of_listed(listed)
            .iter()
            .filter(|verifiers| self.oddity(verifiers, listed.any.rights.method).is_some())
            .count();
        if odd > 0 {
            warn!(
                event = "user told apart",
                user = "*",
                users = odd,
                "their verifiers or their method differ from most: {SO}"
            );
        }
    }

    /// Whether the passwords of a user with an entry of its own have been read: one of two is
    /// enough, and a certificate needs none.
    pub(crate) fn is_read(&self, name: &str) -> bool {
        match self.own.get(name) {
            Some(OwnEntry::Password(entry)) => entry.verifiers().is_some(),
            Some(OwnEntry::Certificate(_)) | None => true,
        }
    }

    /// Whether the path of `users."*"` has been read, if it has one.
    pub(crate) fn is_list_read(&self) -> bool {
        self.listed().is_none_or(Listed::is_read)
    }

    /// The name as logs show it: itself, or an alias if it is unknown. It takes as long for either.
    pub(crate) fn known_as(&self, name: &str) -> String {
        let alias = unknown::alias(name);
        if self.is_known(name) { name.to_owned() } else { alias }
    }

    /// The name as bans count it, which they show as `known_as`.
    pub(crate) fn counted_as(&self, name: &str, known_as: &str) -> CountedUser {
        CountedUser::new(self.derivations.fakes.pseudonym(name), known_as)
    }

    /// Whether somebody has this name. No name of `users."*"` by certificate is known before its
    /// certificate is shown.
    fn is_known(&self, name: &str) -> bool {
        match self.look_up(name) {
            Found::Password(..) => true,
            Found::Certificate(holder) => matches!(holder, Holder::Own(_)),
            Found::Nobody => false,
        }
    }

    /// Looks a name up: its own entry first, then `users."*"`, which has no name with a `~`.
    fn look_up(&self, name: &str) -> Found {
        match (self.own.get(name), &self.any) {
            (Some(OwnEntry::Password(entry)), _) => {
                Found::Password(Holder::Own(Arc::clone(&entry.user)), entry.verifiers())
            }
            (Some(OwnEntry::Certificate(holder)), _) => Found::Certificate(holder.clone()),
            (None, AnyEntry::Certificate(holder)) if !name.contains(BEFORE_CONN_ID) => {
                Found::Certificate(holder.clone())
            }
            (None, AnyEntry::Listed(listed)) => match listed.find(name) {
                Lookup::NotListed => Found::Nobody,
                Lookup::Unusable => Found::Password(Holder::Any(Arc::clone(&listed.any)), None),
                Lookup::Usable(verifiers) => Found::Password(Holder::Any(Arc::clone(&listed.any)), Some(verifiers)),
            },
            (None, AnyEntry::Certificate(_) | AnyEntry::Missing) => Found::Nobody,
        }
    }

    /// Finds what `name` is checked against; never fails, and takes as long for an unknown user.
    ///
    /// A wrong proof of a user of whom nothing has been read yet is not counted, for it may be
    /// right. Nor is one of an unknown user then: otherwise bans would tell which of the names that
    /// are never banned has an entry.
    pub(super) fn find(&self, name: &str) -> Account {
        let is_any_unread = self.usual.is_any_unread();
        let fake = self
            .derivations
            .fakes
            .verifiers(name, self.usual.iterations());
        let (holder, stored) = match self.look_up(name) {
            Found::Certificate(holder) => return Account::Certificate(holder),
            Found::Password(holder, stored) => (holder, stored),
            Found::Nobody => {
                // While nobody below the path is known yet, each name may be one of them.
                let is_unread = self.listed().is_some_and(|listed| !listed.is_read());
                let reason = if is_unread { Reason::Unread } else { Reason::UnknownUser };
                let method = self.method_for_unknown();
                return Account::Password(PasswordAccount {
                    holder: Err(reason),
                    method,
                    verifiers: fake,
                    is_counted: !is_any_unread,
                });
            }
        };
        let barred = self.barred(holder.rights());
        let is_counted = stored.is_some() || !is_any_unread;
        let method = holder.rights().method;
        let (holder, verifiers) = match (stored, barred) {
            (Some(verifiers), None) => (Ok(holder), Verifiers::clone(&verifiers)),
            // The right password must not earn the server's proof: that would tell.
            (Some(verifiers), Some(why)) => (Err(why), fake.like(&verifiers)),
            (None, why) => (Err(why.unwrap_or(Reason::Unread)), fake),
        };
        Account::Password(PasswordAccount { holder, method, verifiers, is_counted })
    }

    /// Finds which of the account's passwords a client at `from` has sent. That takes thousands of
    /// hashes, on a thread of its own, one at a time for each address.
    ///
    /// # Errors
    /// The work was not done, so that nothing is known of the password.
    pub(super) async fn check_password(
        &self,
        account: &PasswordAccount,
        from: IpAddr,
        password: Secret,
    ) -> Result<Option<usize>, Unfinished> {
        self.derivations
            .check_password(from, account.verifiers.clone(), password)
            .await
    }

    /// Says why no password proves this user now, if none does.
    fn barred(&self, rights: &Rights) -> Option<Reason> {
        if !rights.enabled {
            return Some(Reason::Disabled);
        }
        rights
            .password_expires
            .filter(|&end| self.clock.now() >= end)
            .map(|_| Reason::Expired)
    }

    fn listed(&self) -> Option<&Listed> {
        if let AnyEntry::Listed(listed) = &self.any { Some(listed) } else { None }
    }

    /// The way in which unknown users are asked for a password: like those of `users."*"` where any
    /// name may be one of them.
    fn method_for_unknown(&self) -> Method {
        self.listed()
            .map_or(Method::Auto, |listed| listed.any.rights.method)
    }

    /// Says what tells a user from an unknown one, if anything does.
    fn oddity(&self, verifiers: &Verifiers, method: Method) -> Option<&'static str> {
        let is_method_odd = method != self.method_for_unknown();
        self.usual
            .oddity(verifiers)
            .or(is_method_odd.then_some("its method is not that of strangers (auto, or that of users.\"*\")"))
    }

    fn recount(&self) {
        self.usual.recount(|| {
            let mut seen =
                Seen { is_any_unread: self.listed().is_some_and(|listed| !listed.is_read()), iterations: Vec::new() };
            for own in self.own.values() {
                let OwnEntry::Password(entry) = own else { continue };
                match entry.verifiers() {
                    Some(verifiers) => seen.iterations.push(verifiers.iterations),
                    None => seen.is_any_unread = true,
                }
            }
            let listed = self.listed().into_iter();
            let listed = listed.flat_map(|listed| self.verifiers_of_listed(listed));
            seen.iterations
                .extend(listed.map(|verifiers| verifiers.iterations));
            seen
        });
    }

    /// The verifiers of those below the path whom no entry of their own hides.
    fn verifiers_of_listed(&self, listed: &Listed) -> Vec<Arc<Verifiers>> {
        listed.verifiers(|name| !self.own.contains_key(name))
    }
}
