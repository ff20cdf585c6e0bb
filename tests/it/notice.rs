//! A client that waits for long hears why, once, in between AuthenticationOk and the greeting.

use std::time::Duration;

use crate::support;
use crate::support::frozen::FrozenTime;
use crate::support::hostile::{MECHANISM, challenged};
use crate::support::raw::{self, Message, field, message, read_message, startup, until_closed};
use crate::support::scram::Scram;
use crate::support::session::{Session, log_in};
use crate::support::{PASSWORD, Rig, Setup, USER};
use redshift_iam_proxy::app::Counts;
use tokio::net::TcpListener;

/// What was said behind AuthenticationOk.
fn behind_ok(messages: &[Message]) -> &[Message] {
    let ok = messages
        .iter()
        .position(|message| *message == (b'R', vec![0; 4]))
        .expect("AuthenticationOk");
    &messages[ok + 1..]
}

#[track_caller]
fn assert_notice((tag, body): &Message, text: &str) {
    let fields = [b'S', b'V', b'C', b'M'].map(|code| field(body, code));
    assert_eq!((*tag, fields.each_ref().map(String::as_str)), (b'N', ["NOTICE", "NOTICE", "00000", text]));
    assert!(body.ends_with(b"\0\0"));
}

#[tokio::test]
async fn a_login_that_wakes_the_warehouse_says_so_after_5_s_and_once() {
    let rig = Rig::start().await;
    // The credential is there: what follows needs no timer.
    drop(rig.connect("sales").await.unwrap());
    rig.wait_until_idle().await;
    let warehouse = &rig.sandbox().warehouse;
    warehouse.sleep_until_woken();
    let mut stream = rig.tls().await;
    let time = FrozenTime::start().await;
    let startup = startup(0, &[("user", USER), ("database", "sales")]);
    let (messages, ()) = tokio::join!(log_in(&mut stream, &startup, PASSWORD), async {
        time.wait_until(|| warehouse.startups().len() == 2).await;
        time.advance(Duration::from_millis(5010)).await;
        for _ in 0..10 {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            time.advance(Duration::from_secs(2)).await;
        }
        warehouse.wake();
    });
    let behind_ok = behind_ok(&messages);
    assert_notice(&behind_ok[0], "waiting for the warehouse of \"sales\": an idle one takes a while to wake");
    let tags: Vec<_> = behind_ok.iter().map(|(tag, _)| *tag).collect();
    assert!(tags[1..].starts_with(b"SS") && tags.ends_with(b"SKZ"), "{}", tags.escape_ascii());
    assert_eq!(tags.iter().filter(|tag| **tag == b'N').count(), 1);
    drop(time);
    assert_eq!(support::session::query(&mut stream, "select 1").await, "1");
}

#[tokio::test]
async fn psql_shows_it_and_goes_on() {
    let rig = Rig::start().await;
    drop(rig.connect("sales").await.unwrap());
    rig.wait_until_idle().await;
    let warehouse = &rig.sandbox().warehouse;
    warehouse.sleep_until_woken();
    let time = FrozenTime::start().await;
    let (output, ()) = tokio::join!(rig.psql("sales", "select 42"), async {
        time.wait_until(|| warehouse.startups().len() == 2).await;
        time.advance(Duration::from_millis(5010)).await;
        // The notice is on its way when others have had their turn.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        warehouse.wake();
    });
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "42\n", "{said}");
    assert!(said.contains("waiting for the warehouse of \"sales\""), "{said}");
}

#[tokio::test]
async fn a_login_that_waits_for_aws_says_so_and_the_refusal_is_still_read() {
    // Connections are taken by the kernel, and nobody answers.
    let aws = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", aws.local_addr().unwrap());
    let rig = Rig::with(Setup { aws: Some(url), ..Setup::default() }).await;
    let mut stream = rig.tls().await;
    let time = FrozenTime::start().await;
    let startup = startup(0, &[("user", USER), ("database", "sales")]);
    let (messages, ()) = tokio::join!(log_in(&mut stream, &startup, PASSWORD), async {
        // Logged in, and nothing dialled: it waits.
        time.wait_until(|| rig.app.counts().handshakes == 0 && rig.app.counts().sessions == 1)
            .await;
        for _ in 0..40 {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            time.advance(Duration::from_secs(1)).await;
        }
    });
    let [notice, refusal] = behind_ok(&messages) else { panic!("{messages:?}") };
    assert_notice(notice, "waiting for a credential for \"sales\"");
    assert_eq!((refusal.0, &*field(&refusal.1, b'C')), (b'E', "57P03"));
    assert_eq!(until_closed(&mut stream).await, b"");
    drop(stream);
    time.wait_until(|| rig.app.counts() == Counts::default())
        .await;
    drop(time);
}

