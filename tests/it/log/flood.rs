//! What clients can write into the log that have proven nothing: little, however many they are.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::support::process::Proxy;
use crate::support::raw::{self, SSL_REQUEST, say, startup, tcp, tls_config, until_closed};
use crate::support::session::Session;
use crate::support::{PASSWORD, Setup, USER, World, login_over, until};

/// What is told of these refusals: lines at `info`, and how many in all, those counted that were
/// left out.
fn told(proxy: &Proxy, event: &str) -> (u64, u64) {
    let log = proxy.log();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let (mut written, mut all) = (0, 0);
    for line in lines {
        let left_out = line["left_out"].as_u64().unwrap_or(0);
        if line["message"] == event {
            written += 1;
            all += 1 + left_out;
        } else if line["message"] == "lines left out" && line["of"] == event {
            all += left_out;
        }
    }
    (written, all)
}

#[tokio::test]
async fn a_flood_of_refused_clients_writes_a_line_a_second_and_all_are_counted() {
    const CLIENTS: u64 = 300;
    let world = World::start(&Setup::default()).await;
    let proxy = Proxy::start(&world, &[]).await;
    let began = Instant::now();
    for _ in 0..CLIENTS {
        let mut socket = tcp(proxy.port).await;
        say(&mut socket, &startup(0, &[("user", "nobody"), ("database", "sales")])).await;
        assert!(!until_closed(&mut socket).await.is_empty());
    }
    let most = began.elapsed().as_secs() + 1;
    until("all to be told", || told(&proxy, "login refused").1, |all| *all == CLIENTS).await;
    let (written, _) = told(&proxy, "login refused");
    assert!((1..=most).contains(&written), "{written} of {most}: {}", proxy.log());
}

/// An operator looks for the id that a user was told.
#[tokio::test]
async fn each_of_a_few_refusals_of_a_user_has_its_line() {
    let world = World::start(&Setup::default()).await;
    let proxy = Proxy::start(&world, &[]).await;
    for _ in 0..5 {
        let stream = raw::tls(proxy.port, world.sandbox.ca.pem()).await;
        assert!(login_over(stream, USER, PASSWORD, "nowhere").await.is_err());
    }
    until("all to be told", || told(&proxy, "login refused"), |told| *told == (5, 5)).await;
}

#[tokio::test]
async fn cancels_are_logged_once_a_second_and_every_session_is() {
    let world = World::start(&Setup::default()).await;
    let mut proxy = Proxy::start(&world, &[]).await;
    let ca = world.sandbox.ca.pem();
    let session = Session::open(raw::tls(proxy.port, ca).await, "sales").await;
    let began = Instant::now();
    for sent in 1..=10 {
        let mut request = raw::tls(proxy.port, ca).await;
        say(&mut request, &session.cancel_request()).await;
        until_closed(&mut request).await;
        world.sandbox.warehouse.wait_for_cancels(sent).await;
    }
    let most = began.elapsed().as_secs() + 1;
    until("all to be told", || told(&proxy, "cancel forwarded").1, |all| *all == 10).await;
    assert!(told(&proxy, "cancel forwarded").0 <= most, "{}", proxy.log());
    // The audit trail is whole.
    for _ in 0..10 {
        drop(Session::open(raw::tls(proxy.port, ca).await, "sales").await);
    }
    proxy.signal("TERM").await;
    assert_eq!(proxy.exit_code().await, Some(0));
    proxy.wait_for_log("\"drained\"").await;
    for event in ["session started", "session ended"] {
        assert_eq!(told(&proxy, event), (11, 11), "{}", proxy.log());
    }
}

