//! Clients that are not yet authenticated: how many there may be, and who makes room.
//!
//! When all places are taken, the oldest of the busiest address goes, so that one address that opens connections and
//! says nothing cannot keep the others out. An address that has as many as one may have makes room by its own oldest. In
//! IPv6 an address stands for its /64. Each step takes time by the logarithm of the places.

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

/// The places. Shared by the listener and all handshakes.
pub(crate) struct Handshakes {
    max: usize,
    /// `None`: no address has a cap of its own.
    max_of_address: Option<usize>,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    taken: usize,
    next: u64,
    of: HashMap<Home, Waiting>,
    /// The busiest last; of equals, the one whose oldest is oldest.
    by_number: BTreeSet<Rank>,
    /// When it was last told that there are no more.
    told: Option<Instant>,
}

/// Oldest first.
type Waiting = BTreeMap<u64, CancellationToken>;

type Rank = (usize, Reverse<u64>, Home);

/// Whose a place is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Home {
    Address(IpAddr),
    /// Of whoever is behind this balancer: its header has not come yet.
    Behind(IpAddr),
}

/// One place; given back by drop.
pub(crate) struct Handshake {
    handshakes: Arc<Handshakes>,
    home: Home,
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

    /// The same for one from a balancer that will say whose it is ([`Handshake::moved`]); until then no address's cap
    /// counts it.
    pub(crate) fn take_behind(self: &Arc<Self>, balancer: IpAddr) -> Handshake {
        self.place(Home::Behind(neighbourhood(balancer)))
    }

    fn place(self: &Arc<Self>, home: Home) -> Handshake {
        let mut places = self.lock();
        if places.taken >= self.max {
            places.tell(self.max);
            places.give_up_one();
        }
        let number = places.next;
        let given_up = CancellationToken::new();
        places.next += 1;
        places.add(home, number, given_up.clone());
        self.bound(&mut places, home);
        Handshake { handshakes: Arc::clone(self), home, number, given_up }
    }

    /// Handshakes under way.
    pub(crate) fn taken(&self) -> usize {
        self.lock().taken
    }

