//! SIGTERM: nobody is cut off in the middle of an answer, and nobody is waited for too long.

use crate::support;
use crate::support::activity::Activity;
use crate::support::admin::Admin;
use crate::support::process::Proxy;
use crate::support::raw::{self, until_closed};
use crate::support::session::{Session, TERMINATED};
use crate::support::{PASSWORD, Setup, USER, World, refusal, without_session};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

async fn start(config: &str) -> (World, Proxy) {
    let world = World::start(&Setup { config: config.into(), ..Setup::default() }).await;
    let proxy = Proxy::start(&world, &[]).await;
    (world, proxy)
}

async fn session(world: &World, proxy: &Proxy) -> Session<TlsStream<TcpStream>> {
    Session::open(raw::tls(proxy.port, world.sandbox.ca.pem()).await, "sales").await
}

#[tokio::test]
async fn idle_sessions_get_57p01_and_the_process_ends_with_0() {
    let (world, mut proxy) = start("").await;
    let mut idle = session(&world, &proxy).await;
    proxy.signal("TERM").await;
    idle.assert_told(TERMINATED).await;
    assert_eq!(proxy.exit_code().await, Some(0));
}

/// Not a matter of shutdown, but of what is left behind: a core file would hold passwords and keys.
/// 1 and not 0, at which the kernel feeds the helper of `kernel.core_pattern` all the same
/// (fs/coredump.c); no core file is as small as 1 byte.
#[tokio::test]
async fn no_core_file_of_the_process_is_written() {
    let (_world, proxy) = start("").await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", proxy.pid())).unwrap();
    let core = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"))
        .unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>(), ["1", "1", "bytes"]);
}

