//! Accepting clients: one acceptor deals connections to the workers, one task each.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Level, warn};

use crate::config::ConnId;
use crate::operations::SharedOperations;
use crate::session::{self, Arrival, Live, Shared};
use crate::startup::proxy_protocol;
use crate::telemetry::{LineKind, Repeats, Verdict};

/// The number of connections that the kernel queues for us: more than a burst of logins.
const BACKLOG: i32 = 4096;

/// Pause after an accept that failed for want of file descriptors or memory: they come back by
/// themselves.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The single-threaded runtimes that sessions run on, one per core. A session stays on one for
/// life.
pub struct Workers {
    handles: Vec<Handle>,
    next: AtomicUsize,
}

impl Workers {
    /// Deals sessions to these runtimes in turn.
    #[must_use]
    pub fn new(handles: Vec<Handle>) -> Self {
        Self { handles, next: AtomicUsize::new(0) }
    }

    /// Runs all sessions on the runtime that calls this, as tests do.
    #[must_use]
    pub fn current() -> Self {
        Self::new(vec![Handle::current()])
    }

    /// The runtimes.
    pub(crate) fn handles(&self) -> &[Handle] {
        &self.handles
    }

    fn next(&self) -> Option<&Handle> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.handles.get(turn.checked_rem(self.handles.len())?)
    }
}

/// How long an acceptor that closes goes on with connections that were queued before.
const LAST_ACCEPTS: Duration = Duration::from_secs(1);

/// Deals the connections of all listeners to the workers. `App` and the acceptors' tasks hold it.
pub(crate) struct Acceptor {
    /// The workers that connections are dealt to.
    pub(crate) workers: Workers,
    /// The parts that all connections share, whatever the configuration.
    pub(crate) shared: Arc<Shared>,
    /// The current configuration. Each connection is given the value of its arrival; a reload swaps
    /// it without a lock.
    pub(crate) live: Arc<ArcSwap<Live>>,
    /// The operations that a console may ask for.
    pub(crate) operations: SharedOperations,
    /// The task of every connection, so that a shutdown can wait for them.
    pub(crate) tasks: TaskTracker,
}

/// Whether other processes may listen on the same address (SO_REUSEPORT), and get a share of its
/// connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ports {
    /// Other processes may listen on the address: the system deals new connections out among all.
    Shared,
    /// The address belongs to this process alone: another one that binds it is refused.
    Own,
}

/// A bound listener, and which connections are reached by it.
pub(crate) struct Bound {
    /// The socket, bound and listening.
    pub(crate) listener: TcpListener,
    /// The address of the socket, and the connection that it serves.
    pub(crate) entrance: Entrance,
}

/// An address that is bound, and which connections are reached by it.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    /// The address, with the port that the system chose if it was left to it.
    pub(crate) address: SocketAddr,
    /// The connection that alone is reached there. `None`: all are.
    pub(crate) port_of: Option<Arc<ConnId>>,
}

/// Binds one address.
///
/// # Errors
/// The address is taken, not ours, or not allowed.
pub(crate) fn bind(address: SocketAddr, ports: Ports) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if ports == Ports::Shared {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        // As PostgreSQL does: [::] beside 0.0.0.0 would be refused otherwise.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts until `closing`, then once more what is queued.
pub(crate) async fn accept(bound: Bound, acceptor: Arc<Acceptor>, closing: CancellationToken) {
    let Bound { listener, entrance } = bound;
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((socket, peer)) => acceptor.deal(socket.into_std(), peer, &entrance),
                Err(error) => {
                    warn_of(&acceptor.shared.repeats, &error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = closing.cancelled() => {}
    }
    // It does not block: the queue ends with an error.
    if let Ok(listener) = listener.into_std() {
        let last = Instant::now() + LAST_ACCEPTS;
        for (socket, peer) in queued(|| listener.accept()).take_while(|_| Instant::now() < last) {
            acceptor.deal(socket.set_nonblocking(true).map(|()| socket), peer, &entrance);
        }
    }
}

/// Takes out of a queue all that `accept` gives without blocking, but no more than a queue holds:
/// clients may fill it as fast as it is emptied.
fn queued<T>(mut accept: impl FnMut() -> io::Result<T>) -> impl Iterator<Item = T> {
    // Linux lets one more wait than it was asked to.
    let tries = (0..=BACKLOG).map_while(move |_| match accept() {
        Ok(accepted) => Some(Some(accepted)),
        // Gone before its turn.
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => Some(None),
        Err(_) => None,
    });
    tries.flatten()
}

impl Acceptor {
    /// Takes a handshake permit for a connection, and gives both to the next worker.
    fn deal(&self, socket: io::Result<std::net::TcpStream>, address: SocketAddr, to: &Entrance) {
        let live = self.live.load_full();
        let prepared = socket.and_then(|socket| {
            socket.set_nodelay(true)?;
            live.relay.keepalive.set(&socket)?;
            Ok(socket)
        });
        // It fails on a socket that is already dead.
        let Ok(socket) = prepared else { return };
        let Some(worker) = self.workers.next() else { return };
        let (handshakes, limits) = (&self.shared.handshakes, live.limits.handshakes);
        let handshake = if proxy_protocol::is_balancer(address, &live.balancers) {
            handshakes.acquire_behind_balancer(address.ip(), limits)
        } else {
            handshakes.acquire(address.ip(), limits, live.limits.place_of(address.ip()))
        };
        let session = self.shared.sessions.register(address, to.address);
        let (shared, port_of) = (Arc::clone(&self.shared), to.port_of.clone());
        let (operations, current) = (Arc::clone(&self.operations), Arc::clone(&self.live));
        let arrival = Box::new(Arrival { socket, address, port_of, operations, current, handshake });
        self.tasks
            .spawn_on(session::run(shared, live, session, arrival), worker);
    }
}

fn warn_of(repeats: &Repeats, error: &io::Error) {
    const EVENT: &str = "accept failed";
    let kind = LineKind { level: Level::WARN, event: EVENT, class: "", client: None, conn_id: None, is_proven: false };
    if let Verdict::Write(left_out) = repeats.judge(kind) {
        warn!(error = error.to_string().as_str(), left_out, "{EVENT}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_taken_up_to_its_end() {
        let mut answers =
            vec![Ok(1), Err(ErrorKind::ConnectionAborted), Ok(2), Err(ErrorKind::WouldBlock), Ok(3)].into_iter();
        let taken: Vec<_> = queued(|| answers.next().unwrap().map_err(io::Error::from)).collect();
        assert_eq!(taken, [1, 2]);
    }

    /// Issue 11, A9: a drain accepted for as long as clients came.
    #[test]
    fn a_queue_that_is_filled_while_it_is_emptied_has_an_end() {
        assert_eq!(queued(|| Ok(())).count(), usize::try_from(BACKLOG).unwrap() + 1);
        assert_eq!(queued(|| Err::<(), _>(ErrorKind::ConnectionAborted.into())).count(), 0);
    }
}
