//! Clients that vanish: what they left running does not run on for nobody.

mod black_hole;

use std::time::Duration;

use crate::support::activity::Activity;
use crate::support::frozen::FrozenTime;
use crate::support::process::Proxy;
use crate::support::raw::{self, SOON, message, startup, until_closed};
use crate::support::session::{Session, log_in};
use crate::support::{PASSWORD, Rig, Setup, USER, World};
use redshift_iam_proxy::app::Counts;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

type Tls = Session<TlsStream<TcpStream>>;

/// A session with a query that does not end by itself.
async fn busy(rig: &Rig, activity: &Activity) -> Tls {
    let mut session = rig.session().await;
    session.query("select pg_sleep(600)").await;
    activity.wait_for("PgSleep").await;
    session
}

fn reset(stream: TlsStream<TcpStream>) {
    let (socket, _) = stream.into_inner();
    socket.set_zero_linger().unwrap();
}

/// PostgreSQL runs nothing for the role any more. Asked without a timer.
async fn wait_until_gone(activity: &Activity) {
    while activity.sessions().await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_query_of_a_client_that_is_reset_is_cancelled_at_once() {
    let rig = Rig::start().await;
    let activity = Activity::of(rig.sandbox()).await;
    reset(busy(&rig, &activity).await.stream);
    tokio::time::timeout(SOON, wait_until_gone(&activity))
        .await
        .expect("the query ends");
    rig.wait_until_idle().await;
    let cancels = rig.sandbox().warehouse.cancels();
    assert!(cancels.len() == 1 && cancels[0].inside_tls, "{cancels:?}");
}

#[tokio::test]
async fn the_query_of_a_client_that_has_ended_is_cancelled_after_30_s_and_not_before() {
    let rig = Rig::start().await;
    let activity = Activity::of(rig.sandbox()).await;
    let mut session = busy(&rig, &activity).await;
    let time = FrozenTime::start().await;
    session.stream.shutdown().await.unwrap();
    // Meanwhile the end gets to the proxy, and the thirty seconds begin.
    for _ in 0..200 {
        assert_eq!(activity.sessions().await, 1);
    }
    time.advance(Duration::from_millis(29_990)).await;
    for _ in 0..50 {
        assert_eq!(activity.sessions().await, 1);
    }
    assert_eq!((rig.sandbox().warehouse.cancels().len(), rig.app.counts().sessions), (0, 1));
    time.advance(Duration::from_millis(20)).await;
    time.wait_until(|| rig.app.counts() == Counts::default())
        .await;
    wait_until_gone(&activity).await;
    let cancels = rig.sandbox().warehouse.cancels();
    assert!(cancels.len() == 1 && cancels[0].inside_tls, "{cancels:?}");
    drop(time);
    until_closed(&mut session.stream).await;
}

#[tokio::test]
async fn a_client_that_leaves_with_nothing_running_causes_no_cancel() {
    let rig = Rig::start().await;
    let activity = Activity::of(rig.sandbox()).await;
    for sql in ["select 1", "begin", "select broken"] {
        for is_reset in [false, true] {
            let mut session = rig.session().await;
            session.query(sql).await;
            session.until(b'Z').await;
            if is_reset {
                reset(session.stream);
            } else {
                session.stream.shutdown().await.unwrap();
                until_closed(&mut session.stream).await;
            }
            rig.wait_until_idle().await;
        }
    }
    wait_until_gone(&activity).await;
    assert_eq!(rig.sandbox().warehouse.cancels(), []);
}

#[tokio::test]
async fn a_client_that_sends_its_query_goodbye_and_end_at_once_gets_its_result() {
    let rig = Rig::start().await;
    let mut session = rig.session().await;
    let sql = message(b'Q', b"select count(*) from generate_series(1, 300000)\0");
    session
        .stream
        .write_all(&[sql, message(b'X', b"")].concat())
        .await
        .unwrap();
    session.stream.shutdown().await.unwrap();
    let messages = session.until(b'Z').await;
    assert!(
        messages
            .iter()
            .any(|(tag, row)| *tag == b'D' && row.ends_with(b"300000")),
        "{messages:?}"
    );
    rig.wait_until_idle().await;
    assert_eq!(rig.sandbox().warehouse.cancels(), []);
}

#[tokio::test]
async fn a_client_that_vanishes_while_the_warehouse_wakes_gives_the_login_up() {
    let rig = Rig::start().await;
    let warehouse = &rig.sandbox().warehouse;
    warehouse.sleep_until_woken();
    for (at, is_reset) in [false, true].into_iter().enumerate() {
        let mut stream = rig.tls().await;
        let login = async {
            let startup = startup(0, &[("user", USER), ("database", "sales")]);
            log_in(&mut stream, &startup, PASSWORD).await;
        };
        tokio::select! {
            () = login => panic!("it sleeps"),
            () = async { while warehouse.startups().len() <= at { tokio::task::yield_now().await } } => {}
        }
        if is_reset {
            reset(stream);
        } else {
            stream.shutdown().await.unwrap();
            until_closed(&mut stream).await;
        }
        rig.wait_until_idle().await;
    }
    assert_eq!((warehouse.cancels().len(), warehouse.dials()), (0, 2));
    warehouse.wake();
    rig.connect("sales").await.expect("nobody else is harmed");
}

#[tokio::test]
async fn the_log_names_the_cancel() {
    let world = World::start(&Setup::default()).await;
    let activity = Activity::of(&world.sandbox).await;
    let mut proxy = Proxy::start(&world, &[]).await;
    let mut session: Tls = Session::open(raw::tls(proxy.port, world.sandbox.ca.pem()).await, "sales").await;
    session.query("select pg_sleep(600)").await;
    activity.wait_for("PgSleep").await;
    let pid = session.key.0;
    reset(session.stream);
    let line = proxy.wait_for_log("cancel forwarded").await;
    assert!(line.contains(&format!("\"upstream_pid\":{pid}")), "{line}");
    let line = proxy.wait_for_log("session ended").await;
    assert!(line.contains("\"end\":\"error\""), "{line}");
}
