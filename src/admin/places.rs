//! The places of an admin address: how many connections it has open at once, and which of them
//! makes room.
//!
//! A connection that has not been answered yet may lose its place to a new one, and one that lingers
//! after its answer does so first: where an address has as many as one may have, its own oldest, and
//! where all are taken, the oldest of the address that has most. One whose answer is large or takes
//! time keeps its place, and there may be fewer of those than places, so that a probe always finds
//! one. Where these are taken too, one that showed no token makes room for an address that holds
//! fewer. A place is taken until its socket is closed: whoever accepts waits for that.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::guard::Caller;
use crate::address::neighbourhood;

/// The most connections to one admin address. One more may be open while another that has lost its
/// place is being closed.
pub(super) const MAX: usize = 64;

/// The most connections from one address.
pub(super) const MAX_PER_ADDRESS: usize = 16;

/// The most places that are kept for answers, in all and for one address.
pub(super) const MAX_KEPT: usize = 48;
/// See [`MAX_KEPT`].
pub(super) const MAX_KEPT_PER_ADDRESS: usize = 12;

/// The places of one admin address. Its acceptor and its connections share it.
#[derive(Default)]
pub(super) struct Places {
    /// The lock is held for a few walks over [`MAX`] places.
    taken: Mutex<Taken>,
    /// Wakes the acceptor when a connection has been closed.
    closed: Notify,
}

#[derive(Default)]
struct Taken {
    next: u64,
    /// The oldest first; those that are lost stay until their sockets are closed.
    places: Vec<Entry>,
}

struct Entry {
    number: u64,
    address: IpAddr,
    standing: Standing,
    lost: CancellationToken,
}

/// How far a connection is, in the order in which they make room.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Standing {
    /// The answer has been sent.
    Lingers,
    /// The request has not come, or its answer is a small one.
    Waits,
    /// The answer is large or takes time.
    Kept(Caller),
}

/// The place of one connection, until it is dropped, which is after its socket is.
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
        let mut taken = self.taken.lock();
        if taken.count(|entry| entry.address == address) >= MAX_PER_ADDRESS {
            taken.lose_first(|entry| entry.address == address && !entry.is_kept());
        }
        if taken.count(|_| true) >= MAX
            && !taken.lose_first(|entry| entry.standing == Standing::Lingers)
            && let Some((busiest, _)) = taken.busiest(|entry| !entry.is_kept())
        {
            taken.lose_first(|entry| entry.address == busiest && !entry.is_kept());
        }
        let number = taken.next;
        taken.next += 1;
        taken
            .places
            .push(Entry { number, address, standing: Standing::Waits, lost: lost.clone() });
        drop(taken);
        Place { places: Arc::clone(self), number, lost }
    }

    /// Waits until no more than [`MAX`] connections are open: those that lost their places are
    /// closed at once. Cancel safe.
    pub(super) async fn room(&self) {
        while self.open() > MAX {
            self.closed.notified().await;
        }
    }

    /// The connections that are open, be their places lost or not.
    pub(super) fn open(&self) -> usize {
        self.taken.lock().places.len()
    }

    /// Takes the places away of all connections that wait for nothing: those whose answer is under
    /// way keep them.
    pub(super) fn clear(&self) {
        for entry in self
            .taken
            .lock()
            .places
            .iter()
            .filter(|entry| !entry.is_kept())
        {
            entry.lost.cancel();
        }
    }
}

impl Entry {
    fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    fn is_kept(&self) -> bool {
        matches!(self.standing, Standing::Kept(_))
    }

    /// Whether it keeps its place without having shown the token.
    fn is_kept_unproven(&self) -> bool {
        self.standing == Standing::Kept(Caller::Unproven)
    }
}

impl Taken {
    /// Counts those that have not lost their places.
    fn count(&self, which: impl Fn(&Entry) -> bool) -> usize {
        let held = self.places.iter().filter(|entry| !entry.is_lost());
        held.filter(|entry| which(entry)).count()
    }

    /// The address that has most of these places, and how many; of two, that of the older one.
    fn busiest(&self, which: impl Fn(&Entry) -> bool) -> Option<(IpAddr, usize)> {
        let all = self.places.iter();
        let of_these = all.filter(|entry| !entry.is_lost() && which(entry));
        of_these.fold(None, |most, entry| {
            let count = self.count(|other| other.address == entry.address && which(other));
            match most {
                Some((_, of_most)) if of_most >= count => most,
                _ => Some((entry.address, count)),
            }
        })
    }

    /// Takes one of these places away: of one that lingers if there is any, and of these the oldest.
    /// `false`: there is none.
    fn lose_first(&mut self, which: impl Fn(&Entry) -> bool) -> bool {
        let held = self.places.iter().filter(|entry| !entry.is_lost());
        let first = held
            .filter(|entry| which(entry))
            .min_by_key(|entry| (entry.standing, entry.number));
        first.inspect(|entry| entry.lost.cancel()).is_some()
    }

