//! Bytes both ways: whole, in order, and no more of them in memory than two buffers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails has done its work"
)]

mod support;

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use support::activity::Activity;
use support::process::Proxy;
use support::raw::{self, field, read_message, until_closed};
use support::session::Session;
use support::{PASSWORD, Rig, Setup, USER, World, without_session};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// 8 KiB and a newline; as many rows make a GiB.
const ROW: usize = 8192;
const GIB_ROWS: usize = 1 << 17;

/// What `lpad(n::text, 8192, '0')` gives, as COPY writes it.
fn row(n: usize) -> String {
    format!("{n:0>ROW$}\n")
}

async fn log_in_to(proxy: &Proxy, world: &World) -> tokio_postgres::Client {
    let stream = raw::tls(proxy.port, world.sandbox.ca.pem()).await;
    support::login_over(stream, USER, PASSWORD, "sales").await.unwrap()
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
    client.batch_execute("create table t (n int, s text)").await.unwrap();
    let mut sink = pin!(client.copy_in("copy t from stdin").await.unwrap());
    let count = 200_000_000 / ROW;
    for n in 1..=count {
        sink.send(Bytes::from(format!("{n}\t{}", row(n)))).await.unwrap();
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
    let mut session = Session::open(raw::tls(rig.port(), rig.sandbox().ca.pem()).await, "sales").await;
    session.query("select lpad(n::text, 100, '0') from generate_series(1, 20000) n").await;
    session.stream.shutdown().await.unwrap();
    let rows = session.until(b'Z').await.iter().filter(|(tag, _)| *tag == b'D').count();
    assert_eq!(rows, 20_000);
    // And then the end, properly: a close_notify, or this read would fail.
    assert_eq!(session.stream.read(&mut [0]).await.unwrap(), 0);
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn a_warehouse_that_ends_the_session_is_named_between_two_messages() {
    let rig = Rig::start().await;
    let mut session = Session::open(raw::tls(rig.port(), rig.sandbox().ca.pem()).await, "sales").await;
    rig.sandbox().warehouse.close_sessions();
    let (tag, body) = read_message(&mut session.stream).await.unwrap();
    assert_eq!((tag, &*field(&body, b'S'), &*field(&body, b'C')), (b'E', "FATAL", "08006"));
    assert_eq!(without_session(&field(&body, b'M')), "the warehouse closed the connection");
    assert_eq!(session.stream.read(&mut [0]).await.unwrap(), 0, "close_notify");
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn a_client_that_says_goodbye_hears_nothing_more() {
    let rig = Rig::start().await;
    let mut session = Session::open(raw::tls(rig.port(), rig.sandbox().ca.pem()).await, "sales").await;
    session.stream.write_all(&raw::message(b'X', b"")).await.unwrap();
    assert_eq!(until_closed(&mut session.stream).await, b"");
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn a_client_that_is_reset_frees_the_warehouse() {
    let rig = Rig::start().await;
    let activity = Activity::of(rig.sandbox()).await;
    let session = Session::open(raw::tls(rig.port(), rig.sandbox().ca.pem()).await, "sales").await;
    assert_eq!(activity.sessions().await, 1);
    let (socket, _) = session.stream.into_inner();
    socket.set_zero_linger().unwrap();
    drop(socket);
    rig.wait_until_idle().await;
    let gone = async { while activity.sessions().await > 0 {} };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("the server's session ends");
}

#[tokio::test]
async fn a_stalled_client_is_nobody_elses_business() {
    let rig = Rig::start().await;
    let activity = Activity::of(rig.sandbox()).await;
    let mut stalled = Session::open(raw::tls(rig.port(), rig.sandbox().ca.pem()).await, "sales").await;
    stalled.query("select repeat('x', 10000) from generate_series(1, 100000)").await;
    activity.wait_for("ClientWrite").await;
    let other = rig.connect("sales").await.unwrap();
    for n in 0..100 {
        assert_eq!(other.query_one("select $1::int", &[&n]).await.unwrap().get::<_, i32>(0), n);
    }
}
