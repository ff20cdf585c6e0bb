//! The task that belongs to a slot at rest: refreshes what is used, and removes what is of no use
//! any more.

use std::hash::Hash;
use std::sync::{Arc, Weak};

use dashmap::Entry;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::entry::Next;
use super::{Cache, Perishable};

/// Ends its task when the slot goes.
pub(super) struct Keeper(AbortHandle);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<K, V> Cache<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Perishable + Send + Sync + 'static,
{
    pub(super) fn keep(self: &Arc<Self>, key: &K) -> Keeper {
        Keeper(
            self.control
                .spawn(keep(Arc::downgrade(self), key.clone()))
                .abort_handle(),
        )
    }

    /// Does what is due for a key, and says when to look again.
    fn tend(self: &Arc<Self>, key: &K) -> Option<Instant> {
        let Entry::Occupied(mut slot) = self.slots.entry(key.clone()) else { return None };
        match slot.get().next(self.now(), self.policy.freshness) {
            Next::Flies => None,
            Next::Refresh => {
                self.launch(key, slot.get_mut());
                None
            }
            Next::Wake(at) => Some(at),
            Next::Forget => {
                slot.remove();
                None
            }
        }
    }
}

/// Between two looks it holds on to nothing.
async fn keep<K, V>(cache: Weak<Cache<K, V>>, key: K)
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Perishable + Send + Sync + 'static,
{
    while let Some(at) = cache.upgrade().and_then(|cache| cache.tend(&key)) {
        sleep_until(at).await;
    }
}
