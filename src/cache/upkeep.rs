//! The upkeep of an entry without a flight: its task refreshes the value while it is used, and
//! removes the entry once nothing in it matters any more.

use std::sync::{Arc, Weak};

use dashmap::Entry::Occupied;
use tokio::time::{Instant, sleep_until};

use super::entry::{Due, Upkeep};
use super::shared::{Cache, Fetch};

impl<S: Fetch> Cache<S> {
    /// Starts the upkeep of an entry. It ends when the guard that is returned is dropped: with the
    /// entry, or with the next flight.
    pub(super) fn start_upkeep(self: &Arc<Self>, key: &S::Key) -> Upkeep {
        let task = self
            .control
            .spawn(upkeep(Arc::downgrade(self), key.clone()));
        Upkeep(task.abort_handle())
    }

    /// Does what is due for an entry, and says when to look again. `None`: never, since the entry
    /// is gone or has a flight, whose landing starts another upkeep.
    fn tend(self: &Arc<Self>, key: &S::Key) -> Option<Instant> {
        let Occupied(mut entry) = self.entries.entry(key.clone()) else { return None };
        match entry.get().due(self.now(), self.policy().refresh) {
            Due::Nothing => None,
            Due::Refresh => {
                self.launch(key, entry.get_mut());
                None
            }
            Due::LookAgain(at) => Some(at),
            Due::Removal => {
                entry.remove();
                None
            }
        }
    }
}

/// The upkeep task. It does not keep the cache alive between two looks.
async fn upkeep<S: Fetch>(cache: Weak<Cache<S>>, key: S::Key) {
    while let Some(at) = cache.upgrade().and_then(|cache| cache.tend(&key)) {
        sleep_until(at).await;
    }
}
