//! The gate that every call to AWS passes: a few calls at a time to one account in one Region, and
//! those that fail for now are tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// The most calls under way for one quota, those that pause between two tries included.
const PERMITS: usize = 8;

/// The most quotas that are remembered. Those with a call under way or waiting are kept beyond it.
const MAX_QUOTAS: usize = 1024;

/// The longest pause before the second try. It doubles with each try.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause of all.
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// How often a call is tried that fails for now without being throttled.
const TRIES: u32 = 3;

/// The quota that AWS counts a call towards.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct QuotaKey {
    /// The AWS account. `None`: the base identity's own.
    pub(crate) account: Option<String>,
    /// The Region. `None`: the base identity's own.
    pub(crate) region: Option<String>,
}

/// Bounds and retries the calls to AWS. Calls of one quota take turns in the order in which they
/// came. All who call share it.
pub(crate) struct Gate {
    lanes: DashMap<QuotaKey, Arc<Lane>>,
    jitter: Jitter,
    /// How long a throttled call is tried again, counted from its turn on. It is less than its
    /// caller waits, so that the caller learns of the throttling. In milliseconds.
    max_wait: AtomicU64,
}

/// The calls of one quota. Both of its locks serve in the order of arrival.
struct Lane {
    permits: Semaphore,
    /// Held by the one throttled call that is tried again. If all were, those with short pauses
    /// would always come before those with long ones.
    retrying: Mutex<()>,
}

impl Gate {
    /// A gate that nothing has passed. `max_wait` is how long a throttled call is tried again.
    pub(crate) fn new(jitter: Jitter, max_wait: Duration) -> Self {
        let gate = Self { lanes: DashMap::new(), jitter, max_wait: AtomicU64::new(0) };
        gate.set_max_wait(max_wait);
        gate
    }

    /// Sets how long a throttled call is tried again, for those whose turn comes from now on.
    pub(crate) fn set_max_wait(&self, max_wait: Duration) {
        let millis = u64::try_from(max_wait.as_millis()).unwrap_or(u64::MAX);
        self.max_wait.store(millis, Ordering::Relaxed);
    }

    /// Makes a call once it is its turn. A throttled call is tried for `max_wait`, one that fails
    /// for now three times. The call keeps its turn while it pauses, so that a quota that is used
    /// up gets fewer calls. Dropping the future at any time gives the turn back.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub(crate) async fn call<T, F>(&self, quota: &QuotaKey, attempt: impl Fn() -> F) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        let lane = self.lane(quota);
        // The semaphore is never closed.
        let _turn = lane.permits.acquire().await;
        let (mut longest, mut failures, mut retrying) = (FIRST_PAUSE, 0, None);
        let give_up = Instant::now() + Duration::from_millis(self.max_wait.load(Ordering::Relaxed));
        loop {
            let error = match attempt().await {
                Err(error) if error.is_throttled() => {
                    if retrying.is_none() {
                        let Ok(turn) = timeout_at(give_up, lane.retrying.lock()).await else { return Err(error) };
                        retrying = Some(turn);
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
            if retrying.is_some() {
                // The last try is at the end of `max_wait`, and not later than its caller waits.
                pause = pause.min(give_up.saturating_duration_since(Instant::now()));
            }
            debug!(place = ?quota, error = fault::chain(&error).as_str(), ?pause, "a call failed: once more");
            sleep(pause).await;
            longest = (longest * 2).min(LAST_PAUSE);
        }
    }

    #[cfg(test)]
    fn knows(&self, quota: &QuotaKey) -> bool {
        self.lanes.contains_key(quota)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lanes.len()
    }

    fn lane(&self, quota: &QuotaKey) -> Arc<Lane> {
        if let Some(lane) = self.lanes.get(quota) {
            return Arc::clone(&lane);
        }
        if self.lanes.len() >= MAX_QUOTAS {
            self.lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        let lane = || Arc::new(Lane { permits: Semaphore::new(PERMITS), retrying: Mutex::new(()) });
        Arc::clone(&self.lanes.entry(quota.clone()).or_insert_with(lane))
    }
}
