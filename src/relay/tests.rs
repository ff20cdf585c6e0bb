//! Whatever goes in at one end comes out at the other: random streams, cut at random at every layer, through the relay
//! with plain and encrypted legs of both TLS versions, with KeyUpdates by both peers.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use proptest::prelude::*;
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::stream::Io;

mod merging;

/// What one peer does.
#[derive(Clone, Debug)]
struct Plan {
    bytes: Vec<u8>,
    /// Its writes, over and over.
    writes: Vec<Step>,
    /// Its reads.
    reads: Vec<Step>,
    /// A KeyUpdate before every so many writes; 0: never.
    key_update_every: usize,
    /// Sizes of the pieces that the network makes of its ciphertext, over and over.
    cuts: Vec<usize>,
}

/// Some bytes, behind a pause: so many times everybody else has a turn.
#[derive(Clone, Copy, Debug)]
struct Step {
    pause: usize,
    size: usize,
}

impl Step {
    async fn begin(self) -> usize {
        for _ in 0..self.pause {
            tokio::task::yield_now().await;
        }
        self.size
    }
}

#[derive(Clone, Debug)]
struct Case {
    client: Plan,
    upstream: Plan,
    client_leg_is_tls: bool,
    is_tls_1_2: bool,
}

fn plan() -> impl Strategy<Value = Plan> {
    let message = (any::<u8>(), prop_oneof![0usize..60, 0usize..20_000]);
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..500),
        prop::collection::vec(message, 0..60).prop_map(|messages| messages.into_iter().flat_map(encoded).collect()),
        // More than one scratch buffer, and than a socket takes at once.
        (any::<u8>(), 1usize..300_000)
            .prop_map(|(seed, length)| { (0..251).cycle().take(length).map(|at| seed.wrapping_add(at)).collect() }),
    ];
    let sizes = || prop_oneof![1usize..40, 1usize..40_000];
    let pauses = prop_oneof![3 => Just(0), 1 => 0usize..30];
    let steps = move || {
        let step = (pauses.clone(), sizes()).prop_map(|(pause, size)| Step { pause, size });
        prop::collection::vec(step, 1..8)
    };
    (bytes, steps(), steps(), 0usize..4, prop::collection::vec(sizes(), 1..8)).prop_map(
        |(bytes, writes, reads, key_update_every, cuts)| Plan { bytes, writes, reads, key_update_every, cuts },
    )
}

/// A message of this type, with a body of so many bytes.
fn encoded((tag, length): (u8, usize)) -> Vec<u8> {
    let mut message = vec![tag];
    message.extend(u32::try_from(4 + length).unwrap().to_be_bytes());
    message.extend((0..251).cycle().take(length));
    message
}

