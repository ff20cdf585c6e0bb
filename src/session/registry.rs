//! All sessions that there are: each can be listed and ended from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::errors::Errors;
use super::event::Event;
use super::facts::{Facts, Stage};
use super::outcomes::Outcomes;
use super::{failure, log, metrics};
use crate::metrics::Metrics;
use crate::operations::Which;
use crate::relay::{Activity, Meter};
use crate::session_id::SessionId;
use crate::stop::{Order, Stop};
use crate::telemetry::Repeats;

/// The entries of all connections of clients, from accept to close.
///
/// The acceptor registers each connection as it comes, and `App` ends them; both hold the registry
/// through `Shared`, and every session does. The lock guards the entries and the order for new ones
/// together, so that no connection slips in between the listing and the end of all. It is taken
/// three times in a session's life, and once or twice more for one that names the console, for a
/// few steps of O(log n).
pub(crate) struct Sessions {
    entries: Mutex<Entries>,
    /// Woken when no entry is left that a drain waits for.
    all_ended: Notify,
    /// For the lines that events make in the log.
    repeats: Arc<Repeats>,
    errors: Arc<Errors>,
    outcomes: Arc<Outcomes>,
    /// Counts the events.
    metrics: Arc<Metrics>,
}

struct Entries {
    /// The order that new sessions begin with.
    for_new_ones: Stop,
    next: u64,
    /// How many entries a drain waits for: those that came before one, less those that ask for the
    /// console.
    served: usize,
    /// The entries by their numbers, the oldest first.
    by_number: BTreeMap<u64, Arc<SessionEntry>>,
    /// The numbers of those that are not ready for queries yet.
    logging_in: BTreeSet<u64>,
    /// How many of them each listener has accepted.
    by_listener: BTreeMap<SocketAddr, usize>,
}

/// What others see of a session: its facts, and the means to end it.
///
/// The session holds it together with the registry. The lock guards the facts for as long as it
/// takes to note an event or to copy them; nothing is logged under it.
pub(crate) struct SessionEntry {
    id: SessionId,
    stop: Stop,
    /// Whether a drain waits for the session. It changes under the registry's lock.
    is_served: AtomicBool,
    /// The figures that the session's relay keeps.
    meter: Meter,
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
    pub(crate) fn new(
        repeats: Arc<Repeats>,
        errors: Arc<Errors>,
        outcomes: Arc<Outcomes>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let (by_number, logging_in, by_listener) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let entries = Entries { for_new_ones: Stop::default(), next: 0, served: 0, by_number, logging_in, by_listener };
        Arc::new(Self { entries: Mutex::new(entries), all_ended: Notify::new(), repeats, errors, outcomes, metrics })
    }

    /// Registers a connection from this address that `listener` has accepted.
    pub(crate) fn register(self: &Arc<Self>, address: SocketAddr, listener: SocketAddr) -> Session {
        let facts = Facts::new(address, listener);
        let (meter, facts) = (Meter::new(facts.accepted), Mutex::new(facts));
        let (id, stop, is_served) = (SessionId::random(), Stop::default(), AtomicBool::new(false));
        let entry = Arc::new(SessionEntry { id, stop, is_served, meter, facts });
        let mut entries = self.entries.lock();
        match entries.for_new_ones.order() {
            Some(order) => drop(entry.stop.give(order)),
            None => {
                entry.is_served.store(true, Ordering::Relaxed);
                entries.served += 1;
            }
        }
        let number = entries.next;
        entries.next += 1;
        entries.by_number.insert(number, Arc::clone(&entry));
        entries.logging_in.insert(number);
        *entries.by_listener.entry(listener).or_default() += 1;
        drop(entries);
        let session = Session { registry: Arc::clone(self), number, entry };
        session.happened(&Event::Accepted);
        session
    }

    /// Gives an order to all sessions, those that are yet to come included.
    pub(crate) fn end_all(&self, order: Order) {
        self.entries.lock().for_new_ones.give(order);
        for entry in self.list() {
            entry.stop.give(order);
        }
    }

    /// Gives an order to the sessions that an operator names, and returns how many it ends sooner
    /// than they would have ended. A console is only ended by its own id: who types `KILL ALL` is
    /// to read the answer.
    pub(crate) fn end(&self, which: &Which, order: Order) -> usize {
        match which {
            Which::Session(id) => self.end_of(order, |entry| entry.id.as_str() == id),
            Which::User(user) => self.end_where(order, |facts| *facts.user == **user),
            Which::Connection(conn_id) => self.end_where(order, |facts| {
                facts
                    .conn_id
                    .as_ref()
                    .is_some_and(|of| of.as_str() == conn_id)
            }),
            Which::Address(address) => {
                let address = address.to_canonical();
                self.end_where(order, |facts| facts.client == address)
            }
            Which::All => self.end_where(order, |_| true),
        }
    }

