//! The console (`dbname=proxy_admin`): who gets in, by which ways, and that its places are kept.

use std::net::Ipv4Addr;
use std::process::{Output, Stdio};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_postgres::NoTls;
use tokio_postgres::types::Type;
use tokio_rustls::TlsConnector;

use crate::support::console::{CONSOLE, Console, psql};
use crate::support::process::Proxy;
use crate::support::raw::{self, field, startup};
use crate::support::session::{Session, TERMINATED, log_in};
use crate::support::{
    PASSWORD, Rig, Setup, USER, World, connection, login_over, refusal, until, verifier, without_session,
};

/// An operator, a user who may look, and a person who is both.
fn admin(more: &str) -> String {
    let user = |name: &str| format!("[users.{name}]\npassword = \"{}\"\nconnections = [\"*\"]\n", verifier());
    let users = ["ops", "monitor", "monitor2", "monitor3", "both"]
        .map(user)
        .concat();
    format!(
        "{users}[admin]\nusers = [\"ops\", \"both\"]\nstats_users = [\"monitor\", \"monitor2\", \"monitor3\", \"both\"]\n{more}"
    )
}

async fn start(setup: Setup) -> (World, Proxy) {
    let world = World::start(&setup).await;
    let proxy = Proxy::start(&world, &[]).await;
    (world, proxy)
}

async fn usual() -> (World, Proxy) {
    start(Setup { config: admin(""), ..Setup::default() }).await
}

async fn output(world: &World, proxy: &Proxy, user: &str, arguments: &[&str]) -> Output {
    let mut psql = psql(world, proxy.port, user);
    psql.args(arguments).output().await.unwrap()
}

/// What psql writes to its standard output, where it succeeds.
async fn said(world: &World, proxy: &Proxy, arguments: &[&str]) -> String {
    let output = output(world, proxy, "ops", arguments).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn psql_runs_commands_and_watches() {
    let (world, proxy) = usual().await;
    let version = said(&world, &proxy, &["-c", "SHOW VERSION"]).await;
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    let both = said(&world, &proxy, &["-c", "SHOW FLEET; SHOW DRAIN;"]).await;
    assert_eq!(both.lines().count(), 2, "{both}");
    let sessions = said(&world, &proxy, &["-F", "\t", "-c", "SHOW SESSIONS"]).await;
    assert_eq!(sessions.lines().count(), 1, "its own: {sessions}");
    assert!(sessions.contains("\tconsole\t") && sessions.contains(CONSOLE), "{sessions}");
    // \\watch asks again and again.
    let mut psql = psql(&world, proxy.port, "ops");
    psql.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = psql.spawn().unwrap();
    let (mut stdin, stdout) = (running.stdin.take().unwrap(), running.stdout.take().unwrap());
    stdin
        .write_all(b"\\echo :SERVER_VERSION_NUM\nSHOW FLEET \\watch 0.05\n")
        .await
        .unwrap();
    let mut lines = BufReader::new(stdout).lines();
    let mut watched = Vec::new();
    while watched.len() < 6 {
        let line = tokio::time::timeout(raw::SOON, lines.next_line())
            .await
            .unwrap();
        watched.extend(line.unwrap().filter(|line| !line.is_empty()));
    }
    assert_eq!(watched[0], "90600", "psql warns of servers that are newer than itself");
    drop(running);
    // An error is no end of the session.
    let both = ["-v", "ON_ERROR_STOP=0", "-c", "SHOW POOLS", "-c", "SHOW FLEET"];
    let refused = output(&world, &proxy, "ops", &both).await;
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(stderr.contains("ERROR:  there is no SHOW POOLS here") && stderr.contains("SHOW CONNECTIONS"), "{stderr}");
    assert!(stderr.contains("LINE 1: SHOW POOLS"), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&refused.stdout).lines().count(), 1);
}