    /// The oldest of an address that has too many goes.
    fn bound(&self, places: &mut Places, home: Home) {
        let Home::Address(_) = home else { return };
        if let (Some(max), Some(waiting)) = (self.max_of_address, places.of.get(&home))
            && waiting.len() > max
        {
            places.give_up_oldest(home);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// That somebody has to make room, which may be so for thousands in a second.
    fn tell(&mut self, max: usize) {
        if self.told.is_none_or(|at| at.elapsed() >= WARN_PAUSE) {
            let busiest = self.by_number.last().map(|(count, ..)| *count);
            warn!(max, busiest, "limits.max_handshakes is reached: the oldest of the busiest address makes room");
            self.told = Some(Instant::now());
        }
    }

    fn give_up_one(&mut self) {
        if let Some((_, _, busiest)) = self.by_number.last() {
            self.give_up_oldest(*busiest);
        }
    }

    fn give_up_oldest(&mut self, home: Home) {
        let oldest = self.of.get(&home).and_then(|waiting| waiting.keys().next().copied());
        if let Some(given_up) = oldest.and_then(|number| self.remove(home, number)) {
            given_up.cancel();
        }
    }

    fn add(&mut self, home: Home, number: u64, given_up: CancellationToken) {
        self.change(home, |waiting| waiting.insert(number, given_up));
        self.taken += 1;
    }

    /// `None`: it was given up.
    fn remove(&mut self, home: Home, number: u64) -> Option<CancellationToken> {
        let removed = self.change(home, |waiting| waiting.remove(&number));
        self.taken -= usize::from(removed.is_some());
        removed
    }

    /// Keeps the ranks right.
    fn change<T>(&mut self, home: Home, change: impl FnOnce(&mut Waiting) -> T) -> T {
        let waiting = self.of.entry(home).or_default();
        if let Some(rank) = rank(home, waiting) {
            self.by_number.remove(&rank);
        }
        let changed = change(waiting);
        match rank(home, waiting) {
            Some(rank) => {
                self.by_number.insert(rank);
            }
            None => {
                self.of.remove(&home);
            }
        }
        changed
    }
}

fn rank(home: Home, waiting: &Waiting) -> Option<Rank> {
    Some((waiting.len(), Reverse(*waiting.keys().next()?), home))
}

impl Handshake {
    /// Resolves when the place has been given to another connection.
    pub(crate) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }

    /// The connection is from elsewhere: it counts there from now on, with the age that it has.
    pub(crate) fn moved(&mut self, to: IpAddr) {
        let to = Home::Address(neighbourhood(to));
        // As it is for all that no balancer speaks for.
        if to == self.home {
            return;
        }
        let handshakes = Arc::clone(&self.handshakes);
        let mut places = handshakes.lock();
        // One that was given up is so anywhere.
        let Some(given_up) = places.remove(self.home, self.number) else { return };
        places.add(to, self.number, given_up);
        self.home = to;
        handshakes.bound(&mut places, to);
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.handshakes.lock().remove(self.home, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const QUIET: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn is_out(handshake: &Handshake) -> bool {
        handshake.given_up.is_cancelled()
    }

    fn assert_empty(handshakes: &Handshakes) {
        let places = handshakes.lock();
        assert_eq!((places.taken, places.of.len(), places.by_number.len()), (0, 0, 0));
    }

    #[test]
    fn the_oldest_of_the_busiest_address_makes_room() {
        let handshakes = Handshakes::new(3, 0);
        let quiet_one = handshakes.take(QUIET);
        let first = handshakes.take(BUSY);
        let second = handshakes.take(BUSY);
        let third = handshakes.take(BUSY);
        assert!(is_out(&first));
        assert!(![&quiet_one, &second, &third].into_iter().any(is_out));
        assert_eq!(handshakes.taken(), 3);
        drop((quiet_one, first, second, third));
        assert_empty(&handshakes);
    }

    #[test]
    fn of_addresses_that_are_as_busy_the_oldest_makes_room() {
        let handshakes = Handshakes::new(3, 0);
        let of = |host| handshakes.take(IpAddr::from([10, 0, 1, host]));
        let (nine, one, five) = (of(9), of(1), of(5));
        let next = of(3);
        assert!(is_out(&nine) && !is_out(&one) && !is_out(&five));
        let _last = of(4);
        assert!(is_out(&one) && !is_out(&five) && !is_out(&next));
    }

    #[test]
    fn an_address_makes_room_for_itself() {
        let handshakes = Handshakes::new(100, 2);
        let quiet_one = handshakes.take(QUIET);
        let places: Vec<_> = (0..3).map(|_| handshakes.take(BUSY)).collect();
        assert_eq!(places.iter().map(is_out).collect::<Vec<_>>(), [true, false, false]);
        assert!(!is_out(&quiet_one));
        let of_network: Vec<_> =
            (0..3).map(|host| handshakes.take(format!("2001:db8::{host}").parse().unwrap())).collect();
        assert_eq!(of_network.iter().map(is_out).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(handshakes.taken(), 5);
        drop((quiet_one, places, of_network));
        assert_empty(&handshakes);
    }

    #[test]
    fn a_place_behind_a_balancer_counts_where_its_client_is() {
        let handshakes = Handshakes::new(100, 2);
        let balancer = IpAddr::from([10, 0, 0, 3]);
        let mut behind: Vec<_> = (0..4).map(|_| handshakes.take_behind(balancer)).collect();
        assert!(!behind.iter().any(is_out), "a balancer is no client");
        let young = handshakes.take(BUSY);
        behind[1].moved(BUSY);
        assert!(!is_out(&behind[1]));
        behind[0].moved(BUSY);
        assert!(is_out(&behind[0]), "the oldest of all three");
        behind[2].moved(QUIET);
        assert!(![&behind[1], &behind[2], &behind[3], &young].into_iter().any(is_out));
        behind[0].moved(QUIET);
        assert_eq!(handshakes.taken(), 4);
        drop((behind, young));
        assert_empty(&handshakes);
    }
}
