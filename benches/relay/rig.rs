//! A relay between two peers, all on one thread: the peers put into the sockets what is to be
//! relayed and later take out what has come, and only what lies between is measured. That time is
//! the relay's own, system calls included: it waits for nobody.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use redshift_iam_proxy::bench::{Boundaries, Session};
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// The transport of a leg.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Leg {
    Plain,
    Tls,
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plaintext",
            Self::Tls => "TLS",
        })
    }
}

/// The bytes that the peers send in one round; the sockets' buffers have to hold them.
pub(crate) struct Round {
    pub(crate) from_client: Vec<u8>,
    pub(crate) from_upstream: Vec<u8>,
    /// The bytes of plaintext in one TLS record of the peers.
    pub(crate) record_bytes: usize,
}

/// A relay and its peers.
pub(crate) struct Rig {
    runtime: Runtime,
    session: Session,
    client: Peer,
    upstream: Peer,
    round: Round,
    /// Relayed, but the peers have not taken it.
    relayed: bool,
}

impl Rig {
    pub(crate) fn new(client_leg: Leg, upstream_leg: Leg, round: Round) -> Self {
        // As the proxy's workers are.
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (client_config, server_config) = configs();
        let (our_client_side, client) = runtime.block_on(pair());
        let (our_upstream_side, upstream) = runtime.block_on(pair());
        let client_tls = (client_leg == Leg::Tls).then(|| {
            let name = ServerName::try_from("localhost").unwrap();
            Connection::from(ClientConnection::new(Arc::clone(&client_config), name).unwrap())
        });
        let upstream_tls = (upstream_leg == Leg::Tls).then(|| {
            ServerConnection::new(Arc::clone(&server_config))
                .unwrap()
                .into()
        });
        // Only a handshake is a conversation.
        let client = thread::spawn(|| Peer::new(client, client_tls));
        let upstream = thread::spawn(|| Peer::new(upstream, upstream_tls));
        let opening = Session::open(
            (our_client_side, (client_leg == Leg::Tls).then_some(server_config)),
            (our_upstream_side, (upstream_leg == Leg::Tls).then_some(client_config)),
        );
        let session = runtime.block_on(opening).unwrap();
        let (client, upstream) = (client.join().unwrap(), upstream.join().unwrap());
        Self { runtime, session, client, upstream, round, relayed: false }
    }

    /// The peers take what has come, and send the next round.
    pub(crate) fn feed(&mut self) {
        let Round { from_client, from_upstream, record_bytes } = &self.round;
        if std::mem::take(&mut self.relayed) {
            self.client.receive(from_upstream.len());
            self.upstream.receive(from_client.len());
        }
        self.client.send(from_client, *record_bytes);
        self.upstream.send(from_upstream, *record_bytes);
    }

    /// Relays a round: this is what is measured.
    pub(crate) fn relay(&mut self, boundaries: Boundaries) {
        let (up, down) = (self.round.from_client.len() as u64, self.round.from_upstream.len() as u64);
        self.runtime
            .block_on(self.session.relay(up, down, boundaries))
            .unwrap();
        self.relayed = true;
    }
}

/// A client or a warehouse.
struct Peer {
    socket: TcpStream,
    tls: Option<Connection>,
}

impl Peer {
    fn new(mut socket: TcpStream, mut tls: Option<Connection>) -> Self {
        if let Some(tls) = &mut tls {
            tls.complete_io(&mut socket).unwrap();
            tls.set_buffer_limit(None);
        }
        Self { socket, tls }
    }

    /// Waits in vain, and panics, if the sockets' buffers do not hold it.
    fn send(&mut self, bytes: &[u8], record_bytes: usize) {
        let Some(tls) = &mut self.tls else { return self.socket.write_all(bytes).unwrap() };
        for record in bytes.chunks(record_bytes) {
            tls.writer().write_all(record).unwrap();
        }
        while tls.wants_write() {
            tls.write_tls(&mut self.socket).unwrap();
        }
    }

    fn receive(&mut self, mut count: usize) {
        let mut dropped = [0; 64 * 1024];
        while count > 0 {
            let into = &mut dropped[..count.min(64 * 1024)];
            let received = match &mut self.tls {
                None => self.socket.read(into),
                Some(tls) => tls.reader().read(into),
            };
            match (received, &mut self.tls) {
                (Err(error), Some(tls)) if error.kind() == ErrorKind::WouldBlock => {
                    tls.read_tls(&mut self.socket).unwrap();
                    tls.process_new_packets().unwrap();
                }
                (received, _) => {
                    let received = received.unwrap();
                    assert_ne!(received, 0, "the relay has hung up");
                    count -= received;
                }
            }
        }
    }
}

/// The relay's end of a connection, and the peer's.
async fn pair() -> (tokio::net::TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().await.unwrap();
    // As the proxy does with both legs.
    ours.set_nodelay(true).unwrap();
    peer.set_nodelay(true).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer.set_write_timeout(Some(PATIENCE)).unwrap();
    (ours, peer)
}

pub(crate) fn configs() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let server = server
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key);
    (
        Arc::new(
            client
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth(),
        ),
        Arc::new(server.unwrap()),
    )
}

/// All that a peer waits for is there already, but for its handshake.
const PATIENCE: Duration = Duration::from_secs(10);
