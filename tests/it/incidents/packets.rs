//! Lengths, names and options that no parser should trust.

use tokio::io::AsyncWriteExt;

use crate::support::aws_driver::JDBC;
use crate::support::hostile::{
    LENGTHS, MECHANISM, Verdict, assert_unharmed, connection, demo, prefer, startup_of, told,
};
use crate::support::process::Proxy;
use crate::support::raw::{Stream, message, open, read_message, say, startup, tls, until_closed};
use crate::support::scram::{Scram, initial_response};
use crate::support::session::{Session, log_in};
use crate::support::{PASSWORD, Setup, USER, World, login_over, refusal, without_session};
use redshift_sandbox::wire::packet;

/// Where a client may be when it announces a message.
#[derive(Clone, Copy, Debug)]
enum State {
    Start,
    StartInTls,
    Password,
    First,
    InsideFirst,
    Second,
    Ready,
}

const STATES: [State; 7] =
    [State::Start, State::StartInTls, State::Password, State::First, State::InsideFirst, State::Second, State::Ready];

/// Leads a client there; what goes ahead of the length.
async fn reach(state: State, port: u16, ca_pem: &str) -> (Stream, Vec<u8>) {
    if matches!(state, State::Ready) {
        return (Box::new(Session::open(tls(port, ca_pem).await, "sales").await.stream), b"Q".to_vec());
    }
    let mut stream = open(port, (!matches!(state, State::Start)).then_some(ca_pem)).await;
    let mut asked = async |startup: &[u8]| {
        say(&mut stream, startup).await;
        assert_eq!(read_message(&mut stream).await.unwrap().0, b'R');
    };
    let ahead = match state {
        State::Start | State::StartInTls | State::Ready => Vec::new(),
        State::Password => {
            asked(&JDBC.startup()).await;
            b"p".to_vec()
        }
        State::First => {
            asked(&demo()).await;
            b"p".to_vec()
        }
        State::InsideFirst => {
            asked(&demo()).await;
            let whole = initial_response(MECHANISM, b"");
            whole[..whole.len() - 4].to_vec()
        }
        State::Second => {
            asked(&demo()).await;
            asked(&initial_response(MECHANISM, Scram::default().first().as_bytes())).await;
            b"p".to_vec()
        }
    };
    (stream, ahead)
}

/// A length is no order to allocate, nor the beginning of an overflow.
#[tokio::test]
async fn cve_2026_6664_and_6668_and_107348_impossible_lengths_in_every_state() {
    let world = World::start(&Setup { tls: "prefer", ..Setup::default() }).await;
    let proxy = Proxy::start(&world, &[]).await;
    let ca_pem = world.sandbox.ca.pem();
    drop(Session::open(tls(proxy.port, ca_pem).await, "sales").await);
    let before = proxy.peak_rss_kib();
    for state in STATES {
        for length in LENGTHS {
            let (mut stream, ahead) = reach(state, proxy.port, ca_pem).await;
            say(&mut stream, &[&ahead[..], &length.to_be_bytes(), b"more"].concat()).await;
            let _ = stream.shutdown().await;
            until_closed(&mut stream).await;
        }
    }
    let grown = proxy.peak_rss_kib() - before;
    assert!(grown < 32 * 1024, "{grown} KiB");
    let client = login_over(tls(proxy.port, ca_pem).await, USER, PASSWORD, "sales")
        .await
        .unwrap();
    assert_eq!(
        client
            .query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
}

/// An option without a name, and whatever else a loop could stumble over: an answer each time, and
/// soon.
#[tokio::test]
async fn cve_2026_107349_no_options_are_parsed_for_ever() {
    let rig = prefer().await;
    let endless = ["-c =", "-c", "--", "-", "=", "\\", "-c =1", "--=1", " \t", "-c\\ =", "-c -c", "é=", "--x"];
    for option in endless {
        for options in [option.to_owned(), format!("{option} ").repeat(9_000 / (option.len() + 1)), option.repeat(700)]
        {
            let startup = startup(0, &[("user", USER), ("database", "sales"), ("options", &options)]);
            let mut stream = connection(&rig, true).await;
            // Within a deadline: the warehouse judges what is no setting.
            let messages = log_in(&mut stream, &startup, PASSWORD).await;
            assert!(matches!(messages.last().unwrap().0, b'Z' | b'E'), "{option}");
        }
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn cve_2012_4575_a_name_of_any_length_or_bytes_does_not_end_the_process() {
    let rig = prefer().await;
    for bytes in [64 * 1024, 10_001] {
        assert_eq!(told(&rig, true, &startup_of(bytes, "database")).await, Verdict::Silence);
    }
    for database in [&b"sa\0les"[..], b"\xff\xfe", b"sales\xc3", b"\0\0"] {
        let body = [b"\0\x03\0\0user\0demo\0database\0", database, b"\0\0"].concat();
        let packet = packet(&body);
        assert_eq!(told(&rig, true, &packet).await, Verdict::Silence, "{}", database.escape_ascii());
    }
    for database in ["d".repeat(9_000), "ü".repeat(4_000), "\u{202e}\u{0}x".replace('\0', ""), "'; --".into()] {
        let (sqlstate, text) = refusal(&rig.connect(&database).await.unwrap_err());
        let expected = format!("connection \"{database}\" does not exist or is not yours");
        assert_eq!((&*sqlstate, without_session(&text)), ("3D000", &*expected));
    }
    let mut early = connection(&rig, true).await;
    say(&mut early, &message(b'Q', &vec![b'x'; 64 * 1024])).await;
    until_closed(&mut early).await;
    assert_unharmed(&rig).await;
}
