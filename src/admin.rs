//! The admin addresses: HTTP for probes, Prometheus, scripts and operators.
//!
//! They run on the control thread, so that they answer while the data path is full. Each connection
//! is one request, bounded in size and time (`connection`), and has one of few places (`places`).
//! `handler` finds the route, lets `guard` decide whether the request is allowed, and asks
//! [`Operations`](crate::operations::Operations), on which alone this module depends.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Level, info, warn};

use self::handler::{Built, Handler};
use self::places::Places;
pub(crate) use self::route::Face;
use crate::operations::SharedOperations;
use crate::telemetry::{LineKind, Repeats, Verdict};

mod action;
mod answer;
mod connection;
mod guard;
mod handler;
mod host;
mod json;
mod places;
mod progress;
mod route;
mod status;

/// Pause after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long answers that are under way may take at the end of the process.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// The admin addresses, bound. Dropping it ends them.
pub(crate) struct Server {
    operations: Arc<Built>,
    addresses: Vec<(Face, SocketAddr)>,
    places: Vec<Arc<Places>>,
    /// Tells the acceptors to stop, once it is cancelled.
    closing: CancellationToken,
    connections: TaskTracker,
}

impl Server {
    /// Answers at these addresses, on the runtime that calls this. Until [`Server::serve`] the proxy
    /// is said to be starting.
    pub(crate) fn start(bound: Vec<(Face, TcpListener)>, repeats: &Arc<Repeats>) -> Self {
        let mut server = Self {
            operations: Arc::new(OnceLock::new()),
            addresses: Vec::new(),
            places: Vec::new(),
            closing: CancellationToken::new(),
            connections: TaskTracker::new(),
        };
        for (face, listener) in bound {
            let Ok(address) = listener.local_addr() else { continue };
            info!(address = address.to_string().as_str(), serves = face.name(), "admin address bound");
            let places = Arc::new(Places::default());
            let handler = Arc::new(Handler::new(face, Arc::clone(&server.operations), Arc::clone(repeats)));
            let (repeats, connections) = (Arc::clone(repeats), server.connections.clone());
            let accepting = accept(listener, handler, Arc::clone(&places), connections, repeats);
            let closing = server.closing.clone();
            tokio::spawn(async move { closing.run_until_cancelled(accepting).await });
            server.addresses.push((face, address));
            server.places.push(places);
        }
        server
    }

    /// Answers for the proxy, which has been built.
    pub(crate) fn serve(&self, operations: SharedOperations) {
        // It is called once.
        let _first = self.operations.set(operations);
    }

    /// The addresses, and what each serves.
    pub(crate) fn addresses(&self) -> &[(Face, SocketAddr)] {
        &self.addresses
    }

    /// The address that serves this.
    pub(crate) fn address(&self, face: Face) -> Option<SocketAddr> {
        let found = self.addresses.iter().find(|(serves, _)| *serves == face);
        found.map(|(_, address)| *address)
    }

    /// Accepts no more, and waits a little for answers that are under way.
    pub(crate) async fn close(&self) {
        self.end();
        self.connections.close();
        if timeout(LAST_ANSWERS, self.connections.wait())
            .await
            .is_err()
        {
            warn!(
                event = "connections left",
                connections = self.connections.len(),
                "some admin connections did not end"
            );
        }
    }

    fn end(&self) {
        self.closing.cancel();
        self.places.iter().for_each(|places| places.clear());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

impl Face {
    /// The word for what is served there.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "admin",
            Self::Health => "health",
        }
    }
}

/// Accepts connections, and serves each in a task of its own. Never ends.
async fn accept(
    listener: TcpListener,
    handler: Arc<Handler>,
    places: Arc<Places>,
    connections: TaskTracker,
    repeats: Arc<Repeats>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let place = places.take(peer.ip());
                connections.spawn(connection::serve(stream, peer.ip(), Arc::clone(&handler), place));
                // The connection that made room for it is closed before the next one is accepted:
                // a storm of connections takes no more descriptors than there are places.
                places.room().await;
            }
            Err(error) => {
                let kind = LineKind {
                    level: Level::WARN,
                    event: "accept failed",
                    class: "admin",
                    client: None,
                    conn_id: None,
                    is_proven: false,
                };
                if let Verdict::Write(left_out) = repeats.judge(kind) {
                    let error = error.to_string();
                    warn!(
                        event = "accept failed",
                        error = error.as_str(),
                        left_out,
                        "accept failed at an admin address"
                    );
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
