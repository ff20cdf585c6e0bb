//! All that is known of one key, and what follows from it at a given time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::held::{Held, SPREAD};
use super::keeper::Keeper;
use super::memory::{Memory, Moment};
use super::{Freshness, Perishable, Policy};
use crate::aws::AwsError;
use crate::jitter::Jitter;

/// How long behind its pause a failure still keeps those who ask from waiting.
const RECENT: Duration = Duration::from_secs(60);

/// Pauses between attempts to replace a value that is still handed out: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(60));

/// What a key has come to, shared by all who wait for it.
pub(super) type Outcome<V> = Result<Arc<V>, Arc<AwsError>>;

/// To wait for a flight.
pub(super) type Flight<V> = watch::Receiver<Option<Outcome<V>>>;

pub(super) struct Slot<V> {
    pub(super) held: Option<Held<V>>,
    /// The one flight for this key.
    pub(super) flight: Option<Flight<V>>,
    /// The last final refusal by AWS.
    denial: Option<Memory<Arc<AwsError>>>,
    /// The last value that the warehouse refused. Weak: its secret goes, its address is not used
    /// again.
    distrust: Option<Memory<Weak<V>>>,
    /// The last failure, if nothing better has landed since; it lasts for the pause before a held
    /// value is fetched again. `None`: it brought nothing that would last longer.
    pub(super) trouble: Option<Memory<Option<Arc<AwsError>>>>,
    /// When it was last asked for: a count of all that was.
    pub(super) last_use: AtomicU64,
    pub(super) keeper: Option<Keeper>,
}

/// What `get` does about a key.
pub(super) enum Verdict<V> {
    Serve(Arc<V>),
    /// Serve, and fetch in the background.
    Refresh(Arc<V>),
    Join(Flight<V>),
    Refuse(Arc<AwsError>),
    Fetch,
}

/// What a key's keeper does about it.
pub(super) enum Next {
    /// Nothing: the landing will see to it.
    Flies,
    Refresh,
    Wake(Instant),
    Forget,
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self {
            held: None,
            flight: None,
            denial: None,
            distrust: None,
            trouble: None,
            last_use: AtomicU64::new(0),
            keeper: None,
        }
    }
}

impl<V> Slot<V> {
    pub(super) fn judge(&self, now: Moment, freshness: Freshness) -> Verdict<V> {
        let held = self.held.as_ref().filter(|held| held.is_served(now));
        // Once a fetch has failed nobody waits for the next one; but what is long ago says nothing
        // of now.
        let waits = matches!(freshness, Freshness::Within { .. }) && !self.is_in_trouble(now);
        match (held, &self.flight) {
            (Some(held), _) if held.is_fresh(now) || self.is_pausing(now) => Verdict::Serve(held.hand_out()),
            (Some(held), Some(_)) if !waits => Verdict::Serve(held.hand_out()),
            (Some(held), None) if !waits => Verdict::Refresh(held.hand_out()),
            (_, Some(flight)) => Verdict::Join(flight.clone()),
            (Some(_), None) => Verdict::Fetch,
            (None, None) => match &self.denial {
                Some(denial) if denial.lasts(now) => Verdict::Refuse(Arc::clone(&denial.of)),
                Some(_) | None => Verdict::Fetch,
            },
        }
    }

    /// A flight has failed. What those are told who waited for it.
    pub(super) fn failed(&mut self, error: Arc<AwsError>, now: Moment, policy: &Policy, jitter: &Jitter) -> Outcome<V> {
        self.flight = None;
        let ends_all = error.revokes() && matches!(policy.freshness, Freshness::Within { .. });
        self.held.take_if(|held| ends_all || !held.is_served(now));
        self.pause(Some(Arc::clone(&error)), now, jitter);
        match &self.held {
            Some(held) => Ok(Arc::clone(&held.value)),
            None if error.is_remembered() => {
                // Who is not known any more may be known again at any time.
                let last = self.denial.as_ref().filter(|_| error.revokes());
                self.denial = Some(Memory::again(Arc::clone(&error), now, last, policy.negative_ttl));
                Err(error)
            }
            None => Err(error),
        }
    }

