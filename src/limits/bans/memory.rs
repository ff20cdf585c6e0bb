//! What is remembered of wrong proofs, and of the bans that they led to.
//!
//! Memory is bounded: beyond [`MAX_FAILURES`] or [`MAX_BANS`] the oldest are forgotten, and beyond
//! [`MAX_GROUNDS`] new bans of whole addresses do not remember whose failures they stand on. A ban
//! takes `ban_after` finished proofs, so that to push one out before its time an attacker has to
//! finish a hundred thousand times as many.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::user::CountedUser;

/// The most wrong proofs that are remembered.
pub(super) const MAX_FAILURES: usize = 100_000;

/// The most bans that are remembered.
pub(super) const MAX_BANS: usize = 100_000;

/// The most users that are remembered as grounds of bans of whole addresses.
pub(super) const MAX_GROUNDS: usize = 100_000;

/// How many finished wrong proofs lead to a ban, and for how long.
pub(super) struct Thresholds {
    /// Wrong proofs of one user from one address.
    pub(super) of_user: usize,
    /// Wrong proofs of all users from one address.
    pub(super) of_address: usize,
    /// How long a ban lasts.
    pub(super) time: Duration,
}

/// All failures and bans. Addresses are those of [`neighbourhood`](crate::address::neighbourhood).
#[derive(Default)]
pub(super) struct Memory {
    pub(super) addresses: HashMap<IpAddr, Address>,
    /// Every failure that counts or has counted, oldest first.
    pub(super) failures: VecDeque<(Instant, IpAddr, CountedUser)>,
    /// Every ban, in the order of their ends. `None`: a ban of all users of the address.
    pub(super) bans: VecDeque<(Instant, IpAddr, Option<CountedUser>)>,
    /// How many entries all `grounds` have.
    pub(super) grounds: usize,
}

/// What is known of one address.
#[derive(Default)]
pub(super) struct Address {
    /// Failures of all its users that count.
    failures: usize,
    /// The end of the ban of the whole address. `None`: there is no such ban.
    until: Option<Instant>,
    /// The failures that each user had when the ban of the address began: they led to it. The ban
    /// outlives them in the queue. Empty: there is no ban, or too much is remembered already.
    grounds: HashMap<CountedUser, usize>,
    pub(super) users: HashMap<CountedUser, Pair>,
}

/// What is known of one user at one address.
#[derive(Default)]
pub(super) struct Pair {
    failures: usize,
    /// Failures ahead of the last success: still in the queue, but no longer counted. They are the
    /// older ones.
    forgiven: usize,
    /// The end of this user's ban from this address. `None`: there is no such ban.
    until: Option<Instant>,
}

impl Memory {
    /// Forgets failures that are older than the window, and bans that are over.
    pub(super) fn expire(&mut self, now: Instant, window: Duration) {
        while self
            .failures
            .front()
            .is_some_and(|(at, ..)| now.duration_since(*at) >= window)
        {
            self.forget_oldest_failure();
        }
        while self.bans.front().is_some_and(|(until, ..)| *until <= now) {
            self.end_first_ban();
        }
    }

    /// The end of the ban that keeps this user out at this address.
    pub(super) fn banned_until(&self, from: IpAddr, user: &CountedUser) -> Option<Instant> {
        let address = self.addresses.get(&from)?;
        address
            .until
            .max(address.users.get(user).and_then(|pair| pair.until))
    }

