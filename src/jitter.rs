//! Random delays, so that what happened at the same time (logins, failures) is not repeated at the
//! same time. The numbers can be guessed: no secret is made of them.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use parking_lot::Mutex;

/// A sequence of pseudo-random numbers. Its owner shares it among threads; the lock is held for one
/// number.
#[derive(Debug)]
pub(crate) struct Jitter(Mutex<fastrand::Rng>);

impl Jitter {
    /// A sequence of its own, different in every process.
    pub(crate) fn random() -> Self {
        // fastrand's own seeds are a hash of the time and the thread, which replicas may share.
        Self(Mutex::new(fastrand::Rng::with_seed(RandomState::new().hash_one(()))))
    }

    /// The same sequence each time, for tests.
    #[cfg(test)]
    pub(crate) fn fixed(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// Any time from nothing to `most`.
    pub(crate) fn up_to(&self, most: Duration) -> Duration {
        most.mul_f64(self.next())
    }

    /// Any time that differs from `middle` by at most `share` of it.
    pub(crate) fn around(&self, middle: Duration, share: f64) -> Duration {
        middle.mul_f64(1.0 + share * (2.0 * self.next() - 1.0))
    }

    /// At least 0, less than 1.
    fn next(&self) -> f64 {
        self.0.lock().f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_range_and_covers_it() {
        let (jitter, second) = (Jitter::fixed(7), Duration::from_secs(1));
        let all = (0..10_000)
            .map(|_| (jitter.up_to(second), jitter.around(second, 0.1)))
            .collect::<Vec<_>>();
        let millis = |least: u64, most: u64| Duration::from_millis(least)..Duration::from_millis(most);
        assert!(
            all.iter()
                .all(|(up, around)| millis(0, 1000).contains(up) && millis(900, 1100).contains(around))
        );
        assert!(
            all.iter().any(|(up, _)| *up < millis(10, 0).start) && all.iter().any(|(up, _)| *up > millis(990, 0).start)
        );
        assert_ne!(Jitter::random().up_to(second), Jitter::random().up_to(second));
    }
}
