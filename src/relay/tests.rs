//! Whatever goes in at one end comes out at the other: random streams, cut at random at every
//! layer, through the relay with plain and encrypted legs of both TLS versions, with KeyUpdates by
//! both peers.

use std::future::Ready;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::stream::Io;
use crate::stream::scratch::Scratch;

mod ends;
mod merging;
mod unread;
mod vanished;

/// The script of one peer.
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
    /// As soon as it has sent all; else when the client has.
    upstream_ends_first: bool,
}

fn plan() -> impl Strategy<Value = Plan> {
    let message = (any::<u8>(), prop_oneof![0usize..60, 0usize..20_000]);
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..500),
        prop::collection::vec(message, 0..60).prop_map(|messages| messages.into_iter().flat_map(encoded).collect()),
        // More than one scratch buffer, and than a socket takes at once.
        (any::<u8>(), 1usize..300_000).prop_map(|(seed, length)| {
            (0..251)
                .cycle()
                .take(length)
                .map(|at| seed.wrapping_add(at))
                .collect()
        }),
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
    // Never ReadyForQuery: an answer is owed to the end, so that nobody takes the session for over.
    let mut message = vec![if tag == b'Z' { b'D' } else { tag }];
    message.extend(u32::try_from(4 + length).unwrap().to_be_bytes());
    message.extend((0..251).cycle().take(length));
    message
}

fn case() -> impl Strategy<Value = Case> {
    (plan(), plan(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(mut client, upstream, client_leg_is_tls, is_tls_1_2, upstream_ends_first)| {
            client.bytes.splice(..0, encoded((b'Q', 7)));
            Case { client, upstream, client_leg_is_tls, is_tls_1_2, upstream_ends_first }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(5), ..ProptestConfig::default() })]
    #[test]
    fn bytes_arrive_as_they_were_sent(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (relayed, at_upstream, mut at_client) = runtime.block_on(exchange(&case));
        let (up, down) = (&case.client.bytes, &case.upstream.bytes);
        if case.upstream_ends_first {
            // What it did not wait for is lost, but nothing else is; and the client may hear why.
            prop_assert!(up.starts_with(&at_upstream), "up: {} of {}", at_upstream.len(), up.len());
            if let Some(length) = at_client.len().checked_sub(LAST_WORD.len()) && at_client.ends_with(LAST_WORD) {
                at_client.truncate(length);
            }
        } else {
            prop_assert_eq!(relayed.end, End::Client);
            prop_assert!(at_upstream == *up, "up: {} of {}", at_upstream.len(), up.len());
            prop_assert_eq!(relayed.bytes_up, up.len() as u64);
        }
        prop_assert!(at_client == *down, "down: {} of {}", at_client.len(), down.len());
        prop_assert_eq!(relayed.bytes_down, down.len() as u64);
        prop_assert!(relayed.error.is_none(), "{:?}", relayed.error);
    }
}

const LAST_WORD: &[u8] = b"the last word";

/// Runs a case: what the upstream peer got, and what the client got.
async fn exchange(case: &Case) -> (Relayed, Vec<u8>, Vec<u8>) {
    let version: &[&SupportedProtocolVersion] =
        if case.is_tls_1_2 { &[&rustls::version::TLS12] } else { &[&rustls::version::TLS13] };
    let (client_config, server_config) = configs(version);
    let name = || ServerName::try_from("localhost").unwrap();

    let (client_socket, our_client_side) = cut_pair(&case.client.cuts).await;
    let (upstream_socket, our_upstream_side) = cut_pair(&case.upstream.cuts).await;
    let stop = Stop::default();
    let relay = async {
        let client: Leg = if case.client_leg_is_tls {
            stream::tls::accept(our_client_side, &server_config)
                .await
                .unwrap()
                .stream
        } else {
            Box::new(Io(our_client_side))
        };
        let upstream: Leg = stream::tls::connect(our_upstream_side, &client_config, name())
            .await
            .unwrap();
        let legs = Legs { client: (client, BytesMut::new()), upstream: (upstream, BytesMut::new()) };
        run(legs, (&stop, &meter()), &SessionLimits::default(), |_| LAST_WORD.into(), nothing_runs).await
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
        let tls = TlsAcceptor::from(server_config.clone())
            .accept(upstream_socket)
            .await
            .unwrap();
        let (reader, writer) = Half::pair(tls);
        let written = write_all(writer, &case.upstream, update_server_keys);
        if case.upstream_ends_first {
            let end = async { written.await.shutdown().await.unwrap() };
            return tokio::join!(end, read(reader, &case.upstream)).1;
        }
        let (mut writer, got) = tokio::join!(written, read(reader, &case.upstream));
        writer.shutdown().await.unwrap();
        got
    };
    let (relayed, at_client, at_upstream) = tokio::join!(relay, client, upstream);
    (relayed, at_upstream, at_client)
}

