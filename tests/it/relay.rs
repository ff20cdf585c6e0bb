//! Bytes both ways: whole, in order, and no more of them in memory than two buffers.

use std::pin::pin;
use std::time::Duration;

use crate::support;
use crate::support::activity::Activity;
use crate::support::process::Proxy;
use crate::support::raw::{self, SOON, encrypt, tls_config, until_closed};
use crate::support::session::Session;
use crate::support::stand_in::{ENDLESS, StandIn, ask};
use crate::support::tap::Tap;
use crate::support::{PASSWORD, Rig, Setup, USER, World};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;

/// 8 KiB and a newline; as many rows make a GiB.
const ROW: usize = 8192;
const GIB_ROWS: usize = 1 << 17;

/// Clients that read nothing, and what the proxy may hold for each: a buffer that was read, and one
/// that was encrypted, each of 64 KiB and what TLS adds to it.
const STALLED: usize = 200;
const TWO_BUFFERS_KIB: u64 = 2 * (64 + 1);

/// What `lpad(n::text, 8192, '0')` gives, as COPY writes it.
fn row(n: usize) -> String {
    format!("{n:0>ROW$}\n")
}

async fn log_in_to(proxy: &Proxy, world: &World) -> tokio_postgres::Client {
    let stream = raw::tls(proxy.port, world.sandbox.ca.pem()).await;
    support::login_over(stream, USER, PASSWORD, "sales")
        .await
        .unwrap()
}

#[tokio::test]
async fn a_gib_of_copy_out_arrives_whole_in_a_proxy_of_64_mib_though_the_client_stalls() {
    let world = World::start(&Setup::default()).await;
    let activity = Activity::of(&world.sandbox).await;
    let proxy = Proxy::start(&world, &[]).await;
    let client = log_in_to(&proxy, &world).await;
    let sql = format!("copy (select lpad(n::text, {ROW}, '0') from generate_series(1, {GIB_ROWS}) n) to stdout");
    let mut rows = pin!(client.copy_out(&sql).await.unwrap());
    assert_eq!(rows.next().await.unwrap().unwrap(), row(1));
    // Nobody reads any more: every buffer on the way fills up, until the server itself has to wait.
    activity.wait_for("ClientWrite").await;
    for n in 2..=GIB_ROWS {
        // Built on the way: an expected GiB beside the real one would be half of the work.
        let got = rows.next().await.unwrap().unwrap();
        assert!(got == row(n), "row {n}");
    }
    assert!(rows.next().await.is_none());
    let peak = proxy.peak_rss_kib();
    assert!(peak < 64 * 1024, "{peak} KiB");
}

#[tokio::test]
async fn two_hundred_mb_of_copy_in_arrive_whole() {
    let world = World::start(&Setup::default()).await;
    let proxy = Proxy::start(&world, &[]).await;
    let client = log_in_to(&proxy, &world).await;
    client
        .batch_execute("create table t (n int, s text)")
        .await
        .unwrap();
    let mut sink = pin!(client.copy_in("copy t from stdin").await.unwrap());
    let count = 200_000_000 / ROW;
    for n in 1..=count {
        sink.send(Bytes::from(format!("{n}\t{}", row(n))))
            .await
            .unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), count as u64);
    let sql = format!("select count(*), bool_and(s = lpad(n::text, {ROW}, '0')) from t");
    let whole = client.query_one(&sql, &[]).await.unwrap();
    assert_eq!((whole.get::<_, i64>(0), whole.get::<_, bool>(1)), (i64::try_from(count).unwrap(), true));
    let peak = proxy.peak_rss_kib();
    assert!(peak < 64 * 1024, "{peak} KiB");
}

