//! `idle_timeout` and `session_lifetime`: sessions that are idle are ended, and told so; no others.

use std::time::Duration;

use crate::support::activity::Activity;
use crate::support::frozen::FrozenTime;
use crate::support::process::Proxy;
use crate::support::raw;
use crate::support::session::{Session, TERMINATED};
use crate::support::{Rig, Setup, World};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const MINUTE: Duration = Duration::from_secs(60);
const IDLE: (&str, &str) = ("57P05", "terminating connection due to idle timeout");

type Tls = Session<TlsStream<TcpStream>>;

async fn rig(limits: &str) -> Rig {
    Rig::with(Setup { config: format!("[limits]\n{limits}\n"), ..Setup::default() }).await
}

async fn run(session: &mut Tls, sql: &str) {
    session.query(sql).await;
    session.until(b'Z').await;
}

fn holds(rig: &Rig, sessions: usize) -> impl Fn() -> bool {
    move || rig.app.counts().sessions == sessions
}

#[tokio::test]
async fn a_silent_session_is_ended_ten_minutes_after_its_last_byte() {
    let rig = rig("idle_timeout = \"10m\"").await;
    let mut session = rig.session().await;
    let time = FrozenTime::start().await;
    time.advance(9 * MINUTE).await;
    run(&mut session, "select 1").await;
    time.advance(9 * MINUTE).await;
    assert!(holds(&rig, 1)());
    time.advance(MINUTE).await;
    session.assert_told(IDLE).await;
    drop(session);
    time.wait_until(holds(&rig, 0)).await;
}

#[tokio::test]
async fn transactions_and_queries_are_not_silence() {
    let rig = rig("idle_timeout = \"10m\"").await;
    let activity = Activity::of(rig.sandbox()).await;
    let (mut holder, mut waiter) = (rig.session().await, rig.session().await);
    let time = FrozenTime::start().await;
    run(&mut holder, "begin; select pg_advisory_xact_lock(7)").await;
    waiter.query("select pg_advisory_xact_lock(7)").await;
    activity.wait_for("advisory").await;
    for _ in 0..10 {
        time.advance(9 * MINUTE).await;
    }
    assert!(holds(&rig, 2)());
    run(&mut holder, "commit").await;
    waiter.until(b'Z').await;
    time.advance(9 * MINUTE).await;
    assert!(holds(&rig, 2)());
    time.advance(MINUTE).await;
    holder.assert_told(IDLE).await;
    waiter.assert_told(IDLE).await;
}

#[tokio::test]
async fn pipelined_queries_are_all_answered_before_an_aged_session_ends() {
    let rig = rig("session_lifetime = \"1h\"").await;
    let activity = Activity::of(rig.sandbox()).await;
    let (mut holder, mut aged) = (rig.session().await, rig.session().await);
    let time = FrozenTime::start().await;
    run(&mut holder, "begin; select pg_advisory_xact_lock(7)").await;
    // The first of the two is slow: between its answer and the next the session is not idle.
    let first = raw::message(b'Q', b"select pg_advisory_xact_lock(7)\0");
    let second = raw::message(b'Q', b"select count(*) from generate_series(1, 1000000)\0");
    raw::send(&mut aged.stream, &[first, second].concat()).await;
    activity.wait_for("advisory").await;
    time.advance(61 * MINUTE).await;
    assert!(holds(&rig, 2)());
    run(&mut holder, "commit").await;
    holder.assert_told(TERMINATED).await;
    aged.until(b'Z').await;
    let messages = aged.until(b'Z').await;
    assert!(
        messages
            .iter()
            .any(|(tag, row)| *tag == b'D' && row.ends_with(b"1000000"))
    );
    aged.assert_told(TERMINATED).await;
}

