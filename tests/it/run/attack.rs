//! The console under attack: every command by everyone who may try it, in clear and inside TLS, when
//! all places are taken, in a flood of handshakes, and while the proxy drains.

use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::console::Console;
use crate::support::operated::{MONITOR, OPS, OUTSIDER, Operated, TABLES};
use crate::support::raw::{self, Stream};
use crate::support::session::{self, Session};
use crate::support::{Setup, refusal, without_session};

/// Commands that change something. None of them disturbs a session of another.
const COMMANDS: [&str; 10] = [
    "KILL USER nobody",
    "KILL CONNECTION nowhere",
    "KILL ADDRESS 192.0.2.1",
    "DISABLE sales",
    "ENABLE sales",
    "REFRESH sales",
    "UNBAN 192.0.2.1",
    "SET log_level = info",
    "CHECK sales",
    "RELOAD",
];

/// Those that end the proxy, which only a user without the right is let try here.
const LAST: [&str; 3] = ["KILL ALL", "DRAIN", "SHUTDOWN"];

/// The sessions that the proxy has room for, and the handshakes.
const SESSIONS: usize = 3;
const HANDSHAKES: usize = 20;

async fn start(tls: &'static str) -> Operated {
    let config = format!(
        "[limits]\nmax_sessions = {SESSIONS}\nmax_handshakes = {HANDSHAKES}\nban_after = 0\ndrain_timeout = \"60s\"\n"
    );
    Operated::start(Setup { config, tls, ..Setup::default() }).await
}

/// How a console is opened.
#[derive(Clone, Copy, Debug)]
enum Channel {
    Clear,
    Encrypted,
}

async fn open(operated: &Operated, channel: Channel, user: &str) -> Result<Console, tokio_postgres::Error> {
    match channel {
        Channel::Clear => Console::open_in_clear(operated.proxy.port, user).await,
        Channel::Encrypted => Console::open(&operated.world, operated.proxy.port, user).await,
    }
}

/// How a user without a right to the console is refused.
const NO_RIGHT: (&str, &str) = ("3D000", "connection \"proxy_admin\" does not exist or is not yours");

/// The same while the proxy drains, which is told to all alike.
const DRAINING: (&str, &str) = ("57P03", "the proxy is shutting down");

/// Everyone tries everything: who may not is refused, and who may is served.
async fn everyone_tries_everything(operated: &Operated, channel: Channel, outsider: (&str, &str), when: &str) {
    for (user, sqlstate, message) in
        [("nobody", "28P01", "password authentication failed for user \"nobody\""), (OUTSIDER, outsider.0, outsider.1)]
    {
        let error = open(operated, channel, user)
            .await
            .err()
            .unwrap_or_else(|| panic!("{when}: {user} got in"));
        let (code, text) = refusal(&error);
        assert_eq!((&*code, without_session(&text)), (sqlstate, message), "{when}: {user}");
    }
    let monitor = open(operated, channel, MONITOR)
        .await
        .unwrap_or_else(|error| panic!("{when}: {error:?}"));
    for table in TABLES {
        monitor.all(&format!("SHOW {table}")).await;
    }
    for command in COMMANDS.into_iter().chain(LAST) {
        let error = monitor
            .run(command)
            .await
            .err()
            .unwrap_or_else(|| panic!("{when}: {MONITOR} did {command}"));
        assert_eq!(refusal(&error).0, "42501", "{when}: {command}");
    }
    // Two commands in one message, one behind a comment, and one that only begins as SHOW does.
    for command in ["SHOW VERSION; SHUTDOWN", "/* SHOW */ SHUTDOWN", "SHOW VERSION\n;\nKILL ALL", "show\tversion;drain"]
    {
        let error = monitor
            .run(command)
            .await
            .err()
            .unwrap_or_else(|| panic!("{when}: {MONITOR} did {command}"));
        assert!(["42501", "42601"].contains(&&*refusal(&error).0), "{when}: {command}: {error:?}");
    }
    let ops = open(operated, channel, OPS)
        .await
        .unwrap_or_else(|error| panic!("{when}: {error:?}"));
    for table in TABLES {
        ops.all(&format!("SHOW {table}")).await;
    }
    for command in COMMANDS {
        ops.run(command)
            .await
            .unwrap_or_else(|error| panic!("{when}: {command}: {error:?}"));
    }
}

