//! What the users of a cache may ask of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::entry::{Answer, Entry, Flight, Outcome, lost};
use super::policy::{FetchError, Perishable};
use super::shared::{Cache, Fetch, OutcomeOf};

/// The state of one entry, for whoever watches the cache.
#[derive(Debug)]
pub(crate) struct Snapshot<V, E> {
    /// The value that is held, even if it is not served any more.
    pub(crate) value: Option<Arc<V>>,
    /// The time at which the value expires. `None`: it never does, or there is no value.
    pub(crate) expires_at: Option<SystemTime>,
    /// The error of the last flight. `None`: it brought a value, or there was none.
    pub(crate) last_error: Option<Arc<E>>,
    /// Whether a flight is under way.
    pub(crate) is_in_flight: bool,
    /// How many lookups wait for it.
    pub(crate) waiters: usize,
}

/// The snapshot of a source's value.
type SnapshotOf<S> = Snapshot<<S as Fetch>::Value, <S as Fetch>::Error>;

/// The result of a lookup.
enum Lookup<V, E> {
    /// An answer that is there already.
    Ready(Outcome<V, E>),
    /// A flight to wait for.
    Wait(Flight<V, E>),
}

impl<V, E: FetchError> Lookup<V, E> {
    /// The answer, once it is there.
    async fn outcome(self) -> Outcome<V, E> {
        match self {
            Self::Ready(outcome) => outcome,
            Self::Wait(mut flight) => match flight.wait_for(Option::is_some).await {
                Ok(outcome) => outcome.clone().unwrap_or_else(lost),
                Err(_sender_gone) => lost(),
            },
        }
    }
}

impl<S: Fetch> Cache<S> {
    /// A value with more life left than the margin, fetched if need be. Cancel safe: a flight goes
    /// on without its waiters.
    ///
    /// # Errors
    /// The error that ended the flight, shared by all who waited, or one that is still remembered.
    pub(crate) fn get(self: &Arc<Self>, key: &S::Key) -> impl Future<Output = OutcomeOf<S>> + use<S> {
        // Begun here rather than at the first poll, so that the cache knows the key from now on.
        self.look_up(key).outcome()
    }

    /// A value that was fetched within `max_age`, fetched anew if need be; where that fails, what
    /// is still served. It is no use of the value: the entry is evicted as if nobody had asked.
    /// Cancel safe.
    ///
    /// # Errors
    /// The error that ended the flight, shared by all who waited, or one that is still remembered.
    pub(crate) async fn get_no_older(self: &Arc<Self>, key: &S::Key, max_age: Duration) -> OutcomeOf<S> {
        let lookup = {
            let now = self.now();
            let mut entry = self.entries.entry(key.clone()).or_default();
            match entry.answer_within(now, max_age) {
                Some(outcome) => Lookup::Ready(outcome),
                None => Lookup::Wait(match &entry.flight {
                    Some(flight) => flight.clone(),
                    None => self.launch(key, &mut entry),
                }),
            }
        };
        lookup.outcome().await
    }

    /// Reports that a value was of no use where it was tried (the warehouse refused the login). The
    /// cache does not serve it again, unless it was itself fetched because of such a report a short
    /// while ago. Returns whether it is worth while to get another value and to try again.
    pub(crate) fn reject(self: &Arc<Self>, key: &S::Key, value: &Arc<S::Value>) -> bool {
        let now = self.now();
        let is_worth_another = {
            let mut entry = self.entries.entry(key.clone()).or_default();
            self.touch(&entry);
            let is_worth_another = entry.reject(value, now, &self.policy());
            if entry.flight.is_none() {
                entry.upkeep = Some(self.start_upkeep(key));
            }
            is_worth_another
        };
        self.make_room();
        is_worth_another
    }

    /// Forgets everything about a key. A flight goes on for those who wait for it, and what it
    /// brings is not kept: it was begun before. Returns whether a value was held.
    pub(crate) fn forget(&self, key: &S::Key) -> bool {
        self.entries
            .remove(key)
            .is_some_and(|(_, entry)| entry.held.is_some())
    }

    /// Whether there is an entry for a key, with a value or without. Does not count as a use.
    pub(crate) fn knows(&self, key: &S::Key) -> bool {
        self.entries.contains_key(key)
    }

    /// When the value expires that is held for a key. `None`: never, or there is none. Does not
    /// count as a use.
    pub(crate) fn expires_at(&self, key: &S::Key) -> Option<SystemTime> {
        let entry = self.entries.get(key)?;
        entry.held.as_ref()?.value.expires_at()
    }

    /// The number of entries, those without a value included.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the console and metrics"))]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The state of one entry, if there is one. Does not count as a use.
    #[cfg(test)]
    pub(crate) fn snapshot(&self, key: &S::Key) -> Option<SnapshotOf<S>> {
        self.entries.get(key).map(|entry| Snapshot::of(&entry))
    }

    /// The state of every entry. Does not count as a use.
    pub(crate) fn snapshots(&self) -> Vec<(S::Key, SnapshotOf<S>)> {
        self.entries
            .iter()
            .map(|entry| (entry.key().clone(), Snapshot::of(&entry)))
            .collect()
    }

    /// The answer that is there already, or else the flight to wait for, started here if there is
    /// none.
    fn look_up(self: &Arc<Self>, key: &S::Key) -> Lookup<S::Value, S::Error> {
        let now = self.now();
        // Most lookups end here, with a lock that others may share.
        if let Some(entry) = self.entries.get(key) {
            self.touch(&entry);
            match entry.answer(now, self.policy().refresh) {
                Answer::Serve(value) => return Lookup::Ready(Ok(value)),
                Answer::Refuse(error) => return Lookup::Ready(Err(error)),
                Answer::Join(flight) => return Lookup::Wait(flight),
                Answer::Refresh(_) | Answer::Fetch => {}
            }
        }
        // Somebody else may have been here in between.
        let mut entry = self.entries.entry(key.clone()).or_default();
        self.touch(&entry);
        match entry.answer(now, self.policy().refresh) {
            Answer::Serve(value) => Lookup::Ready(Ok(value)),
            Answer::Refuse(error) => Lookup::Ready(Err(error)),
            Answer::Join(flight) => Lookup::Wait(flight),
            Answer::Refresh(value) => {
                self.launch(key, &mut entry);
                Lookup::Ready(Ok(value))
            }
            Answer::Fetch => Lookup::Wait(self.launch(key, &mut entry)),
        }
    }
}

impl<V: Perishable, E: FetchError> Snapshot<V, E> {
    fn of(entry: &Entry<V, E>) -> Self {
        let value = entry.held.as_ref().map(|held| Arc::clone(&held.value));
        Self {
            expires_at: value.as_ref().and_then(|value| value.expires_at()),
            value,
            last_error: entry.last_error().cloned(),
            is_in_flight: entry.flight.is_some(),
            waiters: entry.waiters(),
        }
    }
}
