//! Chance, so that what happened at one time does not happen at one time again. Not for secrets.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A sequence of pseudo-random numbers (SplitMix64).
#[derive(Debug)]
pub(crate) struct Jitter(AtomicU64);

impl Jitter {
    /// Another sequence in every process.
    pub(crate) fn random() -> Self {
        Self(AtomicU64::new(RandomState::new().hash_one(())))
    }

    /// Always the same sequence: for tests.
    #[cfg(test)]
    pub(crate) fn fixed(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Anything from nothing to `most`.
    pub(crate) fn up_to(&self, most: Duration) -> Duration {
        most.mul_f64(self.next())
    }

    /// Anything that is off `middle` by at most `share` of it.
    pub(crate) fn around(&self, middle: Duration, share: f64) -> Duration {
        middle.mul_f64(1.0 + share * (2.0 * self.next() - 1.0))
    }

    /// At least 0, less than 1.
    fn next(&self) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // What fits a float's mantissa.
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_stays_within_its_bounds_and_uses_them() {
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
