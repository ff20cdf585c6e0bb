//! Large results, clients that leave or alarm, and work that unproven clients ask for.

use std::time::Duration;

use redshift_iam_proxy::app::Counts;
use redshift_iam_proxy::crypto::Verifier;
use redshift_iam_proxy::crypto::verifier::BadVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::aws_driver::JDBC;
use crate::support::hostile::{
    MECHANISM, Verdict, asked, assert_unharmed, challenged, connection, demo, prefer, verdict,
};
use crate::support::leavers::{WAYS, leave};
use crate::support::raw::{SOON, SSL_REQUEST, client_hello, message, open, say, startup, tcp, tcp_from, tls_config};
use crate::support::scram::{Scram, initial_response};
use crate::support::{PASSWORD, Rig, Setup, USER};

/// Through libpq as psycopg's asynchronous side uses it: what its TLS library holds ready is not
/// seen by select().
#[tokio::test]
async fn supavisor_993_large_results_reach_asynchronous_libpq() {
    let rig = Rig::start().await;
    let conninfo = format!(
        "host=localhost port={} user={USER} password={PASSWORD} dbname=sales sslmode=verify-full sslrootcert={}",
        rig.port(),
        rig.world.ca_file().display()
    );
    let mut python = Command::new("python3");
    python
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/incidents/async_libpq.py"))
        .arg(conninfo);
    let output = python.kill_on_drop(true).output().await.unwrap();
    assert_eq!(output.stdout, b"all read\n", "{}", String::from_utf8_lossy(&output.stderr));
    rig.wait_until_idle().await;
}

/// A fatal alert, before and behind the end of a handshake: nothing waits for more, though the
/// socket stays open.
#[tokio::test]
async fn supavisor_783_a_fatal_tls_alert_leaves_no_zombie() {
    let rig = prefer().await;
    let alert = [0x15, 3, 3, 0, 2, 2, 40];
    let hello = client_hello(tls_config(rig.sandbox().ca.pem()));
    let mut open = Vec::new();
    for behind_request in [true, false] {
        for ahead in [&[][..], &hello] {
            let mut socket = tcp(rig.port()).await;
            if behind_request {
                socket.write_all(SSL_REQUEST).await.unwrap();
                assert_eq!(socket.read_u8().await.unwrap(), b'S');
            } else if ahead.is_empty() {
                continue;
            }
            say(&mut socket, &[ahead, &alert].concat()).await;
            open.push(socket);
        }
    }
    rig.wait_until_idle().await;
    drop(open);
    assert_unharmed(&rig).await;
}

/// What a client says up to its proof, which is not the right one.
async fn dialogue(rig: &Rig, encrypted: bool) -> [Vec<u8>; 3] {
    let scram = Scram::default();
    let (_, challenge) = challenged(rig, encrypted, &scram).await;
    let last = message(b'p', scram.last(&challenge, PASSWORD).as_bytes());
    [demo(), initial_response(MECHANISM, scram.first().as_bytes()), last]
}

#[tokio::test]
async fn supavisor_783_and_970_sockets_closed_at_every_byte_leave_nothing() {
    let rig = prefer().await;
    assert_unharmed(&rig).await;
    let alive = || Handle::current().metrics().num_alive_tasks();
    let before = alive();
    for encrypted in [false, true] {
        let whole = dialogue(&rig, encrypted).await.concat();
        for cut in 0..whole.len() {
            let mut stream = connection(&rig, encrypted).await;
            say(&mut stream, &whole[..cut]).await;
            drop(stream);
        }
    }
    rig.wait_until(|counts| counts == Counts::default() && alive() <= before)
        .await;
    assert_unharmed(&rig).await;
}

const LEAVERS: usize = 100_000;
const AT_ONCE: usize = 50;

