//! Who has guessed too often: wrong proofs of one (address, user), and of one address over all
//! users, within a window.
//!
//! This module only counts. Whether a proof was right is decided by the session, which reports it
//! when it ends the [`Trial`]; a trial that is dropped before, by a deadline or a client that makes
//! room, counts for nothing. In IPv6 an address stands for its /64. Nothing is logged while the
//! lock is held.
//!
//! Memory is bounded: beyond [`MAX_FAILURES`] or [`MAX_BANS`] the oldest are forgotten, and beyond
//! [`MAX_GROUNDS`] new bans of whole addresses do not remember whose failures they stand on. A ban
//! takes `ban_after` finished proofs, so that to push one out before its time an attacker has to
//! finish a hundred thousand times as many.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use thiserror::Error;
use tokio::time::Instant;
use tracing::warn;

use crate::address::{is_in, neighbourhood};
use crate::config::BanLimits;
use crate::fault::{Fault, Kind};
use crate::secret::SecretBytes;
use crate::wire::refusal::Refusal;

/// Wrong proofs remembered.
const MAX_FAILURES: usize = 100_000;

/// Bans remembered.
const MAX_BANS: usize = 100_000;

/// Users remembered whose failures bans of whole addresses stand on.
const MAX_GROUNDS: usize = 100_000;

/// How many more wrong proofs one address has over all users than with one.
const ALL_USERS: usize = 10;

/// All bans, and what leads to them. Shared by all sessions.
pub(crate) struct Bans {
    /// Wrong proofs of one (address, user).
    after: usize,
    window: Duration,
    time: Duration,
    exempt: Vec<IpNet>,
    memory: Mutex<Memory>,
}

/// One ban, to be shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ban {
    /// In IPv6 the first of its /64.
    pub address: IpAddr,
    /// `None`: all users. A name that nobody has is a hash.
    pub user: Option<String>,
    /// How long it goes on.
    pub left: Duration,
}

/// The client is not asked for a proof, or its proof does not matter.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("too many failed logins: banned for {}s more (limits.ban_after)", .left.as_secs())]
pub(crate) struct Banned {
    left: Duration,
}

/// A proof that may be tried: it takes effect by [`Trial::end`] alone.
#[must_use]
pub(crate) struct Trial<'a> {
    bans: &'a Bans,
    from: IpAddr,
    user: &'a Counted,
}

/// How a proof ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    Right,
    /// Finished, and wrong.
    Wrong,
    /// Not finished, or not known to be wrong: it counts for nothing.
    Uncounted,
}

/// A user name, whoever has it. What names are told apart by is all of it: one that nobody has must
/// not share a count with one that somebody has, or a ban of the first would tell of the second.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    /// An HMAC of the name under a key of the proxy's own.
    tag: SecretBytes<[u8; 32]>,
    /// For people: the name, or a few digits of a hash where nobody has it.
    shown: Arc<str>,
}

impl Counted {
    pub(crate) fn new(tag: SecretBytes<[u8; 32]>, shown: &str) -> Self {
        Self { tag, shown: shown.into() }
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tag.hash(state);
    }
}

#[derive(Default)]
struct Memory {
    addresses: HashMap<IpAddr, Address>,
    /// Every failure that counts or has counted, oldest first.
    failures: VecDeque<(Instant, IpAddr, Counted)>,
    /// Every ban, in the order of their ends.
    bans: VecDeque<(Instant, IpAddr, Option<Counted>)>,
    /// How many entries all `grounds` have.
    grounds: usize,
}

/// What is known of one address.
#[derive(Default)]
struct Address {
    /// Failures of all its users that count.
    failures: usize,
    until: Option<Instant>,
    /// What the ban of the address stands on: its users' failures of then. The ban outlives them in
    /// the queue. Empty: there is no ban, or too much is remembered already.
    grounds: HashMap<Counted, usize>,
    users: HashMap<Counted, Pair>,
}

/// What is known of one (address, user).
#[derive(Default)]
struct Pair {
    failures: usize,
    /// Failures ahead of the last success: still in the queue, but no longer counted. They are the
    /// older ones.
    forgiven: usize,
    until: Option<Instant>,
}

impl Bans {
    pub(crate) fn new(limits: &BanLimits) -> Self {
        Self {
            after: limits.after,
            window: limits.window,
            time: limits.time,
            exempt: limits.exempt.clone(),
            memory: Mutex::default(),
        }
    }

    /// Lets `user` try from there.
    ///
    /// # Errors
    /// It is banned, or the address is.
    pub(crate) fn trial<'a>(&'a self, from: IpAddr, user: &'a Counted) -> Result<Trial<'a>, Banned> {
        self.judge(from, user)?;
        Ok(Trial { bans: self, from, user })
    }

