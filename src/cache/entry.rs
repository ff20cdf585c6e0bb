//! One entry of a cache: all that is known of a key, and what follows from it at a given time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::held::{Held, Memory, Moment, SPREAD};
use super::policy::{FetchError, Perishable, Policy, Refresh};
use crate::jitter::Jitter;

/// For how long after a pause between attempts the failure behind it still counts: a lookup in that
/// time is served the old value while the next attempt is under way, and does not wait for it.
const RECENT: Duration = Duration::from_secs(60);

/// The first and the longest pause between attempts to replace a value that is still served.
const RETRY: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(60));

/// The value or error that a flight ended with, shared by all who wait for it.
pub(super) type Outcome<V, E> = Result<Arc<V>, Arc<E>>;

/// A waiter's end of a flight: it holds the outcome once the flight has landed. The flight itself
/// is a task on the control runtime, which goes on without waiters ([`Cache`](super::Cache)).
pub(super) type Flight<V, E> = watch::Receiver<Option<Outcome<V, E>>>;

/// The flight's own end, by which it tells its waiters the outcome.
pub(super) type Landing<V, E> = watch::Sender<Option<Outcome<V, E>>>;

/// Everything that a cache knows of one key. The lock of its shard of the cache's map guards it.
pub(super) struct Entry<V, E> {
    /// The value that is served while nothing is wrong with it.
    pub(super) held: Option<Held<V>>,
    /// The waiters' end of the one flight for this key. `None`: none is under way.
    pub(super) flight: Option<Flight<V, E>>,
    /// The sender of that flight, which knows how many wait for it. The flight alone keeps it
    /// alive.
    pub(super) landing: Weak<Landing<V, E>>,
    /// The last error that the source is not asked again for.
    refusal: Option<Memory<Arc<E>>>,
    /// The last value that the consumer rejected. Held weakly: its secret goes, and its address is
    /// not used again while this is here.
    rejected: Option<Memory<Weak<V>>>,
    /// The last flight, if it brought nothing better than what is held. Lasts for the pause before
    /// the next attempt to replace that.
    setback: Option<Memory<Setback<E>>>,
    /// The cache's count of uses when this entry was last used.
    pub(super) last_use: AtomicU64,
    /// Refreshes and removes the entry while it has no flight.
    pub(super) upkeep: Option<Upkeep>,
}

/// Why a flight did not replace the value that is held.
enum Setback<E> {
    /// The flight failed with this error.
    Failed(Arc<E>),
    /// The flight brought a value that lasts no longer than the one that is held.
    NoBetter,
}

/// Owns the upkeep task of an entry, which ends when this is dropped.
pub(super) struct Upkeep(pub(super) AbortHandle);

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The answer of an entry to a lookup.
pub(super) enum Answer<V, E> {
    /// The lookup is served this value, which is fresh.
    Serve(Arc<V>),
    /// The lookup is served this value, and a flight for the next one starts in the background.
    Refresh(Arc<V>),
    /// The lookup waits for the flight that is under way.
    Join(Flight<V, E>),
    /// The lookup fails with this error, for which the source is not asked again yet.
    Refuse(Arc<E>),
    /// The lookup starts a flight and waits for it.
    Fetch,
}

/// The work that is due for an entry.
pub(super) enum Due {
    /// Nothing is due: a flight is under way, and its landing will see to the entry.
    Nothing,
    /// The value is to be fetched again.
    Refresh,
    /// Nothing is due before this time, at which the entry is looked at again.
    LookAgain(Instant),
    /// Nothing in the entry matters any more.
    Removal,
}

impl<V, E> Default for Entry<V, E> {
    fn default() -> Self {
        Self {
            held: None,
            flight: None,
            landing: Weak::new(),
            refusal: None,
            rejected: None,
            setback: None,
            last_use: AtomicU64::new(0),
            upkeep: None,
        }
    }
}

