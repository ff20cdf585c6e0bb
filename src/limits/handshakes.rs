//! Clients that are not yet authenticated: how many there may be, and who makes room.
//!
//! When all places are taken, one is taken back from somebody. Connections that have said nothing
//! yet give way before those that have finished their TLS handshake, unless the silent ones hold no
//! more than a quarter of the places: a new client is silent too, and must not lose its place to
//! the very next one. Of those that may give way, the busiest address loses its oldest connection
//! if it has more than a fiftieth of the places; otherwise the oldest of all goes, so that a crowd
//! of which each member has one place cannot push out an address with a few logins at once.
//!
//! An address that has as many places as one may have makes room by its own oldest. In IPv6 an
//! address stands for its /64. Each step takes time by the logarithm of the number of places.
//! Nothing is logged while the lock is held.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::address::neighbourhood;

/// Between two warnings that all places are taken.
const WARN_PAUSE: Duration = Duration::from_secs(10);

/// The share of all places that an address may hold before it counts as busy: one part of this
/// many.
const BUSY_PART: usize = 50;

/// The share of all places below which silent connections are not the first to give way: one part
/// of this many.
const SILENT_PART: usize = 4;

/// The places. Shared by the listener and all handshakes.
pub(crate) struct Handshakes {
    max: usize,
    /// The most places that one address may hold. `None`: as many as there are.
    max_of_address: Option<usize>,
    /// Taken three or four times in a login, by all workers; held for a few steps of O(log n).
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    next: u64,
    /// Every connection that has a place, by its number; the oldest has the smallest.
    holders: HashMap<u64, Holder>,
    all: Group,
    /// Those of `all` that have not finished their TLS handshake, nor sent a startup message in
    /// clear.
    silent: Group,
    /// When it was last told that all places are taken.
    told: Option<Instant>,
}

struct Holder {
    home: Home,
    given_up: CancellationToken,
}

/// Connections among which one can be chosen to give way, by age and by how many their address has.
#[derive(Default)]
struct Group {
    by_age: BTreeMap<u64, Home>,
    of: HashMap<Home, BTreeSet<u64>>,
    /// The busiest address last; of two that are as busy, the one with the oldest connection.
    by_number: BTreeSet<Rank>,
}

type Rank = (usize, Reverse<u64>, Home);

/// The address that a place is counted for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Home {
    Address(IpAddr),
    /// A client of this balancer, whose PROXY header has not come yet.
    Behind(IpAddr),
}

/// One place; given back by drop.
pub(crate) struct Handshake {
    handshakes: Arc<Handshakes>,
    number: u64,
    given_up: CancellationToken,
}

impl Handshakes {
    /// `max_of_address`: 0 = off.
    pub(crate) fn new(max: usize, max_of_address: usize) -> Arc<Self> {
        let max_of_address = Some(max_of_address).filter(|max| *max > 0);
        Arc::new(Self { max, max_of_address, places: Mutex::default() })
    }

    /// A place for a connection from `from`; somebody else's, if all are taken.
    pub(crate) fn take(self: &Arc<Self>, from: IpAddr) -> Handshake {
        self.place(Home::Address(neighbourhood(from)))
    }

    /// The same for one from a balancer that will say whose it is ([`Handshake::moved`]); until
    /// then no address's cap counts it.
    pub(crate) fn take_behind(self: &Arc<Self>, balancer: IpAddr) -> Handshake {
        self.place(Home::Behind(neighbourhood(balancer)))
    }

    fn place(self: &Arc<Self>, home: Home) -> Handshake {
        let given_up = CancellationToken::new();
        let mut places = self.lock();
        let is_full = places.holders.len() >= self.max;
        let is_told = is_full && places.is_to_be_told();
        if is_full && let Some(number) = places.first_to_go(self.max) {
            places.give_up(number);
        }
        let number = places.next;
        places.next += 1;
        places.add(number, Holder { home, given_up: given_up.clone() });
        self.bound(&mut places, home, number);
        drop(places);
        if is_told {
            warn!(max = self.max, "limits.max_handshakes is reached: clients that are not logged in make room");
        }
        Handshake { handshakes: Arc::clone(self), number, given_up }
    }

    /// Handshakes under way.
    pub(crate) fn taken(&self) -> usize {
        self.lock().holders.len()
    }