/// Two TLS legs, and their peers, past the handshakes.
async fn session() -> (Legs, tokio_rustls::client::TlsStream<TcpStream>, tokio_rustls::server::TlsStream<TcpStream>) {
    let (client_config, mut server_config) = configs(&[&rustls::version::TLS13]);
    // As the proxy's listener. They look like application data.
    Arc::make_mut(&mut server_config).send_tls13_tickets = 0;
    let name = || ServerName::try_from("localhost").unwrap();
    let ((our_client_side, client), (our_upstream_side, upstream)) = (pair().await, pair().await);
    let (client_leg, client, upstream_leg, upstream) = tokio::join!(
        stream::tls::accept(our_client_side, &server_config),
        TlsConnector::from(client_config.clone()).connect(name(), client),
        stream::tls::connect(our_upstream_side, &client_config, name()),
        TlsAcceptor::from(server_config.clone()).accept(upstream),
    );
    let (client_leg, upstream_leg) = (client_leg.unwrap().stream, upstream_leg.unwrap());
    let legs = Legs { client: (client_leg, BytesMut::new()), upstream: (upstream_leg, BytesMut::new()) };
    (legs, client.unwrap(), upstream.unwrap())
}

/// A meter that nobody reads.
fn meter() -> Meter {
    Meter::new(tokio::time::Instant::now())
}

/// The end of a session that leaves no query behind.
fn nothing_runs(is_abandoned: bool) -> Option<Ready<()>> {
    assert!(!is_abandoned, "nothing runs");
    None
}

/// Issue 11, A9: passwords stayed in a buffer that the sessions of a thread share.
#[tokio::test]
async fn scratch_buffers_are_wiped_after_reads_during_a_login() {
    let (legs, mut client, _upstream) = session().await;
    let (mut leg, _) = legs.client;
    for (text, stays) in [(&b"a password"[..], false), (b"a query", true)] {
        client.write_all(text).await.unwrap();
        client.flush().await.unwrap();
        let mut into = [0; 100];
        let read = poll_fn(|cx| leg.poll_read(cx, &mut into)).await.unwrap();
        assert_eq!(&into[..read], text);
        let mut all: Vec<_> = (0..4).map(|_| Scratch::take()).collect();
        let is_there = all
            .iter_mut()
            .any(|one| one.records().windows(text.len()).any(|bytes| bytes == text));
        assert_eq!(is_there, stays, "{}", text.escape_ascii());
        leg.end_login();
    }
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

fn update_client_keys(half: &mut Half<tokio_rustls::client::TlsStream<TcpStream>>) {
    update_keys(half.0.lock().unwrap().get_mut().1);
}

fn update_server_keys(half: &mut Half<tokio_rustls::server::TlsStream<TcpStream>>) {
    update_keys(half.0.lock().unwrap().get_mut().1);
}

/// TLS 1.2 has no KeyUpdate.
fn update_keys<D>(session: &mut rustls::ConnectionCommon<D>) {
    if session.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
        session.refresh_traffic_keys().unwrap();
    }
}

async fn write<W: AsyncWrite + Unpin>(writer: W, plan: &Plan, keys: impl Fn(&mut W)) {
    // The other side may have had enough.
    let _ = write_all(writer, plan, keys).await.shutdown().await;
}

async fn write_all<W: AsyncWrite + Unpin>(mut writer: W, plan: &Plan, keys: impl Fn(&mut W)) -> W {
    let mut rest = &plan.bytes[..];
    for (number, step) in plan.writes.iter().cycle().enumerate() {
        if rest.is_empty() {
            break;
        }
        if plan.key_update_every > 0 && number % plan.key_update_every == 0 {
            keys(&mut writer);
        }
        let (now, later) = rest.split_at(step.begin().await.min(rest.len()));
        if writer.write_all(now).await.is_err() || writer.flush().await.is_err() {
            break;
        }
        rest = later;
    }
    writer
}

async fn read(mut reader: impl AsyncRead + Unpin, plan: &Plan) -> Vec<u8> {
    let (mut all, mut piece) = (Vec::new(), vec![0; 40_000]);
    for step in plan.reads.iter().cycle() {
        let size = step.begin().await;
        // An end that is none shows: bytes are missing.
        match reader.read(&mut piece[..size]).await {
            Ok(0) | Err(_) => break,
            Ok(read) => all.extend_from_slice(&piece[..read]),
        }
    }
    all
}

/// Two sockets with a network between them that cuts what comes from the first into pieces, and
/// passes on the end.
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
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap();
    let server = server
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (Arc::new(client.with_root_certificates(roots).with_no_client_auth()), Arc::new(server))
}
