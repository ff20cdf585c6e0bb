//! What a cache has to be told: its times and its cap, when its values expire, and what its errors
//! mean.

use std::error::Error;
use std::time::{Duration, SystemTime};

/// When a cache serves a value, fetches it again and forgets it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Policy {
    /// When a value that could still be served is fetched again.
    pub(crate) refresh: Refresh,
    /// A value that expires within the margin is not served any more. The margin is cut to a
    /// quarter of the life that a value was granted.
    pub(crate) margin: Duration,
    /// A fetched value that lives no longer than this is given to those who waited for it, and is
    /// not kept.
    pub(crate) min_life: Duration,
    /// How long an error of the source, or a rejection by the consumer, is remembered the first
    /// time; twice as long each time it happens again, up to five minutes.
    pub(crate) negative_ttl: Duration,
    /// The deadline of one flight, unless the source sets another one for its key.
    pub(crate) timeout: Duration,
    /// The most entries held. Beyond it the least recently used are evicted, but never one with a
    /// flight.
    pub(crate) cap: usize,
}

/// When a value that could still be served is fetched again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refresh {
    /// In the background, at about three quarters of the life that the value was granted, if it was
    /// used since it was fetched. The old value is served until its margin whatever the fetch
    /// brings.
    Ahead,
    /// When somebody asks for a value that is older than `max_age`: they wait for the fetch. If it
    /// fails, and the error does not revoke the value, they get the old value, which is served for
    /// `stale_if_error` more.
    OnAccess { max_age: Duration, stale_if_error: Duration },
}

/// A value that may expire.
pub(crate) trait Perishable {
    /// When the value expires, by the clock of its source. `None`: it never does.
    fn expires_at(&self) -> Option<SystemTime>;

    /// The age up to which this value is served without a fetch under [`Refresh::OnAccess`], where
    /// it differs from the policy's `max_age`.
    fn max_age(&self, usual: Duration) -> Duration {
        usual
    }
}

/// An error of a source, as far as a cache has to understand it.
pub(crate) trait FetchError: Error + Send + Sync + 'static {
    /// Whether the cache repeats this error for a while (`Policy::negative_ttl`) instead of asking
    /// the source again.
    fn is_remembered(&self) -> bool;

    /// Whether a value that was fetched before is not to be served any more either.
    fn revokes(&self) -> bool;

    /// The error of a flight that has not ended within `after`. `name`: what it was to fetch.
    fn deadline(name: String, after: Duration) -> Self;

    /// The error of a flight that panicked or was stopped.
    fn lost() -> Self;
}
