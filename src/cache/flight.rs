//! A flight: one fetch, from its start to what its entry keeps of it and its waiters are given.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::entry::Entry;
use super::held::Held;
use super::policy::FetchError;
use super::shared::{Cache, EntryOf, Fetch, FlightOf, LandingOf, OutcomeOf};
use crate::fault;

impl<S: Fetch> Cache<S> {
    /// Starts the flight of an entry that has none, and ends the entry's upkeep: the landing starts
    /// another one.
    pub(super) fn launch(self: &Arc<Self>, key: &S::Key, entry: &mut EntryOf<S>) -> FlightOf<S> {
        let (waiters, flight) = watch::channel(None);
        let waiters = Arc::new(waiters);
        (entry.flight, entry.landing) = (Some(flight.clone()), Arc::downgrade(&waiters));
        entry.upkeep = None;
        self.control
            .spawn(Arc::clone(self).fly(key.clone(), waiters));
        flight
    }

    /// Fetches the value of a key, puts the outcome into the entry and tells `waiters`. It ends
    /// with the fetch, or at the source's deadline, and not when the waiters are gone.
    async fn fly(self: Arc<Self>, key: S::Key, waiters: Arc<LandingOf<S>>) {
        debug!(name = self.source.name(&key).as_str(), "fetching");
        let fetch = async { self.source.fetch(&key, &self).await };
        let deadline = self.source.timeout(&key, self.policy().timeout);
        let outcome = match AssertUnwindSafe(timeout(deadline, fetch))
            .catch_unwind()
            .await
        {
            Ok(Ok(fetched)) => fetched,
            Ok(Err(_elapsed)) => Err(S::Error::deadline(self.source.name(&key), deadline)),
            Err(_panic) => Err(S::Error::lost()),
        };
        // First the entry, then the waiters: whoever comes in between finds the outcome, not a
        // flight that is over.
        let outcome = self.land(&key, outcome, &waiters);
        waiters.send_replace(Some(outcome));
    }

    /// Puts the outcome of a flight into its entry, unless that has been forgotten since. Returns
    /// what its waiters are given.
    fn land(
        self: &Arc<Self>,
        key: &S::Key,
        fetched: Result<S::Value, S::Error>,
        waiters: &Arc<LandingOf<S>>,
    ) -> OutcomeOf<S> {
        let now = self.now();
        let fetched = match fetched {
            Ok(value) => {
                let value = Arc::new(value);
                let held = Held::new(Arc::clone(&value), now, &self.policy(), &self.jitter);
                if held.is_none() {
                    warn!(
                        event = "credential short-lived",
                        name = self.source.name(key).as_str(),
                        "what was fetched has too little life: used once"
                    );
                }
                Ok((value, held))
            }
            Err(error) => {
                debug!(name = self.source.name(key).as_str(), error = fault::chain(&error).as_str(), "a fetch failed");
                Err(Arc::new(error))
            }
        };
        // Nothing is logged before the lock of the entry is released: others of its shard wait for
        // it.
        let (outcome, change) = {
            let entry = self
                .entries
                .get_mut(key)
                .filter(|entry| entry.awaits(waiters));
            let Some(mut entry) = entry else { return fetched.map(|(value, _)| value) };
            // Those who waited have just used the entry, which counts when room is made; behind a
            // refresh nobody did. The value does not count as handed out by that.
            if entry.held.is_none() {
                self.touch(&entry);
            }
            let change = Change::of(&entry, fetched.as_ref().err());
            let outcome = match fetched {
                Ok((value, held)) => {
                    entry.landed(held, now, &self.policy(), &self.jitter);
                    Ok(value)
                }
                Err(error) => entry.failed(error, now, &self.policy(), &self.jitter),
            };
            entry.upkeep = Some(self.start_upkeep(key));
            (outcome, change)
        };
        self.log(key, change);
        self.make_room();
        outcome
    }

    /// Logs what a landing changes.
    fn log(&self, key: &S::Key, change: Option<Change<S::Error>>) {
        let Some(change) = change else { return };
        let name = self.source.name(key);
        let name = name.as_str();
        match change {
            Change::Failing(error) => {
                let error = fault::chain(&error);
                warn!(
                    event = "credential not renewed",
                    name,
                    error = error.as_str(),
                    "cannot be renewed: the last one serves as long as it may"
                );
            }
            Change::Renewed => info!(event = "credential renewed", name, "renewed again"),
        }
    }
}

/// A change for a value that is held, which clients do not notice and the log tells.
enum Change<E> {
    /// The value cannot be renewed any more.
    Failing(Arc<E>),
    /// The value could not be renewed, and has been.
    Renewed,
}

impl<E: FetchError> Change<E> {
    /// Compares an entry, as it was before a landing, with the error that the flight brought.
    fn of<V>(before: &Entry<V, E>, error: Option<&Arc<E>>) -> Option<Self> {
        before.held.as_ref()?;
        let was_failing = before.last_error().is_some();
        match error {
            Some(error) if !was_failing => Some(Self::Failing(Arc::clone(error))),
            None if was_failing => Some(Self::Renewed),
            Some(_) | None => None,
        }
    }
}
