//! What an entry keeps for a time: the value that it serves, and what it remembers of failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::policy::{Perishable, Policy, Refresh};
use crate::jitter::Jitter;

/// The share by which a refresh or a pause is moved at random, earlier or later.
pub(super) const SPREAD: f64 = 0.05;

/// The longest that a failure is remembered, and that a failure which is over still counts when the
/// next one comes.
const LONGEST_MEMORY: Duration = Duration::from_secs(300);

/// For ever, with room to add to it.
const ALWAYS: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A moment, as both clocks had it. The wall clock goes on while a machine is suspended, and may be
/// set back; tokio's does neither.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// The time on tokio's clock, which timers use.
    pub(super) tokio: Instant,
    /// The time on the wall clock, which expiries use.
    pub(super) wall: SystemTime,
}

impl Moment {
    /// The time that has passed since an earlier moment, on the clock that saw more of it.
    pub(super) fn since(self, earlier: Self) -> Duration {
        self.tokio
            .duration_since(earlier.tokio)
            .max(self.wall.duration_since(earlier.wall).unwrap_or_default())
    }
}

/// A value that is served.
pub(super) struct Held<V> {
    /// The value, which those that it was handed to share.
    pub(super) value: Arc<V>,
    /// The moment at which the value was fetched.
    pub(super) landed: Moment,
    /// The time from one fetch of the value to the moment at which the next is due.
    pub(super) fresh_for: Duration,
    /// The time for which the value is served at all, counted from its fetch.
    pub(super) served_for: Duration,
    /// Whether a lookup found the value here and was given it. Those who waited for the flight that
    /// fetched it do not count: a value that nobody asks for again is not refreshed ahead.
    pub(super) was_handed_out: AtomicBool,
}

impl<V: Perishable> Held<V> {
    /// Works out how long a value that was fetched just now is served. `None`: it has too little
    /// life to be kept.
    pub(super) fn new(value: Arc<V>, landed: Moment, policy: &Policy, jitter: &Jitter) -> Option<Self> {
        let granted = match value.expires_at() {
            Some(at) => at
                .duration_since(landed.wall)
                .unwrap_or_default()
                .min(ALWAYS),
            None => ALWAYS,
        };
        if granted <= policy.min_life {
            return None;
        }
        let life = granted - policy.margin.min(granted / 4);
        let (fresh_for, served_for) = match policy.refresh {
            Refresh::Ahead if granted == ALWAYS => (ALWAYS, ALWAYS),
            // Where the margin is a quarter, three quarters would be too late.
            Refresh::Ahead => (jitter.around((granted / 4 * 3).min(life / 10 * 9), SPREAD), life),
            Refresh::OnAccess { max_age, stale_if_error } => {
                let max_age = value.max_age(max_age).min(life);
                (max_age, max_age.saturating_add(stale_if_error).min(life))
            }
        };
        Some(Self { value, landed, fresh_for, served_for, was_handed_out: AtomicBool::new(false) })
    }

    /// Works out anew how long the value is served. `None`: under this policy it has too little
    /// life to be kept.
    pub(super) fn under(self, policy: &Policy, jitter: &Jitter) -> Option<Self> {
        let anew = Self::new(self.value, self.landed, policy, jitter)?;
        Some(Self { was_handed_out: self.was_handed_out, ..anew })
    }
}

impl<V> Held<V> {
    /// Whether the value is served without a fetch.
    pub(super) fn is_fresh(&self, now: Moment) -> bool {
        now.since(self.landed) < self.fresh_for
    }

    /// Whether the value may be served at all.
    pub(super) fn is_served(&self, now: Moment) -> bool {
        now.since(self.landed) < self.served_for
    }

    /// Serves the value, which counts as a use.
    pub(super) fn hand_out(&self) -> Arc<V> {
        self.was_handed_out.store(true, Ordering::Relaxed);
        Arc::clone(&self.value)
    }
}

/// A failure that is remembered for a time, which doubles when the failure happens again.
pub(super) struct Memory<T> {
    /// The failure that is remembered.
    pub(super) of: T,
    /// The moment at which the failure happened last.
    pub(super) since: Moment,
    /// The time without the part that is chance, so that it can be doubled.
    pub(super) step: Duration,
    /// How long the failure is remembered from then on.
    pub(super) lasts: Duration,
}

impl<T> Memory<T> {
    /// Remembers a failure for `first`, or for twice as long as the last one if that has not been
    /// over for long.
    pub(super) fn again(of: T, now: Moment, last: Option<&Self>, first: Duration) -> Self {
        let first = first.min(ALWAYS);
        let last = last.filter(|last| now.since(last.since) < last.lasts + LONGEST_MEMORY);
        let lasts = last.map_or(first, |last| (last.step * 2).min(LONGEST_MEMORY.max(first)));
        Self { of, since: now, step: lasts, lasts }
    }

    /// Whether the failure is still remembered.
    pub(super) fn lasts(&self, now: Moment) -> bool {
        now.since(self.since) < self.lasts
    }

    /// Until then the failure counts if it happens again.
    pub(super) fn end(&self) -> Instant {
        self.since.tokio + self.lasts + LONGEST_MEMORY
    }
}
