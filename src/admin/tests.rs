//! What the admin addresses withstand, in front of a proxy that is not there.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::*;
use crate::operations::fake::{Fake, HANGS, TOKEN};

/// Both addresses over a fake, and the fake.
struct Rig {
    server: Server,
    fake: Arc<Fake>,
}

impl Rig {
    async fn starting() -> Self {
        let mut bound = Vec::new();
        for face in [Face::Full, Face::Health] {
            bound.push((face, TcpListener::bind("127.0.0.1:0").await.unwrap()));
        }
        let server = Server::start(bound, &Arc::default());
        Self { server, fake: Arc::new(Fake::of("x")) }
    }

    async fn start() -> Self {
        Self::over("x").await
    }

    /// In front of a proxy whose every text is this one.
    async fn over(text: &str) -> Self {
        let rig = Self { fake: Arc::new(Fake::of(text)), ..Self::starting().await };
        let operations: SharedOperations = Arc::<Fake>::clone(&rig.fake);
        rig.server.serve(operations);
        rig
    }

    async fn connect(&self, face: Face) -> TcpStream {
        let address = self.server.address(face).unwrap();
        TcpStream::connect(address).await.unwrap()
    }

    /// Sends these bytes, and reads to the end.
    async fn say(&self, face: Face, bytes: &[u8]) -> String {
        let mut stream = self.connect(face).await;
        // It may be refused ahead of its end.
        let _ = stream.write_all(bytes).await;
        rest(&mut stream).await
    }

    async fn get(&self, face: Face, path: &str) -> String {
        self.say(face, format!("GET {path} HTTP/1.1\r\nHost: [::1]\r\n\r\n").as_bytes())
            .await
    }
}

fn post(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: [::1]\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n\r\n")
}