    /// Makes room for one more place that is kept. `false`: there is none for this caller.
    fn make_room_to_keep(&mut self, address: IpAddr, caller: Caller) -> bool {
        let of_address = self.count(|entry| entry.is_kept() && entry.address == address);
        if of_address >= MAX_KEPT_PER_ADDRESS {
            return caller == Caller::Proven
                && self.lose_first(|entry| entry.address == address && entry.is_kept_unproven());
        }
        if self.count(Entry::is_kept) < MAX_KEPT {
            return true;
        }
        match self.busiest(Entry::is_kept_unproven) {
            Some((busiest, count)) if caller == Caller::Proven || count > of_address => {
                self.lose_first(|entry| entry.address == busiest && entry.is_kept_unproven())
            }
            _ => false,
        }
    }

    fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        let held = self.places.iter_mut().filter(|entry| !entry.is_lost());
        held.into_iter().find(|entry| entry.number == number)
    }
}

impl Place {
    /// Keeps the place until the answer is sent, for one that is large or takes time. `false`: too
    /// many are kept.
    pub(super) fn keep(&self, caller: Caller) -> bool {
        let mut taken = self.places.taken.lock();
        let Some(address) = taken.entry(self.number).map(|entry| entry.address) else { return false };
        let is_free = taken.make_room_to_keep(address, caller);
        if is_free && let Some(entry) = taken.entry(self.number) {
            entry.standing = Standing::Kept(caller);
        }
        is_free
    }

    /// Gives way to everybody from now on: the answer has been sent.
    pub(super) fn answered(&self) {
        if let Some(entry) = self.places.taken.lock().entry(self.number) {
            entry.standing = Standing::Lingers;
        }
    }

    /// Resolves when the place is lost. Cancel safe.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places
            .taken
            .lock()
            .places
            .retain(|entry| entry.number != self.number);
        self.places.closed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn is_lost(place: &Place) -> bool {
        place.lost.is_cancelled()
    }

    /// So many kept places of an address.
    fn kept(places: &Arc<Places>, last: u8, count: usize, caller: Caller) -> Vec<Place> {
        let of_address: Vec<_> = (0..count).map(|_| places.take(address(last))).collect();
        assert!(of_address.iter().all(|place| place.keep(caller)));
        of_address
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
        of_address[3].answered();
        of_address.push(places.take(address(2)));
        assert!(is_lost(&of_address[3]) && !is_lost(&of_address[1]), "one that lingers makes room first");
        drop(of_address);
        assert_eq!(places.open(), 1);
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
        quiet[9].answered();
        let last = places.take(address(203));
        assert!(is_lost(&quiet[9]) && !is_lost(&quiet[1]) && !is_lost(&last), "one that lingers makes room first");
    }

    #[test]
    fn whoever_accepts_waits_until_connections_that_made_room_are_closed() {
        let places = Arc::new(Places::default());
        let mut open: Vec<_> = (0..MAX)
            .map(|at| places.take(address(u8::try_from(at).unwrap())))
            .collect();
        assert!(places.room().now_or_never().is_some());
        open.push(places.take(address(200)));
        let mut room = Box::pin(places.room());
        assert!((&mut room).now_or_never().is_none());
        assert_eq!(open.iter().filter(|place| is_lost(place)).count(), 1);
        open.retain(|place| !is_lost(place));
        assert!(room.now_or_never().is_some());
        assert_eq!(places.open(), MAX);
    }

    #[test]
    fn answers_keep_their_places_but_not_all_places() {
        let places = Arc::new(Places::default());
        let all: Vec<_> = (0..4)
            .flat_map(|last| kept(&places, last, MAX_KEPT_PER_ADDRESS, Caller::Proven))
            .collect();
        assert_eq!(all.len(), MAX_KEPT);
        let late = places.take(address(9));
        assert!(!late.keep(Caller::Proven) && !late.keep(Caller::Unproven));
        // All but a few places are kept, and new connections still come in.
        let waiting: Vec<_> = (0..3 * MAX).map(|_| places.take(address(9))).collect();
        assert_eq!(waiting.iter().filter(|place| !is_lost(place)).count(), MAX - MAX_KEPT);
        assert!(!all.iter().any(is_lost));
        assert!(!waiting[0].keep(Caller::Proven), "a place that was lost");
        places.clear();
        assert!(waiting.iter().all(is_lost) && !all.iter().any(is_lost));
    }

    #[test]
    fn an_address_with_few_kept_places_gets_one_of_an_address_with_many() {
        let places = Arc::new(Places::default());
        let hogs: Vec<_> = (0..4)
            .map(|last| kept(&places, last, MAX_KEPT_PER_ADDRESS, Caller::Unproven))
            .collect();
        let new = kept(&places, 9, 1, Caller::Unproven);
        assert!(is_lost(&hogs[0][0]) && !is_lost(&hogs[0][1]));
        let again = places.take(address(1));
        assert!(!again.keep(Caller::Unproven), "it has as many as one may have");
        assert!(again.keep(Caller::Proven) && is_lost(&hogs[1][0]), "of its own, for one with the token");
        let with_token = kept(&places, 8, MAX_KEPT_PER_ADDRESS, Caller::Proven);
        assert!(!new.iter().chain(&with_token).any(is_lost));
        assert_eq!(hogs.iter().flatten().filter(|place| is_lost(place)).count(), 2 + MAX_KEPT_PER_ADDRESS);
        new[0].answered();
        assert!(places.take(address(9)).keep(Caller::Unproven), "whoever has been answered keeps none");
    }
}
