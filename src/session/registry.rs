//! All sessions that there are: each can be listed and ended from outside.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::event::Event;
use super::facts::{Facts, Stage};
use super::log;
use crate::session_id::SessionId;
use crate::stop::{Phase, Stop};
use crate::telemetry::Repeats;

/// The entries of all connections of clients, from accept to close.
///
/// The acceptor registers each connection as it comes, and `App` ends them; both hold the registry
/// through `Shared`, and every session does. The lock guards the entries and the phase together, so
/// that no connection slips in between the listing and the end of all. It is taken twice in a
/// session's life, for a few steps of O(log n).
pub(crate) struct Sessions {
    entries: Mutex<Entries>,
    /// For the lines that events make in the log.
    repeats: Arc<Repeats>,
}

struct Entries {
    /// The phase that new sessions begin in.
    phase: Phase,
    next: u64,
    /// The entries by their numbers, the oldest first.
    by_number: BTreeMap<u64, Arc<SessionEntry>>,
}

/// What others see of a session: its facts, and the means to end it.
///
/// The session holds it together with the registry. The lock guards the facts for as long as it
/// takes to note an event or to copy them; nothing is logged under it.
pub(crate) struct SessionEntry {
    id: SessionId,
    stop: Stop,
    facts: Mutex<Facts>,
}

/// A session's hold on its own entry. Dropping it takes the entry out of the registry.
pub(crate) struct Session {
    registry: Arc<Sessions>,
    number: u64,
    entry: Arc<SessionEntry>,
}

impl Sessions {
    /// A registry without sessions.
    pub(crate) fn new(repeats: Arc<Repeats>) -> Arc<Self> {
        let entries = Entries { phase: Phase::Serving, next: 0, by_number: BTreeMap::new() };
        Arc::new(Self { entries: Mutex::new(entries), repeats })
    }

    /// Registers a connection that was accepted from this address.
    pub(crate) fn register(self: &Arc<Self>, address: IpAddr) -> Session {
        let entry =
            SessionEntry { id: SessionId::random(), stop: Stop::default(), facts: Mutex::new(Facts::new(address)) };
        let entry = Arc::new(entry);
        let mut entries = self.entries.lock();
        entry.stop.enter(entries.phase);
        let number = entries.next;
        entries.next += 1;
        entries.by_number.insert(number, Arc::clone(&entry));
        drop(entries);
        Session { registry: Arc::clone(self), number, entry }
    }

    /// Ends all sessions, those that are yet to come included, as far as `phase` says.
    pub(crate) fn end_all(&self, phase: Phase) {
        {
            let mut entries = self.entries.lock();
            entries.phase = entries.phase.max(phase);
        }
        for entry in self.list() {
            entry.end(phase);
        }
    }

    /// The sessions of now, the oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<SessionEntry>> {
        self.entries.lock().by_number.values().cloned().collect()
    }

    /// The number of sessions.
    pub(crate) fn len(&self) -> usize {
        self.entries.lock().by_number.len()
    }
}

impl SessionEntry {
    /// The id that the log, and messages to the client, call the session by.
    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    /// Ends this session, as far as `phase` says.
    pub(crate) fn end(&self, phase: Phase) {
        self.stop.enter(phase);
    }

    /// A copy of what is known of the session now.
    pub(crate) fn facts(&self) -> Facts {
        self.facts.lock().clone()
    }
}

impl Session {
    /// The id that the log, and messages to the client, call the session by.
    pub(super) fn id(&self) -> SessionId {
        self.entry.id
    }

    /// What tells the session to end.
    pub(super) fn stop(&self) -> &Stop {
        &self.entry.stop
    }

    /// Where the client is, as far as is known.
    pub(super) fn client_addr(&self) -> IpAddr {
        self.entry.facts.lock().client
    }

    /// How far the session has come.
    pub(super) fn stage(&self) -> Stage {
        self.entry.facts.lock().stage
    }

    /// The one place that learns what happens to a session: its facts change, and the log gets a
    /// line.
    pub(super) fn happened(&self, event: &Event<'_>) {
        self.entry.facts.lock().note(event);
        log::write(self.id(), || self.entry.facts(), event, &self.registry.repeats);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.registry.entries.lock().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn sessions_are_listed_with_their_facts_from_accept_to_close() {
        let sessions = Sessions::new(Arc::default());
        let (one, other) = (sessions.register(HERE), sessions.register(HERE));
        other.happened(&Event::Proved("ann"));
        other.happened(&Event::Dialled { db_user: "IAM:ann" });
        let listed: Vec<_> = sessions
            .list()
            .iter()
            .map(|entry| (entry.id, entry.facts()))
            .collect();
        let [(first, _), (second, facts)] = &listed[..] else { panic!("{listed:?}") };
        assert_eq!((*first, *second), (one.id(), other.id()), "the oldest first");
        assert_eq!((&*facts.user, &*facts.db_user, facts.client), ("ann", "IAM:ann", HERE));
        assert_eq!(facts.stage, Stage::AwaitsWarehouse);
        drop(one);
        assert_eq!((sessions.len(), sessions.list()[0].id), (1, other.id()));
        drop(other);
        assert_eq!(sessions.len(), 0);
    }

    #[tokio::test]
    async fn the_end_of_all_reaches_sessions_that_come_later_and_never_goes_back() {
        let sessions = Sessions::new(Arc::default());
        let early = sessions.register(HERE);
        sessions.end_all(Phase::WhenIdle);
        let late = sessions.register(HERE);
        assert_eq!([early.stop().phase(), late.stop().phase()], [Phase::WhenIdle; 2]);
        sessions.end_all(Phase::Now);
        sessions.end_all(Phase::WhenIdle);
        assert_eq!([early.stop().phase(), late.stop().phase()], [Phase::Now; 2]);
        assert_eq!(sessions.register(HERE).stop().phase(), Phase::Now);
    }

    #[tokio::test]
    async fn one_session_ends_without_the_others() {
        let sessions = Sessions::new(Arc::default());
        let (one, other) = (sessions.register(HERE), sessions.register(HERE));
        sessions.list()[0].end(Phase::Now);
        assert_eq!([one.stop().phase(), other.stop().phase()], [Phase::Now, Phase::Serving]);
    }
}