impl<V, E: FetchError> Entry<V, E> {
    /// Decides what a lookup does.
    pub(super) fn answer(&self, now: Moment, refresh: Refresh) -> Answer<V, E> {
        let held = self.held.as_ref().filter(|held| held.is_served(now));
        // Once a fetch has failed nobody waits for the next one; but a failure of long ago says
        // nothing of now.
        let waits = matches!(refresh, Refresh::OnAccess { .. }) && !self.has_recent_setback(now);
        match (held, &self.flight) {
            (Some(held), _) if held.is_fresh(now) || self.is_pausing(now) => Answer::Serve(held.hand_out()),
            (Some(held), Some(_)) if !waits => Answer::Serve(held.hand_out()),
            (Some(held), None) if !waits => Answer::Refresh(held.hand_out()),
            (_, Some(flight)) => Answer::Join(flight.clone()),
            (Some(_), None) => Answer::Fetch,
            (None, None) => match &self.refusal {
                Some(refusal) if refusal.lasts(now) => Answer::Refuse(Arc::clone(&refusal.of)),
                Some(_) | None => Answer::Fetch,
            },
        }
    }

    /// The answer to a lookup that wants no value older than `max_age`. `None`: one is to be
    /// fetched, or is on its way.
    pub(super) fn answer_within(&self, now: Moment, max_age: Duration) -> Option<Outcome<V, E>> {
        match (&self.held, &self.refusal) {
            (Some(held), _) if now.since(held.landed) < max_age => Some(Ok(Arc::clone(&held.value))),
            (None, Some(refusal)) if refusal.lasts(now) => Some(Err(Arc::clone(&refusal.of))),
            _ => None,
        }
    }

    /// Takes note of a flight that has failed. Returns what its waiters are given: the value held,
    /// if it may still be served, or else the error.
    pub(super) fn failed(&mut self, error: Arc<E>, now: Moment, policy: &Policy, jitter: &Jitter) -> Outcome<V, E> {
        self.flight = None;
        let ends_all = error.revokes() && matches!(policy.refresh, Refresh::OnAccess { .. });
        self.held.take_if(|held| ends_all || !held.is_served(now));
        self.pause(Setback::Failed(Arc::clone(&error)), now, jitter);
        match &self.held {
            Some(held) => Ok(Arc::clone(&held.value)),
            None if error.is_remembered() => {
                // A caller that the source does not know any more may be known again at any time.
                let last = self.refusal.as_ref().filter(|_| error.revokes());
                self.refusal = Some(Memory::again(Arc::clone(&error), now, last, policy.negative_ttl));
                Err(error)
            }
            None => Err(error),
        }
    }

    /// Takes note of a value that the consumer rejected. Returns whether another one is worth a
    /// try.
    pub(super) fn reject(&mut self, value: &Arc<V>, now: Moment, policy: &Policy) -> bool {
        if self
            .held
            .as_ref()
            .is_some_and(|held| !Arc::ptr_eq(&held.value, value))
        {
            return true;
        }
        let value = Arc::downgrade(value);
        let is_known = self
            .rejected
            .as_ref()
            .is_some_and(|last| last.of.ptr_eq(&value));
        // Nothing is held, and another value is on its way or has yet to be asked for.
        if is_known || self.held.is_none() && self.flight.is_some() {
            return true;
        }
        // While the last rejection is remembered, the value held was fetched because of it.
        if self.rejected.as_ref().is_some_and(|last| last.lasts(now)) {
            return false;
        }
        self.held = None;
        self.rejected = Some(Memory::again(value, now, self.rejected.as_ref(), policy.negative_ttl));
        true
    }

    /// Whether this is the entry's flight. It is not if the key has been forgotten since it began.
    pub(super) fn awaits(&self, landing: &Arc<Landing<V, E>>) -> bool {
        std::ptr::eq(self.landing.as_ptr(), Arc::as_ptr(landing))
    }