    /// Gives an order to the sessions of which `is_meant` is true, and returns how many it ends
    /// sooner than they would have ended. Consoles are left out.
    pub(crate) fn end_where(&self, order: Order, is_meant: impl Fn(&Facts) -> bool) -> usize {
        self.end_of(order, |entry| {
            let facts = entry.facts.lock();
            !matches!(facts.stage, Stage::Console(_)) && is_meant(&facts)
        })
    }

    /// Gives an order to the consoles of which `is_meant` is true, and returns how many it ends
    /// sooner than they would have ended.
    pub(crate) fn end_consoles_where(&self, order: Order, is_meant: impl Fn(&Facts) -> bool) -> usize {
        self.end_of(order, |entry| {
            let facts = entry.facts.lock();
            matches!(facts.stage, Stage::Console(_)) && is_meant(&facts)
        })
    }

    /// Gives an order to the sessions that a drain waits for.
    pub(crate) fn end_drained(&self, order: Order) {
        self.end_of(order, |entry| entry.is_served.load(Ordering::Relaxed));
    }

    fn end_of(&self, order: Order, is_meant: impl Fn(&SessionEntry) -> bool) -> usize {
        let entries = self.list();
        let ended = entries
            .iter()
            .filter(|entry| is_meant(entry) && entry.stop.give(order));
        ended.count()
    }

    /// The number of sessions that this listener has accepted and that have not ended.
    pub(crate) fn on_listener(&self, listener: SocketAddr) -> usize {
        let entries = self.entries.lock();
        entries.by_listener.get(&listener).copied().unwrap_or(0)
    }