/// A session of the rig's user.
async fn session(operated: &Operated) -> Session<Stream> {
    let stream = raw::open(operated.proxy.port, Some(operated.world.sandbox.ca.pem())).await;
    Session::open(stream, "sales").await
}

/// The SQLSTATE that the rig's user is refused with, if it is.
async fn refused(operated: &Operated) -> Option<String> {
    let stream = raw::tls(operated.proxy.port, operated.world.sandbox.ca.pem()).await;
    let login = crate::support::login_over(stream, crate::support::USER, crate::support::PASSWORD, "sales").await;
    login.err().map(|error| refusal(&error).0)
}

#[tokio::test]
async fn every_command_by_everyone_in_clear_and_inside_tls() {
    let mut operated = start("prefer").await;
    everyone_tries_everything(&operated, Channel::Clear, NO_RIGHT, "in clear").await;
    everyone_tries_everything(&operated, Channel::Encrypted, NO_RIGHT, "inside TLS").await;
    operated.proxy.wait_for_log("\"admin action\"").await;

    let strict = start("require").await;
    let error = open(&strict, Channel::Clear, OPS)
        .await
        .err()
        .expect("TLS is required of the console too");
    assert_eq!(refusal(&error).0, "28000");
}

#[tokio::test]
async fn every_command_by_everyone_when_all_sessions_are_taken() {
    let operated = start("require").await;
    let mut taken = Vec::new();
    for _ in 0..SESSIONS {
        taken.push(session(&operated).await);
    }
    assert_eq!(refused(&operated).await.as_deref(), Some("53300"));
    everyone_tries_everything(&operated, Channel::Encrypted, NO_RIGHT, "at the cap").await;
    for taken in &mut taken {
        session::query(&mut taken.stream, "select 1::text").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_by_everyone_in_a_flood_of_handshakes() {
    let operated = start("require").await;
    let floods: Vec<_> = (0..4).map(|_| flood(operated.proxy.port)).collect();
    let series = "redshift_iam_proxy_handshakes_active";
    let full = async { while operated.admin.metric(series).await.unwrap() < HANDSHAKES as f64 {} };
    tokio::time::timeout(raw::SOON, full)
        .await
        .expect("all handshakes are taken");
    everyone_tries_everything(&operated, Channel::Encrypted, NO_RIGHT, "in a flood").await;
    for flood in floods {
        assert!(!flood.is_finished(), "the flood went on to the end");
        flood.abort();
    }
}

/// Connections that say nothing, from an address that is busier than any, and come again as soon as
/// they are thrown out.
fn flood(port: u16) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut open: std::collections::VecDeque<TcpStream> = std::collections::VecDeque::new();
        loop {
            let socket = raw::tcp_from([127, 0, 0, 99], port).await;
            open.extend(socket);
            if open.len() > 2 * HANDSHAKES {
                let mut oldest = open.pop_front().unwrap();
                // Thrown out by the proxy: the flood is as fast as that.
                raw::until_closed(&mut oldest).await;
            }
        }
    })
}

#[tokio::test]
async fn every_command_by_everyone_while_the_proxy_drains() {
    let mut operated = start("require").await;
    let mut busy = session(&operated).await;
    session::query(&mut busy.stream, "begin; select 1::text").await;
    let admin = operated.admin.clone();
    let draining = tokio::spawn(async move { admin.post("/drain").await.status });
    operated.proxy.wait_for_log("\"draining\"").await;
    assert_eq!(refused(&operated).await.as_deref(), Some("57P03"));
    everyone_tries_everything(&operated, Channel::Encrypted, DRAINING, "while draining").await;
    let drain = operated.console().await.all("SHOW DRAIN").await;
    assert!(drain.contains("draining"), "{drain}");
    // What was begun is finished.
    session::query(&mut busy.stream, "select 2::text").await;
    busy.query("commit").await;
    busy.until(b'Z').await;
    busy.assert_told(session::TERMINATED).await;
    assert_eq!(draining.await.unwrap(), 200);
    let ops = operated.console().await;
    let _ = ops.run("SHUTDOWN").await;
    assert_eq!(operated.proxy.exit_code().await, Some(0));
}
