//! Who has guessed too often: bans of a user at one address, and of one address for all users, by
//! the number of wrong proofs within a window.
//!
//! This module only counts. Whether a proof was right is decided by the session, which reports it
//! when it finishes the [`Attempt`]; an attempt that is dropped before, by a deadline or a client
//! that makes room, counts for nothing. In IPv6 an address stands for its /64. Nothing is logged
//! while the lock is held.
//!
//! The limits come with each call. Where they change, wrong proofs and bans stay: the next wrong
//! proof is judged by the new limits, and a ban that has begun ends when it was to end.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use parking_lot::{Mutex, MutexGuard};
use thiserror::Error;
use tokio::time::Instant;
use tracing::warn;

use self::memory::{Memory, Thresholds};
pub(crate) use self::user::CountedUser;
use crate::address::{is_in, neighbourhood};
use crate::config::BanLimits;
use crate::fault::{Fault, Kind};
use crate::wire::refusal::Refusal;

mod memory;
mod user;

/// An address may have this many times as many wrong proofs over all users as with one.
const ALL_USERS: usize = 10;

/// All bans, and the failures that may lead to more. One is shared by all sessions.
#[derive(Default)]
pub(crate) struct Bans {
    /// The lock is held for one look or one change; only [`Bans::forgive`] walks all addresses.
    memory: Mutex<Memory>,
}

/// One ban, as it is shown to the operator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ban {
    /// The address; in IPv6 the first of its /64.
    pub address: IpAddr,
    /// The user's name, or a hash where nobody has the name. `None`: all users are banned.
    pub user: Option<String>,
    /// How long the ban goes on.
    pub left: Duration,
}

/// A ban keeps the client out: it is not asked for a proof, or its proof does not matter.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("too many failed logins: banned for {}s more (limits.ban_after)", .left.as_secs())]
pub(crate) struct Banned {
    left: Duration,
}

/// A login that may be tried. It takes effect by [`Attempt::finish`] alone; dropping it counts for
/// nothing.
#[must_use]
pub(crate) struct Attempt<'a> {
    bans: &'a Bans,
    limits: &'a BanLimits,
    from: IpAddr,
    user: &'a CountedUser,
}

/// How the proof of an attempt ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The proof was finished, and right.
    Right,
    /// The proof was finished, and wrong.
    Wrong,
    /// The proof was not finished, or is not known to be wrong: it counts for nothing.
    Uncounted,
}

