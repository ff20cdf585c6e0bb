//! A session between a stream under test and a peer, over a connection that a test cuts.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::DuplexStream;
use tokio::task::unconstrained;
use tokio::time::timeout;

use super::super::{Client, Server, Tls, invalid};
use super::cut::{Cuts, Damage, Socket, Way};
use super::ends::{Plan, Seen, run};
use super::oracle::Oracle;
use crate::stream::Leg;

/// More than any test sends one way.
const CONNECTION_BYTES: usize = 1024 * 1024;

/// Which side the stream under test is on; its peer is on the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Client,
    Server,
}

/// Which implementation of the seam is under test.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    Us,
    Oracle,
}

#[derive(Clone)]
pub(super) struct Session {
    pub(super) side: Side,
    pub(super) client: Arc<ClientConfig>,
    pub(super) server: Arc<ServerConfig>,
    /// What the stream under test does, and its peer.
    pub(super) stream: Plan,
    pub(super) peer: Plan,
    /// Of what the stream under test receives.
    pub(super) incoming: (Cuts, Damage),
    /// Of what it sends.
    pub(super) outgoing: (Cuts, Damage),
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { side, client: _, server: _, stream, peer, incoming, outgoing } = self;
        write!(f, "{side:?}: {stream:?}, peer: {peer:?}, incoming: {incoming:?}, outgoing: {outgoing:?}")
    }
}

/// What came of a session: what each end has seen. `None`: each waited for the other.
pub(super) type Outcome = Option<(Seen, Seen)>;

/// The lengths of the records that went by.
pub(super) struct Records {
    pub(super) incoming: Vec<usize>,
    pub(super) outgoing: Vec<usize>,
}

impl Session {
    /// Plays the session. On a paused clock, so that one in which both wait ends at once.
    pub(super) async fn play(&self, by: By) -> (Outcome, Records) {
        let (incoming, outgoing) =
            (Way::new(self.incoming.0.clone(), self.incoming.1), Way::new(self.outgoing.0.clone(), self.outgoing.1));
        let (received, sent) = (incoming.starts(), outgoing.starts());
        let (ours, theirs) = tokio::io::duplex(CONNECTION_BYTES);
        let stream = async {
            match self.open(by, Socket::new(ours, incoming, outgoing)).await {
                Ok(stream) => run(stream, &self.stream).await,
                Err(error) => Seen::of_handshake(&error),
            }
        };
        let peer = async {
            match self.open_peer(theirs).await {
                Ok(stream) => run(stream.strict(), &self.peer).await,
                Err(error) => Seen::of_handshake(&error),
            }
        };
        // Or tokio takes a turn away from an end now and then.
        let ends = unconstrained(async { tokio::join!(stream, peer) });
        let outcome = timeout(Duration::from_secs(60), ends).await.ok();
        let lengths = |starts: &[usize]| starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let records =
            Records { incoming: lengths(&received.lock().unwrap()), outgoing: lengths(&sent.lock().unwrap()) };
        (outcome, records)
    }

    async fn open(&self, by: By, socket: Socket) -> io::Result<Leg> {
        let (client, server) = (Arc::clone(&self.client), Arc::clone(&self.server));
        Ok(match (by, self.side) {
            (By::Us, Side::Client) => Tls::handshake(socket, Client::new(client, name()).map_err(invalid)?).await?,
            (By::Us, Side::Server) => Tls::handshake(socket, Server::new(server).map_err(invalid)?).await?,
            (By::Oracle, Side::Client) => Box::new(Oracle::connect(socket, &client, name()).await?),
            (By::Oracle, Side::Server) => Box::new(Oracle::accept(socket, &server).await?),
        })
    }

    async fn open_peer(&self, socket: DuplexStream) -> io::Result<Oracle<DuplexStream>> {
        match self.side {
            Side::Client => Oracle::accept(socket, &self.server).await,
            Side::Server => Oracle::connect(socket, &self.client, name()).await,
        }
    }
}

pub(super) fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}