#[tokio::test]
async fn peers_that_are_no_postgresql_clients_are_named() {
    let world = World::start(&Setup::default()).await;
    let mut proxy = Proxy::start(&world, &[]).await;
    for (said, named) in [
        (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], "it sent an HTTP request"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "it sent an SSH banner"),
    ] {
        let mut socket = tcp(proxy.port).await;
        say(&mut socket, said).await;
        assert_eq!(until_closed(&mut socket).await, b"");
        assert_named(&mut proxy, named).await;
    }
    for (alpn, named) in [
        (&[][..], "direct TLS without ALPN"),
        (&[b"h2".to_vec(), b"http/1.1".to_vec()], "ALPN names of other protocols"),
    ] {
        let mut config = tls_config(world.sandbox.ca.pem());
        config.alpn_protocols = alpn.to_vec();
        let connector = TlsConnector::from(Arc::new(config));
        if let Ok(mut stream) = connector
            .connect("localhost".try_into().unwrap(), tcp(proxy.port).await)
            .await
        {
            until_closed(&mut stream).await;
        }
        assert_named(&mut proxy, named).await;
    }
}

async fn assert_named(proxy: &mut Proxy, named: &str) {
    let line: Value = serde_json::from_str(&proxy.wait_for_log(named).await).unwrap();
    assert_eq!((&line["message"], &line["level"]), (&"login refused".into(), &"INFO".into()), "{line}");
    assert!(
        line["reason"]
            .as_str()
            .unwrap()
            .starts_with("no PostgreSQL client: "),
        "{line}"
    );
}

/// How a health check ends its connection.
#[derive(Clone, Copy)]
enum Ends {
    Closes,
    Resets,
}

fn end(socket: TcpStream, how: Ends) {
    if matches!(how, Ends::Resets) {
        SockRef::from(&socket)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }
    drop(socket);
}

#[tokio::test]
async fn health_checks_say_nothing_above_debug() {
    const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for (listen, header) in [("", &b""[..]), ("proxy_protocol_from = [\"127.0.0.0/8\"]", LOCAL)] {
        let mut world = World::start(&Setup::default()).await;
        world.edit("[listen]\n", &format!("[listen]\n{listen}\n"));
        let mut proxy = Proxy::start(&world, &[]).await;
        let files = proxy.fds();
        for how in [Ends::Closes, Ends::Resets] {
            // A connection, with or without a header.
            for said in [b"", header] {
                let mut socket = tcp(proxy.port).await;
                socket.write_all(said).await.unwrap();
                end(socket, how);
            }
            // As far as the answer to an SSLRequest, and without waiting for it.
            for waits in [true, false] {
                let mut socket = tcp(proxy.port).await;
                socket
                    .write_all(&[header, SSL_REQUEST].concat())
                    .await
                    .unwrap();
                if waits {
                    assert_eq!(socket.read_u8().await.unwrap(), b'S');
                }
                end(socket, how);
            }
            // HAProxy's pgsql-check.
            let mut socket = tcp(proxy.port).await;
            socket
                .write_all(&[header, &startup(0, &[("user", "haproxy")])].concat())
                .await
                .unwrap();
            assert_eq!(socket.read_u8().await.unwrap(), b'E');
            end(socket, how);
            // The same inside TLS (`check-ssl`): it leaves when it is asked for a proof.
            let mut socket = tcp(proxy.port).await;
            socket.write_all(header).await.unwrap();
            let mut stream = raw::encrypt(socket, tls_config(world.sandbox.ca.pem())).await;
            stream
                .write_all(&startup(0, &[("user", "haproxy")]))
                .await
                .unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), b'R');
            end(stream.into_inner().0, how);
        }
        proxy.wait_for_fds(files).await;
        // A client of a person's that does not ask for TLS is told of, last.
        let mut socket = tcp(proxy.port).await;
        say(&mut socket, &[header, &startup(0, &[("user", "demo"), ("database", "sales")])].concat()).await;
        until_closed(&mut socket).await;
        proxy.wait_for_log("the client did not ask for TLS").await;
        assert_eq!(told(&proxy, "login refused"), (1, 1), "{}", proxy.log());
    }
}