#[tokio::test]
async fn tokio_postgres_prepares_describes_and_reads_binary() {
    let (world, proxy) = usual().await;
    let console = Console::open(&world, proxy.port, "ops").await.unwrap();
    let rows = console.0.query("SHOW VERSION", &[]).await.unwrap();
    let version: &str = rows[0].get("version");
    assert!(version.ends_with(env!("CARGO_PKG_VERSION")), "{version}");
    let statement = console.0.prepare("SHOW SESSIONS").await.unwrap();
    assert!(statement.params().is_empty());
    let types: Vec<_> = statement
        .columns()
        .iter()
        .map(|column| column.type_().clone())
        .collect();
    assert!(types.contains(&Type::TEXT) && types.contains(&Type::INT8) && types.contains(&Type::TIMESTAMPTZ));
    assert_eq!(console.0.query(&statement, &[]).await.unwrap().len(), 1);
    let error = console
        .0
        .query("SHOW ERRORS $1", &[&"x"])
        .await
        .unwrap_err();
    assert_eq!(error.code().unwrap().code(), "0A000");
    let error = console.0.execute("KILL sales", &[]).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!((error.severity(), error.code().code()), ("ERROR", "22023"));
    assert_eq!(console.0.execute("KILL ALL", &[]).await.unwrap(), 0);
    assert!(!console.0.is_closed());
}

/// Whoever may not use the console hears the same as for a name that no connection has.
#[tokio::test]
async fn the_console_is_for_listed_users_from_listed_networks_and_like_nothing_to_others() {
    let more = "console_from = [\"127.0.0.9/32\"]\n";
    let setup = Setup { config: admin(more), tls: "prefer", ..Setup::default() };
    let (_world, proxy) = start(setup).await;
    let heard = async |from: [u8; 4], user: &str, database: &str, password: &str| {
        let mut stream = raw::tcp_from(from, proxy.port).await.unwrap();
        let startup = startup(0, &[("user", user), ("database", database)]);
        let messages = log_in(&mut stream, &startup, password).await;
        let tags: Vec<u8> = messages.iter().map(|(tag, _)| *tag).collect();
        let (_, body) = messages.last().unwrap();
        let text = without_session(&field(body, b'M')).replace(database, "X");
        (tags, field(body, b'C'), text, body.len() - database.len())
    };
    for (from, user) in
        [([127, 0, 0, 1], "ops"), ([127, 0, 0, 9], USER), ([127, 0, 0, 1], USER), ([127, 0, 0, 9], "guest")]
    {
        let unknown = heard(from, user, "nonexistent", PASSWORD).await;
        assert_eq!(heard(from, user, CONSOLE, PASSWORD).await, unknown, "{from:?} {user}");
        assert_eq!(unknown.1, "3D000");
        let wrong = heard(from, user, "nonexistent", "wrong").await;
        assert_eq!(heard(from, user, CONSOLE, "wrong").await, wrong, "{from:?} {user}");
        assert_eq!(wrong.1, "28P01");
    }
    for (user, is_admin) in [("ops", true), ("both", true), ("monitor", false)] {
        let stream = raw::tcp_from([127, 0, 0, 9], proxy.port).await.unwrap();
        let client = login_over(stream, user, PASSWORD, CONSOLE).await.unwrap();
        assert!(
            !client
                .simple_query("SHOW SESSIONS")
                .await
                .unwrap()
                .is_empty()
        );
        let killed = client.simple_query("KILL USER nobody").await;
        assert_eq!(killed.is_ok(), is_admin, "{user}");
        if let Err(denied) = killed {
            assert_eq!(refusal(&denied).0, "42501");
            client
                .simple_query("SHOW FLEET")
                .await
                .expect("an error is no end");
        }
    }
}