    /// Whether `user` may try, or get in, from there.
    fn judge(&self, from: IpAddr, user: &Counted) -> Result<(), Banned> {
        if !self.counts(from) {
            return Ok(());
        }
        let (now, memory) = self.memory();
        let Some(address) = memory.addresses.get(&neighbourhood(from)) else {
            return Ok(());
        };
        let until = address
            .until
            .max(address.users.get(user).and_then(|pair| pair.until));
        until.map_or(Ok(()), |until| Err(Banned { left: until - now }))
    }

    /// A finished proof was wrong.
    fn failed(&self, from: IpAddr, user: &Counted) {
        if !self.counts(from) {
            return;
        }
        let from = neighbourhood(from);
        for whom in self.count(from, user) {
            warn!(
                client_addr = from.to_string().as_str(),
                user = whom.as_ref().map_or("*", |user| &user.shown),
                secs = self.time.as_secs(),
                "banned: too many failed logins"
            );
        }
    }

    /// Counts a wrong proof: whom it bans, if anybody. `None` among them is all users of the
    /// address.
    fn count(&self, from: IpAddr, user: &Counted) -> impl Iterator<Item = Option<Counted>> + use<> {
        let (now, mut memory) = self.memory();
        if memory.failures.len() >= MAX_FAILURES {
            memory.forget_failure();
        }
        memory.failures.push_back((now, from, user.clone()));
        let until = now + self.time;
        let memory = &mut *memory;
        let address = memory.addresses.entry(from).or_default();
        let pair = address.users.entry(user.clone()).or_default();
        pair.failures += 1;
        let bans_pair = pair.failures >= self.after && pair.until.is_none();
        if bans_pair {
            pair.until = Some(until);
        }
        address.failures += 1;
        let bans_address = address.failures >= self.limit_of_address() && address.until.is_none();
        if bans_address {
            address.until = Some(until);
            memory.grounds += address.remember_grounds(MAX_GROUNDS.saturating_sub(memory.grounds));
        }
        let of_pair = bans_pair.then(|| Some(user.clone()));
        let banned = of_pair.into_iter().chain(bans_address.then_some(None));
        for whom in banned.clone() {
            if memory.bans.len() >= MAX_BANS {
                memory.end_ban();
            }
            memory.bans.push_back((until, from, whom));
        }
        banned
    }

    /// A proof was right: this user's failures from there no longer count, neither against it nor
    /// against the address. Those of other users do, so that nobody with an account of their own
    /// has more guesses at others'.
    fn succeeded(&self, from: IpAddr, user: &Counted) {
        if !self.counts(from) {
            return;
        }
        let (_, mut memory) = self.memory();
        let Some(address) = memory.addresses.get_mut(&neighbourhood(from)) else {
            return;
        };
        let Some(pair) = address.users.get_mut(user) else { return };
        address.failures -= pair.failures;
        pair.forgiven += std::mem::take(&mut pair.failures);
    }

    /// These users have another password from now on, which was a wrong one until now: their
    /// failures no longer count, and their bans end, wherever they came from. The ban of a whole
    /// address ends where the failures of others would not have led to it.
    pub(crate) fn forgive(&self, users: &HashSet<Counted>) {
        let (_, mut memory) = self.memory();
        let memory = &mut *memory;
        let (mut over, mut forgiven) = (HashSet::new(), Vec::new());
        for (from, address) in &mut memory.addresses {
            let of_users: Vec<_> = address
                .users
                .keys()
                .filter(|user| users.contains(user))
                .cloned()
                .collect();
            for user in of_users {
                address.forgive(&user);
                forgiven.push((*from, user));
            }
            let before = address.grounds.len();
            address.grounds.retain(|user, _| !users.contains(user));
            memory.grounds -= before - address.grounds.len();
            if address.grounds.len() < before && address.grounds.values().sum::<usize>() < self.limit_of_address() {
                memory.grounds -= address.end_ban();
                over.insert(*from);
            }
        }
        memory.bans.retain(|(_, from, of)| {
            of.as_ref()
                .map_or(!over.contains(from), |user| !users.contains(user))
        });
        for (from, user) in forgiven {
            memory.tidy(from, Some(&user));
        }
        for from in over {
            memory.tidy(from, None);
        }
    }

    /// All bans, those that end first ahead.
    pub(crate) fn list(&self) -> Vec<Ban> {
        let (now, memory) = self.memory();
        let shown = |(until, address, user): &(Instant, IpAddr, Option<Counted>)| Ban {
            address: *address,
            user: user.as_ref().map(|user| user.shown.to_string()),
            left: *until - now,
        };
        memory.bans.iter().map(shown).collect()
    }