    /// The sessions of now, the oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<SessionEntry>> {
        self.entries.lock().by_number.values().cloned().collect()
    }

    /// The age of the oldest connection that is not ready for queries. `None`: there is none.
    pub(crate) fn oldest_login(&self) -> Option<Duration> {
        let oldest = {
            let entries = self.entries.lock();
            let number = entries.logging_in.first()?;
            Arc::clone(entries.by_number.get(number)?)
        };
        let accepted = oldest.facts.lock().accepted;
        Some(accepted.elapsed())
    }

    /// Waits until no session is left that a drain waits for: consoles are not waited for, nor are
    /// clients that came when new ones were refused already.
    pub(crate) async fn all_ended(&self) {
        loop {
            let mut ended = pin!(self.all_ended.notified());
            // Registered first and counted then, so that no end falls in between.
            ended.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// The number of sessions and logins that a drain waits for.
    pub(crate) fn count(&self) -> usize {
        self.entries.lock().served
    }

    /// The number of sessions and logins that a drain waits for, and of those among them that are
    /// busy. Walks all sessions.
    pub(crate) fn count_busy(&self) -> (usize, usize) {
        let served = |entry: &&Arc<SessionEntry>| entry.is_served.load(Ordering::Relaxed);
        let entries = self.list();
        entries
            .iter()
            .filter(served)
            .fold((0, 0), |(sessions, busy), entry| (sessions + 1, busy + usize::from(entry.is_busy())))
    }

    /// Takes an entry out of the count of those that a drain waits for.
    fn uncount(&self, entries: &mut Entries, entry: &SessionEntry) {
        if entry.is_served.swap(false, Ordering::Relaxed) {
            entries.served = entries.served.saturating_sub(1);
            if entries.served == 0 {
                self.all_ended.notify_waiters();
            }
        }
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

    /// The figures of the session's relay.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Whether the session is relayed, and owes an answer or is in a transaction. A login is not
    /// busy: a drain refuses it.
    fn is_busy(&self) -> bool {
        matches!(self.facts.lock().stage, Stage::Relays(_)) && self.meter.activity() != Activity::Idle
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

    /// The figures that the session's relay keeps.
    pub(super) fn meter(&self) -> &Meter {
        &self.entry.meter
    }

    /// Where the client is, as far as is known.
    pub(super) fn client_addr(&self) -> IpAddr {
        self.entry.facts.lock().client
    }

    /// A copy of what is known of the session now.
    pub(super) fn facts(&self) -> Facts {
        self.entry.facts()
    }

    /// How far the session has come.
    pub(super) fn stage(&self) -> Stage {
        self.entry.facts.lock().stage
    }

    /// Says whether a drain is to wait for the session. One that has begun does not begin to.
    pub(super) fn set_awaited_by_drain(&self, is_awaited: bool) {
        if self.entry.is_served.load(Ordering::Relaxed) == is_awaited {
            return; // only the session itself changes it, and takes no lock for nothing
        }
        let mut entries = self.registry.entries.lock();
        if !is_awaited {
            self.registry.uncount(&mut entries, &self.entry);
        } else if entries.for_new_ones.order().is_none() {
            self.entry.is_served.store(true, Ordering::Relaxed);
            entries.served += 1;
        }
    }

    /// The one place that learns what happens to a session: its facts change, it is counted, the
    /// log gets a line, and operators are shown failures.
    pub(super) fn happened(&self, event: &Event<'_>) {
        {
            let mut facts = self.entry.facts.lock();
            facts.note(event);
            metrics::record(&self.registry.metrics, &facts, event);
        }
        if matches!(event, Event::Started(_) | Event::ConsoleOpened) {
            let mut entries = self.registry.entries.lock();
            entries.logging_in.remove(&self.number);
        }
        log::write(self.id(), || self.entry.facts(), event, &self.registry.repeats);
        failure::note(self.id(), || self.entry.facts(), event, &self.registry.errors, &self.registry.outcomes);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let listener = self.entry.facts.lock().listener;
        let mut entries = self.registry.entries.lock();
        entries.by_number.remove(&self.number);
        entries.logging_in.remove(&self.number);
        if let Some(count) = entries.by_listener.get_mut(&listener) {
            *count = count.saturating_sub(1);
        }
        self.registry.uncount(&mut entries, &self.entry);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::ConnId;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn register(sessions: &Arc<Sessions>, address: IpAddr) -> Session {
        sessions.register((address, 50_000).into(), (HERE, 5439).into())
    }

    fn sessions() -> Arc<Sessions> {
        let metrics = Metrics::new(Arc::new(SystemClock));
        Sessions::new(Arc::default(), Arc::default(), Arc::default(), metrics)
    }

    #[tokio::test]
    async fn sessions_are_listed_with_their_facts_from_accept_to_close() {
        let sessions = sessions();
        let (one, other) = (register(&sessions, HERE), register(&sessions, HERE));
        other.happened(&Event::Proved { user: "ann", has_own_entry: true });
        other.happened(&Event::Dialled { db_user: "IAM:ann", host: "sales.example", database: "dev" });
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
        let sessions = sessions();
        let early = register(&sessions, HERE);
        sessions.end_all(Order::Drain);
        let late = register(&sessions, HERE);
        assert_eq!([early.stop().order(), late.stop().order()], [Some(Order::Drain); 2]);
        sessions.end_all(Order::DrainNow);
        sessions.end_all(Order::Drain);
        assert_eq!([early.stop().order(), late.stop().order()], [Some(Order::DrainNow); 2]);
        assert_eq!(register(&sessions, HERE).stop().order(), Some(Order::DrainNow));
    }

    #[tokio::test]
    async fn sessions_are_ended_by_id_user_connection_and_address_and_counted_once() {
        let sessions = sessions();
        let all = [register(&sessions, HERE), register(&sessions, HERE), register(&sessions, THERE)];
        let [ann, bob, other] = &all;
        let sales = ConnId::new("sales").unwrap();
        ann.happened(&Event::Proved { user: "ann", has_own_entry: true });
        bob.happened(&Event::Proved { user: "bob", has_own_entry: true });
        for session in [bob, other] {
            session.happened(&Event::Permitted(&sales));
        }
        let end = |which: Which| sessions.end(&which, Order::Kill);
        assert_eq!(end(Which::User("nobody".to_owned())) + end(Which::Connection("fin".to_owned())), 0);
        assert_eq!(end(Which::User("ann".to_owned())), 1);
        assert_eq!([ann.stop().order(), bob.stop().order()], [Some(Order::Kill), None]);
        assert_eq!((end(Which::Address(THERE)), end(Which::Connection("sales".to_owned()))), (1, 1));
        assert_eq!(end(Which::Session(bob.id().as_str().to_owned())), 0, "it ends already");
        assert_eq!(sessions.end_where(Order::Revoke, |_| true), 0);
    }

    #[tokio::test]
    async fn a_drain_waits_for_those_who_came_before_it_but_for_nobody_who_names_the_console() {
        let sessions = sessions();
        let (console, early) = (register(&sessions, HERE), register(&sessions, HERE));
        console.set_awaited_by_drain(false);
        early.set_awaited_by_drain(false);
        early.set_awaited_by_drain(true);
        sessions.end_all(Order::Drain);
        console.set_awaited_by_drain(true);
        let late = register(&sessions, HERE);
        let mut all_ended = pin!(sessions.all_ended());
        assert!(futures_util::poll!(&mut all_ended).is_pending());
        assert_eq!((sessions.count(), sessions.count_busy(), sessions.len()), (1, (1, 0), 3));
        sessions.end_drained(Order::DrainNow);
        assert_eq!(
            [&console, &early, &late].map(|session| session.stop().order()),
            [Order::Drain, Order::DrainNow, Order::Drain].map(Some)
        );
        drop(early);
        assert!(futures_util::poll!(&mut all_ended).is_ready());
    }

    #[tokio::test]
    async fn a_console_is_only_ended_by_its_id() {
        let sessions = sessions();
        let (console, _session) = (register(&sessions, HERE), register(&sessions, HERE));
        console.happened(&Event::ConsoleOpened);
        assert_eq!(sessions.end(&Which::All, Order::Kill), 1);
        assert_eq!(console.stop().order(), None);
        assert_eq!(sessions.end(&Which::Session(console.id().as_str().to_owned()), Order::Kill), 1);
    }
}
