//! Wall-clock time, as AWS states expiries. Waits use tokio's clock, which tests pause.

use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

/// Says what time it is.
pub trait Clock: Send + Sync {
    /// The time on the wall clock.
    fn now(&self) -> SystemTime;
}

/// The clock of the machine, in place of one that tests set.
#[derive(Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the home of the wall clock")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// The machine's clock, set forward by hand: for tests.
#[derive(Debug, Default)]
pub struct ManualClock(Mutex<Duration>);

impl ManualClock {
    /// Moves the time of this clock forward.
    pub fn advance(&self, by: Duration) {
        *self.0.lock() += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        SystemClock.now() + *self.0.lock()
    }
}

/// A wall clock that goes with tokio's, also while that is paused, and may be set forward on its
/// own as if the machine had been suspended.
#[cfg(test)]
pub(crate) struct TokioClock {
    began: (SystemTime, tokio::time::Instant),
    ahead: Mutex<Duration>,
}

#[cfg(test)]
impl TokioClock {
    /// Starts at the machine's time.
    pub(crate) fn start() -> Self {
        Self { began: (SystemClock.now(), tokio::time::Instant::now()), ahead: Mutex::default() }
    }

    /// Sets the wall clock forward, while tokio's stands still.
    pub(crate) fn suspend(&self, by: Duration) {
        *self.ahead.lock() += by;
    }
}

#[cfg(test)]
impl Clock for TokioClock {
    fn now(&self) -> SystemTime {
        self.began.0 + self.began.1.elapsed() + *self.ahead.lock()
    }
}