    /// Ends all bans of an address, and forgets its failures: how many bans there were.
    pub(crate) fn lift(&self, from: IpAddr) -> usize {
        let from = neighbourhood(from);
        let (_, mut memory) = self.memory();
        let before = memory.bans.len();
        memory.bans.retain(|(_, of, _)| *of != from);
        memory.failures.retain(|(_, of, _)| *of != from);
        if let Some(mut address) = memory.addresses.remove(&from) {
            memory.grounds -= address.end_ban();
        }
        before - memory.bans.len()
    }

    fn limit_of_address(&self) -> usize {
        self.after.saturating_mul(ALL_USERS)
    }

    fn counts(&self, from: IpAddr) -> bool {
        self.after > 0 && !is_in(from, &self.exempt)
    }

    /// What is remembered now: less what is over.
    fn memory(&self) -> (Instant, MutexGuard<'_, Memory>) {
        let now = Instant::now();
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        while memory
            .failures
            .front()
            .is_some_and(|(at, ..)| now.duration_since(*at) >= self.window)
        {
            memory.forget_failure();
        }
        while memory.bans.front().is_some_and(|(until, ..)| *until <= now) {
            memory.end_ban();
        }
        (now, memory)
    }
}

impl Trial<'_> {
    /// Whether the client may still hear that it was right: of those that guess all at once, none
    /// is to.
    pub(crate) fn is_open(&self) -> bool {
        self.bans.judge(self.from, self.user).is_ok()
    }

    /// Counts it.
    ///
    /// # Errors
    /// A ban began meanwhile, by others' guesses: then this one does not matter.
    pub(crate) fn end(self, how: Ended) -> Result<(), Banned> {
        self.bans.judge(self.from, self.user)?;
        match how {
            Ended::Right => self.bans.succeeded(self.from, self.user),
            Ended::Wrong => self.bans.failed(self.from, self.user),
            Ended::Uncounted => {}
        }
        Ok(())
    }
}

impl Address {
    /// Remembers whose failures its ban stands on, unless there are more than `most` of them: how
    /// many are remembered.
    fn remember_grounds(&mut self, most: usize) -> usize {
        let failing = self.users.iter().filter(|(_, pair)| pair.failures > 0);
        self.grounds = failing
            .map(|(user, pair)| (user.clone(), pair.failures))
            .collect();
        if self.grounds.len() > most {
            self.grounds.clear();
        }
        self.grounds.len()
    }

    /// A user's failures no longer count, and its ban ends.
    fn forgive(&mut self, user: &Counted) {
        let Some(pair) = self.users.get_mut(user) else { return };
        self.failures -= pair.failures;
        pair.forgiven += std::mem::take(&mut pair.failures);
        pair.until = None;
    }

    /// Ends the ban of the whole address: how many grounds are forgotten with it.
    fn end_ban(&mut self) -> usize {
        self.until = None;
        std::mem::take(&mut self.grounds).len()
    }
}

impl Memory {
    /// The oldest failure.
    fn forget_failure(&mut self) {
        let Some((_, from, user)) = self.failures.pop_front() else { return };
        let Some(address) = self.addresses.get_mut(&from) else { return };
        if let Some(pair) = address.users.get_mut(&user) {
            if pair.forgiven > 0 {
                pair.forgiven -= 1;
            } else {
                pair.failures = pair.failures.saturating_sub(1);
                address.failures = address.failures.saturating_sub(1);
            }
        }
        self.tidy(from, Some(&user));
    }

    /// The ban that ends first.
    fn end_ban(&mut self) {
        let Some((_, from, user)) = self.bans.pop_front() else { return };
        let Some(address) = self.addresses.get_mut(&from) else { return };
        match &user {
            None => self.grounds -= address.end_ban(),
            Some(user) => {
                if let Some(pair) = address.users.get_mut(user) {
                    pair.until = None;
                }
            }
        }
        self.tidy(from, user.as_ref());
    }

    /// What nothing is known of is not kept.
    fn tidy(&mut self, from: IpAddr, user: Option<&Counted>) {
        let Some(address) = self.addresses.get_mut(&from) else { return };
        let is_over = |pair: &Pair| pair.failures + pair.forgiven == 0 && pair.until.is_none();
        if let Some(user) = user.filter(|user| address.users.get(user).is_some_and(is_over)) {
            address.users.remove(user);
        }
        if address.users.is_empty() && address.until.is_none() {
            self.addresses.remove(&from);
        }
    }
}

impl Fault for Banned {
    fn kind(&self) -> Kind {
        Kind::Client
    }

    fn refusal(&self) -> Option<Refusal> {
        Some(Refusal::banned())
    }
}

#[cfg(test)]
mod tests;
