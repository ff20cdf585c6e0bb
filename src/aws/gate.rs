//! The way that every call of AWS takes: so many at a time to one account in one region, and again
//! what failed for now.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use super::error::AwsError;
use crate::fault;
use crate::jitter::Jitter;

#[cfg(test)]
mod tests;

/// Calls in flight to one place, those that pause between two tries included.
const PERMITS: usize = 8;

/// QuotaKeys remembered; those with a call in flight or waiting stay beyond it.
const PLACES: usize = 1024;

/// Longest pause before the second try; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause of all.
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// Tries of a call that fails for now without being throttled.
const TRIES: u32 = 3;

/// What AWS counts calls by. `None`: the base identity's own.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct QuotaKey {
    pub(crate) account: Option<String>,
    pub(crate) region: Option<String>,
}

/// All ways in. First come, first served, at each place.
pub(crate) struct Gate {
    places: DashMap<QuotaKey, Arc<Lane>>,
    jitter: Jitter,
    /// How long a call that is throttled is tried again, counted from its turn on. Less than its
    /// caller waits, so that the caller hears of it.
    patience: Duration,
}

/// The way in at one place. Both are fair.
struct Lane {
    permits: Semaphore,
    /// Held by the one throttled call that is tried again: by turns, they would take the next
    /// chance from each other, and those with long pauses would lose it to those with short ones.
    again: Mutex<()>,
}

impl Gate {
    pub(crate) fn new(jitter: Jitter, patience: Duration) -> Self {
        Self { places: DashMap::new(), jitter, patience }
    }

    /// Calls when it is this call's turn. What is throttled is tried while patience lasts; what
    /// fails for now, thrice. It keeps its turn while it pauses: a place that throttles gets
    /// slower, and is not stormed. Cancel safe.
    ///
    /// # Errors
    /// That of the last attempt.
    pub(crate) async fn call<T, F>(&self, place: &QuotaKey, attempt: impl Fn() -> F) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        let lane = self.lane(place);
        // Nothing closes it.
        let _turn = lane.permits.acquire().await;
        let (mut longest, mut failures, mut again) = (FIRST_PAUSE, 0, None);
        let give_up = Instant::now() + self.patience;
        loop {
            let error = match attempt().await {
                Err(error) if error.is_throttled() => {
                    if again.is_none() {
                        let Ok(turn) = timeout_at(give_up, lane.again.lock()).await else { return Err(error) };
                        again = Some(turn);
                    }
                    if Instant::now() >= give_up {
                        return Err(error);
                    }
                    error
                }
                Err(error) if !error.is_final() && failures + 1 < TRIES => {
                    failures += 1;
                    error
                }
                outcome => return outcome,
            };
            let mut pause = self.jitter.up_to(longest);
            if again.is_some() {
                // The last try is at the end of its patience, not behind its caller's.
                pause = pause.min(give_up.saturating_duration_since(Instant::now()));
            }
            debug!(?place, error = fault::chain(&error).as_str(), ?pause, "a call failed: once more");
            sleep(pause).await;
            longest = (longest * 2).min(LAST_PAUSE);
        }
    }

    #[cfg(test)]
    fn knows(&self, place: &QuotaKey) -> bool {
        self.places.contains_key(place)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.places.len()
    }

    fn lane(&self, place: &QuotaKey) -> Arc<Lane> {
        if let Some(lane) = self.places.get(place) {
            return Arc::clone(&lane);
        }
        if self.places.len() >= PLACES {
            self.places.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        let lane = || Arc::new(Lane { permits: Semaphore::new(PERMITS), again: Mutex::new(()) });
        Arc::clone(&self.places.entry(place.clone()).or_insert_with(lane))
    }
}
