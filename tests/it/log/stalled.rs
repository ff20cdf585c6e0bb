//! A log that nobody reads, that is closed or full: it stops nothing. `make stalled-log` measures
//! what it costs.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::support::process::Proxy;
use crate::support::raw::{self, SOON, say, startup, until_closed};
use crate::support::session::{Session, TERMINATED};
use crate::support::{Setup, World};

/// Each writes a line of some 2,000 bytes at `debug`: more than the queue and a pipe have room for.
const REFUSED: usize = 1000;

async fn start(env: &[(&str, &str)]) -> (World, Proxy) {
    let world = World::start(&Setup::default()).await;
    let proxy = Proxy::start(&world, env).await;
    (world, proxy)
}

async fn session(world: &World, proxy: &Proxy) -> Session<TlsStream<TcpStream>> {
    Session::open(raw::tls(proxy.port, world.sandbox.ca.pem()).await, "sales").await
}

async fn assert_answers<S: AsyncRead + AsyncWrite + Unpin>(session: &mut Session<S>) {
    session.query("select 1").await;
    let messages = tokio::time::timeout(SOON, session.until(b'Z'))
        .await
        .expect("an answer");
    assert!(
        messages
            .iter()
            .any(|(tag, body)| *tag == b'D' && body.ends_with(b"1")),
        "{messages:?}"
    );
}

/// So many clients in clear, fifty at a time, each with a name that is long in a log.
async fn refuse(port: u16, clients: usize, application_name: &str) {
    let hello = startup(0, &[("user", "nobody"), ("database", "sales"), ("application_name", application_name)]);
    for _ in 0..clients.div_ceil(50) {
        let mut some = JoinSet::new();
        for _ in 0..clients.min(50) {
            let hello = hello.clone();
            some.spawn(async move {
                let mut socket = raw::tcp(port).await;
                say(&mut socket, &hello).await;
                String::from_utf8_lossy(&until_closed(&mut socket).await).into_owned()
            });
        }
        for words in some.join_all().await {
            assert!(words.contains("TLS is required"), "{words}");
        }
    }
}

fn long_name() -> String {
    "\u{1}".repeat(250)
}

#[tokio::test]
async fn a_log_that_is_not_read_stops_nobody_and_what_is_lost_is_counted() {
    let (world, mut proxy) = start(&[("RUST_LOG", "debug")]).await;
    let mut old = session(&world, &proxy).await;
    proxy.stall_log();
    for _ in 0..5 {
        refuse(proxy.port, REFUSED / 5, &long_name()).await;
        assert_answers(&mut old).await;
        assert_answers(&mut session(&world, &proxy).await).await;
    }
    proxy.read_log();
    let line: Value = serde_json::from_str(&proxy.wait_for_log("log lines were dropped").await).unwrap();
    let dropped = line["dropped"].as_u64().unwrap();
    assert_eq!((&line["level"], line["dropped_total"].as_u64()), (&"WARN".into(), Some(dropped)));
    let kept = proxy.log().matches("\"message\":\"login refused\"").count();
    assert!(dropped > 0 && kept < REFUSED && kept + usize::try_from(dropped).unwrap() >= REFUSED, "{kept} {line}");
    refuse(proxy.port, 1, "behind the gap").await;
    proxy.wait_for_log("behind the gap").await;
    assert!(
        proxy
            .log()
            .lines()
            .filter(|line| !line.is_empty())
            .all(|line| line.starts_with('{')),
        "whole lines"
    );
}

