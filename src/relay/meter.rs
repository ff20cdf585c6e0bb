//! The figures of a session that its relay keeps, and anybody may read while it runs.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::Traffic;

/// The bytes that one session has moved, when it moved the last ones, and what it is at. Its relay
/// alone writes it, without locks; the session's registry entry holds it.
#[derive(Debug)]
pub(crate) struct Meter {
    moved: Traffic,
    /// An [`Activity`].
    activity: AtomicU8,
    /// Milliseconds from `since` to the last time that bytes were moved, and one more. 0: none
    /// were.
    last: AtomicU64,
    since: Instant,
    /// The sums that the bytes of this session are added to.
    sums: OnceLock<Arc<Traffic>>,
}

/// What a session that is relayed is at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Activity {
    /// No answer is owed, and no transaction is open.
    Idle,
    /// The warehouse owes the client an answer.
    Active,
    /// No answer is owed, and a transaction is open.
    Transaction,
}

impl Meter {
    /// A meter of a session that begins now.
    pub(crate) fn new(since: Instant) -> Self {
        let (moved, sums) = (Traffic::default(), OnceLock::new());
        Self { moved, activity: AtomicU8::new(Activity::Idle as u8), last: AtomicU64::new(0), since, sums }
    }

    /// Adds the bytes that the session moves from now on to these sums too. Only the first call
    /// counts.
    pub(crate) fn add_to(&self, sums: Arc<Traffic>) {
        let _ = self.sums.set(sums);
    }

    /// The bytes that were read so far from the client and from the warehouse.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.moved
    }

    /// The present state of the session.
    pub(crate) fn activity(&self) -> Activity {
        match self.activity.load(Ordering::Relaxed) {
            0 => Activity::Idle,
            1 => Activity::Active,
            _ => Activity::Transaction,
        }
    }

    /// The last time that bytes were moved. `None`: none have been yet.
    pub(crate) fn last_moved(&self) -> Option<Instant> {
        let millis = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.since + Duration::from_millis(millis))
    }

    /// Notes that bytes were moved: how many were read so far in each direction, and what the
    /// session is at since. The relay calls it each time that it is woken for bytes, and a console
    /// for each message.
    pub(crate) fn note(&self, up: u64, down: u64, activity: Activity) {
        // Nobody else writes these: a load and a store do.
        let (more_up, more_down) = (up - self.moved.up(), down - self.moved.down());
        self.moved.set(up, down);
        self.activity.store(activity as u8, Ordering::Relaxed);
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.last.store(millis + 1, Ordering::Relaxed);
        if let Some(sums) = self.sums.get() {
            sums.add(more_up, more_down);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_meter_has_the_bytes_of_its_session_and_adds_them_to_the_sums() {
        let sums: Arc<Traffic> = Arc::default();
        let [one, other] = [Meter::new(Instant::now()), Meter::new(Instant::now())];
        assert_eq!((one.last_moved(), one.activity()), (None, Activity::Idle));
        one.add_to(Arc::clone(&sums));
        other.add_to(Arc::clone(&sums));
        one.note(10, 0, Activity::Active);
        advance(Duration::from_millis(1_500)).await;
        one.note(10, 300, Activity::Transaction);
        assert_eq!(one.last_moved(), Some(Instant::now()));
        advance(Duration::from_secs(1)).await;
        other.note(5, 7, Activity::Idle);
        assert_eq!((one.traffic().up(), one.traffic().down()), (10, 300));
        assert_eq!((one.activity(), other.activity()), (Activity::Transaction, Activity::Idle));
        assert_eq!((sums.up(), sums.down()), (15, 307));
    }
}
