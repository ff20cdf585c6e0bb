//! Five thousand connections that are half-open, slow or garbage, and a good client among them. How
//! long its logins took is printed (`make crowd`), and held to `CROWD_MS` where that is given: how
//! fast a machine is, is no test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails has done its work"
)]

mod support;

use std::net::Ipv4Addr;
use std::time::Duration;

use redshift_iam_proxy::app::Counts;
use support::hostile::demo;
use support::raw::{SSL_REQUEST, Stream, client_hello, encrypt, read_message, say, tcp_from, tls_config};
use support::{PASSWORD, Rig, Setup, USER, login_over, require_open_files};
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::rustls::ClientConfig;

const CROWD: usize = 5_000;

/// Logins of the good client, each from the crowd's own address and from one of its own.
const LOGINS: usize = 20;

/// How many come while one good client logs in, half of them from its own address: fewer than that
/// address has of the places among 13, since of its own a good client cannot be told from the
/// others. Of 2,000 places a seventh of the crowd, which has finished TLS, keeps 714.
const NEWCOMERS: usize = 140;

/// Half of the crowd comes from here, the others from a dozen more.
const SHARED: Ipv4Addr = Ipv4Addr::LOCALHOST;
const OWN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 99);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_that_wait_or_talk_nonsense_do_not_keep_a_good_client_out() {
    require_open_files(11_000);
    // All of them have a place.
    let places = 2 * CROWD;
    let rig = rig(&format!("max_handshakes = {places}\nstartup_timeout = \"10m\"")).await;
    let door = Door::new(&rig);
    log_in(&rig, OWN).await;
    rig.wait_until_idle().await;
    let files = open_files();
    let crowd = door.crowd(0..CROWD).await;
    rig.wait_until(|counts| counts.handshakes == CROWD).await;
    let took = good_logins(&rig).await;
    assert_eq!(rig.app.counts().handshakes, CROWD, "each kept its place");
    report("all waiting", took);
    drop(crowd);
    assert_all_given_back(&rig, files).await;

    // The default: a place is taken from somebody for most of them, and they go on coming while the
    // good client logs in.
    let rig = self::rig("startup_timeout = \"10m\"").await;
    let door = Door::new(&rig);
    log_in(&rig, OWN).await;
    rig.wait_until_idle().await;
    let files = open_files();
    let mut crowd = door.crowd(0..CROWD).await;
    rig.wait_until(|counts| counts.handshakes == 2_000).await;
    let mut took = Duration::ZERO;
    for login in 0..LOGINS {
        let newcomers = CROWD + NEWCOMERS * login..CROWD + NEWCOMERS * (login + 1);
        let (newcomers, one, other) = tokio::join!(door.crowd(newcomers), log_in(&rig, SHARED), log_in(&rig, OWN));
        crowd.splice(..NEWCOMERS, newcomers);
        took = took.max(one).max(other);
    }
    report("coming and going", took);
    drop(crowd);
    assert_all_given_back(&rig, files).await;
}

async fn rig(limits: &str) -> Rig {
    Rig::with(Setup { config: format!("[limits]\n{limits}\n"), tls: "prefer", ..Setup::default() }).await
}

/// The longest of the logins.
async fn good_logins(rig: &Rig) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..LOGINS {
        for from in [SHARED, OWN] {
            longest = longest.max(log_in(rig, from).await);
        }
    }
    longest
}

/// Through TLS, to the answer of a query.
async fn log_in(rig: &Rig, from: Ipv4Addr) -> Duration {
    let begun = Instant::now();
    let stream = encrypt(tcp_from(from, rig.port()).await.unwrap(), tls_config(rig.sandbox().ca.pem())).await;
    let client = login_over(stream, USER, PASSWORD, "sales")
        .await
        .expect("a good client gets in");
    assert_eq!(
        client
            .query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
    begun.elapsed()
}

#[expect(clippy::print_stdout, reason = "a measurement")]
fn report(what: &str, longest: Duration) {
    println!("{what}: the longest of {} logins took {} ms", 2 * LOGINS, longest.as_millis());
    if let Ok(bound) = std::env::var("CROWD_MS") {
        let bound: u128 = bound.parse().expect("CROWD_MS: a number");
        assert!(longest.as_millis() <= bound, "{what}: {longest:?}");
    }
}

async fn assert_all_given_back(rig: &Rig, files: usize) {
    rig.wait_until(|counts| counts == Counts::default()).await;
    support::until(&format!("{files} open files"), open_files, |open| *open <= files).await;
}

/// Of this process, which both ends are in.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Where the crowd goes.
#[derive(Clone)]
struct Door {
    port: u16,
    tls: ClientConfig,
    hello: Vec<u8>,
}

impl Door {
    fn new(rig: &Rig) -> Self {
        let tls = tls_config(rig.sandbox().ca.pem());
        Self { port: rig.port(), hello: client_hello(tls.clone()), tls }
    }

    /// So many connections, of which some may have been closed already.
    async fn crowd(&self, numbers: std::ops::Range<usize>) -> Vec<Option<Stream>> {
        let mut comers = JoinSet::new();
        let mut crowd = Vec::new();
        for number in numbers {
            let door = self.clone();
            comers.spawn(async move { door.come(number).await });
            if comers.len() >= 100 {
                crowd.extend(comers.join_next().await.unwrap());
            }
        }
        crowd.extend(comers.join_all().await);
        crowd
    }

    /// One of the ways to take a place and keep it. `None`: it was closed on the way.
    async fn come(&self, number: usize) -> Option<Stream> {
        let host = u8::try_from(2 + number / 2 % 12).unwrap();
        let from = if number.is_multiple_of(2) { SHARED } else { Ipv4Addr::new(127, 0, 0, host) };
        let mut socket = tcp_from(from, self.port).await.ok()?;
        match number % 7 {
            0 => {}
            1 => say(&mut socket, &SSL_REQUEST[..4]).await,
            // The length of a packet, and no packet.
            2 => {
                let garbage = (0..2_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]);
                say(&mut socket, &[&[0, 0, 0x23, 0x28][..], &garbage.collect::<Vec<_>>()].concat()).await;
            }
            3 => say(&mut socket, &self.hello[..self.hello.len() / 2]).await,
            // By single bytes, each by itself.
            4 => {
                for byte in demo()[..12].chunks(1) {
                    say(&mut socket, byte).await;
                    tokio::task::yield_now().await;
                }
            }
            5 => {
                say(&mut socket, SSL_REQUEST).await;
                socket.read_u8().await.ok()?;
            }
            _ => {
                say(&mut socket, SSL_REQUEST).await;
                socket.read_u8().await.ok()?;
                let mut stream = support::raw::handshake(socket, self.tls.clone())
                    .await
                    .ok()?;
                say(&mut stream, &demo()).await;
                read_message(&mut stream).await.ok()?;
                return Some(Box::new(stream));
            }
        }
        Some(Box::new(socket))
    }
}
