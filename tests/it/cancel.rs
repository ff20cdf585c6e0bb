//! CancelRequest: to the right warehouse, in TLS, or nowhere.

use crate::support;
use crate::support::activity::Activity;
use crate::support::process::Proxy;
use crate::support::raw::{self, field, send_and_wait};
use crate::support::{Rig, Setup, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn ctrl_c_in_psql_cancels_in_clear_to_us_and_in_tls_to_the_warehouse() {
    let rig = Rig::start().await;
    let activity = Activity::of(rig.sandbox()).await;
    let mut psql = rig.world.psql(rig.port());
    let psql = psql.args(["-d", "sales", "-v", "VERBOSITY=verbose", "-c", "select pg_sleep(600)"]);
    let psql = psql
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    activity.wait_for("PgSleep").await;
    support::process::signal(psql.id().unwrap(), "INT").await;
    let output = psql.wait_with_output().await.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("57014"), "{stderr}");
    let cancels = rig.sandbox().warehouse.cancels();
    assert_eq!(cancels.len(), 1);
    assert!(cancels[0].inside_tls);
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn a_cancel_request_inside_tls_is_taken_too_and_ends_with_close_notify() {
    let rig = Rig::start().await;
    let activity = Activity::of(rig.sandbox()).await;
    let mut session = rig.session().await;
    session.query("select pg_sleep(600)").await;
    activity.wait_for("PgSleep").await;
    let mut cancel = rig.tls().await;
    cancel.write_all(&session.cancel_request()).await.unwrap();
    assert_eq!(cancel.read(&mut [0]).await.unwrap(), 0, "an end without close_notify would be an error");
    let messages = session.until(b'Z').await;
    let error = messages
        .iter()
        .find(|(tag, _)| *tag == b'E')
        .expect("an error");
    assert_eq!(field(&error.1, b'C'), "57014");
}

#[tokio::test]
async fn the_client_gets_the_warehouses_pid_and_a_key_of_ours() {
    let rig = Rig::start().await;
    let mut session = rig.session().await;
    session.query("select pg_backend_pid()").await;
    let messages = session.until(b'Z').await;
    let (_, row) = messages.iter().find(|(tag, _)| *tag == b'D').unwrap();
    assert_eq!(String::from_utf8_lossy(&row[6..]), session.key.0.to_string());
    assert_eq!(session.key.1.len(), 4, "AWS's drivers take no other length");
}

#[tokio::test]
async fn a_stray_request_does_nothing() {
    let rig = Rig::start().await;
    let session = rig.session().await;
    let mut wrong_key = session.cancel_request();
    *wrong_key.last_mut().unwrap() ^= 1;
    let mut wrong_pid = session.cancel_request();
    wrong_pid[11] ^= 1;
    for request in [wrong_key, wrong_pid] {
        send_and_wait(rig.port(), &request).await;
    }
    assert_eq!(rig.sandbox().warehouse.cancels(), []);
    assert_eq!(rig.app.counts().sessions, 1);
}

#[tokio::test]
async fn a_request_replayed_after_the_session_does_nothing() {
    let rig = Rig::start().await;
    let session = rig.session().await;
    let request = session.cancel_request();
    drop(session);
    rig.wait_until_idle().await;
    send_and_wait(rig.port(), &request).await;
    assert_eq!(rig.sandbox().warehouse.cancels(), []);
}

/// Issue 11, A7: Go's database/sql sends the request of a session that it is just closing. Twenty
/// of those switched cancels off for everybody behind the same address.
#[tokio::test]
async fn a_right_key_is_served_whatever_else_came_from_its_address() {
    let rig = Rig::start().await;
    for _ in 0..25 {
        let gone = rig.session().await;
        let late = gone.cancel_request();
        drop(gone);
        rig.wait_until_idle().await;
        send_and_wait(rig.port(), &late).await;
    }
    let session = rig.session().await;
    let right = session.cancel_request();
    send_and_wait(rig.port(), &right).await;
    assert_eq!(rig.sandbox().warehouse.cancels().len(), 1, "late requests keep nobody from cancelling");
    for guess in 1..=25 {
        let mut wrong = right.clone();
        *wrong.last_mut().unwrap() ^= guess;
        send_and_wait(rig.port(), &wrong).await;
    }
    assert_eq!(rig.sandbox().warehouse.cancels().len(), 1, "no guess hits");
    send_and_wait(rig.port(), &right).await;
    assert_eq!(rig.sandbox().warehouse.cancels().len(), 2, "nor do guesses");
}

/// Beyond twenty misses of one address at one pid each is `limited`, told once a second and
/// counted; what is late, or has a pid that no session has, is none.
#[tokio::test]
async fn only_wrong_keys_of_live_sessions_are_misses() {
    for (exempt, limited) in [("", 6), ("ban_exempt = [\"127.0.0.0/8\"]\n", 0)] {
        let config = format!("[limits]\n{exempt}");
        let world = World::start(&Setup { config, ..Setup::default() }).await;
        let mut proxy = Proxy::start(&world, &[]).await;
        let [session, other] = [
            support::session::Session::open(raw::tls(proxy.port, world.sandbox.ca.pem()).await, "sales").await,
            support::session::Session::open(raw::tls(proxy.port, world.sandbox.ca.pem()).await, "sales").await,
        ];
        let right = session.cancel_request();
        let mut no_pid = right.clone();
        no_pid[8] ^= 1;
        let mut wrong = right.clone();
        *wrong.last_mut().unwrap() ^= 1;
        let mut wrong_of_other = other.cancel_request();
        *wrong_of_other.last_mut().unwrap() ^= 1;
        for (request, times) in [(&no_pid, 25), (&wrong, 26), (&wrong_of_other, 20)] {
            for _ in 0..times {
                send_and_wait(proxy.port, request).await;
            }
        }
        proxy.signal("TERM").await;
        assert_eq!(proxy.exit_code().await, Some(0));
        proxy.wait_for_log("\"drained\"").await;
        let mut told = 0;
        for line in proxy
            .log()
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        {
            let is_of = [&line["message"], &line["of"]].contains(&&"cancel limited".into());
            told += if is_of { line["left_out"].as_u64().unwrap_or(0) } else { 0 };
            told += u64::from(line["message"] == "cancel limited");
        }
        assert_eq!(told, limited, "{}", proxy.log());
    }
}

#[tokio::test]
async fn a_cancel_takes_no_place_of_a_session() {
    let rig = Rig::with(Setup { config: "[limits]\nmax_sessions = 1\n".into(), ..Setup::default() }).await;
    let activity = Activity::of(rig.sandbox()).await;
    let mut session = rig.session().await;
    session.query("select pg_sleep(600)").await;
    activity.wait_for("PgSleep").await;
    send_and_wait(rig.port(), &session.cancel_request()).await;
    assert_eq!(session.until(b'Z').await[0].0, b'T');
    let cancels = rig.sandbox().warehouse.cancels();
    assert!(cancels.len() == 1 && cancels[0].inside_tls, "{cancels:?}");
}
