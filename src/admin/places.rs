//! The places of an admin address: how many connections it has at once, and which of them makes
//! room.
//!
//! A connection that has not been answered yet may lose its place to a new one: where an address
//! has as many as one may have, its own oldest, and where all are taken, the oldest of the address
//! that has most. One whose answer is large or takes time keeps its place, and there may be fewer of
//! those than places, so that a probe always finds one.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::address::neighbourhood;

/// The most connections to one admin address.
pub(super) const MAX: usize = 64;

/// The most connections from one address.
pub(super) const MAX_PER_ADDRESS: usize = 16;

/// The most places that are kept for answers, in all and for one address.
pub(super) const MAX_KEPT: usize = 48;
/// See [`MAX_KEPT`].
pub(super) const MAX_KEPT_PER_ADDRESS: usize = 12;

/// The places of one admin address. Its acceptor and its connections share it; the lock is held for
/// one walk over [`MAX`] places.
#[derive(Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    next: u64,
    /// The oldest first.
    places: Vec<Entry>,
}

struct Entry {
    number: u64,
    address: IpAddr,
    is_kept: bool,
    lost: CancellationToken,
}

/// The place of one connection, until it is dropped or lost.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    lost: CancellationToken,
}

impl Places {
    /// Gives a place to a connection from this address; another's is lost for it where there is
    /// none left.
    pub(super) fn take(self: &Arc<Self>, from: IpAddr) -> Place {
        let address = neighbourhood(from);
        let lost = CancellationToken::new();
        let mut taken = self.0.lock();
        if taken.count(|entry| entry.address == address) >= MAX_PER_ADDRESS {
            taken.lose_oldest_of(address);
        }
        if taken.places.len() >= MAX
            && let Some(busiest) = taken.busiest()
        {
            taken.lose_oldest_of(busiest);
        }
        let number = taken.next;
        taken.next += 1;
        taken
            .places
            .push(Entry { number, address, is_kept: false, lost: lost.clone() });
        drop(taken);
        Place { places: Arc::clone(self), number, lost }
    }

    /// Takes the places away of all connections that wait for nothing: those whose answer is under
    /// way keep them.
    pub(super) fn clear(&self) {
        for entry in self.0.lock().places.iter().filter(|entry| !entry.is_kept) {
            entry.lost.cancel();
        }
    }
}

impl Taken {
    fn count(&self, which: impl Fn(&Entry) -> bool) -> usize {
        self.places.iter().filter(|entry| which(entry)).count()
    }

    /// The address that has most of the places that may be lost; of two, that of the older one.
    fn busiest(&self) -> Option<IpAddr> {
        let mut losable = self.places.iter().filter(|entry| !entry.is_kept);
        let count = |address| self.count(|entry| !entry.is_kept && entry.address == address);
        let first = losable.next()?.address;
        let busiest = losable.fold((count(first), first), |most, entry| {
            let of_this = count(entry.address);
            if of_this > most.0 { (of_this, entry.address) } else { most }
        });
        Some(busiest.1)
    }

    fn lose_oldest_of(&mut self, address: IpAddr) {
        let oldest = self
            .places
            .iter()
            .position(|entry| !entry.is_kept && entry.address == address);
        if let Some(at) = oldest {
            self.places.remove(at).lost.cancel();
        }
    }
}

impl Place {
    /// Keeps the place until the connection ends, for an answer that is large or takes time. `false`:
    /// too many are kept.
    pub(super) fn keep(&self) -> bool {
        let mut taken = self.places.0.lock();
        let Some(address) = taken
            .places
            .iter()
            .find(|entry| entry.number == self.number)
            .map(|entry| entry.address)
        else {
            return false;
        };
        let kept = taken.count(|entry| entry.is_kept);
        let of_address = taken.count(|entry| entry.is_kept && entry.address == address);
        let is_free = kept < MAX_KEPT && of_address < MAX_KEPT_PER_ADDRESS;
        if is_free
            && let Some(entry) = taken
                .places
                .iter_mut()
                .find(|entry| entry.number == self.number)
        {
            entry.is_kept = true;
        }
        is_free
    }

    /// Resolves when the place is lost. Cancel safe.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places
            .0
            .lock()
            .places
            .retain(|entry| entry.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn is_lost(place: &Place) -> bool {
        place.lost.is_cancelled()
    }

    #[test]
    fn an_address_makes_room_by_its_own_oldest() {
        let places = Arc::new(Places::default());
        let other = places.take(address(1));
        let mut of_address: Vec<_> = (0..MAX_PER_ADDRESS)
            .map(|_| places.take(address(2)))
            .collect();
        assert!(!of_address.iter().any(is_lost));
        of_address.push(places.take(address(2)));
        assert!(is_lost(&of_address[0]) && !of_address[1..].iter().any(is_lost) && !is_lost(&other));
        drop(of_address);
        assert_eq!(places.0.lock().places.len(), 1);
    }

    #[test]
    fn the_busiest_address_makes_room_where_all_places_are_taken() {
        let places = Arc::new(Places::default());
        let quiet: Vec<_> = (0..MAX - 2)
            .map(|number| places.take(address(u8::try_from(number).unwrap())))
            .collect();
        let busy = [places.take(address(200)), places.take(address(200))];
        let new = places.take(address(201));
        assert!(is_lost(&busy[0]) && !is_lost(&busy[1]) && !quiet.iter().any(is_lost));
        let next = places.take(address(202));
        assert!(is_lost(&quiet[0]) && !is_lost(&busy[1]) && !is_lost(&new) && !is_lost(&next), "the oldest of all");
        assert_eq!(places.0.lock().places.len(), MAX);
    }

    #[test]
    fn answers_keep_their_places_but_not_all_places() {
        let places = Arc::new(Places::default());
        let mut kept = Vec::new();
        for number in 0..MAX {
            let place = places.take(address(u8::try_from(number / MAX_PER_ADDRESS).unwrap()));
            if place.keep() {
                kept.push(place);
            }
        }
        assert_eq!(kept.len(), MAX_KEPT);
        let of_one: Vec<_> = (0..MAX_PER_ADDRESS)
            .map(|_| places.take(address(9)))
            .filter(Place::keep)
            .collect();
        assert!(of_one.is_empty());
        // All but a few places are kept, and new connections still come in.
        let waiting: Vec<_> = (0..3 * MAX).map(|_| places.take(address(9))).collect();
        assert_eq!(waiting.iter().filter(|place| !is_lost(place)).count(), MAX - MAX_KEPT);
        assert!(!kept.iter().any(is_lost));
        assert!(!waiting[0].keep(), "a place that was lost");
        places.clear();
        assert!(waiting.iter().all(is_lost) && !kept.iter().any(is_lost));
        drop((kept, waiting));
        let kept: Vec<_> = (0..MAX_PER_ADDRESS)
            .map(|_| places.take(address(1)))
            .collect();
        assert_eq!(kept.iter().filter(|place| place.keep()).count(), MAX_KEPT_PER_ADDRESS);
    }
}