    /// Counts a wrong proof, and gives back the bans that begin with it: of the user, of all users
    /// of the address (`None`), or both.
    pub(super) fn count_failure(
        &mut self,
        now: Instant,
        from: IpAddr,
        user: &CountedUser,
        thresholds: &Thresholds,
    ) -> Vec<Option<CountedUser>> {
        if self.failures.len() >= MAX_FAILURES {
            self.forget_oldest_failure();
        }
        self.failures.push_back((now, from, user.clone()));
        let until = now + thresholds.time;
        let address = self.addresses.entry(from).or_default();
        let pair = address.users.entry(user.clone()).or_default();
        let mut banned = Vec::new();
        pair.failures += 1;
        if pair.failures >= thresholds.of_user && pair.until.is_none() {
            pair.until = Some(until);
            banned.push(Some(user.clone()));
        }
        address.failures += 1;
        if address.failures >= thresholds.of_address && address.until.is_none() {
            address.until = Some(until);
            self.grounds += address.remember_grounds(MAX_GROUNDS.saturating_sub(self.grounds));
            banned.push(None);
        }
        for who in &banned {
            if self.bans.len() >= MAX_BANS {
                self.end_first_ban();
            }
            // At the back, unless bans were longer when others began.
            let place = self.bans.partition_point(|(end, ..)| *end <= until);
            self.bans.insert(place, (until, from, who.clone()));
        }
        banned
    }

    /// Stops counting the failures of this user at this address, for the user or for the address.
    pub(super) fn forgive_pair(&mut self, from: IpAddr, user: &CountedUser) {
        let Some(address) = self.addresses.get_mut(&from) else { return };
        address.forgive(user);
    }

    /// Stops counting the failures of these users at all addresses, and ends their bans. The ban of
    /// a whole address ends where the failures of others would not have led to it.
    pub(super) fn forgive_everywhere(&mut self, users: &HashSet<CountedUser>, thresholds: &Thresholds) {
        let (mut over, mut forgiven) = (HashSet::new(), Vec::new());
        for (from, address) in &mut self.addresses {
            let of_users: Vec<_> = address
                .users
                .keys()
                .filter(|user| users.contains(user))
                .cloned()
                .collect();
            for user in of_users {
                address.forgive(&user);
                address.end_ban_of(&user);
                forgiven.push((*from, user));
            }
            let before = address.grounds.len();
            address.grounds.retain(|user, _| !users.contains(user));
            self.grounds -= before - address.grounds.len();
            if address.grounds.len() < before && address.grounds.values().sum::<usize>() < thresholds.of_address {
                self.grounds -= address.end_ban();
                over.insert(*from);
            }
        }
        self.bans.retain(|(_, from, of)| {
            of.as_ref()
                .map_or(!over.contains(from), |user| !users.contains(user))
        });
        for (from, user) in forgiven {
            self.tidy(from, Some(&user));
        }
        for from in over {
            self.tidy(from, None);
        }
    }

    /// Ends all bans of an address, forgets its failures, and says how many bans there were.
    pub(super) fn forget_address(&mut self, from: IpAddr) -> usize {
        let before = self.bans.len();
        self.bans.retain(|(_, of, _)| *of != from);
        self.failures.retain(|(_, of, _)| *of != from);
        if let Some(mut address) = self.addresses.remove(&from) {
            self.grounds -= address.end_ban();
        }
        before - self.bans.len()
    }

    fn forget_oldest_failure(&mut self) {
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

    fn end_first_ban(&mut self) {
        let Some((_, from, user)) = self.bans.pop_front() else { return };
        let Some(address) = self.addresses.get_mut(&from) else { return };
        match &user {
            None => self.grounds -= address.end_ban(),
            Some(user) => address.end_ban_of(user),
        }
        self.tidy(from, user.as_ref());
    }

    /// Drops the entries of a user and of an address of which nothing is known any more.
    fn tidy(&mut self, from: IpAddr, user: Option<&CountedUser>) {
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

impl Address {
    /// Remembers whose failures the ban of the address stands on, unless they are more than `most`
    /// users, and says how many are remembered.
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

    /// Stops counting a user's failures; they stay in the queue until they are too old.
    fn forgive(&mut self, user: &CountedUser) {
        let Some(pair) = self.users.get_mut(user) else { return };
        self.failures -= pair.failures;
        pair.forgiven += std::mem::take(&mut pair.failures);
    }

    fn end_ban_of(&mut self, user: &CountedUser) {
        if let Some(pair) = self.users.get_mut(user) {
            pair.until = None;
        }
    }

    /// Ends the ban of the whole address, and says how many grounds are forgotten with it.
    fn end_ban(&mut self) -> usize {
        self.until = None;
        std::mem::take(&mut self.grounds).len()
    }
}
