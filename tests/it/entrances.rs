//! Every way in, to a query's answer: by port, server name, database and real database; direct TLS;
//! newer protocols.

use std::process::Output;
use std::sync::Arc;

use crate::support;
use crate::support::hostile::{MECHANISM, asked};
use crate::support::raw::{SSL_REQUEST, encrypt, message, read_message, say, startup, tcp, tls_config};
use crate::support::scram::{Scram, initial_response};
use crate::support::session::{log_in, query};
use crate::support::{PASSWORD, Rig, Setup, USER, World, assert_refused, connection, login_over};
use redshift_iam_proxy::app::{App, AppError};
use redshift_iam_proxy::aws::Base;
use redshift_iam_proxy::clock::ManualClock;
use redshift_iam_proxy::listener::Workers;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The rig with more in `[listen]`, and a certificate for all names under `dw.test`.
async fn rig(listen: &str, config: &str) -> Rig {
    Rig::over(world(listen, config).await).await
}

async fn world(listen: &str, config: &str) -> World {
    let mut world = World::start(&Setup { config: config.to_owned(), ..Setup::default() }).await;
    for database in ["people", "own_db"]
        .into_iter()
        .filter(|name| config.contains(name))
    {
        world
            .sandbox
            .postgres
            .execute(&format!("create database {database}"))
            .await
            .unwrap();
    }
    world.new_certificate(&["localhost", "127.0.0.1", "dw.test", "*.dw.test"]);
    world.edit("[listen]\n", &format!("[listen]\n{listen}\n"));
    world
}

/// Beside `sales`, whose database is `dev`: `fin`, `hr` and a disabled one.
fn more() -> String {
    let user = format!("[users.finance]\npassword = \"{}\"\nconnections = [\"fin\"]\n", support::verifier());
    connection("fin", &[])
        + &connection("hr", &[("database", "\"people\"")])
        + &connection("off", &[("enabled", "false"), ("database", "\"people\"")])
        + &user
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A TLS session for a server of this name, by way of an SSLRequest or directly.
async fn named(rig: &Rig, name: &'static str, direct: bool) -> TlsStream<TcpStream> {
    let mut config = tls_config(rig.sandbox().ca.pem());
    let mut socket = tcp(rig.port()).await;
    if direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    } else {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        socket.write_all(SSL_REQUEST).await.unwrap();
        assert_eq!(socket.read_u8().await.unwrap(), b'S');
    }
    TlsConnector::from(Arc::new(config))
        .connect(name.try_into().unwrap(), socket)
        .await
        .unwrap()
}