/// Every way of [`leave`]; those that shake hands a twentieth as often, as they cost the test a
/// hundred times as much. Each client in flight has an address of its own, or the ports of one
/// would not do.
#[tokio::test]
async fn supavisor_783_and_970_a_hundred_thousand_aborted_handshakes_leave_nothing() {
    let rig = prefer().await;
    assert_unharmed(&rig).await;
    let alive = || Handle::current().metrics().num_alive_tasks();
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = alive();
    let files_before = files();
    let (port, ca_pem) = (rig.port(), rig.sandbox().ca.pem());
    let hello = client_hello(tls_config(ca_pem));
    let mut clients = JoinSet::new();
    for first in 0..AT_ONCE {
        let (ca_pem, hello) = (ca_pem.to_owned(), hello.clone());
        clients.spawn(async move {
            for turn in 0..LEAVERS / AT_ONCE {
                let shakes_hands = turn % 20 == 0;
                let way = if shakes_hands { first + turn } else { (first + turn) % (WAYS - 2) };
                let socket = tcp_from([127, 0, 1, u8::try_from(first).unwrap()], port)
                    .await
                    .unwrap();
                leave(socket, &ca_pem, &hello, way).await;
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    rig.wait_until(|counts| counts == Counts::default() && alive() <= before)
        .await;
    // Other tests of this process open some of their own.
    assert!(files() < files_before + 1_000, "{} files, before {files_before}", files());
    assert_unharmed(&rig).await;
}

/// In every state that an unproven client can reach, it is given up in time.
#[tokio::test]
async fn supavisor_970_nobody_stays_in_the_authentication_state() {
    let config = "[limits]\nstartup_timeout = \"1s\"\n".to_owned();
    let rig = Rig::with(Setup { tls: "prefer", config, ..Setup::default() }).await;
    let mut waiting = vec![connection(&rig, false).await, connection(&rig, true).await];
    for encrypted in [false, true] {
        waiting.push(asked(&rig, encrypted, &demo()).await);
        waiting.push(challenged(&rig, encrypted, &Scram::default()).await.0);
    }
    waiting.push(asked(&rig, true, &JDBC.startup()).await);
    for stream in &mut waiting {
        assert_eq!(verdict(stream).await, Verdict::Silence);
    }
    rig.wait_until(|counts| counts == Counts::default()).await;
    assert_unharmed(&rig).await;
}

/// Clients who make the proxy count a million rounds each.
const GREEDY: usize = 40;

/// A verifier says how many rounds, and no more than a second's worth; the rounds of all are
/// counted beside the event loop, by no more threads than there are cores.
#[tokio::test]
async fn cpu_exhaustion_before_login_keeps_nobody_else_out() {
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let verifier = |rounds: u32| format!("SCRAM-SHA-256${rounds}:MDEyMzQ1Njc4OWFiY2RlZg==${key}:{key}");
    assert_eq!(Verifier::parse(&verifier(1_000_001)).unwrap_err(), BadVerifier::Iterations);
    let config = format!(
        "[users.slow]\npassword = \"{}\"\nmethod = \"cleartext\"\nconnections = [\"*\"]\n",
        verifier(1_000_000)
    );
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    assert_unharmed(&rig).await;
    let (port, ca_pem) = (rig.port(), rig.sandbox().ca.pem().to_owned());
    let mut greedy = JoinSet::new();
    for _ in 0..GREEDY {
        let ca_pem = ca_pem.clone();
        greedy.spawn(async move {
            let mut stream = open(port, Some(&ca_pem)).await;
            say(&mut stream, &startup(0, &[("user", "slow"), ("database", "sales")])).await;
            say(&mut stream, &message(b'p', b"wrong\0")).await;
            verdict(&mut stream).await
        });
    }
    rig.wait_until(|counts| counts.handshakes == GREEDY).await;
    let began = Instant::now();
    let good = tokio::time::timeout(SOON, rig.connect("sales"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        good.query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let mut answered = 0;
    while greedy.try_join_next().is_some() {
        answered += 1;
    }
    assert!(answered < GREEDY, "the good client waited for all of them");
    greedy.shutdown().await;
    drop(good);
    rig.wait_until_idle().await;
}
