//! The metrics of each connection, and which connections have some of their own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use super::counts::Counts;
use super::histogram::Histogram;
use super::label::{End, Label, LoginStage, Outcome};
use super::traffic::Traffic;
use crate::config::ConnId;

/// The most connections of the configuration whose metrics are there before their first login, and
/// the most connections of lava's table that have metrics of their own at all.
pub(crate) const MAX_CONNECTIONS: usize = 1_000;

/// The most connections of a configuration for which `login_seconds` is there before their first
/// login: it has 75 lines for each.
pub(crate) const MAX_HISTOGRAMS: usize = 100;

/// How long the metrics of a connection stay that a reload has removed, or of one of lava's table
/// that nobody logs in to: the last counts are to be scraped once more.
const GONE_FOR: Duration = Duration::from_secs(600);

/// The metrics of one connection, or of all that have none of their own. Recording takes no lock.
/// Sessions hold those of their connection.
#[derive(Default)]
pub(crate) struct OfConnection {
    /// The logins that came to an end, well or not.
    pub(crate) logins: Counts<Outcome>,
    /// The sessions that have ended.
    pub(crate) ends: Counts<End>,
    /// The attempts to reach the warehouse and to log in there.
    pub(crate) dials: Counts<Outcome>,
    /// The bytes that were read from clients and warehouses.
    pub(crate) bytes: Arc<Traffic>,
    stages: OnceLock<Box<[Histogram]>>,
    /// The time of the last login that succeeded, in milliseconds since 1970. 0: none has.
    last_login: AtomicU64,
    /// The most sessions, as the last configuration or login had it. 0: not known.
    limit: AtomicU64,
}

/// The metrics of all connections by name.
#[derive(Default)]
pub(crate) struct Connections {
    /// Written to when a connection comes or goes; read once or twice in a login, and by scrapes.
    by_id: RwLock<BTreeMap<ConnId, Entry>>,
    /// Of all connections that have no metrics of their own, and of logins that named none.
    pub(crate) other: Arc<OfConnection>,
    /// Of connections that are gone, for sums over all.
    past: OfConnection,
}

struct Entry {
    of: Arc<OfConnection>,
    origin: Origin,
    /// When a reload removed the connection.
    gone: Option<Instant>,
    /// When the last login came as far as to the connection. The lock is held for one look or one
    /// change.
    used: Mutex<Instant>,
}

/// Where a connection is configured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// In the configuration.
    File,
    /// In lava's table.
    Table,
}

impl Entry {
    fn new(of: Arc<OfConnection>, origin: Origin) -> Self {
        Self { of, origin, gone: None, used: Mutex::new(Instant::now()) }
    }
}

impl OfConnection {
    /// Counts the time of one stage of a login.
    pub(crate) fn observe(&self, stage: LoginStage, took: Duration) {
        if let Some(histogram) = self.histograms().get(stage.index()) {
            histogram.observe(took);
        }
    }

    /// Notes a login that succeeded.
    pub(crate) fn logged_in(&self, at: SystemTime) {
        self.logins.count(Outcome::Ok);
        let since = at.duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        self.last_login.fetch_max(millis, Ordering::Relaxed);
    }

    /// The last login that succeeded, in seconds since 1970; 0 if there was none.
    pub(crate) fn last_login_secs(&self) -> f64 {
        Duration::from_millis(self.last_login.load(Ordering::Relaxed)).as_secs_f64()
    }