#[tokio::test]
async fn a_client_that_takes_long_for_its_proof_hears_no_notice() {
    let rig = Rig::start().await;
    drop(rig.connect("sales").await.unwrap());
    let scram = Scram::default();
    let (mut stream, challenge) = challenged(&rig, true, &scram).await;
    let time = FrozenTime::start().await;
    time.advance(Duration::from_secs(10)).await;
    raw::send(&mut stream, &message(b'p', scram.last(&challenge, PASSWORD).as_bytes())).await;
    let mut tags = Vec::new();
    while tags.last() != Some(&b'Z') {
        tags.push(read_message(&mut stream).await.unwrap().0);
    }
    assert!(tags.starts_with(b"RRS") && !tags.contains(&b'N'), "{MECHANISM}: {}", tags.escape_ascii());
    drop(time);
}

/// What was said behind AuthenticationOk of a session with these parameters.
async fn greeted(rig: &Rig, parameters: &[(&str, &str)]) -> Vec<Message> {
    let mut stream = rig.tls().await;
    let all = [&[("user", USER), ("database", "sales")], parameters].concat();
    let messages = log_in(&mut stream, &startup(0, &all), PASSWORD).await;
    assert_eq!(messages.last(), Some(&(b'Z', b"I".to_vec())));
    assert_eq!(support::session::query(&mut stream, "select 1").await, "1");
    behind_ok(&messages).to_vec()
}

#[tokio::test]
async fn a_timeout_that_redshift_lacks_is_left_out_with_one_warning_ahead_of_ready() {
    let rig = Rig::start().await;
    let options = "-c idle_in_transaction_session_timeout=60000 -c lock_timeout=1s";
    let messages = greeted(&rig, &[("lock_timeout", "5000"), ("transaction_timeout", "0"), ("options", options)]).await;
    let tags: Vec<_> = messages.iter().map(|(tag, _)| *tag).collect();
    assert!(tags.starts_with(b"S") && tags.ends_with(b"NKZ"), "{}", tags.escape_ascii());
    assert_eq!(tags.iter().filter(|tag| **tag == b'N').count(), 1);
    let (_, body) = &messages[messages.len() - 3];
    let fields = [b'S', b'V', b'C', b'M'].map(|code| field(body, code));
    let text = "startup parameters without effect: lock_timeout, idle_in_transaction_session_timeout";
    assert_eq!(fields.each_ref().map(String::as_str), ["WARNING", "WARNING", "01000", text]);
    let sent = rig.sandbox().warehouse.startups().pop().unwrap();
    assert!(
        sent.iter()
            .all(|(name, _)| !name.contains("timeout") && name != "options"),
        "{sent:?}"
    );
    // 0 is off, as in Redshift.
    let messages = greeted(&rig, &[("lock_timeout", "0"), ("options", "-c idle_session_timeout=0")]).await;
    assert!(messages.iter().all(|(tag, _)| *tag != b'N'), "{messages:?}");
}

#[tokio::test]
async fn psql_shows_the_warning_about_timeouts_and_goes_on() {
    let rig = Rig::start().await;
    let mut psql = rig.world.psql(rig.port());
    psql.env("PGOPTIONS", "-c idle_session_timeout=1000")
        .args(["-d", "sales", "-c", "select 42"]);
    let output = psql.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "42\n", "{said}");
    assert!(said.contains("WARNING:  startup parameters without effect: idle_session_timeout"), "{said}");
}

/// redshift_connector: a Flush right behind the answer, whatever was asked for.
#[tokio::test]
async fn a_flush_behind_the_password_is_tolerated_for_cleartext_and_scram() {
    let rig = Rig::start().await;
    let flush = message(b'H', b"");
    let scram = Scram::default();
    let (mut stream, challenge) = challenged(&rig, true, &scram).await;
    raw::send(&mut stream, &[&message(b'p', scram.last(&challenge, PASSWORD).as_bytes())[..], &flush].concat()).await;
    let mut cleartext = support::hostile::asked(&rig, true, &support::aws_driver::JDBC.startup()).await;
    let password = message(b'p', &[PASSWORD.as_bytes(), b"\0"].concat());
    raw::send(&mut cleartext, &[&password[..], &flush].concat()).await;
    for stream in [stream, cleartext] {
        let mut session = Session { stream, key: (0, Vec::new()) };
        session.until(b'Z').await;
        assert_eq!(support::session::query(&mut session.stream, "select 1").await, "1");
    }
}
