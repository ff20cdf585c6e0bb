//! A value at rest: for how long it is handed out, and when it is fetched again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::memory::{ALWAYS, Moment};
use super::{Freshness, Perishable, Policy};
use crate::jitter::Jitter;

/// How far chance moves a refresh or a pause, as a share of it.
pub(super) const SPREAD: f64 = 0.05;

/// A value that is handed out.
pub(super) struct Held<V> {
    pub(super) value: Arc<V>,
    pub(super) landed: Moment,
    /// Until it is to be fetched again, since it landed.
    pub(super) fresh_for: Duration,
    /// Until it is not handed out any more, since it landed.
    pub(super) served_for: Duration,
    pub(super) was_used: AtomicBool,
}

impl<V: Perishable> Held<V> {
    /// `None`: it has too little life to be kept.
    pub(super) fn new(value: Arc<V>, landed: Moment, policy: &Policy, jitter: &Jitter) -> Option<Self> {
        let granted = match value.expires_at() {
            Some(at) => at
                .duration_since(landed.wall)
                .unwrap_or_default()
                .min(ALWAYS),
            None => ALWAYS,
        };
        if granted <= policy.least_life {
            return None;
        }
        let life = granted - policy.margin.min(granted / 4);
        let (fresh_for, served_for) = match policy.freshness {
            Freshness::Ahead if granted == ALWAYS => (ALWAYS, ALWAYS),
            // Where the margin is a quarter, three quarters would be too late.
            Freshness::Ahead => (jitter.around((granted / 4 * 3).min(life / 10 * 9), SPREAD), life),
            Freshness::Within { believed, stale_for } => {
                let believed = value.believed(believed).min(life);
                (believed, believed.saturating_add(stale_for).min(life))
            }
        };
        Some(Self { value, landed, fresh_for, served_for, was_used: AtomicBool::new(false) })
    }
}

impl<V> Held<V> {
    pub(super) fn is_fresh(&self, now: Moment) -> bool {
        now.since(self.landed) < self.fresh_for
    }

    pub(super) fn is_served(&self, now: Moment) -> bool {
        now.since(self.landed) < self.served_for
    }

    pub(super) fn hand_out(&self) -> Arc<V> {
        self.was_used.store(true, Ordering::Relaxed);
        Arc::clone(&self.value)
    }
}
