//! A cache of fetched values: it owns when a value is fetched, served, fetched again and forgotten,
//! and knows nothing of what the values are or where they come from.
//!
//! A [`Cache`] has one entry per key. An entry may hold a value, a *flight* (the one fetch that is
//! under way for the key, shared by everybody who waits for it), and what it remembers of failures:
//! an error that the source gave, a value that the consumer rejected, the pause before the next
//! attempt. While no flight is under way, a task of the entry's own, its [`upkeep`], refreshes and
//! removes it in time.

pub(crate) use self::lookup::Snapshot;
pub(crate) use self::policy::{FetchError, Perishable, Policy, Refresh};
pub(crate) use self::shared::{Cache, Fetch};

mod entry;
mod flight;
mod held;
mod lookup;
mod policy;
mod shared;
#[cfg(test)]
mod tests;
mod upkeep;