    /// Takes a place back from an address that has more than one may have: from its oldest silent
    /// connection, or its oldest of all where none is silent but the one that has just come,
    /// `newest`.
    fn bound(&self, places: &mut Places, home: Home, newest: u64) {
        let Home::Address(_) = home else { return };
        if self
            .max_of_address
            .is_none_or(|max| places.all.number_of(home) <= max)
        {
            return;
        }
        let silent = places
            .silent
            .oldest_of(home)
            .filter(|number| *number != newest);
        if let Some(number) = silent.or_else(|| places.all.oldest_of(home)) {
            places.give_up(number);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Whether it is time again to tell that all places are taken, which may be so for thousands in
    /// a second.
    fn is_to_be_told(&mut self) -> bool {
        let is_due = self.told.is_none_or(|at| at.elapsed() >= WARN_PAUSE);
        if is_due {
            self.told = Some(Instant::now());
        }
        is_due
    }

    /// The connection that makes room when all `max` places are taken; see the module.
    fn first_to_go(&self, max: usize) -> Option<u64> {
        let is_silent_first = self.silent.by_age.len() > max / SILENT_PART;
        let group = if is_silent_first { &self.silent } else { &self.all };
        group
            .oldest_of_busiest(max / BUSY_PART)
            .or_else(|| group.oldest())
    }

    fn give_up(&mut self, number: u64) {
        if let Some(holder) = self.remove(number) {
            holder.given_up.cancel();
        }
    }

    fn add(&mut self, number: u64, holder: Holder) {
        self.all.add(number, holder.home);
        self.silent.add(number, holder.home);
        self.holders.insert(number, holder);
    }

    /// `None`: it was given up.
    fn remove(&mut self, number: u64) -> Option<Holder> {
        self.all.remove(number);
        self.silent.remove(number);
        self.holders.remove(&number)
    }

    /// Counts a connection for another address, with the age and progress that it has.
    fn move_to(&mut self, number: u64, home: Home) {
        for group in [&mut self.all, &mut self.silent] {
            if group.remove(number) {
                group.add(number, home);
            }
        }
        if let Some(holder) = self.holders.get_mut(&number) {
            holder.home = home;
        }
    }
}

impl Group {
    fn number_of(&self, home: Home) -> usize {
        self.of.get(&home).map_or(0, BTreeSet::len)
    }

    fn oldest(&self) -> Option<u64> {
        self.by_age.keys().next().copied()
    }

    fn oldest_of(&self, home: Home) -> Option<u64> {
        self.of.get(&home)?.first().copied()
    }

    /// The oldest connection of the address that has most of them, if it has more than `share`.
    fn oldest_of_busiest(&self, share: usize) -> Option<u64> {
        let (_, Reverse(oldest), _) = self
            .by_number
            .last()
            .filter(|(number, ..)| *number > share.max(1))?;
        Some(*oldest)
    }

    fn add(&mut self, number: u64, home: Home) {
        self.by_age.insert(number, home);
        self.change(home, |of_home| of_home.insert(number));
    }

    /// Whether it was here.
    fn remove(&mut self, number: u64) -> bool {
        let Some(home) = self.by_age.remove(&number) else { return false };
        self.change(home, |of_home| of_home.remove(&number));
        true
    }

    /// Changes what an address has, and keeps its rank right.
    fn change(&mut self, home: Home, change: impl FnOnce(&mut BTreeSet<u64>) -> bool) {
        let of_home = self.of.entry(home).or_default();
        if let Some(rank) = rank(home, of_home) {
            self.by_number.remove(&rank);
        }
        change(of_home);
        match rank(home, of_home) {
            Some(rank) => {
                self.by_number.insert(rank);
            }
            None => {
                self.of.remove(&home);
            }
        }
    }
}

fn rank(home: Home, of_home: &BTreeSet<u64>) -> Option<Rank> {
    Some((of_home.len(), Reverse(*of_home.first()?), home))
}

impl Handshake {
    /// Resolves when the place has been given to another connection.
    pub(crate) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }

    /// The connection is from elsewhere: it counts there from now on.
    pub(crate) fn moved(&self, to: IpAddr) {
        let to = Home::Address(neighbourhood(to));
        let mut places = self.handshakes.lock();
        // One that was given up has no place anywhere; one that no balancer speaks for stays where
        // it is.
        if places
            .holders
            .get(&self.number)
            .is_none_or(|holder| holder.home == to)
        {
            return;
        }
        places.move_to(self.number, to);
        self.handshakes.bound(&mut places, to, self.number);
    }

    /// The client has finished its TLS handshake, or has sent a whole startup message in clear:
    /// from now on it gives way after those that have said nothing.
    pub(crate) fn has_spoken(&self) {
        self.handshakes.lock().silent.remove(self.number);
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.handshakes.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests;
