//! Behind load balancers: PROXY headers from those that are trusted, and from nobody else.

pub(crate) mod haproxy;

use std::sync::Arc;

use crate::support;
use crate::support::aws_driver::JDBC;
use crate::support::drip::Drip;
use crate::support::hostile::demo;
use crate::support::process::Proxy;
use crate::support::raw::{GSSENC_REQUEST, SSL_REQUEST, client_hello, message, say, tcp, tls_config, until_closed};
use crate::support::{PASSWORD, Rig, Setup, USER, World, login_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

const V1: &[u8] = b"PROXY TCP4 10.1.2.3 10.0.0.1 54321 5439\r\n";
const ENDPOINT: &str = "vpce-08d2bf15fac5001c9";

/// Version 2, with these fields behind the addresses.
fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, payload].concat()
}

fn v2_from(client: [u8; 4], fields: &[u8]) -> Vec<u8> {
    v2(0x21, 0x11, &[&client[..], &[10, 0, 0, 1], &54_321u16.to_be_bytes(), &5439u16.to_be_bytes(), fields].concat())
}

/// As a network load balancer writes it: the endpoint's id among other fields.
fn of_aws() -> Vec<u8> {
    let id = [&[0xea, 0, 23, 1][..], ENDPOINT.as_bytes()].concat();
    v2_from([10, 1, 2, 3], &[&id[..], &[4, 0, 2, 0, 0]].concat())
}

/// Every header that is right, and the address that it stands for.
fn headers() -> Vec<(Vec<u8>, &'static str)> {
    let v6 = [&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[7], &[0; 16], &[1, 0, 2, 0]].concat();
    vec![
        (V1.to_vec(), "10.1.2.3"),
        (b"PROXY TCP6 2001:db8::7 ::1 54321 5439\r\n".to_vec(), "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2_from([10, 1, 2, 3], b""), "10.1.2.3"),
        (v2(0x21, 0x21, &v6), "2001:db8::7"),
        (of_aws(), "10.1.2.3"),
        (v2(0x20, 0, b""), "127.0.0.1"),
        (v2(0x21, 0, b""), "127.0.0.1"),
    ]
}

const TRUSTED: &str = "proxy_protocol_from = [\"127.0.0.0/8\"]";

async fn world(listen: &str, config: &str) -> World {
    let mut world = World::start(&Setup { config: config.to_owned(), ..Setup::default() }).await;
    world.edit("[listen]\n", &format!("[listen]\n{listen}\n"));
    world
}

async fn trusting() -> Rig {
    Rig::over(world(TRUSTED, "").await).await
}

/// A balancer on this machine: every connection to it begins with the header, in one segment with
/// what the client says.
async fn balancer(to: u16, header: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let header = header.clone();
            tokio::spawn(async move {
                let mut first = [0; 4096];
                let read = client.read(&mut first).await.unwrap();
                let mut proxy = tcp(to).await;
                proxy
                    .write_all(&[&header, &first[..read]].concat())
                    .await
                    .unwrap();
                let _ = copy_bidirectional(&mut client, &mut proxy).await;
            });
        }
    });
    port
}

/// Behind a balancer a good client gets in, and leaves nothing.
async fn assert_unharmed(rig: &Rig) {
    let port = balancer(rig.port(), V1.to_vec()).await;
    let output = rig
        .world
        .psql(port)
        .args(["-d", "sales", "-c", "select 1"])
        .output()
        .await
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1", "{}", String::from_utf8_lossy(&output.stderr));
    rig.wait_until_idle().await;
}

/// What is said comes to nothing, without a word.
async fn assert_closed(rig: &Rig, bytes: &[u8]) {
    let mut socket = tcp(rig.port()).await;
    say(&mut socket, bytes).await;
    assert_eq!(until_closed(&mut socket).await, b"", "{}", bytes.escape_ascii());
}