#[tokio::test]
async fn signals_end_a_process_whose_log_is_not_read() {
    let (world, mut proxy) = start(&[]).await;
    let (mut idle, mut open) = (session(&world, &proxy).await, session(&world, &proxy).await);
    open.query("begin").await;
    open.until(b'Z').await;
    proxy.stall_log();
    proxy.signal("TERM").await;
    idle.assert_told(TERMINATED).await;
    assert_answers(&mut open).await;
    proxy.signal("TERM").await;
    open.assert_told(TERMINATED).await;
    assert_eq!(proxy.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_start_that_fails_ends_though_nobody_reads_why() {
    let mut world = World::start(&Setup::default()).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    world.edit("127.0.0.1:0", &taken.local_addr().unwrap().to_string());
    let (reader, mut writer) = std::io::pipe().unwrap();
    // As much as a pipe holds (pipe(7)).
    std::io::Write::write_all(&mut writer, &[b'\n'; 65_536]).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
    command
        .args(["serve", "--config"])
        .arg(world.dir.path().join("proxy.toml"))
        .stderr(writer)
        .kill_on_drop(true);
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    let ended = tokio::time::timeout(SOON * 2, command.status())
        .await
        .expect("it ends");
    assert_eq!(ended.unwrap().code(), Some(1));
    drop(reader);
}

#[tokio::test]
async fn a_reader_that_leaves_stops_nobody() {
    let (world, mut proxy) = start(&[]).await;
    let mut old = session(&world, &proxy).await;
    proxy.leave_log();
    refuse(proxy.port, 50, "").await;
    assert_answers(&mut old).await;
    assert_answers(&mut session(&world, &proxy).await).await;
    proxy.signal("TERM").await;
    assert_eq!(proxy.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_full_disk_and_a_closed_standard_error_stop_nobody() {
    let world = World::start(&Setup::default()).await;
    for stderr in ["2>/dev/full", "2>&-"] {
        // With a directive that is to be told of at once.
        let mut proxy = Proxy::start_redirected(&world, stderr, &[("RUST_LOG", "info,=,")]).await;
        let mut old = session(&world, &proxy).await;
        refuse(proxy.port, 50, "").await;
        assert_answers(&mut old).await;
        assert_answers(&mut session(&world, &proxy).await).await;
        proxy.signal("TERM").await;
        assert_eq!(proxy.exit_code().await, Some(0), "{stderr}");
    }
}

/// Sessions of the measurement, each with a query at a time, and how many each has in a round.
const SESSIONS: usize = 8;
const QUERIES: usize = 200;

/// Rounds with a log that is read and rounds with one that is not, in turn, under a flood of
/// refused clients. How long a query takes is printed; how fast a machine is, is no test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_are_answered_whether_the_log_is_read_or_not() {
    let rounds = std::env::var("STALLED_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    let (world, proxy) = start(&[("RUST_LOG", "debug")]).await;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(session(&world, &proxy).await);
    }
    // What each query took, and how many clients were refused meanwhile.
    let (mut read, mut stalled) = ((Vec::new(), 0), (Vec::new(), 0));
    for _ in 0..rounds {
        for (is_stalled, (took, beside)) in [(false, &mut read), (true, &mut stalled)] {
            if is_stalled {
                proxy.stall_log();
            }
            // Until lines are dropped, where nobody reads.
            refuse(proxy.port, REFUSED, &long_name()).await;
            let port = proxy.port;
            let (refused, mut is_under_way) = tokio::sync::watch::channel(0);
            let flood = tokio::spawn(async move {
                // Paced, for it is the log that is measured, not who gets the processor.
                let mut pace = tokio::time::interval(Duration::from_millis(200));
                loop {
                    pace.tick().await;
                    refuse(port, 50, &long_name()).await;
                    refused.send_modify(|count| *count += 50);
                }
            });
            is_under_way.changed().await.unwrap();
            let queries = sessions
                .drain(..)
                .map(query_in_turn)
                .collect::<JoinSet<_>>();
            for (session, times) in queries.join_all().await {
                sessions.push(session);
                took.extend(times);
            }
            flood.abort();
            *beside += *is_under_way.borrow();
            proxy.read_log();
        }
    }
    let count = rounds * SESSIONS * QUERIES;
    assert_eq!((read.0.len(), stalled.0.len()), (count, count));
    println!(
        "{rounds} rounds of each, in turn: {SESSIONS} sessions with {QUERIES} queries each, beside refused clients"
    );
    for (name, (times, beside)) in [("log read", read), ("log not read", stalled)] {
        let (p50, p99) = percentiles(times);
        println!("{name}: p50 {p50:.2?}, p99 {p99:.2?}, {beside} clients refused meanwhile");
    }
}

async fn query_in_turn(mut session: Session<TlsStream<TcpStream>>) -> (Session<TlsStream<TcpStream>>, Vec<Duration>) {
    let mut times = Vec::with_capacity(QUERIES);
    for _ in 0..QUERIES {
        let began = Instant::now();
        assert_answers(&mut session).await;
        times.push(began.elapsed());
    }
    (session, times)
}

fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}
