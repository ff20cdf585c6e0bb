//! Owns when something fetched is fetched again; knows nothing of what it is.
//!
//! A [`Cache`] holds what it has fetched, one flight per key however many wait.

use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;

pub(crate) use self::lookup::Cache;
#[expect(unused_imports, reason = "for the console and metrics")]
pub(crate) use self::lookup::Snapshot;
use crate::aws::AwsError;

mod entry;
mod flight;
mod held;
mod keeper;
mod lookup;
mod memory;
mod room;
#[cfg(test)]
mod tests;

/// Where a cache's values come from.
pub(crate) trait Fetch<K, V>: Send + Sync {
    /// Fetches a new value, all calls included. Dropped at the flight's deadline.
    fn fetch<'a>(&'a self, key: &'a K) -> BoxFuture<'a, Result<V, AwsError>>;

    /// What logs and errors call the key.
    fn name(&self, _key: &K) -> String {
        String::new()
    }
}

/// What may end by itself.
pub(crate) trait Perishable {
    /// AWS's wall clock. `None`: no expiry of its own.
    fn expires_at(&self) -> Option<SystemTime>;

    /// Under [`Freshness::Within`]: how long this value is believed, where that is not as long as
    /// `usual`.
    fn believed(&self, usual: Duration) -> Duration {
        usual
    }
}

/// When a cache hands out, fetches again and forgets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) freshness: Freshness,
    /// A value with less life left is never handed out. At most a quarter of the life granted.
    pub(crate) margin: Duration,
    /// A fresh value with less life is handed to those who waited for it, and not kept.
    pub(crate) least_life: Duration,
    /// First memory of a final refusal, by AWS or by the warehouse; doubles to five minutes while
    /// it goes on.
    pub(crate) negative_ttl: Duration,
    /// For one flight.
    pub(crate) timeout: Duration,
    /// Most keys held; beyond it the least recently used go. Flights are never evicted.
    pub(crate) cap: usize,
}

/// When a value that could still be handed out is fetched again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Freshness {
    /// In the background, at about three quarters of the life granted, if it was used since it
    /// landed. A fetch that fails takes nothing away from the value.
    Ahead,
    /// By who asks once it has been `believed` that long: then one waits, and is still given the
    /// old value for `stale_for` more if the fetch fails for a reason that is not final.
    Within { believed: Duration, stale_for: Duration },
}
