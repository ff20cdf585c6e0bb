//! Builds every live part from the configuration, and owns the order of shutdown.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::info;

use crate::address::{is_in, reachable};
use crate::admin::{self, Face};
use crate::aws::{Base, Observer, StoreReader};
use crate::bound::Bound;
use crate::clock::Clock;
use crate::config::{Config, ConnId};
use crate::credentials::Logins;
use crate::limits::bans::Ban;
use crate::listener::{self, Acceptor, Entrance, Workers};
use crate::metrics::Metrics;
use crate::network::Network;
use crate::operations::{SharedOperations, Which};
use crate::references::References;
use crate::startup::tls::by_the_hour;
use crate::stop::Order;
use crate::telemetry::Repeats;

use self::control::Control;
use self::drain::{Asked, Drain};
pub use self::error::AppError;
use self::heartbeat::Heartbeat;
pub use self::origin::Origin;
use self::parts::{Surroundings, listeners};
pub(crate) use self::parts::{routes, table_timeout};
use self::pulse::Pulse;
use self::reload::{Reloader, Started};
pub use crate::session::{Facts, LoginStage, Stage, Timings};
pub use crate::session_id::SessionId;

mod banner;
mod control;
mod drain;
mod error;
mod heartbeat;
mod origin;
mod parts;
mod pulse;
mod readings;
mod reload;
mod watched;

/// A running proxy. Dropping it ends the tasks of its own; sessions and acceptors are ended by
/// [`App::drain`] or [`App::abort`].
pub struct App {
    addresses: Vec<SocketAddr>,
    /// The addresses of connections that have a port of their own.
    own: BTreeMap<ConnId, SocketAddr>,
    /// The admin addresses. Their connections run on the control runtime.
    admin: admin::Server,
    /// The acceptors' tasks hold it too. It has the current configuration and everything that
    /// sessions share.
    acceptor: Arc<Acceptor>,
    /// The drain, and the end of the process. The control holds it too.
    drain: Arc<Drain>,
    /// The time of the start.
    since: Instant,
    /// Swaps the configuration. The control holds it too.
    reloader: Arc<Reloader>,
    /// Ends sessions on connections of lava's table that are gone.
    _table: AbortOnDropHandle<()>,
    /// Reloads the configuration when a file has changed (`admin.watch`).
    _files: AbortOnDropHandle<()>,
    /// Reports how many lines the log left out.
    _reporting: AbortOnDropHandle<()>,
    /// Reports certificates that are about to end.
    _aging: AbortOnDropHandle<()>,
    /// Goes through the stages of the drain.
    _ending: AbortOnDropHandle<()>,
    /// Logs what has happened. A task that does so every minute holds it too.
    heartbeat: Arc<Heartbeat>,
    _beating: AbortOnDropHandle<()>,
}

/// How many of each kind of thing are live now: all zero when there is no connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Clients that hold a permit of `max_handshakes`: they are connected and not yet
    /// authenticated.
    pub handshakes: usize,
    /// Sessions that hold a permit of `max_sessions`: authenticated clients alone, from the permit
    /// to the end of the session. Never more than
    /// [`Counts::tasks`].
    pub sessions: usize,
    /// Cancel keys of live sessions.
    pub cancel_keys: usize,
    /// Connections of clients from accept to close, whatever they came for: those that are not
    /// authenticated yet, those that are refused, and CancelRequests count too.
    pub tasks: usize,
}

impl App {
    /// Builds all parts, binds, accepts. The calling runtime is the control runtime: it owns AWS's
    /// clients, credential flights and the acceptor.
    ///
    /// # Errors
    /// See [`AppError`]; nothing is left running.
    pub async fn start(config: Config, base: Base, workers: Workers, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        Box::pin(Self::start_on(&Network::default(), config, base, workers, clock)).await
    }