#[tokio::test]
async fn psql_behind_a_balancer_is_known_by_its_own_address() {
    let world = world(TRUSTED, "").await;
    let mut proxy = Proxy::start(&world, &[]).await;
    for (count, (header, address)) in headers().into_iter().enumerate() {
        let port = balancer(proxy.port, header).await;
        let output = world
            .psql(port)
            .args(["-d", "sales", "-c", "select 1"])
            .output()
            .await
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1", "{}", String::from_utf8_lossy(&output.stderr));
        let started = || {
            let log = proxy.log();
            let lines = log.lines().filter(|line| line.contains("session started"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        support::until("the session's line", started, |lines| lines.len() == count + 1).await;
        let line = started().pop().unwrap();
        assert!(line.contains(&format!("\"client_addr\":\"{address}\"")), "{address}: {line}");
        assert!(!line.contains("client_net"), "of refusals alone: {line}");
    }
    // Who is refused is named too.
    let port = balancer(proxy.port, of_aws()).await;
    let refused = world
        .psql(port)
        .env("PGPASSWORD", "wrong")
        .args(["-d", "sales", "-c", ""])
        .output()
        .await
        .unwrap();
    assert!(!refused.status.success());
    let line = proxy.wait_for_log("wrong password").await;
    assert!(line.contains("\"client_addr\":\"10.1.2.3\""), "{line}");
}

#[tokio::test]
async fn direct_tls_in_one_segment_with_a_header_succeeds() {
    let rig = trusting().await;
    for (header, _) in headers() {
        let mut config = tls_config(rig.sandbox().ca.pem());
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        let socket = tcp(balancer(rig.port(), header).await).await;
        let stream = TlsConnector::from(Arc::new(config))
            .connect("localhost".try_into().unwrap(), socket)
            .await
            .unwrap();
        let client = login_over(stream, USER, PASSWORD, "sales").await.unwrap();
        assert_eq!(
            client
                .query_one("select 1", &[])
                .await
                .unwrap()
                .get::<_, i32>(0),
            1
        );
    }
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn a_header_split_at_every_byte_is_a_header() {
    let rig = trusting().await;
    for (header, _) in headers() {
        let mut socket = tcp(rig.port()).await;
        socket.set_nodelay(true).unwrap();
        Drip::new(&mut socket).write_all(&header).await.unwrap();
        let stream = support::raw::encrypt(socket, tls_config(rig.sandbox().ca.pem())).await;
        let client = login_over(stream, USER, PASSWORD, "sales").await.unwrap();
        assert_eq!(
            client
                .query_one("select 1", &[])
                .await
                .unwrap()
                .get::<_, i32>(0),
            1
        );
    }
    rig.wait_until_idle().await;
}

/// `from` is of the client, not of the balancer: networks by its address, VPC endpoints by what AWS
/// adds.
#[tokio::test]
async fn from_is_checked_against_the_address_in_the_proxy_header() {
    let verifier = support::verifier();
    let user = |name: &str, from: &str| {
        format!("[users.{name}]\npassword = \"{verifier}\"\nconnections = [\"sales\"]\nfrom = {from}\n")
    };
    let config = user("office", "[\"10.1.0.0/16\", \"2001:db8::/32\"]")
        + &user("partner", &format!("[\"{ENDPOINT}\"]"))
        + &user("local", "[\"127.0.0.0/8\"]");
    let rig = Rig::over(world(TRUSTED, &config).await).await;
    let other_endpoint = v2_from([10, 1, 2, 3], &[&[0xea, 0, 23, 1][..], b"vpce-08d2bf15fac5001c0"].concat());
    let v6 = b"PROXY TCP6 2001:db8::7 ::1 54321 5439\r\n".to_vec();
    for (header, allowed) in [
        (V1.to_vec(), &["office"][..]),
        (b"PROXY TCP4 10.2.2.3 10.0.0.1 54321 5439\r\n".to_vec(), &[]),
        (v6, &["office"]),
        (v2_from([10, 1, 2, 3], b""), &["office"]),
        (v2_from([127, 0, 0, 1], b""), &["local"]),
        (of_aws(), &["office", "partner"]),
        (other_endpoint, &["office"]),
        (v2(0x20, 0, b""), &["local"]),
        (b"PROXY UNKNOWN\r\n".to_vec(), &["local"]),
    ] {
        let port = balancer(rig.port(), header.clone()).await;
        for user in ["office", "partner", "local"] {
            let stream = support::raw::tls(port, rig.sandbox().ca.pem()).await;
            let login = login_over(stream, user, PASSWORD, "sales").await;
            if allowed.contains(&user) {
                let client = login.unwrap_or_else(|error| panic!("{user} {}: {error}", header.escape_ascii()));
                assert_eq!(
                    client
                        .query_one("select 1", &[])
                        .await
                        .unwrap()
                        .get::<_, i32>(0),
                    1
                );
            } else {
                support::assert_refused(&login.unwrap_err(), "28000", "this address is not allowed", None);
            }
        }
    }
    rig.wait_until_idle().await;
}

/// Guesses of one client do not shut the others behind the same balancer out.
#[tokio::test]
async fn a_ban_is_of_the_client_not_of_the_balancer() {
    let rig = Rig::over(world(TRUSTED, "[limits]\nban_after = 3\n").await).await;
    let [one, other] = [[10, 1, 2, 3], [10, 1, 2, 4]].map(|client| v2_from(client, b""));
    let (one, other) = (balancer(rig.port(), one).await, balancer(rig.port(), other).await);
    let login = async |port, password| {
        let stream = support::raw::tls(port, rig.sandbox().ca.pem()).await;
        login_over(stream, USER, password, "sales").await
    };
    for _ in 0..3 {
        assert_eq!(support::refusal(&login(one, "wrong").await.unwrap_err()).0, "28P01");
    }
    let banned = login(one, PASSWORD).await.unwrap_err();
    support::assert_refused(&banned, "28000", "too many failed logins, try again later", None);
    let client = login(other, PASSWORD).await.unwrap();
    assert_eq!(
        client
            .query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
    assert_eq!(rig.app.bans().len(), 1);
}

/// The header may be there, what is sent ahead of TLS may not.
#[tokio::test]
async fn cve_2021_3935_and_cve_2021_43766_plaintext_ahead_of_tls_behind_a_balancer() {
    let rig = trusting().await;
    let hello = client_hello(tls_config(rig.sandbox().ca.pem()));
    for (header, _) in headers() {
        let mut socket = tcp(rig.port()).await;
        say(&mut socket, &[&header, SSL_REQUEST].concat()).await;
        assert_eq!(socket.read_u8().await.unwrap(), b'S', "the request alone is fine");
        for request in [SSL_REQUEST, GSSENC_REQUEST] {
            for ahead in [&demo()[..], &message(b'Q', b"select 1\0"), &hello, V1, b"\0"] {
                assert_closed(&rig, &[&header, request, ahead].concat()).await;
            }
        }
    }
    assert_unharmed(&rig).await;
}

/// From whoever is not in the list a header is no startup packet.
#[tokio::test]
async fn pgadmin_cve_2026_86863_only_a_trusted_balancer_says_where_a_client_is() {
    for listen in ["", "proxy_protocol_from = [\"10.0.0.0/8\", \"::/0\"]"] {
        let rig = Rig::over(world(listen, "").await).await;
        for (header, _) in headers() {
            for behind in [&b""[..], SSL_REQUEST, &demo()] {
                assert_closed(&rig, &[&header[..], behind].concat()).await;
            }
            // Inside TLS as well.
            let mut stream = support::raw::open(rig.port(), Some(rig.sandbox().ca.pem())).await;
            say(&mut stream, &[&header[..], &demo()].concat()).await;
            assert_eq!(until_closed(&mut stream).await, b"");
        }
        support::hostile::assert_unharmed(&rig).await;
    }
}

#[tokio::test]
async fn a_balancer_that_sends_no_header_is_closed_without_words() {
    let rig = trusting().await;
    let hello = client_hello(tls_config(rig.sandbox().ca.pem()));
    for bytes in [SSL_REQUEST, GSSENC_REQUEST, &demo(), &JDBC.startup(), &hello, b"GET / HTTP/1.1\r\n\r\n", b"PROXX"] {
        assert_closed(&rig, bytes).await;
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn malformed_headers_are_closed_without_words() {
    let rig = trusting().await;
    let long = [b"PROXY UNKNOWN ", &[b'x'; 200][..], b"\r\n"].concat();
    let wrong_sum = v2_from([10, 1, 2, 3], &[3, 0, 4, 1, 2, 3, 4]);
    for header in [
        b"PROXY TCP4 10.1.2.3 10.0.0.1 54321\r\n".to_vec(),
        b"PROXY TCP4 10.1.2.3 10.0.0.1 54321 65536\r\n".to_vec(),
        b"PROXY TCP4 0.0.0.0 10.0.0.1 54321 5439\r\n".to_vec(),
        v2_from([224, 0, 0, 1], b""),
        b"PROXY TCP4 2001:db8::7 ::1 54321 5439\r\n".to_vec(),
        b"PROXY TCP4 10.1.2.3 10.0.0.1 54321 5439\n".to_vec(),
        b"PROXY UDP4 10.1.2.3 10.0.0.1 54321 5439\r\n".to_vec(),
        b"PROXY \r\n".to_vec(),
        long,
        v2(0x22, 0x11, &[0; 12]),
        v2(0x31, 0x11, &[0; 12]),
        v2(0x21, 0x12, &[0; 12]),
        v2(0x21, 0x31, &[0; 216]),
        v2(0x21, 0x11, &[0; 11]),
        v2(0x21, 0x21, &[0; 12]),
        v2(0x20, 0, &[0; 5000]),
        v2_from([10, 1, 2, 3], &[0xea, 0, 9, 1]),
        v2_from([10, 1, 2, 3], &[0xea, 0, 5, 1, b'v', b'p', b'c', b'e']),
        wrong_sum,
        // Once is enough.
        [V1, V1].concat(),
        [&of_aws()[..], &of_aws()].concat(),
        [V1, &of_aws()].concat(),
    ] {
        assert_closed(&rig, &[&header, SSL_REQUEST].concat()).await;
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn headers_cut_anywhere_are_closed_by_the_startup_timeout() {
    let rig = Rig::over(world(TRUSTED, "[limits]\nstartup_timeout = \"1s\"\n").await).await;
    let mut waiting = Vec::new();
    for (header, _) in headers() {
        for cut in 0..header.len() {
            let mut socket = tcp(rig.port()).await;
            say(&mut socket, &header[..cut]).await;
            waiting.push(socket);
        }
    }
    for mut socket in waiting {
        assert_eq!(until_closed(&mut socket).await, b"");
    }
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn health_checks_are_not_in_the_log() {
    let world = world(TRUSTED, "").await;
    let mut proxy = Proxy::start(&world, &[]).await;
    for said in [&b""[..], &v2(0x20, 0, b""), &v2(0x20, 0x11, &[0; 12]), b"PROXY UNKNOWN\r\n", V1] {
        let mut socket = tcp(proxy.port).await;
        say(&mut socket, said).await;
        socket.shutdown().await.unwrap();
        assert_eq!(until_closed(&mut socket).await, b"");
    }
    let port = balancer(proxy.port, v2(0x20, 0, b"")).await;
    let output = world
        .psql(port)
        .args(["-d", "sales", "-c", "select 1"])
        .output()
        .await
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1");
    proxy.wait_for_log("session started").await;
    let log = proxy.log();
    assert!(!log.contains("login refused"), "{log}");
}

/// The log tells the operator what is amiss: a balancer that is not in the list, or one that sends
/// no header.
#[tokio::test]
async fn the_log_says_which_header_is_missing_or_too_much() {
    let world = world(TRUSTED, "").await;
    let mut proxy = Proxy::start(&world, &[]).await;
    let mut socket = tcp(proxy.port).await;
    say(&mut socket, SSL_REQUEST).await;
    until_closed(&mut socket).await;
    proxy
        .wait_for_log("no PROXY header from an address that owes one")
        .await;
    let mut socket = tcp(proxy.port).await;
    say(&mut socket, &[V1, V1].concat()).await;
    until_closed(&mut socket).await;
    let line = proxy
        .wait_for_log("a PROXY header that nobody asked for")
        .await;
    assert!(line.contains("\"client_addr\":\"10.1.2.3\""), "{line}");
}