/// Logs in and asks one thing; which database the warehouse was asked for.
async fn reached(rig: &Rig, stream: TlsStream<TcpStream>, user: &str, database: &str) -> String {
    let client = login_over(stream, user, PASSWORD, database).await.unwrap();
    assert_eq!(
        client
            .query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
    let startup = rig.sandbox().warehouse.startups().pop().unwrap();
    startup
        .into_iter()
        .find(|(name, _)| name == "database")
        .unwrap()
        .1
}

const SUFFIX: &str = "sni_suffix = \"DW.test\"";

#[tokio::test]
async fn a_server_name_under_the_suffix_is_a_conn_id_whatever_the_database() {
    let rig = rig(SUFFIX, &more()).await;
    for direct in [false, true] {
        for (name, database, want) in [
            ("sales.dw.test", "whatever", "dev"),
            ("HR.DW.Test", "sales", "people"),
            ("hr.dw.test", "proxy_admin", "people"),
            // Neither says anything.
            ("dw.test", "hr", "people"),
            ("localhost", "sales", "dev"),
        ] {
            let stream = named(&rig, name, direct).await;
            assert_eq!(reached(&rig, stream, USER, database).await, want, "{name} {direct}");
        }
    }
    rig.wait_until_idle().await;
}

/// libpq sends the host's name as SNI, and checks it.
#[tokio::test]
async fn psql_reaches_a_connection_by_its_host_name() {
    let rig = rig(SUFFIX, &more()).await;
    for (host, want) in [("sales.dw.test", "dev"), ("hr.dw.test", "people")] {
        let conninfo = format!("host={host} hostaddr=127.0.0.1 dbname=postgres");
        let output = rig
            .world
            .psql(rig.port())
            .args(["-d", &conninfo, "-c", "select 1"])
            .output()
            .await
            .unwrap();
        assert_eq!(text(&output), "1");
        let startup = rig.sandbox().warehouse.startups().pop().unwrap();
        assert!(startup.contains(&("database".to_owned(), want.to_owned())), "{startup:?}");
    }
}

#[tokio::test]
async fn an_unknown_server_name_breaks_no_handshake_and_reads_like_one_that_is_not_yours() {
    let rig = rig(SUFFIX, &more()).await;
    for (user, name) in [(USER, "nope"), ("finance", "sales"), ("finance", "nope")] {
        let host: &'static str = if name == "nope" { "nope.dw.test" } else { "sales.dw.test" };
        let error = login_over(named(&rig, host, false).await, user, PASSWORD, "fin")
            .await
            .unwrap_err();
        let hint = if user == USER { "you may open: fin, hr, off, sales" } else { "you may open: fin" };
        assert_refused(&error, "3D000", &format!("connection \"{name}\" does not exist or is not yours"), Some(hint));
    }
    let error = login_over(named(&rig, "off.dw.test", false).await, USER, PASSWORD, "x")
        .await
        .unwrap_err();
    assert_refused(&error, "57P03", "connection \"off\" is disabled", None);
    // An address is no name: none is sent.
    let stream = named(&rig, "127.0.0.1", false).await;
    assert_eq!(reached(&rig, stream, USER, "sales").await, "dev");
}

#[tokio::test]
async fn the_real_database_stands_for_the_only_connection_that_has_it() {
    let rig = rig("", &more()).await;
    for (user, database, want) in [
        ("finance", "dev", Ok("dev")),
        (USER, "people", Ok("people")),
        (USER, "dev", Err(())),
        ("finance", "people", Err(())),
    ] {
        let login = login_over(named(&rig, "localhost", false).await, user, PASSWORD, database).await;
        match (login, want) {
            (Ok(client), Ok(real)) => {
                let row = client.query_one("select 1", &[]).await.unwrap();
                assert_eq!(row.get::<_, i32>(0), 1);
                let startup = rig.sandbox().warehouse.startups().pop().unwrap();
                assert!(startup.contains(&("database".to_owned(), real.to_owned())));
            }
            (Err(error), Err(())) => {
                let hint = if user == USER { "you may open: fin, hr, off, sales" } else { "you may open: fin" };
                let words = format!("connection \"{database}\" does not exist or is not yours");
                assert_refused(&error, "3D000", &words, Some(hint));
            }
            (login, _) => panic!("{user} {database}: {:?}", login.map(drop)),
        }
    }
    rig.wait_until_idle().await;
}

/// pgAdmin, dbt and others compare the database that they were given with the one they are in: with
/// the connection behind the user's name they are given the real one, though another connection has
/// it too.
#[tokio::test]
async fn psql_reaches_a_connection_by_its_users_name_whatever_the_database() {
    let rig = rig(SUFFIX, &more()).await;
    for (target, want) in [
        ("user=demo~sales dbname=dev", "dev"),
        ("user=demo~fin dbname=dev", "dev"),
        ("user=demo~hr dbname=sales", "people"),
        ("user=demo~hr dbname=nowhere", "people"),
        // The server's name comes first, and the user is the same.
        ("user=demo~sales dbname=dev host=hr.dw.test hostaddr=127.0.0.1", "people"),
    ] {
        let output = rig
            .world
            .psql(rig.port())
            .args(["-d", target, "-c", "select 1"])
            .output()
            .await
            .unwrap();
        assert_eq!(text(&output), "1", "{target}");
        let startup = rig.sandbox().warehouse.startups().pop().unwrap();
        assert!(startup.contains(&("database".to_owned(), want.to_owned())), "{target}: {startup:?}");
        assert!(!startup.iter().any(|(_, value)| value.contains('~')), "{startup:?}");
    }
    rig.wait_until_idle().await;
}

/// Before the proof nothing tells whether the connection exists, nor whether the user does; behind
/// it the answer is that of a database which is no conn_id.
#[tokio::test]
async fn a_conn_id_behind_a_users_name_tells_nothing_and_opens_nothing_by_itself() {
    let rig = rig("", &more()).await;
    let refused = async |user: &str, password: &str| {
        login_over(named(&rig, "localhost", false).await, user, password, "dev")
            .await
            .unwrap_err()
    };
    for user in ["demo~sales", "demo~nope", "demo~", "nobody~sales", "nobody~nope", "demo~x~sales"] {
        let words = format!("password authentication failed for user \"{user}\"");
        assert_refused(&refused(user, "wrong").await, "28P01", &words, None);
    }
    for (user, conn_id, hint) in [
        ("finance~sales", "sales", "you may open: fin"),
        ("finance~nope", "nope", "you may open: fin"),
        ("finance~proxy_admin", "proxy_admin", "you may open: fin"),
        ("demo~people", "people", "you may open: fin, hr, off, sales"),
        ("demo~", "", "you may open: fin, hr, off, sales"),
    ] {
        let words = format!("connection \"{conn_id}\" does not exist or is not yours");
        assert_refused(&refused(user, PASSWORD).await, "3D000", &words, Some(hint));
    }
    assert_refused(&refused("demo~off", PASSWORD).await, "57P03", "connection \"off\" is disabled", None);
    let nameless = refused("~sales", PASSWORD).await;
    assert_refused(&nameless, "28000", "no PostgreSQL user name specified in startup packet", None);
    rig.wait_until_idle().await;
}

/// What a client is told before its proof depends on the user alone: one salt for an unknown user,
/// and for a known one.
#[tokio::test]
async fn the_salt_is_that_of_the_user_whatever_conn_id_is_behind_its_name() {
    let rig = rig("", "").await;
    let salt = async |user: &str| {
        let mut stream = asked(&rig, true, &startup(0, &[("user", user), ("database", "dev")])).await;
        say(&mut stream, &initial_response(MECHANISM, Scram::default().first().as_bytes())).await;
        let (_, body) = read_message(&mut stream).await.unwrap();
        let first = String::from_utf8(body[4..].to_vec()).unwrap();
        first
            .split(',')
            .find_map(|part| part.strip_prefix("s="))
            .unwrap()
            .to_owned()
    };
    for user in [USER, "nobody"] {
        let alone = salt(user).await;
        for conn_id in ["sales", "nope", ""] {
            assert_eq!(salt(&format!("{user}~{conn_id}")).await, alone, "{user}~{conn_id}");
        }
    }
    assert_ne!(salt("nobody").await, salt("nobody~x~sales").await);
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn psql_reaches_a_connection_by_its_own_port() {
    let own = [("listen", "\"127.0.0.1:0\"")];
    let config = more()
        + &connection("own", &[&own[..], &[("database", "\"own_db\"")]].concat())
        + &connection("shut", &[&own[..], &[("enabled", "false")]].concat());
    let rig = rig(SUFFIX, &config).await;
    let port = rig.app.address_of("own").unwrap().port();
    assert!(rig.app.address_of("fin").is_none() && port != rig.port());
    // The port comes first, then the server's name.
    for target in [
        "host=localhost dbname=anything",
        "host=hr.dw.test hostaddr=127.0.0.1 dbname=sales",
        "host=hr.dw.test hostaddr=127.0.0.1 user=demo~fin dbname=sales",
    ] {
        let output = rig
            .world
            .psql(port)
            .args(["-d", target, "-c", "select 1"])
            .output()
            .await
            .unwrap();
        assert_eq!(text(&output), "1");
        let startup = rig.sandbox().warehouse.startups().pop().unwrap();
        assert!(startup.contains(&("database".to_owned(), "own_db".to_owned())), "{startup:?}");
    }
    let through = async |port: u16, user: &str, password: &str| {
        let stream = encrypt(tcp(port).await, tls_config(rig.sandbox().ca.pem())).await;
        login_over(stream, user, password, "fin").await.unwrap_err()
    };
    let refused = "connection \"own\" does not exist or is not yours";
    assert_refused(&through(port, "finance", PASSWORD).await, "3D000", refused, Some("you may open: fin"));
    let wrong = through(port, USER, "wrong").await;
    assert_refused(&wrong, "28P01", &format!("password authentication failed for user \"{USER}\""), None);
    let shut = rig.app.address_of("shut").unwrap().port();
    assert_refused(&through(shut, USER, PASSWORD).await, "57P03", "connection \"shut\" is disabled", None);
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn a_client_of_a_newer_protocol_is_told_ours_and_gets_in() {
    let rig = rig("", "").await;
    for (minor, options) in [(0, &["_pq_.compression"][..]), (2, &[]), (9999, &["_pq_.a", "_pq_.b"])] {
        let mut stream = named(&rig, "localhost", true).await;
        let mut pairs = vec![("user", USER), ("database", "sales")];
        pairs.extend(options.iter().map(|name| (*name, "x")));
        let messages = log_in(&mut stream, &startup(minor, &pairs), PASSWORD).await;
        let told = messages
            .iter()
            .filter(|(tag, _)| *tag == b'v')
            .collect::<Vec<_>>();
        if minor == 0 {
            assert!(told.is_empty(), "AWS's drivers take it for an error");
        } else {
            let count = u32::try_from(options.len()).unwrap().to_be_bytes();
            let names = options
                .iter()
                .flat_map(|name| [name.as_bytes(), b"\0"].concat())
                .collect::<Vec<_>>();
            let expected = (b'v', [&196_608u32.to_be_bytes()[..], &count, &names].concat());
            assert_eq!(told, [&expected]);
            assert_eq!(messages[0], expected, "ahead of the challenge");
        }
        assert_eq!(query(&mut stream, "select 1").await, "1");
        support::raw::send(&mut stream, &message(b'X', b"")).await;
    }
    let upstream = rig.sandbox().warehouse.startups();
    assert!(
        upstream
            .iter()
            .flatten()
            .all(|(name, _)| !name.starts_with("_pq_.")),
        "{upstream:?}"
    );
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn proxies_share_a_port_with_reuse_port() {
    let first = rig("reuse_port = true", "").await;
    let taken = format!("address = \"127.0.0.1:{}\"", first.port());
    let mut beside = world("", "").await;
    beside.edit("address = \"127.0.0.1:0\"", &taken);
    let config = beside.config();
    let base = Base::with_keys(&config.aws, &beside.keys.0, &beside.keys.1).await;
    let refused = App::start(config, base, Workers::current(), Arc::new(ManualClock::default())).await;
    assert!(matches!(refused.map(drop), Err(AppError::Bind { address, .. }) if address.port() == first.port()));

    beside.edit("[listen]\n", "[listen]\nreuse_port = true\n");
    let second = Rig::over(beside).await;
    assert_eq!(first.port(), second.port());
    // The kernel deals by address and port of the client.
    let mut connections = Vec::new();
    for _ in 0..64 {
        connections.push(tcp(first.port()).await);
    }
    first.wait_until(|counts| counts.handshakes > 0).await;
    second.wait_until(|counts| counts.handshakes > 0).await;
    drop(connections);
    second.app.abort().await;
    let client = first.connect("sales").await.unwrap();
    assert_eq!(
        client
            .query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
}
