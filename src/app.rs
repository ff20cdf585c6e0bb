//! Builds every live part from the configuration once, and owns the order of shutdown.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::{info, warn};

use crate::aws::{Base, StoreReader};
use crate::cancel::CancelKeys;
use crate::client_auth::Accounts;
use crate::clock::Clock;
use crate::config::{Config, ConnId};
use crate::credentials::Logins;
use crate::limits::bans::{Ban, Bans};
use crate::limits::caps::Caps;
use crate::limits::handshakes::Handshakes;
use crate::listener::{self, Acceptor, Workers};
use crate::network::Network;
use crate::references::{References, Watch};
use crate::relay;
use crate::session::Shared;
use crate::startup::tls::{ServerTls, by_the_hour};
use crate::stop::{Phase, Stop};
use crate::telemetry::Repeats;

pub use self::error::AppError;
use self::parts::{keep_alive, listeners};
pub(crate) use self::parts::{routes, table_timeout};

mod error;
mod parts;
mod watched;

/// How long sessions may take to end once they have been told to.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// A running proxy.
pub struct App {
    addresses: Vec<SocketAddr>,
    /// Of connections that have a port of their own.
    own: BTreeMap<ConnId, SocketAddr>,
    acceptor: Arc<Acceptor>,
    /// Stops accepting.
    closing: CancellationToken,
    acceptors: TaskTracker,
    /// What the configuration refers to, and the task that reads it.
    watch: Arc<Watch>,
    _reading: AbortOnDropHandle<()>,
    /// Tells what the log left out.
    _telling: AbortOnDropHandle<()>,
    /// Tells of certificates that end.
    _aging: AbortOnDropHandle<()>,
    drain_delay: Duration,
    drain_timeout: Duration,
}

