//! The cache's face: what is asked of it, and what it answers at once.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use dashmap::DashMap;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::entry::{Flight, Outcome, Slot, Verdict};
use super::flight::lost;
use super::memory::Moment;
use super::{Fetch, Perishable, Policy};
use crate::aws::AwsError;
use crate::clock::Clock;
use crate::jitter::Jitter;

/// All values held or on their way, by key.
///
/// Flights run on the control runtime, so that a session that leaves aborts nobody else's.
pub(crate) struct Cache<K, V> {
    pub(super) source: Arc<dyn Fetch<K, V>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) control: Handle,
    pub(super) policy: Policy,
    pub(super) jitter: Jitter,
    pub(super) slots: DashMap<K, Slot<V>>,
    /// Counts what is asked, to tell which key was not asked for longest.
    pub(super) uses: AtomicU64,
    /// See [`super::room`].
    pub(super) landings: Mutex<usize>,
}

/// What a key has come to.
#[cfg_attr(not(test), expect(dead_code, reason = "for the console and metrics"))]
#[derive(Debug)]
pub(crate) struct Snapshot<V> {
    pub(crate) value: Option<Arc<V>>,
    pub(crate) expires_at: Option<SystemTime>,
    /// If nothing has landed since.
    pub(crate) last_error: Option<Arc<AwsError>>,
    pub(crate) is_in_flight: bool,
}

impl<K, V> Cache<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Perishable + Send + Sync + 'static,
{
    /// An empty one whose flights run on `control`.
    pub(crate) fn new(
        source: Arc<dyn Fetch<K, V>>,
        clock: Arc<dyn Clock>,
        control: Handle,
        policy: Policy,
        jitter: Jitter,
    ) -> Arc<Self> {
        let (slots, uses) = (DashMap::new(), AtomicU64::new(0));
        Arc::new(Self { source, clock, control, policy, jitter, slots, uses, landings: Mutex::new(policy.cap) })
    }

    /// A value with more life left than the margin, fetched if need be. Cancel safe: a flight goes
    /// on without its waiters.
    ///
    /// # Errors
    /// What ended the flight, shared by all who waited, or a refusal that is still remembered.
    pub(crate) async fn get(self: &Arc<Self>, key: &K) -> Outcome<V> {
        let mut flight = match self.held_or_flight(key) {
            Ok(outcome) => return outcome,
            Err(flight) => flight,
        };
        match flight.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone().unwrap_or_else(lost),
            Err(_sender_gone) => lost(),
        }
    }

    /// The warehouse refused this value: it is not handed out again, unless it was itself fetched
    /// because of such a refusal, a short while ago. Whether to get another one and try again.
    pub(crate) fn refused(self: &Arc<Self>, key: &K, value: &Arc<V>) -> bool {
        let now = self.now();
        let is_worth_another = {
            let mut slot = self.slots.entry(key.clone()).or_default();
            self.touch(&slot);
            let is_worth_another = slot.refused(value, now, &self.policy);
            if slot.flight.is_none() {
                slot.keeper = Some(self.keep(key));
            }
            is_worth_another
        };
        self.make_room();
        is_worth_another
    }

    /// Forgets all that is known of a key; a flight goes on.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the console"))]
    pub(crate) fn forget(&self, key: &K) {
        self.slots.remove_if_mut(key, |_, slot| slot.forget());
    }

    /// How many keys something is known of.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the console and metrics"))]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// What a key has come to; `None`: nothing is known of it. No use in the sense of the cache.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the console and metrics"))]
    pub(crate) fn snapshot(&self, key: &K) -> Option<Snapshot<V>> {
        self.slots.get(key).map(|slot| Snapshot::of(&slot))
    }

    /// The same of every key.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the console and metrics"))]
    pub(crate) fn snapshots(&self) -> Vec<(K, Snapshot<V>)> {
        self.slots
            .iter()
            .map(|slot| (slot.key().clone(), Snapshot::of(&slot)))
            .collect()
    }

    /// What is there, or the flight to wait for; started here where there is none.
    fn held_or_flight(self: &Arc<Self>, key: &K) -> Result<Outcome<V>, Flight<V>> {
        let now = self.now();
        if let Some(slot) = self.slots.get(key) {
            self.touch(&slot);
            match slot.judge(now, self.policy.freshness) {
                Verdict::Serve(value) => return Ok(Ok(value)),
                Verdict::Refuse(error) => return Ok(Err(error)),
                Verdict::Join(flight) => return Err(flight),
                Verdict::Refresh(_) | Verdict::Fetch => {}
            }
        }
        // Somebody else may have been here in between.
        let mut slot = self.slots.entry(key.clone()).or_default();
        self.touch(&slot);
        match slot.judge(now, self.policy.freshness) {
            Verdict::Serve(value) => Ok(Ok(value)),
            Verdict::Refuse(error) => Ok(Err(error)),
            Verdict::Join(flight) => Err(flight),
            Verdict::Refresh(value) => {
                self.launch(key, &mut slot);
                Ok(Ok(value))
            }
            Verdict::Fetch => Err(self.launch(key, &mut slot)),
        }
    }

    pub(super) fn touch(&self, slot: &Slot<V>) {
        slot.last_use
            .store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Moment {
        Moment { tokio: Instant::now(), wall: self.clock.now() }
    }
}

impl<V: Perishable> Snapshot<V> {
    fn of(slot: &Slot<V>) -> Self {
        let value = slot.held.as_ref().map(|held| Arc::clone(&held.value));
        Self {
            expires_at: value.as_ref().and_then(|value| value.expires_at()),
            value,
            last_error: slot.trouble.as_ref().and_then(|trouble| trouble.of.clone()),
            is_in_flight: slot.flight.is_some(),
        }
    }
}