#[tokio::test]
async fn a_copy_that_waits_for_data_is_not_idle() {
    let rig = rig("idle_timeout = \"10m\"\nsession_lifetime = \"1h\"").await;
    let mut session = rig.session().await;
    run(&mut session, "create temporary table t (n int)").await;
    let time = FrozenTime::start().await;
    // By Execute, whose Sync the server ignores: it waits for one more.
    let copy = [
        raw::message(b'P', b"\0copy t from stdin\0\0\0"),
        raw::message(b'B', &[0; 8]),
        raw::message(b'E', &[0; 5]),
        raw::message(b'S', b""),
    ];
    raw::send(&mut session.stream, &copy.concat()).await;
    session.until(b'G').await;
    time.advance(61 * MINUTE).await;
    raw::send(&mut session.stream, &raw::message(b'd', b"1\n")).await;
    time.advance(61 * MINUTE).await;
    assert!(holds(&rig, 1)());
    raw::send(&mut session.stream, &[raw::message(b'c', b""), raw::message(b'S', b"")].concat()).await;
    let messages = session.until(b'Z').await;
    assert_eq!(messages[0], (b'C', b"COPY 1\0".to_vec()));
    session.assert_told(TERMINATED).await;
}

#[tokio::test]
async fn neither_is_a_limit_unless_it_is_set() {
    let rig = Rig::start().await;
    let mut session = rig.session().await;
    let time = FrozenTime::start().await;
    time.advance(365 * 24 * 60 * MINUTE).await;
    run(&mut session, "select 1").await;
    drop(time);
}

#[tokio::test]
async fn the_log_says_which_it_was() {
    for (limit, end) in [("idle_timeout", "idle"), ("session_lifetime", "lifetime")] {
        let config = format!("[limits]\n{limit} = \"1s\"\n");
        let world = World::start(&Setup { config, ..Setup::default() }).await;
        let mut proxy = Proxy::start(&world, &[]).await;
        let _session: Tls = Session::open(raw::tls(proxy.port, world.sandbox.ca.pem()).await, "sales").await;
        let line = proxy.wait_for_log("session ended").await;
        assert!(line.contains(&format!("\"end\":\"{end}\"")), "{line}");
    }
}

/// The query would go on for nobody: its session is ended, and the warehouse is told.
#[tokio::test]
async fn a_killed_session_is_told_at_once_and_its_query_is_cancelled() {
    let rig = rig("").await;
    let activity = Activity::of(rig.sandbox()).await;
    let (mut busy, mut other) = (rig.session().await, rig.session().await);
    busy.query("select pg_sleep(600)").await;
    activity.wait_for("PgSleep").await;
    let sessions = rig.app.sessions();
    let (id, facts) = &sessions[0];
    assert_eq!((facts.upstream_pid, &*facts.database, &*facts.host), (busy.key.0, "dev", "localhost"));
    assert!(facts.tls.is_some() && facts.warehouse.is_some() && facts.client_port > 0);
    assert!(rig.app.end_session(id.as_str()));
    busy.assert_told(TERMINATED).await;
    rig.wait_until(|counts| counts.tasks == 1).await;
    rig.sandbox().warehouse.wait_for_cancels(1).await;
    run(&mut other, "select 1").await;
}

/// The warehouse may keep a cancel waiting for half a minute: the next session has the killed one's
/// place meanwhile, and the end of the process does not wait.
#[tokio::test]
async fn a_killed_session_keeps_no_place_for_its_cancel_and_an_abort_cuts_that_off() {
    let rig = rig("max_sessions = 1").await;
    let activity = Activity::of(rig.sandbox()).await;
    let mut busy = rig.session().await;
    busy.query("select pg_sleep(600)").await;
    activity.wait_for("PgSleep").await;
    rig.sandbox().warehouse.sleep_until_woken();
    let sessions = rig.app.sessions();
    assert!(rig.app.end_session(sessions[0].0.as_str()));
    busy.assert_told(TERMINATED).await;
    rig.sandbox().warehouse.wait_for_cancels(1).await;
    let counts = rig.app.counts();
    assert_eq!((counts.sessions, counts.tasks), (0, 1));
    let aborted = tokio::time::timeout(Duration::from_secs(4), rig.app.abort()).await;
    aborted.expect("the cancel is cut off");
    assert_eq!(rig.app.counts().tasks, 0);
}
