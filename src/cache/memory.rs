//! Two clocks, and what is remembered by them.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Longest memory of a refusal; and how long a failure is known that stops nothing any more.
const MEMORY: Duration = Duration::from_secs(300);

/// For ever, with room to add to it.
pub(super) const ALWAYS: Duration = Duration::from_secs(10 * 365 * 86_400);

/// One time on both clocks. The wall clock goes on while a machine is suspended, and may be set
/// back; tokio's does neither.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) tokio: Instant,
    pub(super) wall: SystemTime,
}

impl Moment {
    /// Time gone by since, on the clock that saw more of it.
    pub(super) fn since(self, earlier: Self) -> Duration {
        self.tokio
            .duration_since(earlier.tokio)
            .max(self.wall.duration_since(earlier.wall).unwrap_or_default())
    }
}

/// Something to be remembered for a time that doubles when it happens again.
pub(super) struct Memory<T> {
    pub(super) of: T,
    pub(super) since: Moment,
    /// Without chance, so that it can be doubled.
    pub(super) step: Duration,
    pub(super) lasts: Duration,
}

impl<T> Memory<T> {
    /// Twice as long as the last one, if that has not been over for long.
    pub(super) fn again(of: T, now: Moment, last: Option<&Self>, first: Duration) -> Self {
        let first = first.min(ALWAYS);
        let last = last.filter(|last| now.since(last.since) < last.lasts + MEMORY);
        let lasts = last.map_or(first, |last| (last.step * 2).min(MEMORY.max(first)));
        Self { of, since: now, step: lasts, lasts }
    }

    pub(super) fn lasts(&self, now: Moment) -> bool {
        now.since(self.since) < self.lasts
    }

    /// Until then it counts if it happens again.
    pub(super) fn end(&self) -> Instant {
        self.since.tokio + self.lasts + MEMORY
    }
}