    /// Like [`App::start`], on another network than the system's.
    ///
    /// # Errors
    /// See [`AppError`]; nothing is left running.
    pub async fn start_on(
        network: &Network,
        config: Config,
        base: Base,
        workers: Workers,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AppError> {
        Box::pin(Self::start_from(network, None, config, base, workers, clock)).await
    }

    /// Like [`App::start_on`], with somewhere to read the configuration from again: without it
    /// every reload is refused.
    ///
    /// # Errors
    /// See [`AppError`]; nothing is left running.
    pub async fn start_from(
        network: &Network,
        origin: Option<Arc<dyn Origin>>,
        config: Config,
        base: Base,
        workers: Workers,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AppError> {
        let config = Arc::new(config);
        let control = Handle::current();
        let repeats = Arc::new(Repeats::default());
        // First of all: probes are answered while values from AWS are waited for.
        let admin = admin::Server::start(parts::admin_listeners(&config)?, &repeats);
        let pulse = Pulse::start(&control, workers.handles());
        let metrics = Metrics::new(Arc::clone(&clock));
        let observer: Arc<dyn Observer> = Arc::<Metrics>::clone(&metrics);
        let logins = Logins::new(base, &config.credentials, &clock, &control, Some(observer));
        // The references' calls have a gate of their own, so that logins do not queue behind them.
        let max_wait = config.credentials.timeout;
        let references =
            References::new(Arc::new(StoreReader(Arc::new(logins.calls().with_own_gate(max_wait)))), max_wait);
        let pem = parts::listener_pem(&config.listen, &references).await;
        let shared = Arc::new(parts::shared(&pem, network, metrics, &repeats)?);
        let around = Surroundings { clock: Arc::clone(&clock), control, probes: network.probes };
        let first = parts::live(Arc::clone(&config), &pem, logins, &shared, &around, None).await?;
        let Started { reloader, is_read } =
            Reloader::start(origin, around, Arc::clone(&shared), first, references, &pem);
        let live = Arc::clone(reloader.live());
        let reporting = AbortOnDropHandle::new(tokio::spawn(async move { repeats.report_in_time().await }));
        let current = Arc::clone(&live);
        let aging = AbortOnDropHandle::new(tokio::spawn(by_the_hour(move || current.load().tls.report_aging(false))));
        // One read's time-out at most: a user whose password has not been read by then is refused
        // until it is.
        let _ = tokio::time::timeout(max_wait, is_read).await;
        live.load().accounts.warn_of_odd_ones();
        let table = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&reloader).look_after_table_sessions()));
        let tasks = TaskTracker::new();
        let drain = Arc::new(Drain::new(Arc::clone(&shared), Arc::clone(&live), tasks.clone()));
        let control = Control::new(Arc::clone(&shared), Arc::clone(&reloader), clock, Arc::clone(&drain), pulse);
        let bound_by = Arc::new(control);
        let operations: SharedOperations = Arc::<Control>::clone(&bound_by);
        let watching = Arc::clone(&reloader).watch_files(Arc::clone(&operations));
        let files = AbortOnDropHandle::new(tokio::spawn(watching));
        let acceptor = Arc::new(Acceptor { workers, shared, live, operations, tasks });
        let read = Arc::clone(&bound_by);
        let heartbeat = Arc::new(Heartbeat::new(move || read.reading()));
        let beating = heartbeat.start();
        let listeners = listeners(&config)?;
        let (mut addresses, mut own) = (Vec::new(), BTreeMap::new());
        for bound in listeners {
            let Entrance { address, port_of } = bound.entrance.clone();
            let conn_id = port_of.as_deref();
            info!(address = address.to_string().as_str(), conn_id = conn_id.map(ConnId::as_str), "listening");
            bound_by.listeners.add(address, "clients", conn_id);
            match conn_id {
                Some(conn_id) => drop(own.insert(conn_id.clone(), address)),
                None => addresses.push(address),
            }
            drain.run_acceptor(|closing| listener::accept(bound, Arc::clone(&acceptor), closing));
        }
        for (face, address) in admin.addresses() {
            bound_by.listeners.add(*address, face.name(), None);
        }
        admin.serve(Arc::clone(&acceptor.operations));
        let ending = Arc::clone(&drain);
        let ending = AbortOnDropHandle::new(tokio::spawn(async move { ending.run().await }));
        banner::started(&bound_by, addresses.iter().chain(own.values()).copied());
        Ok(Self {
            addresses,
            own,
            admin,
            acceptor,
            drain,
            since: Instant::now(),
            reloader,
            _table: table,
            _files: files,
            _reporting: reporting,
            _aging: aging,
            _ending: ending,
            heartbeat,
            _beating: beating,
        })
    }

    /// Logs the end of the process: what has happened since the last line about it, and for how
    /// long the proxy has run.
    pub fn log_end(&self) {
        self.heartbeat.write();
        info!(secs = self.since.elapsed().as_secs(), "stopped");
    }

    /// The addresses that are bound and open to all connections, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The address that a connection has to itself, if it has one.
    #[must_use]
    pub fn address_of(&self, conn_id: &str) -> Option<SocketAddr> {
        self.own.get(conn_id).copied()
    }

    /// The address that `admin.address` is bound to, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.address(Face::Full)
    }

    /// The address that `admin.health_address` is bound to, if there is one.
    #[must_use]
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.admin.address(Face::Health)
    }

    /// Tells where the proxy is bound, and whether PROXY headers are expected there now.
    pub(crate) fn bound(&self) -> impl Fn() -> Bound + Send + use<> {
        let listen = self
            .addresses
            .first()
            .or(self.own.values().next())
            .copied()
            .map(reachable);
        let [admin, health] = [self.admin_address(), self.health_address()].map(|address| address.map(reachable));
        let live = Arc::clone(&self.acceptor.live);
        move || {
            // A client of this machine has the address that it connects to for its own.
            let is_balancer = |address: SocketAddr| is_in(address.ip(), &live.load().balancers);
            Bound { listen, takes_proxy_header: listen.is_some_and(is_balancer), admin, health }
        }
    }

    /// Lets answers that are under way at the admin addresses end, and closes these: the last thing
    /// before the process ends.
    pub async fn close_admin(&self) {
        self.admin.close().await;
    }

    /// Counts the clients, connections and keys that are live now; each field of [`Counts`] says
    /// what it counts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let shared = &self.acceptor.shared;
        Counts {
            handshakes: shared.handshakes.count(),
            sessions: shared.caps.sessions(),
            cancel_keys: shared.cancels.len(),
            tasks: shared.sessions.len(),
        }
    }

    /// The bans that are in force, in the order in which they end.
    #[must_use]
    pub fn bans(&self) -> Vec<Ban> {
        let Acceptor { shared, live, .. } = &*self.acceptor;
        shared.bans.list(&live.load().limits.bans)
    }

    /// Ends all bans of an address, and returns how many there were.
    pub fn unban(&self, address: IpAddr) -> usize {
        let Acceptor { shared, live, .. } = &*self.acceptor;
        shared.bans.lift(&live.load().limits.bans, address)
    }

    /// The connections of clients, from accept to close, by their ids: what is known of each now,
    /// the oldest first.
    #[must_use]
    pub fn sessions(&self) -> Vec<(SessionId, Facts)> {
        let entries = self.acceptor.shared.sessions.list();
        entries
            .iter()
            .map(|entry| (entry.id(), entry.facts()))
            .collect()
    }

    /// Ends the session of this id at once, and returns whether there was one that was not ending
    /// yet. It is listed until its client and the warehouse have been told.
    pub fn end_session(&self, id: &str) -> bool {
        let session = Which::Session(id.to_owned());
        self.acceptor.shared.sessions.end(&session, Order::Kill) > 0
    }

    /// The operations on this proxy, for whoever speaks for an operator.
    pub(crate) fn operations(&self) -> SharedOperations {
        Arc::clone(&self.acceptor.operations)
    }

    /// Ends gracefully: accepts for `drain_delay` more and until nothing is queued, closes the
    /// listeners, lets go of sessions as they fall idle, and of all after `drain_timeout`. Returns
    /// when nothing is left. May be cut short by [`App::abort`].
    pub async fn drain(&self) {
        self.drain.ask(Asked::Shutdown);
        self.drain.over().await;
    }

    /// Ends every session now. Returns when nothing is left.
    pub async fn abort(&self) {
        self.drain.ask(Asked::Abort);
        self.drain.over().await;
    }

    /// Waits until an operator's `SHUTDOWN`, or a drain for a signal, has come to its end.
    pub(crate) async fn over(&self) {
        self.drain.over().await;
    }

    /// Reads the references of the configuration again, now.
    pub async fn read_references(&self) {
        self.reloader.watch().read_all().await;
    }
}

#[cfg(test)]
mod tests;