    /// The most sessions that the connection may have. `None`: it is not known.
    pub(crate) fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }

    /// The times of each stage. `None`: no login has been observed, and they are not shown yet.
    pub(crate) fn stages(&self) -> Option<impl Iterator<Item = (LoginStage, &Histogram)>> {
        Some(LoginStage::ALL.iter().copied().zip(self.stages.get()?))
    }

    fn histograms(&self) -> &[Histogram] {
        self.stages.get_or_init(|| {
            LoginStage::ALL
                .iter()
                .map(|_| Histogram::default())
                .collect()
        })
    }

    fn set_limit(&self, limit: usize) {
        self.limit
            .store(u64::try_from(limit).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Connections {
    /// Takes note of the connections of a configuration, each with the most sessions that it may
    /// have. The metrics of those that it has no longer go after a while.
    pub(crate) fn configure<'c>(&self, file: impl ExactSizeIterator<Item = (&'c ConnId, usize)>) {
        let (now, shows_stages) = (Instant::now(), file.len() <= MAX_HISTOGRAMS);
        let mut by_id = self.by_id.write();
        for entry in by_id.values_mut() {
            if entry.origin == Origin::File && entry.gone.is_none() {
                entry.gone = Some(now);
            }
        }
        let mut room = MAX_CONNECTIONS;
        for (conn_id, limit) in file {
            if let Some(entry) = by_id.get_mut(conn_id) {
                (entry.origin, entry.gone) = (Origin::File, None);
                entry.of.set_limit(limit);
            } else if room > 0 {
                let of = Arc::new(OfConnection::default());
                of.set_limit(limit);
                by_id.insert(conn_id.clone(), Entry::new(of, Origin::File));
            }
            room = room.saturating_sub(1);
            if shows_stages && let Some(entry) = by_id.get(conn_id) {
                entry.of.histograms();
            }
        }
    }

    /// The metrics of a connection that exists, made when a login comes as far. `limit` is the most
    /// sessions that it may have, as the login knows it: of a connection of the configuration a
    /// later one may tell otherwise by now.
    pub(crate) fn of(&self, conn_id: &ConnId, origin: Origin, limit: usize) -> Arc<OfConnection> {
        let known = self.used(conn_id);
        let is_news = known.is_none() || origin == Origin::Table;
        let of = known.unwrap_or_else(|| self.add(conn_id, origin));
        if is_news && !Arc::ptr_eq(&of, &self.other) {
            of.set_limit(limit);
        }
        of
    }

    /// The metrics of a connection that has some, or else those of all others.
    pub(crate) fn of_known(&self, conn_id: Option<&ConnId>) -> Arc<OfConnection> {
        conn_id
            .and_then(|conn_id| self.get(conn_id))
            .unwrap_or_else(|| Arc::clone(&self.other))
    }

    /// The connections that have metrics of their own, by name.
    pub(crate) fn list(&self) -> Vec<(ConnId, Arc<OfConnection>)> {
        let by_id = self.by_id.read();
        by_id
            .iter()
            .map(|(conn_id, entry)| (conn_id.clone(), Arc::clone(&entry.of)))
            .collect()
    }

    /// Forgets connections that a reload removed some time ago, and those of lava's table that
    /// nobody has logged in to for so long, which may be there no more. Those with sessions stay.
    pub(crate) fn forget_gone(&self, has_sessions: impl Fn(&ConnId) -> bool) {
        let now = Instant::now();
        let is_gone = |entry: &Entry| {
            let since = match entry.origin {
                Origin::File => entry.gone,
                Origin::Table => Some(*entry.used.lock()),
            };
            since.is_some_and(|since| now - since >= GONE_FOR)
        };
        if !self.by_id.read().values().any(is_gone) {
            return;
        }
        self.by_id.write().retain(|conn_id, entry| {
            let stays = !is_gone(entry) || has_sessions(conn_id);
            if !stays {
                self.past.logins.add_all(&entry.of.logins);
                self.past.ends.add_all(&entry.of.ends);
                self.past
                    .bytes
                    .add(entry.of.bytes.up(), entry.of.bytes.down());
            }
            stays
        });
    }

    /// A sum over all connections since the start, those that are gone included.
    pub(crate) fn sum(&self, of: impl Fn(&OfConnection) -> u64) -> u64 {
        let live: u64 = self.by_id.read().values().map(|entry| of(&entry.of)).sum();
        live + of(&self.other) + of(&self.past)
    }

    /// Notes that a login has come as far as to this connection.
    fn used(&self, conn_id: &ConnId) -> Option<Arc<OfConnection>> {
        self.by_id.read().get(conn_id).map(|entry| {
            *entry.used.lock() = Instant::now();
            Arc::clone(&entry.of)
        })
    }

    fn get(&self, conn_id: &ConnId) -> Option<Arc<OfConnection>> {
        self.by_id
            .read()
            .get(conn_id)
            .map(|entry| Arc::clone(&entry.of))
    }

    /// Adds a connection at its first login, unless lava's table has too many.
    fn add(&self, conn_id: &ConnId, origin: Origin) -> Arc<OfConnection> {
        let mut by_id = self.by_id.write();
        if let Some(entry) = by_id.get(conn_id) {
            return Arc::clone(&entry.of);
        }
        let is_of_table = |entry: &&Entry| entry.origin == Origin::Table;
        if origin == Origin::Table && by_id.values().filter(is_of_table).count() >= MAX_CONNECTIONS {
            return Arc::clone(&self.other);
        }
        let of = Arc::new(OfConnection::default());
        by_id.insert(conn_id.clone(), Entry::new(Arc::clone(&of), origin));
        of
    }
}