#[tokio::test]
async fn the_console_is_named_by_database_user_or_server_name_and_not_on_a_connections_own_port() {
    let own = connection("own", &[("listen", "\"127.0.0.1:0\"")]);
    let config = format!("{own}{}", admin(""));
    let mut world = World::start(&Setup { config, tls: "prefer", ..Setup::default() }).await;
    world.edit("[listen]\n", "[listen]\nsni_suffix = \"dw.test\"\n");
    world.new_certificate(&["*.dw.test", "localhost"]);
    let rig = Rig::over(world).await;
    let version = async |client: tokio_postgres::Client| client.query("SHOW VERSION", &[]).await;
    let by_user = login_over(raw::tcp(rig.port()).await, "ops~proxy_admin", PASSWORD, "whatever").await;
    assert_eq!(version(by_user.unwrap()).await.unwrap().len(), 1);
    let mut socket = raw::tcp(rig.port()).await;
    socket.write_all(raw::SSL_REQUEST).await.unwrap();
    assert_eq!(tokio::io::AsyncReadExt::read_u8(&mut socket).await.unwrap(), b'S');
    let tls = TlsConnector::from(Arc::new(raw::tls_config(rig.sandbox().ca.pem())));
    let tls = tls
        .connect("proxy_admin.dw.test".try_into().unwrap(), socket)
        .await
        .unwrap();
    let by_server_name = login_over(tls, "ops", PASSWORD, "sales").await;
    assert_eq!(version(by_server_name.unwrap()).await.unwrap().len(), 1);
    let own = rig.app.address_of("own").unwrap().port();
    let on_own_port = login_over(raw::tcp(own).await, "ops", PASSWORD, CONSOLE).await;
    let error = version(on_own_port.unwrap()).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42704", "the warehouse's own answer");
}

#[tokio::test]
async fn tls_is_required_of_operators_as_of_all() {
    let (_world, proxy) = usual().await;
    let error = Console::open_in_clear(proxy.port, "ops")
        .await
        .err()
        .unwrap();
    assert_eq!(refusal(&error).0, "28000");
}

/// All sessions and all handshakes are taken.
#[tokio::test]
async fn places_are_kept_for_the_console() {
    let limits = "[limits]\nmax_sessions = 1\nmax_handshakes = 8\nmax_handshakes_per_address = 0\n";
    let (world, proxy) = start(Setup { config: admin("") + limits, ..Setup::default() }).await;
    let _session = Session::open(raw::tls(proxy.port, world.sandbox.ca.pem()).await, "sales").await;
    let refused = login_over(raw::tls(proxy.port, world.sandbox.ca.pem()).await, USER, PASSWORD, "sales").await;
    assert_eq!(refusal(&refused.err().unwrap()).0, "53300");
    let mut flood: Vec<TcpStream> = Vec::new();
    for n in 0..200 {
        let from = Ipv4Addr::new(127, 0, 1, n);
        flood.push(raw::tcp_from(from, proxy.port).await.unwrap());
    }
    let mut consoles = Vec::new();
    let refused = async |user| {
        let console = Console::open(&world, proxy.port, user).await;
        let refused = console.err().unwrap();
        assert_eq!(refusal(&refused).0, "53300");
        refused.as_db_error().unwrap().detail().unwrap().to_owned()
    };
    for user in ["monitor", "monitor2"] {
        for _ in 0..4 {
            consoles.push(Console::open(&world, proxy.port, user).await.unwrap());
        }
    }
    assert_eq!(refused("monitor").await, "User \"monitor\" has at most 4 consoles.");
    for user in ["monitor3", "ops"] {
        for _ in 0..4 {
            consoles.push(Console::open(&world, proxy.port, user).await.unwrap());
        }
    }
    assert_eq!(refused("both").await, "The console serves at most 16 clients.");
    let sessions = consoles[15].run("SHOW SESSIONS").await.unwrap();
    let are_consoles = sessions
        .iter()
        .filter(|row| row["state"].as_deref() == Some("console"));
    assert_eq!(are_consoles.count(), 16);
    drop(flood);
}

