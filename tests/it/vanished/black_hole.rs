//! Peers whose packets vanish, and a client that is there but reads nothing.

use std::time::Duration;

use redshift_iam_proxy::network::{Network, Probes};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use crate::support::activity::Activity;
use crate::support::line::Line;
use crate::support::namespace::{HERE, Peer, THERE, is_inside, run_inside};
use crate::support::raw::{encrypt, tls_config};
use crate::support::session::Session;
use crate::support::{Rig, Setup, World, connection};
use crate::vanished::{Tls, reset};

/// Rows without end.
const ROWS: &str = "select generate_series(1, 100000000), repeat('x', 1000)";

/// Ports of the peer's namespace: its clients' way to us, and our way to its warehouse.
const CLIENTS: u16 = 5440;
const WAREHOUSE: u16 = 5439;

/// More than the sockets on the way and the proxy hold.
const MUCH: usize = 64 * 1024 * 1024;

/// What is set, how long it takes to notice that a peer is gone, and how long the test waits for
/// it.
struct Times {
    keepalive: u64,
    network: Network,
    noticed_after: Duration,
    /// The same where bytes are on their way to the peer: by when the test wants it, which is ahead
    /// of the other.
    unacknowledged: Duration,
    unacknowledged_by: Duration,
    deadline: Duration,
}

impl Times {
    /// The contract's own with `VANISHED=real` (`make vanished`), else shorter ones.
    fn chosen() -> Self {
        let (keepalive, network) = if std::env::var("VANISHED").is_ok_and(|value| value == "real") {
            (60, Network::default())
        } else {
            let (interval, unacknowledged) = (Duration::from_secs(1), Duration::from_secs(6));
            (20, Network { probes: Probes { interval, count: 3, unacknowledged }, ..Network::default() })
        };
        let Probes { interval, count, unacknowledged } = network.probes;
        let noticed_after = Duration::from_secs(keepalive) + interval * count;
        let unacknowledged_by = (noticed_after + unacknowledged) / 2;
        let deadline = noticed_after * 2 + Duration::from_secs(30);
        Self { keepalive, network, noticed_after, unacknowledged, unacknowledged_by, deadline }
    }
}

#[tokio::test]
async fn peers_whose_packets_vanish_are_given_up_and_a_client_that_reads_nothing_is_not() {
    if !is_inside() {
        let this = "black_hole::peers_whose_packets_vanish_are_given_up_and_a_client_that_reads_nothing_is_not";
        return run_inside(this).await;
    }
    let times = Times::chosen();
    let mut peer = Peer::start().await;
    let rig = rig(&times).await;
    peer.forward(CLIENTS, rig.port()).await;
    let line = to_warehouse(&rig).await;
    peer.forward(WAREHOUSE, line.port()).await;

    // The clients of these vanish.
    let _idle = through(&rig, "sales").await;
    let mut reading = through(&rig, "sales").await;
    reading.query(ROWS).await;
    let reading = tokio::spawn(async move { read(&mut reading, usize::MAX).await });
    let mut full = through(&rig, "sales").await;
    full.query(ROWS).await;
    // The warehouse of these does.
    let mut bereft: Tls = Session::open(rig.tls().await, "far").await;
    let mut waiting: Tls = Session::open(rig.tls().await, "far").await;
    let activity = Activity::of(rig.sandbox()).await;
    waiting.query("select pg_sleep(3600)").await;
    activity.wait_for("PgSleep").await;
    let mut streaming: Tls = Session::open(rig.tls().await, "far").await;
    streaming.query(ROWS).await;
    let streaming = tokio::spawn(async move { read(&mut streaming, usize::MAX).await });
    // This one is there, and does not read.
    let mut slow = rig.session().await;
    slow.query(ROWS).await;
    let stopped_reading = Instant::now();

    // Until those that do not read have been sent all that fits.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.app.counts().sessions, 7);
    peer.vanish().await;
    let gone_at = Instant::now();
    // Bytes are on their way to this warehouse, and to the client that was reading its result.
    bereft.query("select 1").await;
    let mut left = 7;
    while left > 1 {
        let now = rig.app.counts().sessions;
        if now < left {
            report(&format!("{now} of 7 sessions are left"), gone_at.elapsed());
            assert!(gone_at.elapsed() + times.network.probes.interval > times.unacknowledged, "too early");
            left = now;
        }
        assert!(left <= 5 || gone_at.elapsed() < times.unacknowledged_by, "{left} sessions are left");
        assert!(gone_at.elapsed() < times.deadline, "{left} sessions are left");
        sleep(Duration::from_millis(100)).await;
    }
    // The clients that are still there hear of it.
    for session in [&mut bereft, &mut waiting] {
        session
            .assert_told(("08006", "the warehouse closed the connection"))
            .await;
    }
    assert!(streaming.await.unwrap() > 0);
    reading.abort();

    // Real time has to pass: the kernel counts it.
    sleep((times.noticed_after * 2).saturating_sub(stopped_reading.elapsed())).await;
    assert_eq!(rig.app.counts().sessions, 1);
    let told = timeout(times.deadline, read(&mut slow, MUCH))
        .await
        .expect("it goes on where it stopped");
    assert_eq!(told, MUCH, "it read nothing for {:?}", stopped_reading.elapsed());
    reset(slow.stream);
    rig.wait_until(|counts| counts.sessions == 0).await;
}

#[expect(clippy::print_stdout, reason = "a measurement")]
fn report(what: &str, after: Duration) {
    println!("{:5.1} s after the packets vanished: {what}", after.as_secs_f64());
}

/// A proxy that its peer can get to, with a connection to the peer's warehouse.
async fn rig(times: &Times) -> Rig {
    let far =
        [("host", &*format!("{THERE:?}")), ("port", &WAREHOUSE.to_string()), ("tls_server_name", "\"localhost\"")];
    let setup = Setup {
        config: connection("far", &far),
        upstream: format!("keepalive = \"{}s\"", times.keepalive),
        network: times.network.clone(),
        ..Setup::default()
    };
    let mut world = World::start(&setup).await;
    world.edit("address = \"127.0.0.1:0\"", "address = \"0.0.0.0:0\"");
    Box::pin(Rig::over(world)).await
}

/// A line on which the peer finds the sandbox's warehouse.
async fn to_warehouse(rig: &Rig) -> Line {
    Line::new(TcpListener::bind((HERE, 0)).await.unwrap(), rig.sandbox().warehouse.address())
}

/// A session of a client behind the peer.
async fn through(rig: &Rig, conn_id: &str) -> Tls {
    let socket = TcpStream::connect((THERE, CLIENTS)).await.unwrap();
    Session::open(encrypt(socket, tls_config(rig.sandbox().ca.pem())).await, conn_id).await
}

/// Reads so many bytes, or to the end: how many there were.
async fn read(session: &mut Tls, most: usize) -> usize {
    let (mut buffer, mut total) = (vec![0; 65536], 0);
    while total < most {
        let room = buffer.len().min(most - total);
        match session.stream.read(&mut buffer[..room]).await {
            Ok(0) | Err(_) => break,
            Ok(count) => total += count,
        }
    }
    total
}