#[tokio::test]
async fn a_busy_session_gets_its_answer_first() {
    let (world, mut proxy) = start("").await;
    let activity = Activity::of(&world.sandbox).await;
    let mut busy = session(&world, &proxy).await;
    busy.query("select pg_advisory_lock_shared(1), pg_sleep(3), 'done'")
        .await;
    activity.wait_for("PgSleep").await;
    proxy.signal("TERM").await;
    let messages = busy.until(b'Z').await;
    assert!(messages.iter().any(|(tag, _)| *tag == b'D'));
    busy.assert_told(TERMINATED).await;
    assert_eq!(proxy.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_result_that_is_on_its_way_is_delivered_whole() {
    let (world, mut proxy) = start("").await;
    let activity = Activity::of(&world.sandbox).await;
    let mut busy = session(&world, &proxy).await;
    busy.query("select repeat('x', 10000) from generate_series(1, 2000)")
        .await;
    activity.wait_for("ClientWrite").await;
    proxy.signal("TERM").await;
    proxy.wait_for_log("\"draining\"").await;
    let messages = busy.until(b'Z').await;
    assert_eq!(messages.iter().filter(|(tag, _)| *tag == b'D').count(), 2000);
    busy.assert_told(TERMINATED).await;
    assert_eq!(proxy.exit_code().await, Some(0));
}

#[tokio::test]
async fn an_open_transaction_is_waited_for_until_the_drain_timeout() {
    let (world, mut proxy) = start("[limits]\ndrain_timeout = \"1s\"\n").await;
    let mut open = session(&world, &proxy).await;
    open.query("begin").await;
    open.until(b'Z').await;
    proxy.signal("TERM").await;
    proxy
        .wait_for_log("\"closing sessions that are still busy\"")
        .await;
    open.assert_told(TERMINATED).await;
    assert_eq!(proxy.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_hangup_ends_nothing() {
    let (world, mut proxy) = start("").await;
    let mut idle = session(&world, &proxy).await;
    proxy.signal("HUP").await;
    let done = proxy.wait_for_log("\"action\":\"RELOAD\"").await;
    assert!(done.contains("\"user\":\"SIGHUP\""), "{done}");
    // Nothing has changed.
    assert!(!proxy.log().contains("config changed"), "{}", proxy.log());
    idle.query("select 1").await;
    assert!(idle.until(b'Z').await.iter().any(|(tag, _)| *tag == b'D'));
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let (world, mut proxy) = start("").await;
    let mut open = session(&world, &proxy).await;
    open.query("begin").await;
    open.until(b'Z').await;
    proxy.signal("TERM").await;
    proxy.wait_for_log("\"draining\"").await;
    proxy.signal("TERM").await;
    open.assert_told(TERMINATED).await;
    assert_eq!(proxy.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_second_signal_cuts_a_stalled_client_off() {
    let (world, mut proxy) = start("").await;
    let activity = Activity::of(&world.sandbox).await;
    let mut stalled = session(&world, &proxy).await;
    stalled
        .query("select repeat('x', 10000) from generate_series(1, 100000)")
        .await;
    activity.wait_for("ClientWrite").await;
    proxy.signal("TERM").await;
    proxy.wait_for_log("\"draining\"").await;
    proxy.signal("TERM").await;
    assert_eq!(proxy.exit_code().await, Some(0), "though the client takes nothing");
    drop(stalled);
}

#[tokio::test]
async fn a_client_that_is_still_logging_in_is_refused() {
    let (world, mut proxy) = start("").await;
    world.sandbox.warehouse.sleep_until_woken();
    let stream = raw::tls(proxy.port, world.sandbox.ca.pem()).await;
    let waiting = tokio::spawn(support::login_over(stream, USER, PASSWORD, "sales"));
    world.sandbox.warehouse.wait_for_dials(1).await;
    proxy.signal("TERM").await;
    let (sqlstate, message) = refusal(&waiting.await.unwrap().unwrap_err());
    assert_eq!((&*sqlstate, without_session(&message)), ("57P03", "the proxy is shutting down"));
    assert_eq!(proxy.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_connection_that_says_nothing_does_not_hold_up_the_end() {
    let (_world, mut proxy) = start("").await;
    let mut silent = raw::tcp(proxy.port).await;
    proxy.signal("TERM").await;
    assert_eq!(proxy.exit_code().await, Some(0));
    assert_eq!(until_closed(&mut silent).await, b"");
    assert!(TcpStream::connect(("127.0.0.1", proxy.port)).await.is_err());
}

#[tokio::test]
async fn the_drain_delay_still_lets_clients_in() {
    let (world, mut proxy) = start("[limits]\ndrain_delay = \"7s\"\n").await;
    proxy.signal("TERM").await;
    proxy.wait_for_log("\"draining\"").await;
    session(&world, &proxy).await;
    let line = proxy.wait_for_log("\"still draining\"").await;
    let (_, left) = line.split_once("\"left_ms\":").unwrap();
    let left = left.split(|c: char| !c.is_ascii_digit()).next().unwrap();
    let left: u64 = left.parse().unwrap();
    assert!((20_000..27_500).contains(&left), "of the delay 2 s at most, and all of drain_timeout: {line}");
    assert_eq!(proxy.exit_code().await, Some(0));
}

const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"\ntoken = \"token\"\n";
const TOKEN: &str = "0123456789abcdef-of-a-test";

async fn start_with_admin() -> (World, Proxy, Admin) {
    let world = World::start(&Setup { config: ADMIN.into(), ..Setup::default() }).await;
    std::fs::write(world.dir.path().join("token"), TOKEN).unwrap();
    let mut proxy = Proxy::start(&world, &[]).await;
    let admin = Admin::of(&mut proxy, "admin", Some(TOKEN)).await;
    (world, proxy, admin)
}

#[tokio::test]
async fn the_log_and_readiness_tell_how_far_a_drain_has_come() {
    let (world, mut proxy, admin) = start_with_admin().await;
    let mut open = session(&world, &proxy).await;
    open.query("begin").await;
    open.until(b'Z').await;
    assert_eq!(admin.get("/readyz").await.status, 200);
    proxy.signal("TERM").await;
    let line = proxy.wait_for_log("\"still draining\"").await;
    assert!(line.contains("\"sessions\":1,\"busy\":1,\"left_ms\":"), "{line}");
    let ready = admin.get("/readyz").await;
    assert!(ready.status == 503 && ready.body.contains("draining"), "{ready:?}");
    open.query("commit").await;
    open.until(b'Z').await;
    open.assert_told(TERMINATED).await;
    assert_eq!(proxy.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_drained_process_stays_and_refuses_clients_until_a_signal_ends_it() {
    let (world, mut proxy, admin) = start_with_admin().await;
    let mut idle = session(&world, &proxy).await;
    assert_eq!(admin.post("/drain").await.status, 200);
    idle.assert_told(TERMINATED).await;
    let ready = admin.get("/readyz").await;
    assert!(ready.status == 503 && ready.body.contains("drained"), "{ready:?}");
    let stream = raw::tls(proxy.port, world.sandbox.ca.pem()).await;
    let refused = support::login_over(stream, USER, PASSWORD, "sales").await;
    let (sqlstate, message) = refusal(&refused.unwrap_err());
    assert_eq!((&*sqlstate, without_session(&message)), ("57P03", "the proxy is shutting down"));
    assert_eq!(admin.post("/drain").await.status, 200, "there is nothing to wait for");
    proxy.signal("TERM").await;
    assert_eq!(proxy.exit_code().await, Some(0));
}