#[tokio::test]
async fn a_client_that_ends_its_side_still_gets_its_results() {
    let rig = Rig::start().await;
    let mut session = rig.session().await;
    session
        .query("select lpad(n::text, 100, '0') from generate_series(1, 20000) n")
        .await;
    session.stream.shutdown().await.unwrap();
    let rows = session
        .until(b'Z')
        .await
        .iter()
        .filter(|(tag, _)| *tag == b'D')
        .count();
    assert_eq!(rows, 20_000);
    // And then the end, properly: a close_notify, or this read would fail.
    assert_eq!(session.stream.read(&mut [0]).await.unwrap(), 0);
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn a_warehouse_that_ends_the_session_is_named_between_two_messages() {
    let rig = Rig::start().await;
    let mut session = rig.session().await;
    rig.sandbox().warehouse.close_sessions();
    session
        .assert_told(("08006", "the warehouse closed the connection"))
        .await;
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn a_client_that_terminates_gets_no_further_message() {
    let rig = Rig::start().await;
    let mut session = rig.session().await;
    session
        .stream
        .write_all(&raw::message(b'X', b""))
        .await
        .unwrap();
    assert_eq!(until_closed(&mut session.stream).await, b"");
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn a_client_that_is_reset_frees_the_warehouse() {
    let rig = Rig::start().await;
    let activity = Activity::of(rig.sandbox()).await;
    let session = rig.session().await;
    assert_eq!(activity.sessions().await, 1);
    let (socket, _) = session.stream.into_inner();
    socket.set_zero_linger().unwrap();
    drop(socket);
    rig.wait_until_idle().await;
    let gone = async { while activity.sessions().await > 0 {} };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .expect("the server's session ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_stalled_clients_hold_two_buffers_each_and_nobody_else_up() {
    let mut world = World::start(&Setup::default()).await;
    let stand_in = StandIn::replace(&mut world, 2 * STALLED).await;
    let proxy = Proxy::start(&world, &[]).await;
    let tls = tls_config(world.sandbox.ca.pem());
    // Sessions are dealt to the workers in turn: others on every one.
    let workers = std::thread::available_parallelism().unwrap().get();
    let mut others: Vec<_> = stream::iter(0..workers)
        .then(|_| narrow(proxy.port, &tls))
        .collect()
        .await;
    let opening = (0..STALLED).map(|_| narrow(proxy.port, &tls));
    let mut stalled: Vec<_> = stream::iter(opening).buffer_unordered(32).collect().await;
    let before = proxy.rss_kib();

    for session in &mut stalled {
        session.query(ENDLESS).await;
    }
    // They are stalled when others have been served for a while and nothing of the endless results
    // has moved.
    let stall = async {
        loop {
            let sent = stand_in.endless();
            for n in 0..1000 {
                for other in &mut others {
                    ask(other, n).await;
                }
            }
            if sent.0 == STALLED && stand_in.endless() == sent {
                return;
            }
        }
    };
    tokio::time::timeout(2 * SOON, stall)
        .await
        .expect("a result that nobody reads comes to a halt");
    let held = (proxy.peak_rss_kib() - before) / STALLED as u64;
    assert!(held <= TWO_BUFFERS_KIB, "{held} KiB for each");
    // Who reads again gets what was held, and more.
    for _ in 0..10_000 {
        stalled[0].until(b'D').await;
    }
}

/// A session whose client's system takes in little, and the proxy's for it: a result soon waits in
/// the proxy. It would be megabytes otherwise, of which the kernel has not enough for hundreds.
async fn narrow(port: u16, tls: &ClientConfig) -> Session<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    // Send buffers are sized in segments, which are of 64 KiB on loopback.
    socket2::SockRef::from(&socket).set_tcp_mss(1024).unwrap();
    let socket = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    Session::open(encrypt(socket, tls.clone()).await, "sales").await
}

/// Supavisor #993: libpq's asynchronous calls leave the end of a longer record in OpenSSL, and wait
/// for the socket.
#[tokio::test]
async fn no_tls_record_to_a_client_is_longer_than_what_libpq_reads_at_a_time() {
    let rig = Rig::start().await;
    let tap = Tap::to(([127, 0, 0, 1], rig.port()).into()).await;
    let mut session = Session::open(raw::tls(tap.port(), rig.sandbox().ca.pem()).await, "sales").await;
    session
        .query("select repeat('x', 20000) from generate_series(1, 500)")
        .await;
    session.until(b'Z').await;
    let heard = tap.answers();
    let (mut rest, mut longest) = (heard.strip_prefix(b"S").expect("the answer to SSLRequest"), 0);
    while let Some((header, body)) = rest.split_first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        longest = longest.max(length);
        rest = &body[length..];
    }
    // TLS 1.3 adds the kind and a tag.
    assert_eq!(longest, 8192 + 1 + 16);
}
