//! Clients that are not yet authenticated: how many there may be, and who makes room.
//!
//! When all places are taken, the oldest of the busiest address goes, so that one address that opens connections and
//! says nothing cannot keep the others out.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The places. Shared by the listener and all handshakes.
pub(crate) struct Handshakes {
    max: usize,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    taken: usize,
    next: u64,
    /// Oldest first.
    of: HashMap<IpAddr, VecDeque<(u64, CancellationToken)>>,
}

/// One place; given back by drop.
pub(crate) struct Handshake {
    handshakes: Arc<Handshakes>,
    from: IpAddr,
    number: u64,
    given_up: CancellationToken,
}

impl Handshakes {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, places: Mutex::default() })
    }

    /// A place for a connection from `from`; somebody else's, if all are taken.
    pub(crate) fn take(self: &Arc<Self>, from: IpAddr) -> Handshake {
        let from = from.to_canonical();
        let mut places = self.lock();
        if places.taken >= self.max {
            places.give_up_one();
        }
        let number = places.next;
        let given_up = CancellationToken::new();
        places.next += 1;
        places.taken += 1;
        places.of.entry(from).or_default().push_back((number, given_up.clone()));
        Handshake { handshakes: Arc::clone(self), from, number, given_up }
    }

    /// Handshakes under way.
    pub(crate) fn taken(&self) -> usize {
        self.lock().taken
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn give_up_one(&mut self) {
        let busiest = self.of.values_mut().max_by_key(|places| places.len());
        if let Some((_, given_up)) = busiest.and_then(VecDeque::pop_front) {
            given_up.cancel();
            self.taken -= 1;
        }
    }
}

impl Handshake {
    /// Resolves when the place has been given to another connection.
    pub(crate) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut places = self.handshakes.lock();
        let Some(of) = places.of.get_mut(&self.from) else { return };
        let before = of.len();
        of.retain(|(number, _)| *number != self.number);
        let removed = before - of.len();
        if of.is_empty() {
            places.of.remove(&self.from);
        }
        places.taken -= removed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_the_busiest_address_makes_room() {
        let handshakes = Handshakes::new(3);
        let (busy, quiet) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let quiet_one = handshakes.take(quiet);
        let first = handshakes.take(busy);
        let second = handshakes.take(busy);
        let third = handshakes.take(busy);
        assert!(first.given_up.is_cancelled());
        assert!(![&quiet_one, &second, &third].iter().any(|place| place.given_up.is_cancelled()));
        assert_eq!(handshakes.taken(), 3);
        drop((quiet_one, first, second, third));
        assert_eq!(handshakes.taken(), 0);
        assert!(handshakes.lock().of.is_empty());
    }
}