/// What is live now; all zero when nothing is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Clients not yet authenticated.
    pub handshakes: usize,
    /// Places taken under `max_sessions`.
    pub sessions: usize,
    /// Keys that a CancelRequest would be forwarded for.
    pub cancel_keys: usize,
    /// Connections, whatever their state.
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

    /// The same on another network than the system's.
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
        let control = Handle::current();
        let logins = Logins::new(base, &config.credentials, &clock, &control, None);
        // A gate of their own: logins do not queue up behind them.
        let read_timeout = config.credentials.timeout;
        let references =
            References::new(Arc::new(StoreReader(Arc::new(logins.calls().with_own_gate(read_timeout)))), read_timeout);
        let pem = parts::listener_pem(&config.listen, &references).await;
        let tls = ServerTls::new(&config.listen, &pem, Arc::clone(&clock))?;
        tls.tell_of_age(true);
        let any = config.any_user.as_ref();
        let accounts = Accounts::new(&config.users, any, tls.salt_key.clone(), Arc::clone(&clock)).await?;
        let limits = relay::SessionLimits {
            idle_timeout: config.limits.idle_timeout,
            session_lifetime: config.limits.session_lifetime,
            keepalive: keep_alive(&config, network.probes),
        };
        let repeats = Arc::new(Repeats::default());
        let handshakes = Handshakes::new(config.limits.max_handshakes, config.limits.max_handshakes_per_address);
        let shared = Arc::new(Shared {
            routes: routes(&config, network)?,
            specs: parts::specs(&config, &logins, &clock, &control),
            logins,
            tls,
            balancers: config.listen.proxy_protocol_from.clone(),
            accounts,
            caps: Caps::new(config.limits.max_sessions),
            bans: Bans::new(config.limits.bans.clone()),
            cancels: Arc::new(CancelKeys::new(&config.limits.bans.exempt)),
            repeats: Arc::clone(&repeats),
            stop: Stop::default(),
            limits,
            startup_timeout: config.limits.startup_timeout,
            login_timeout: config.upstream.login_timeout,
        });
        let telling = AbortOnDropHandle::new(tokio::spawn(async move { repeats.report_in_time().await }));
        let certificates = Arc::clone(&shared);
        let aging = AbortOnDropHandle::new(tokio::spawn(by_the_hour(move || certificates.tls.tell_of_age(false))));
        let watch = Watch::new(references, watched::all(&config, &pem, &shared));
        let (first, read) = oneshot::channel();
        let reading = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&watch).run(first)));
        // At most as long as one read: a user whose password has not been read by then is refused
        // until it is.
        let _ = tokio::time::timeout(read_timeout, read).await;
        shared.accounts.warn_of_odd_ones();
        let acceptor = Arc::new(Acceptor {
            workers,
            shared,
            handshakes,
            tasks: TaskTracker::new(),
            keepalive: keep_alive(&config, network.probes),
        });
        let (closing, acceptors) = (CancellationToken::new(), TaskTracker::new());
        let listeners = listeners(&config)?;
        let (mut addresses, mut own) = (Vec::new(), BTreeMap::new());
        for bound in listeners {
            let Ok(address) = bound.listener.local_addr() else { continue };
            let conn_id = bound.port_of.as_deref();
            info!(address = address.to_string().as_str(), conn_id = conn_id.map(ConnId::as_str), "listening");
            match conn_id {
                Some(conn_id) => drop(own.insert(conn_id.clone(), address)),
                None => addresses.push(address),
            }
            acceptors.spawn(listener::accept(bound, Arc::clone(&acceptor), closing.clone()));
        }
        Ok(Self {
            addresses,
            own,
            acceptor,
            closing,
            acceptors,
            watch,
            _reading: reading,
            _telling: telling,
            _aging: aging,
            drain_delay: config.limits.drain_delay,
            drain_timeout: config.limits.drain_timeout,
        })
    }

    /// What was bound, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The connection's own address, if it has one.
    #[must_use]
    pub fn address_of(&self, conn_id: &str) -> Option<SocketAddr> {
        self.own.get(conn_id).copied()
    }

    /// What is live now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let shared = &self.acceptor.shared;
        Counts {
            handshakes: self.acceptor.handshakes.count(),
            sessions: shared.caps.sessions(),
            cancel_keys: shared.cancels.len(),
            tasks: self.acceptor.tasks.len(),
        }
    }

    /// Who is kept away for guessing, those first whose time is over first.
    #[must_use]
    pub fn bans(&self) -> Vec<Ban> {
        self.acceptor.shared.bans.list()
    }

    /// Ends all bans of an address: how many there were.
    pub fn unban(&self, address: IpAddr) -> usize {
        self.acceptor.shared.bans.lift(address)
    }

    /// Reads again, now, what the configuration refers to.
    pub async fn read_references(&self) {
        self.watch.read_all().await;
    }

    /// Ends gracefully: accepts for `drain_delay` more and until nothing is queued, closes the
    /// listeners, lets go of sessions as they fall idle, and of all after `drain_timeout`. May be
    /// cut short by [`App::abort`].
    pub async fn drain(&self) {
        info!(sessions = self.counts().sessions, "draining");
        tokio::time::sleep(self.drain_delay).await;
        self.closing.cancel();
        self.acceptors.close();
        self.acceptors.wait().await;
        let stop = &self.acceptor.shared.stop;
        stop.enter(Phase::WhenIdle);
        self.acceptor.tasks.close();
        if tokio::time::timeout(self.drain_timeout, self.acceptor.tasks.wait())
            .await
            .is_err()
        {
            info!(sessions = self.counts().sessions, "closing sessions that are still busy");
            stop.enter(Phase::Now);
            self.wait_at_last().await;
        }
        self.acceptor.shared.repeats.report_rest();
        info!("drained");
    }

    /// Ends every session now.
    pub async fn abort(&self) {
        self.closing.cancel();
        self.acceptor.shared.stop.enter(Phase::Now);
        self.acceptor.tasks.close();
        self.wait_at_last().await;
        self.acceptor.shared.repeats.report_rest();
    }

    /// Everything has been told to end at once; what does not is left behind.
    async fn wait_at_last(&self) {
        if tokio::time::timeout(LAST_WAIT, self.acceptor.tasks.wait())
            .await
            .is_err()
        {
            warn!(connections = self.acceptor.tasks.len(), "some connections did not end");
        }
    }
}