impl Bans {
    /// Lets `user` try to log in from this address. The attempt is judged by `limits` to its end.
    ///
    /// # Errors
    /// The user is banned there, or the address is banned.
    pub(crate) fn start_attempt<'a>(
        &'a self,
        limits: &'a BanLimits,
        from: IpAddr,
        user: &'a CountedUser,
    ) -> Result<Attempt<'a>, Banned> {
        self.check(limits, from, user)?;
        Ok(Attempt { bans: self, limits, from, user })
    }

    /// Checks that no ban keeps `user` out at this address now.
    fn check(&self, limits: &BanLimits, from: IpAddr, user: &CountedUser) -> Result<(), Banned> {
        if !is_counted(from, limits) {
            return Ok(());
        }
        let (now, memory) = self.memory(limits);
        match memory.banned_until(neighbourhood(from), user) {
            Some(until) => Err(Banned { left: until - now }),
            None => Ok(()),
        }
    }

    fn record_failure(&self, limits: &BanLimits, from: IpAddr, user: &CountedUser) {
        if !is_counted(from, limits) {
            return;
        }
        let from = neighbourhood(from);
        let begun = {
            let (now, mut memory) = self.memory(limits);
            memory.count_failure(now, from, user, &thresholds(limits))
        };
        for banned in begun {
            warn!(
                event = "banned",
                client_addr = from.to_string().as_str(),
                user = banned.as_ref().map_or("*", CountedUser::shown),
                secs = limits.time.as_secs(),
                "banned: too many failed logins"
            );
        }
    }

    /// Stops counting this user's failures from there, against the user and against the address.
    /// Those of other users count on, so that nobody with an account of their own has more guesses
    /// at others'.
    fn record_success(&self, limits: &BanLimits, from: IpAddr, user: &CountedUser) {
        if is_counted(from, limits) {
            self.memory(limits)
                .1
                .forgive_pair(neighbourhood(from), user);
        }
    }

    /// Forgives users whose password has changed, since it was a wrong one until now: their
    /// failures no longer count, and their bans end, wherever they came from. The ban of a whole
    /// address ends where the failures of others would not have led to it.
    pub(crate) fn forgive(&self, limits: &BanLimits, users: &HashSet<CountedUser>) {
        self.memory(limits)
            .1
            .forgive_everywhere(users, &thresholds(limits));
    }

    /// Lists all bans that `limits` leave in force; those that end first come first.
    pub(crate) fn list(&self, limits: &BanLimits) -> Vec<Ban> {
        let (now, memory) = self.memory(limits);
        let shown = |(until, address, user): &(Instant, IpAddr, Option<CountedUser>)| Ban {
            address: *address,
            user: user.as_ref().map(|user| user.shown().to_owned()),
            left: *until - now,
        };
        memory
            .bans
            .iter()
            .filter(|(_, address, _)| is_in_force(*address, limits))
            .map(shown)
            .collect()
    }

    /// Counts the bans that `limits` leave in force.
    pub(crate) fn count(&self, limits: &BanLimits) -> usize {
        let (_, memory) = self.memory(limits);
        match limits.after {
            0 => 0,
            _ if limits.exempt.is_empty() => memory.bans.len(),
            _ => {
                let is_counted =
                    |(_, address, _): &&(Instant, IpAddr, Option<CountedUser>)| is_in_force(*address, limits);
                memory.bans.iter().filter(is_counted).count()
            }
        }
    }

    /// Ends all bans of an address, forgets its failures, and says how many bans there were.
    pub(crate) fn lift(&self, limits: &BanLimits, from: IpAddr) -> usize {
        self.memory(limits).1.forget_address(neighbourhood(from))
    }

    /// Locks the memory, without what has expired by now.
    fn memory(&self, limits: &BanLimits) -> (Instant, MutexGuard<'_, Memory>) {
        let now = Instant::now();
        let mut memory = self.memory.lock();
        memory.expire(now, limits.window);
        (now, memory)
    }
}

fn thresholds(limits: &BanLimits) -> Thresholds {
    let BanLimits { after, time, .. } = *limits;
    Thresholds { of_user: after, of_address: after.saturating_mul(ALL_USERS), time }
}

fn is_counted(from: IpAddr, limits: &BanLimits) -> bool {
    limits.after > 0 && !is_in(from, &limits.exempt)
}

/// Whether the bans of an address keep anybody out. In IPv6 the address stands for its /64, of
/// which an exempt network may be a part.
fn is_in_force(banned: IpAddr, limits: &BanLimits) -> bool {
    let is_all_of_it = |network: &IpNet| network.prefix_len() <= 64 && network.contains(&banned);
    limits.after > 0 && !limits.exempt.iter().any(is_all_of_it)
}

impl Attempt<'_> {
    /// Whether the client may still hear that its proof was right. Once a ban has begun it may not:
    /// of guesses that are made all at once, none after the last counted one is answered.
    pub(crate) fn is_allowed(&self) -> bool {
        self.bans.check(self.limits, self.from, self.user).is_ok()
    }

    /// Counts the attempt by its outcome.
    ///
    /// # Errors
    /// A ban began while the attempt was under way; its outcome does not matter then.
    pub(crate) fn finish(self, outcome: Outcome) -> Result<(), Banned> {
        let Self { bans, limits, from, user } = self;
        bans.check(limits, from, user)?;
        match outcome {
            Outcome::Right => bans.record_success(limits, from, user),
            Outcome::Wrong => bans.record_failure(limits, from, user),
            Outcome::Uncounted => {}
        }
        Ok(())
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