/// All that still comes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_of_every_kind_have_one_answer() {
    let rig = Rig::start().await;
    let many = |count: usize| "A: b\r\n".repeat(count);
    let ok = |head: &str| format!("GET /healthz HTTP/1.1\r\nHost: [::1]\r\n{head}\r\n");
    for (request, want) in [
        (ok(""), "HTTP/1.1 200 OK"),
        (ok("").replace("1.1", "1.0"), "HTTP/1.0 200 OK"),
        ("GET /healthz HTTP/1.0\r\n\r\n".to_owned(), "HTTP/1.0 200 OK"),
        ("GET http://[::1]/healthz HTTP/1.1\r\nHost: [::1]\r\n\r\n".to_owned(), "HTTP/1.1 200 OK"),
        (ok("").replace("/healthz", "/healthz?verbose"), "HTTP/1.1 200 OK"),
        ("HEAD /healthz HTTP/1.1\r\nHost: [::1]\r\n\r\n".to_owned(), "HTTP/1.1 200 OK"),
        (ok("Connection: keep-alive\r\n"), "HTTP/1.1 200 OK"),
        (ok("Connection: upgrade\r\nUpgrade: h2c\r\n"), "HTTP/1.1 200 OK"),
        (ok("Content-Length: 3\r\n") + "abc", "HTTP/1.1 200 OK"),
        (ok("Expect: 100-continue\r\nContent-Length: 3\r\n") + "abc", "HTTP/1.1 100 Continue"),
        (ok("Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n", "HTTP/1.1 200 OK"),
        (ok(&many(60)), "HTTP/1.1 200 OK"),
        (ok("") + &ok(""), "HTTP/1.1 200 OK"),
        ("OPTIONS * HTTP/1.1\r\nHost: [::1]\r\n\r\n".to_owned(), "HTTP/1.1 404 Not Found"),
        ("CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n".to_owned(), "HTTP/1.1 404 Not Found"),
        (ok("").replace("GET", "TRACE"), "HTTP/1.1 405 Method Not Allowed"),
        (ok("").replace("Host", "Hos"), "HTTP/1.1 400 Bad Request"),
        (ok("Host: [::1]\r\n"), "HTTP/1.1 400 Bad Request"),
        (ok("Origin: http://evil.example\r\n"), "HTTP/1.1 403 Forbidden"),
        (ok("").replace("[::1]", "evil.example"), "HTTP/1.1 403 Forbidden"),
        (ok("Content-Length: 1025\r\n"), "HTTP/1.1 413 Payload Too Large"),
        (ok("Content-Length: 99999999999999999999\r\n"), "HTTP/1.1 400 Bad Request"),
        (ok("Content-Length: -1\r\n"), "HTTP/1.1 400 Bad Request"),
        (ok("Content-Length: 1\r\nContent-Length: 2\r\n"), "HTTP/1.1 400 Bad Request"),
        (ok("Transfer-Encoding: chunked\r\n") + "401\r\n" + &"x".repeat(0x401), "HTTP/1.1 413 Payload Too Large"),
        (ok("Transfer-Encoding: chunked\r\n") + "zz\r\n", "HTTP/1.1 400 Bad Request"),
        (ok(&many(64)), "HTTP/1.1 431 Request Header Fields Too Large"),
        (ok(&format!("A: {}\r\n", "x".repeat(16 * 1024))), "HTTP/1.1 431 Request Header Fields Too Large"),
        (ok("A\0: b\r\n"), "HTTP/1.1 400 Bad Request"),
        (ok("A: \0\r\n"), "HTTP/1.1 400 Bad Request"),
        (ok(" folded\r\n"), "HTTP/1.1 400 Bad Request"),
        (ok("").replace("HTTP/1.1", "HTTP/9.9"), "HTTP/1.1 400 Bad Request"),
        ("\u{16}\u{3}\u{1}\0\u{5}\u{1}\0\0\u{1}\r\n\r\n".to_owned(), "HTTP/1.1 400 Bad Request"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
        ("\0\0\0\u{8}\u{4}\u{d2}\u{16}\u{2f}\r\n\r\n".to_owned(), "HTTP/1.1 400 Bad Request"),
    ] {
        let answer = rig.say(Face::Full, request.as_bytes()).await;
        let first = answer.lines().next().unwrap_or_default();
        assert_eq!(first, want, "{request:.200}");
        let interim = usize::from(want.contains(" 100 "));
        assert_eq!(answer.matches("HTTP/1.").count(), usize::from(!want.is_empty()) + interim, "{answer}");
        let is_last = !want.starts_with("HTTP/1.1") || answer.contains("\r\nconnection: close\r\n");
        assert!(is_last, "{answer}");
    }
    let other = rig
        .say(Face::Health, b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        .await;
    assert!(other.starts_with("HTTP/1.1 200 OK"), "{other}");
}

#[tokio::test]
async fn mutilated_requests_do_no_harm() {
    let rig = Rig::start().await;
    let whole = post("/reload").into_bytes();
    let mut random = fastrand::Rng::with_seed(13);
    for _ in 0..300 {
        let mut request = whole.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..request.len());
            match random.u8(..3) {
                0 => request[at] = random.u8(..),
                1 => drop(request.remove(at)),
                _ => request.insert(at, random.u8(..)),
            }
        }
        let mut stream = rig.connect(Face::Full).await;
        let _ = stream.write_all(&request).await;
        let _ = stream.shutdown().await;
        let answer = rest(&mut stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1."), "{:?}: {answer}", request.escape_ascii());
    }
    assert!(
        rig.get(Face::Full, "/healthz")
            .await
            .ends_with("\r\n\r\nok\n")
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_is_slow_is_cut_off() {
    let rig = Rig::start().await;
    let head = "GET /healthz HTTP/1.1\r\nHost: [::1]\r\n";
    for (sent, after) in [
        ("", 10),
        ("GET /hea", 10),
        (head, 10),
        // A body that does not come.
        (&format!("{head}Content-Length: 3\r\n\r\n"), 30),
        (&format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\n"), 30),
    ] {
        let (mut stream, began) = (rig.connect(Face::Full).await, Instant::now());
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(rest(&mut stream).await, "", "{sent:?}");
        assert_eq!(began.elapsed().as_secs(), after, "{sent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_read_is_cut_off() {
    let rig = Rig::over(&"x".repeat(1024 * 1024)).await;
    let mut stream = rig.connect(Face::Full).await;
    stream
        .write_all(b"GET /status.json HTTP/1.1\r\nHost: [::1]\r\n\r\n")
        .await
        .unwrap();
    stream.read_exact(&mut [0; 15]).await.unwrap();
    let began = Instant::now();
    rig.server.connections.close();
    rig.server.connections.wait().await;
    let ended = began.elapsed();
    let answer = rest(&mut stream).await;
    let (_, length) = answer.split_once("content-length: ").unwrap();
    let length: u64 = length.lines().next().unwrap().parse().unwrap();
    let allowed = 5 + length / (64 * 1024);
    assert!((allowed..allowed + 2).contains(&ended.as_secs()), "{ended:?} of {allowed} s for {length} bytes");
    assert!(answer.len() > 1000 && !answer.ends_with("}\n"), "{}", answer.len());
}

#[tokio::test]
async fn silent_connections_make_room() {
    let rig = Rig::start().await;
    let mut silent = Vec::new();
    for _ in 0..5 * places::MAX {
        silent.push(rig.connect(Face::Full).await);
    }
    for face in [Face::Full, Face::Health] {
        assert!(rig.get(face, "/healthz").await.ends_with("\r\n\r\nok\n"), "{face:?}");
    }
    assert_eq!(rest(&mut silent[0]).await, "");
    assert!(rig.server.connections.len() <= places::MAX_PER_ADDRESS * 2, "{}", rig.server.connections.len());
}

/// 4,000 connections that were answered at once had 1,953 descriptors: each lingered for a second.
#[tokio::test]
async fn a_storm_of_answered_connections_has_no_more_than_the_places() {
    let rig = Rig::start().await;
    let request = b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\n\r\n";
    let (mut most, mut left_open) = (0, Vec::new());
    for number in 0..10 * places::MAX {
        let mut stream = rig.connect(Face::Full).await;
        stream.write_all(request).await.unwrap();
        stream.read_exact(&mut [0; 15]).await.unwrap();
        most = most.max(rig.server.connections.len());
        // Some stay open on this side, so that the other one lingers.
        if number % 2 == 0 {
            left_open.push(stream);
        }
    }
    assert!(most <= places::MAX_PER_ADDRESS + 1, "{most}");
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_hangs_is_answered() {
    let rig = Rig::over(HANGS).await;
    let answer = rig.say(Face::Full, post("/reload").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("the reload goes on"), "{answer}");
}

#[tokio::test]
async fn long_answers_do_not_take_all_places() {
    let rig = Rig::start().await;
    let mut drains = Vec::new();
    for _ in 0..places::MAX_KEPT_PER_ADDRESS {
        let mut stream = rig.connect(Face::Full).await;
        stream.write_all(post("/drain").as_bytes()).await.unwrap();
        stream.read_exact(&mut [0; 9]).await.unwrap();
        drains.push(stream);
    }
    let next = rig.say(Face::Full, post("/drain").as_bytes()).await;
    assert!(next.starts_with("HTTP/1.1 503 ") && next.contains("\r\nretry-after: 1\r\n"), "{next}");
    for _ in 0..2 * places::MAX {
        drop(rig.connect(Face::Full).await);
    }
    assert!(
        rig.get(Face::Full, "/healthz")
            .await
            .ends_with("\r\n\r\nok\n")
    );
    drop(drains);
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_told_line_by_line() {
    let rig = Rig::start().await;
    let mut stream = rig.connect(Face::Full).await;
    stream
        .write_all(post("/shutdown").replace("1.1", "1.0").as_bytes())
        .await
        .unwrap();
    let (began, mut told) = (Instant::now(), Vec::new());
    while told
        .windows(9)
        .filter(|window| *window == b"draining:")
        .count()
        < 8
    {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).await.unwrap();
        assert!(count > 0, "{}", told.escape_ascii());
        told.extend_from_slice(&some[..count]);
    }
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("\r\n\r\ndraining: 3 sessions, 1 busy; all are closed in 20 s\n"), "{told}");
    assert_eq!(began.elapsed().as_secs(), 35, "longer than any other answer may take");
    assert_eq!(*rig.fake.actions.lock(), ["SHUTDOWN"]);
}

#[tokio::test]
async fn a_refused_reload_tells_its_problems() {
    let rig = Rig::start().await;
    let answer = rig.say(Face::Full, post("/reload").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 422 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{\"problems\":[\"p:1: k: one\",\"p:2: k: other\"]}\n"), "{answer}");
}

#[tokio::test]
async fn until_the_proxy_is_built_it_is_starting() {
    let rig = Rig::starting().await;
    for face in [Face::Full, Face::Health] {
        assert!(rig.get(face, "/healthz").await.starts_with("HTTP/1.1 200 "));
        for path in ["/readyz", "/metrics"] {
            let answer = rig.get(face, path).await;
            assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\nstarting\n"), "{answer}");
        }
    }
    let reload = rig.say(Face::Full, post("/reload").as_bytes()).await;
    assert!(reload.starts_with("HTTP/1.1 503 "), "{reload}");
}

#[tokio::test]
async fn a_server_that_closes_waits_for_nobody_who_is_silent() {
    let rig = Rig::start().await;
    let mut silent = rig.connect(Face::Full).await;
    assert!(rig.get(Face::Full, "/healthz").await.ends_with("ok\n"));
    rig.server.close().await;
    assert_eq!(rest(&mut silent).await, "");
    assert!(
        TcpStream::connect(rig.server.address(Face::Full).unwrap())
            .await
            .is_err()
    );
}