fn case() -> impl Strategy<Value = Case> {
    (plan(), plan(), any::<bool>(), any::<bool>()).prop_map(|(client, upstream, client_leg_is_tls, is_tls_1_2)| Case {
        client,
        upstream,
        client_leg_is_tls,
        is_tls_1_2,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn bytes_arrive_as_they_were_sent(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (at_upstream, at_client) = runtime.block_on(exchange(&case));
        prop_assert!(at_upstream == case.client.bytes, "up: {} of {}", at_upstream.len(), case.client.bytes.len());
        prop_assert!(at_client == case.upstream.bytes, "down: {} of {}", at_client.len(), case.upstream.bytes.len());
    }
}

/// Runs a case: what the upstream peer got, and what the client got.
async fn exchange(case: &Case) -> (Vec<u8>, Vec<u8>) {
    let version: &[&SupportedProtocolVersion] =
        if case.is_tls_1_2 { &[&rustls::version::TLS12] } else { &[&rustls::version::TLS13] };
    let (client_config, server_config) = configs(version);
    let name = || ServerName::try_from("localhost").unwrap();

    let (client_socket, our_client_side) = cut_pair(&case.client.cuts).await;
    let (upstream_socket, our_upstream_side) = cut_pair(&case.upstream.cuts).await;
    let stop = Stop::default();
    let relay = async {
        let client: Leg = if case.client_leg_is_tls {
            stream::tls::accept(our_client_side, &server_config).await.unwrap()
        } else {
            Box::new(Io(our_client_side))
        };
        let upstream: Leg = stream::tls::connect(our_upstream_side, &client_config, name()).await.unwrap();
        let legs = Legs { client: (client, BytesMut::new()), upstream: (upstream, BytesMut::new()) };
        run(legs, &stop, Limits::default(), |_| panic!("nobody is owed a word")).await
    };
    let client = async {
        if case.client_leg_is_tls {
            let connector = TlsConnector::from(client_config.clone());
            let tls = connector.connect(name(), client_socket).await.unwrap();
            let (reader, writer) = Half::pair(tls);
            tokio::join!(write(writer, &case.client, update_client_keys), read(reader, &case.client)).1
        } else {
            let (reader, writer) = client_socket.into_split();
            tokio::join!(write(writer, &case.client, |_| ()), read(reader, &case.client)).1
        }
    };
    let upstream = async {
        let tls = TlsAcceptor::from(server_config.clone()).accept(upstream_socket).await.unwrap();
        let (reader, writer) = Half::pair(tls);
        // It ends when the client has: the end of the warehouse is the end of the session.
        let (mut writer, got) =
            tokio::join!(write_all(writer, &case.upstream, update_server_keys), read(reader, &case.upstream));
        writer.shutdown().await.unwrap();
        got
    };
    let (relayed, at_client, at_upstream) = tokio::join!(relay, client, upstream);
    assert_eq!(relayed.end, End::Client, "{:?}", relayed.error);
    assert_eq!((relayed.bytes_up, relayed.bytes_down), (at_upstream.len() as u64, at_client.len() as u64));
    (at_upstream, at_client)
}

/// Half of a TLS stream whose session is still within reach.
struct Half<T>(Arc<Mutex<T>>);

impl<T> Half<T> {
    fn pair(tls: T) -> (Self, Self) {
        let tls = Arc::new(Mutex::new(tls));
        (Self(tls.clone()), Self(tls))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Half<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_read(cx, into)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Half<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_shutdown(cx)
    }
}

/// TLS 1.2 has no KeyUpdate.
fn update_client_keys(half: &mut Half<tokio_rustls::client::TlsStream<TcpStream>>) {
    let mut tls = half.0.lock().unwrap();
    let session = tls.get_mut().1;
    if session.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
        session.refresh_traffic_keys().unwrap();
    }
}

fn update_server_keys(half: &mut Half<tokio_rustls::server::TlsStream<TcpStream>>) {
    let mut tls = half.0.lock().unwrap();
    let session = tls.get_mut().1;
    if session.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
        session.refresh_traffic_keys().unwrap();
    }
}

async fn write<W: AsyncWrite + Unpin>(writer: W, plan: &Plan, update_keys: impl Fn(&mut W)) {
    write_all(writer, plan, update_keys).await.shutdown().await.unwrap();
}

async fn write_all<W: AsyncWrite + Unpin>(mut writer: W, plan: &Plan, update_keys: impl Fn(&mut W)) -> W {
    let mut rest = &plan.bytes[..];
    for (number, step) in plan.writes.iter().cycle().enumerate() {
        if rest.is_empty() {
            break;
        }
        if plan.key_update_every > 0 && number % plan.key_update_every == 0 {
            update_keys(&mut writer);
        }
        let (now, later) = rest.split_at(step.begin().await.min(rest.len()));
        writer.write_all(now).await.unwrap();
        writer.flush().await.unwrap();
        rest = later;
    }
    writer
}

async fn read(mut reader: impl AsyncRead + Unpin, plan: &Plan) -> Vec<u8> {
    let (mut all, mut piece) = (Vec::new(), vec![0; 40_000]);
    for step in plan.reads.iter().cycle() {
        let size = step.begin().await;
        match reader.read(&mut piece[..size]).await.unwrap() {
            0 => break,
            read => all.extend_from_slice(&piece[..read]),
        }
    }
    all
}

/// Two sockets with a network between them that cuts what comes from the first into pieces, and passes on the end.
async fn cut_pair(cuts: &[usize]) -> (TcpStream, TcpStream) {
    let (peer, far) = pair().await;
    let (near, ours) = pair().await;
    let ((far_reader, far_writer), (near_reader, near_writer)) = (far.into_split(), near.into_split());
    tokio::spawn(cut(far_reader, near_writer, cuts.to_vec()));
    tokio::spawn(cut(near_reader, far_writer, cuts.iter().rev().copied().collect()));
    (peer, ours)
}

async fn cut(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, cuts: Vec<usize>) -> io::Result<()> {
    let mut piece = vec![0; 40_000];
    for size in cuts.iter().cycle() {
        let read = from.read(&mut piece[..*size]).await?;
        if read == 0 {
            break;
        }
        to.write_all(&piece[..read]).await?;
        tokio::task::yield_now().await;
    }
    to.shutdown().await
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (one, two) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (one.unwrap(), two.unwrap().0)
}

fn configs(versions: &[&'static SupportedProtocolVersion]) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let server = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    (Arc::new(client.with_root_certificates(roots).with_no_client_auth()), Arc::new(server))
}