    /// The warehouse has refused this value. Whether another one is worth a try.
    pub(super) fn refused(&mut self, value: &Arc<V>, now: Moment, policy: &Policy) -> bool {
        if self
            .held
            .as_ref()
            .is_some_and(|held| !Arc::ptr_eq(&held.value, value))
        {
            return true;
        }
        let value = Arc::downgrade(value);
        // Nothing is held, and another is on its way or has yet to be asked for.
        let is_told_again = self
            .distrust
            .as_ref()
            .is_some_and(|last| last.of.ptr_eq(&value));
        if is_told_again || self.held.is_none() && self.flight.is_some() {
            return true;
        }
        // While the last refusal is remembered, what is here has been fetched because of it.
        if self.distrust.as_ref().is_some_and(|last| last.lasts(now)) {
            return false;
        }
        self.held = None;
        self.distrust = Some(Memory::again(value, now, self.distrust.as_ref(), policy.negative_ttl));
        true
    }

    /// Whether nothing is left: a flight goes on.
    pub(super) fn forget(&mut self) -> bool {
        let flight = self.flight.take();
        let is_empty = flight.is_none();
        *self = Self { flight, ..Self::default() };
        is_empty
    }

    pub(super) fn next(&self, now: Moment, freshness: Freshness) -> Next {
        if self.flight.is_some() {
            return Next::Flies;
        }
        let held = self.held.as_ref().filter(|held| held.is_served(now));
        let refresh = match (held, freshness) {
            (Some(held), Freshness::Ahead) if held.is_fresh(now) => Some(held.landed.tokio + held.fresh_for),
            (Some(held), Freshness::Ahead) if held.was_used.load(Ordering::Relaxed) => match &self.trouble {
                Some(trouble) if trouble.lasts(now) => Some(trouble.since.tokio + trouble.lasts),
                Some(_) | None => return Next::Refresh,
            },
            (Some(_) | None, Freshness::Ahead | Freshness::Within { .. }) => None,
        };
        let ends = [
            held.map(|held| held.landed.tokio + held.served_for),
            self.denial.as_ref().map(Memory::end),
            self.distrust.as_ref().map(Memory::end),
            self.trouble.as_ref().map(Memory::end),
        ];
        match ends.into_iter().flatten().max() {
            Some(end) if end > now.tokio => Next::Wake(refresh.map_or(end, |refresh| refresh.min(end))),
            Some(_) | None => Next::Forget,
        }
    }

    fn pause(&mut self, failure: Option<Arc<AwsError>>, now: Moment, jitter: &Jitter) {
        let step = self
            .trouble
            .as_ref()
            .map_or(RETRY.0, |last| (last.step * 2).min(RETRY.1));
        self.trouble = Some(Memory { of: failure, since: now, step, lasts: jitter.around(step, SPREAD) });
    }

    fn is_in_trouble(&self, now: Moment) -> bool {
        self.trouble
            .as_ref()
            .is_some_and(|trouble| now.since(trouble.since) < trouble.lasts + RECENT)
    }

    fn is_pausing(&self, now: Moment) -> bool {
        self.trouble
            .as_ref()
            .is_some_and(|trouble| trouble.lasts(now))
    }
}

impl<V: Perishable> Slot<V> {
    /// A flight has landed; `fresh` is what may be kept of it. AWS may hand out one login until it
    /// ends: one that does not outlive what is held is not worth asking for again soon.
    pub(super) fn landed(&mut self, fresh: Option<Held<V>>, now: Moment, policy: &Policy, jitter: &Jitter) {
        (self.flight, self.denial) = (None, None);
        let ends = |held: &Held<V>| held.value.expires_at();
        let is_better = |held: &Held<V>| match (ends(held), fresh.as_ref().map(ends)) {
            (Some(at), Some(Some(later))) => later > at,
            (_, fresh) => fresh.is_some(),
        };
        let is_ahead = matches!(policy.freshness, Freshness::Ahead);
        match &self.held {
            Some(held) if is_ahead && held.is_served(now) && !is_better(held) => self.pause(None, now, jitter),
            Some(_) | None => (self.held, self.trouble) = (fresh, None),
        }
    }
}