#[tokio::test]
async fn a_console_is_listed_killed_by_its_id_alone_and_logged() {
    let (world, proxy) = usual().await;
    let console = Console::open(&world, proxy.port, "ops").await.unwrap();
    let other = Console::open(&world, proxy.port, "both").await.unwrap();
    let mut session = Session::open(raw::tls(proxy.port, world.sandbox.ca.pem()).await, "sales").await;
    let rows = console.run("SHOW SESSIONS").await.unwrap();
    let of = |user: &str| {
        let row = rows
            .iter()
            .find(|row| row["user"].as_deref() == Some(user))
            .unwrap();
        (row["session"].clone().unwrap(), row["state"].clone().unwrap(), row["conn_id"].clone().unwrap())
    };
    assert_eq!((&*of("both").1, &*of("both").2), ("console", CONSOLE));
    assert_eq!(console.0.execute("KILL ALL", &[]).await.unwrap(), 1);
    session.assert_told(TERMINATED).await;
    assert!(!other.0.is_closed());
    console
        .run(&format!("KILL {}", of("both").0))
        .await
        .unwrap();
    until("the end of the console", || other.0.is_closed(), |closed| *closed).await;
    let id = of("both").0;
    let line = || {
        let log = proxy.log();
        log.lines()
            .find(|line| line.contains("session ended") && line.contains(&id))
            .map(str::to_owned)
    };
    until("its line in the log", line, Option::is_some).await;
    let ended = line().unwrap();
    assert!(ended.contains("\"conn_id\":\"proxy_admin\"") && ended.contains("\"end\":\"killed\""), "{ended}");
    // Ctrl-C in psql: a cancel request with the console's own key does nothing.
    let cancel = console.0.cancel_token();
    cancel
        .cancel_query_raw(raw::tcp(proxy.port).await, NoTls)
        .await
        .unwrap();
    assert_eq!(console.run("SHOW FLEET").await.unwrap().len(), 1);
}

/// Waits until the drain is at this state.
async fn drain_is(console: &Console, state: &str) {
    let reached = async { while console.run("SHOW DRAIN").await.unwrap()[0]["state"].as_deref() != Some(state) {} };
    tokio::time::timeout(raw::SOON, reached)
        .await
        .unwrap_or_else(|_| panic!("never {state}"));
}

/// Anybody can name the console, with a user who does not exist too, and then say nothing more.
#[tokio::test]
async fn a_drain_waits_for_nobody_who_only_names_the_console() {
    let config = admin("") + "[limits]\nstartup_timeout = \"10m\"\ndrain_timeout = \"10m\"\n";
    let (world, proxy) = start(Setup { config, ..Setup::default() }).await;
    let console = Console::open(&world, proxy.port, "ops").await.unwrap();
    let mut silent = raw::tls(proxy.port, world.sandbox.ca.pem()).await;
    raw::send(&mut silent, &startup(0, &[("user", "nobody"), ("database", CONSOLE)])).await;
    raw::read_message(&mut silent).await.unwrap();
    console.run("DRAIN").await.unwrap();
    drain_is(&console, "drained").await;
    assert_eq!(console.run("SHOW SESSIONS").await.unwrap().len(), 2, "it still may prove who it is");
}

#[tokio::test]
async fn a_drain_lets_operators_in_and_ends_their_consoles_last() {
    let config = admin("") + "[limits]\ndrain_timeout = \"60s\"\n";
    let (world, mut proxy) = start(Setup { config, ..Setup::default() }).await;
    let tls = async |port| raw::tls(port, world.sandbox.ca.pem()).await;
    let console = Console::open(&world, proxy.port, "ops").await.unwrap();
    let mut busy = Session::open(tls(proxy.port).await, "sales").await;
    busy.query("begin").await;
    busy.until(b'Z').await;
    console.run("DRAIN").await.unwrap();
    drain_is(&console, "draining").await;
    // Others are refused, be it before the proof or, if they name the console, behind it.
    for (user, database) in [(USER, "sales"), ("ops", "sales"), (USER, CONSOLE)] {
        let refused = login_over(tls(proxy.port).await, user, PASSWORD, database).await;
        assert_eq!(refusal(&refused.err().unwrap()).0, "57P03", "{user} {database}");
    }
    let late = Console::open(&world, proxy.port, "monitor").await.unwrap();
    assert_eq!(late.run("SHOW DRAIN").await.unwrap()[0]["sessions"].as_deref(), Some("1"));
    busy.query("commit").await;
    busy.until(b'Z').await;
    busy.assert_told(TERMINATED).await;
    drain_is(&late, "drained").await;
    console.run("SHUTDOWN").await.unwrap();
    assert_eq!(proxy.exit_code().await, Some(0));
    until("the end of the consoles", || console.0.is_closed() && late.0.is_closed(), |closed| *closed).await;
}
