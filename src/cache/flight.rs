//! One fetch, from its start to what its slot and its waiters are told.

use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::entry::{Flight, Outcome, Slot};
use super::held::Held;
use super::{Cache, Perishable};
use crate::aws::AwsError;
use crate::fault;

impl<K, V> Cache<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Perishable + Send + Sync + 'static,
{
    /// Starts the one flight of a slot that has none. Its keeper is at an end: the landing needs
    /// another one.
    pub(super) fn launch(self: &Arc<Self>, key: &K, slot: &mut Slot<V>) -> Flight<V> {
        let (landed, flight) = watch::channel(None);
        slot.flight = Some(flight.clone());
        slot.keeper = None;
        self.control
            .spawn(Arc::clone(self).fly(key.clone(), landed));
        flight
    }

    async fn fly(self: Arc<Self>, key: K, landed: watch::Sender<Option<Outcome<V>>>) {
        debug!(name = self.source.name(&key).as_str(), "fetching");
        let fetch = async { self.source.fetch(&key).await };
        let outcome = match AssertUnwindSafe(timeout(self.policy.timeout, fetch))
            .catch_unwind()
            .await
        {
            Ok(Ok(fetched)) => fetched,
            Ok(Err(_elapsed)) => Err(AwsError::Deadline { name: self.source.name(&key), after: self.policy.timeout }),
            Err(_panic) => Err(AwsError::Lost),
        };
        // First the slot, then the waiters: whoever comes in between finds the outcome, not a
        // flight that is over.
        let outcome = self.land(&key, outcome);
        landed.send_replace(Some(outcome));
    }

    fn land(self: &Arc<Self>, key: &K, outcome: Result<V, AwsError>) -> Outcome<V> {
        let now = self.now();
        let landed = match outcome {
            Ok(value) => {
                let value = Arc::new(value);
                let held = Held::new(Arc::clone(&value), now, &self.policy, &self.jitter);
                if held.is_none() {
                    warn!(name = self.source.name(key).as_str(), "what was fetched has too little life: used once");
                }
                Ok((value, held))
            }
            Err(error) => {
                debug!(name = self.source.name(key).as_str(), error = fault::chain(&error).as_str(), "a fetch failed");
                Err(Arc::new(error))
            }
        };
        // Nothing is logged before the slot is free again: others of its shard wait for it.
        let (told, news) = {
            let mut slot = self.slots.entry(key.clone()).or_default();
            // Those who waited have just used it; behind a refresh there are none.
            if slot.held.is_none() {
                self.touch(&slot);
            }
            let news = news(&slot, landed.as_ref().err());
            let told = match landed {
                Ok((value, held)) => {
                    slot.landed(held, now, &self.policy, &self.jitter);
                    Ok(value)
                }
                Err(error) => slot.failed(error, now, &self.policy, &self.jitter),
            };
            slot.keeper = Some(self.keep(key));
            (told, news)
        };
        self.tell(key, news);
        self.make_room();
        told
    }
}

/// What a landing changes that clients do not notice.
enum News {
    /// What is held cannot be renewed.
    Failing(Arc<AwsError>),
    /// It can again.
    Renewed,
}

/// As the slot was before the landing.
fn news<V>(slot: &Slot<V>, error: Option<&Arc<AwsError>>) -> Option<News> {
    slot.held.as_ref()?;
    let was_failing = slot
        .trouble
        .as_ref()
        .is_some_and(|trouble| trouble.of.is_some());
    match error {
        Some(error) if !was_failing => Some(News::Failing(Arc::clone(error))),
        None if was_failing => Some(News::Renewed),
        Some(_) | None => None,
    }
}

impl<K, V> Cache<K, V> {
    fn tell(&self, key: &K, news: Option<News>) {
        let Some(news) = news else { return };
        let name = self.source.name(key);
        let name = name.as_str();
        match news {
            News::Failing(error) => {
                let error = fault::chain(&error);
                warn!(name, error = error.as_str(), "cannot be renewed: the last one serves as long as it may");
            }
            News::Renewed => info!(name, "renewed again"),
        }
    }
}

pub(super) fn lost<V>() -> Outcome<V> {
    Err(Arc::new(AwsError::Lost))
}
