//! The state of a cache, which lookups, flights and upkeep share, and the source that it asks.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::entry::{Entry, Flight, Landing, Outcome};
use super::held::Moment;
use super::policy::{FetchError, Perishable, Policy};
use crate::clock::Clock;
use crate::jitter::Jitter;

/// The source of a cache's values.
pub(crate) trait Fetch: Send + Sync + Sized + 'static {
    /// Everything that shapes a value, and nothing else.
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    type Value: Perishable + Send + Sync + 'static;
    type Error: FetchError;

    /// Fetches a new value, with all the calls that this takes; the future is dropped at the
    /// flight's deadline. `cache` is the cache that asks, for a source whose values stand on others
    /// of their kind: it may be asked for any key but this one.
    fn fetch<'a>(
        &'a self,
        key: &'a Self::Key,
        cache: &'a Arc<Cache<Self>>,
    ) -> BoxFuture<'a, Result<Self::Value, Self::Error>>;

    /// The deadline of a flight for this key, where it differs from the policy's `timeout`.
    fn timeout(&self, _key: &Self::Key, usual: Duration) -> Duration {
        usual
    }

    /// The name of a key in logs and errors.
    fn name(&self, _key: &Self::Key) -> String {
        String::new()
    }
}

/// The entry of one of a source's values.
pub(super) type EntryOf<S> = Entry<<S as Fetch>::Value, <S as Fetch>::Error>;
/// The outcome of one of a source's flights.
pub(super) type OutcomeOf<S> = Outcome<<S as Fetch>::Value, <S as Fetch>::Error>;
/// The end of a source's flight that tells the outcome.
pub(super) type LandingOf<S> = Landing<<S as Fetch>::Value, <S as Fetch>::Error>;
/// A flight of a source.
pub(super) type FlightOf<S> = Flight<<S as Fetch>::Value, <S as Fetch>::Error>;

/// A cache: the entries of one source, by key. Sessions hold it by `Arc`, from any thread; so does
/// each flight while it is under way. Upkeep holds it weakly, so that a cache ends with its last
/// user.  Flights run on the control runtime, so that a session that leaves aborts nobody else's.
pub(crate) struct Cache<S: Fetch> {
    /// The source that flights ask.
    pub(super) source: Arc<S>,
    /// The wall clock, by which values expire.
    pub(super) clock: Arc<dyn Clock>,
    /// The runtime that flights and upkeep run on.
    pub(super) control: Handle,
    /// The times and the cap that hold for all entries. A reload of the configuration swaps them.
    policy: ArcSwap<Policy>,
    /// The random numbers that keep refreshes and pauses of several keys apart.
    pub(super) jitter: Jitter,
    /// The lock of a shard is held for a few lines, never while anything is awaited, fetched or
    /// logged.
    pub(super) entries: DashMap<S::Key, EntryOf<S>>,
    /// Counts every use of every entry: the entry with the lowest count was not used for longest.
    uses: AtomicU64,
    /// How many entries may have come to rest since the last sweep; see [`Cache::make_room`]. The
    /// lock is held during a sweep, so that there is one at a time.
    landings: Mutex<usize>,
}

impl<S: Fetch> Cache<S> {
    /// An empty cache whose flights run on `control`.
    pub(crate) fn new(
        source: Arc<S>,
        clock: Arc<dyn Clock>,
        control: Handle,
        policy: Policy,
        jitter: Jitter,
    ) -> Arc<Self> {
        let (entries, uses, landings) = (DashMap::new(), AtomicU64::new(0), Mutex::new(policy.cap));
        let policy = ArcSwap::from_pointee(policy);
        Arc::new(Self { source, clock, control, policy, jitter, entries, uses, landings })
    }

    /// The times and the cap of now. Takes no lock.
    pub(super) fn policy(&self) -> Policy {
        **self.policy.load()
    }

    /// Puts other times and another cap in force, for what is held too: a value that could not be
    /// kept under them is forgotten. Flights go on under those of their start.
    pub(crate) fn set_policy(self: &Arc<Self>, policy: Policy) {
        if *self.policy.swap(Arc::new(policy)) == policy {
            return;
        }
        for mut entry in self.entries.iter_mut() {
            let key = entry.key().clone();
            let entry = entry.value_mut();
            entry.held = entry
                .held
                .take()
                .and_then(|held| held.under(&policy, &self.jitter));
            if entry.flight.is_none() {
                entry.upkeep = Some(self.start_upkeep(&key));
            }
        }
        self.make_room();
    }

    /// Counts a use of an entry, which keeps it from being evicted first.
    pub(super) fn touch(&self, entry: &EntryOf<S>) {
        entry
            .last_use
            .store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The present moment, as both clocks have it.
    pub(super) fn now(&self) -> Moment {
        Moment { tokio: Instant::now(), wall: self.clock.now() }
    }

    /// Evicts the least recently used entries once there are more than the cap. To be called after
    /// an entry may have come to rest.
    ///
    /// A sweep looks at all entries, so it clears a sixteenth of the cap at once. `landings` counts
    /// from there: until it has reached that sixteenth again, there cannot be too many. It starts
    /// at the cap: what was before the first sweep is not known.
    pub(super) fn make_room(&self) {
        let cap = self.policy().cap;
        let target = cap - cap / 16;
        let mut landings = self.landings.lock();
        *landings = landings.saturating_add(1);
        if *landings <= cap - target || self.entries.len() <= cap {
            return;
        }
        let at_rest = self.entries.iter().filter(|entry| entry.flight.is_none());
        let mut uses = at_rest
            .map(|entry| entry.last_use.load(Ordering::Relaxed))
            .collect::<Vec<_>>();
        if uses.len() <= cap {
            *landings = uses.len().saturating_sub(target);
            return;
        }
        let surplus = uses.len() - target;
        // Uses are counted one by one: no two entries have the same count.
        let (_, last_to_go, _) = uses.select_nth_unstable(surplus - 1);
        let last_to_go = *last_to_go;
        self.entries
            .retain(|_, entry| entry.flight.is_some() || entry.last_use.load(Ordering::Relaxed) > last_to_go);
        *landings = 0;
    }
}