    /// Decides what upkeep does.
    pub(super) fn due(&self, now: Moment, refresh: Refresh) -> Due {
        if self.flight.is_some() {
            return Due::Nothing;
        }
        let held = self.held.as_ref().filter(|held| held.is_served(now));
        let refresh_at = match (held, refresh) {
            (Some(held), Refresh::Ahead) if held.is_fresh(now) => Some(held.landed.tokio + held.fresh_for),
            (Some(held), Refresh::Ahead) if held.was_handed_out.load(Ordering::Relaxed) => match &self.setback {
                Some(setback) if setback.lasts(now) => Some(setback.since.tokio + setback.lasts),
                Some(_) | None => return Due::Refresh,
            },
            (Some(_) | None, Refresh::Ahead | Refresh::OnAccess { .. }) => None,
        };
        let ends = [
            held.map(|held| held.landed.tokio + held.served_for),
            self.refusal.as_ref().map(Memory::end),
            self.rejected.as_ref().map(Memory::end),
            self.setback.as_ref().map(Memory::end),
        ];
        match ends.into_iter().flatten().max() {
            Some(end) if end > now.tokio => Due::LookAgain(refresh_at.map_or(end, |at| at.min(end))),
            Some(_) | None => Due::Removal,
        }
    }

    /// The number of lookups that wait for the flight under way.
    pub(super) fn waiters(&self) -> usize {
        let landing = self.landing.upgrade().filter(|_| self.flight.is_some());
        // The entry holds a receiver too.
        landing.map_or(0, |landing| landing.receiver_count().saturating_sub(1))
    }

    /// The error of the last flight, if nothing better has landed since.
    pub(super) fn last_error(&self) -> Option<&Arc<E>> {
        match self.setback.as_ref().map(|setback| &setback.of) {
            Some(Setback::Failed(error)) => Some(error),
            Some(Setback::NoBetter) | None => None,
        }
    }

    /// Starts the pause before the next attempt, twice as long as the last one.
    fn pause(&mut self, why: Setback<E>, now: Moment, jitter: &Jitter) {
        let step = self
            .setback
            .as_ref()
            .map_or(RETRY.0, |last| (last.step * 2).min(RETRY.1));
        self.setback = Some(Memory { of: why, since: now, step, lasts: jitter.around(step, SPREAD) });
    }

    /// Whether the last attempt to replace the value failed a short while ago.
    fn has_recent_setback(&self, now: Moment) -> bool {
        self.setback
            .as_ref()
            .is_some_and(|setback| now.since(setback.since) < setback.lasts + RECENT)
    }

    fn is_pausing(&self, now: Moment) -> bool {
        self.setback
            .as_ref()
            .is_some_and(|setback| setback.lasts(now))
    }
}

impl<V: Perishable, E: FetchError> Entry<V, E> {
    /// Takes note of a flight that brought a value; `fresh` is the part of it that may be kept. A
    /// source may give one value until it expires (AWS does): a value that does not outlive the one
    /// held is not worth another attempt soon.
    pub(super) fn landed(&mut self, fresh: Option<Held<V>>, now: Moment, policy: &Policy, jitter: &Jitter) {
        (self.flight, self.refusal) = (None, None);
        let ends = |held: &Held<V>| held.value.expires_at();
        let is_better = |held: &Held<V>| match (ends(held), fresh.as_ref().map(ends)) {
            (Some(at), Some(Some(later))) => later > at,
            (_, fresh) => fresh.is_some(),
        };
        let is_ahead = matches!(policy.refresh, Refresh::Ahead);
        match &self.held {
            Some(held) if is_ahead && held.is_served(now) && !is_better(held) => {
                self.pause(Setback::NoBetter, now, jitter);
            }
            Some(_) | None => (self.held, self.setback) = (fresh, None),
        }
    }
}

/// The outcome of a flight that ended without one.
pub(super) fn lost<V, E: FetchError>() -> Outcome<V, E> {
    Err(Arc::new(E::lost()))
}
