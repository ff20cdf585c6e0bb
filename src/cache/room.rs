//! Keeps a cache within its cap: beyond it, the keys that were not asked for longest go.

use std::hash::Hash;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::{Cache, Perishable};

impl<K, V> Cache<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Perishable + Send + Sync + 'static,
{
    /// One more slot may be at rest.
    ///
    /// A sweep looks at all of them, so it clears a sixteenth of the cap at once. `landings` counts
    /// from there: until it has reached that sixteenth again, there cannot be too many. It starts
    /// at the cap: what was before the first sweep is not known.
    pub(super) fn make_room(&self) {
        let cap = self.policy.cap;
        let target = cap - cap / 16;
        let mut landings = self.landings.lock().unwrap_or_else(PoisonError::into_inner);
        *landings = landings.saturating_add(1);
        if *landings <= cap - target || self.slots.len() <= cap {
            return;
        }
        let at_rest = self.slots.iter().filter(|slot| slot.flight.is_none());
        let mut uses = at_rest
            .map(|slot| slot.last_use.load(Ordering::Relaxed))
            .collect::<Vec<_>>();
        if uses.len() <= cap {
            *landings = uses.len().saturating_sub(target);
            return;
        }
        let surplus = uses.len() - target;
        // Uses are counted one by one: no two slots have the same.
        let (_, last_to_go, _) = uses.select_nth_unstable(surplus - 1);
        let last_to_go = *last_to_go;
        self.slots
            .retain(|_, slot| slot.flight.is_some() || slot.last_use.load(Ordering::Relaxed) > last_to_go);
        *landings = 0;
    }
}
