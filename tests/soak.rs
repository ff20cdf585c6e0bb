//! A thousand sessions that come and go, for a minute or `SOAK_SECS`: all that they took is given
//! back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails has done its work"
)]

mod support;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use support::process::Proxy;
use support::raw::{self, Stream, encrypt, message, tcp, tls_config, until_closed};
use support::session::Session;
use support::stand_in::{StandIn, ask};
use support::{Setup, World};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::rustls::ClientConfig;

/// Each opens sessions one after the other, and keeps so many of them: a thousand are there at any
/// time.
const CLIENTS: usize = 50;
const KEPT: usize = 20;
/// Sessions that each client opens, however little time there is. After as many, what is allocated
/// once is there.
const TURNS: usize = 3 * KEPT;

/// How much more memory there may be in the end than after the first sessions, in KiB: what the
/// allocator scatters. A hundred bytes lost by each session would be more, in a minute.
const SLACK_KIB: u64 = 4 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions_that_come_and_go_leave_nothing_behind() {
    let secs = std::env::var("SOAK_SECS").map_or(60, |secs| secs.parse().expect("SOAK_SECS: a number"));
    let mut world = World::start(&Setup { tls: "prefer", ..Setup::default() }).await;
    let stand_in = StandIn::replace(&mut world, 2 * CLIENTS * KEPT).await;
    // Two lines a session would soon be most of what this process holds.
    let proxy = Proxy::start(&world, &[("RUST_LOG", "info,redshift_iam_proxy::session=warn")]).await;
    let door = Arc::new(Door { port: proxy.port, tls: tls_config(world.sandbox.ca.pem()) });

    // Stays, with the files that every login needs once.
    let mut held = door.enter(0).await;
    let files = proxy.fds();
    door.crowd(Instant::now(), &stand_in).await;
    proxy.wait_for_fds(files).await;
    let before = proxy.rss_kib();
    let served = door
        .crowd(Instant::now() + Duration::from_secs(secs), &stand_in)
        .await;
    proxy.wait_for_fds(files).await;
    let after = proxy.rss_kib();
    println!("{served} sessions in {secs} s: {before} KiB before, {after} KiB after");

    assert!(served >= CLIENTS * TURNS, "{served}");
    assert!(after <= before + SLACK_KIB, "{before} KiB before, {after} KiB after");
    ask(&mut held, 1).await;
}

/// Where clients go.
struct Door {
    port: u16,
    tls: ClientConfig,
}

/// A session, and which of its client's it is.
type Visit = (usize, Session<Stream>);

impl Door {
    /// All clients until then, and the end of all their sessions: how many there were.
    async fn crowd(self: &Arc<Self>, until: Instant, stand_in: &StandIn) -> usize {
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let door = Arc::clone(self);
            clients.spawn(async move { door.come_and_go(until).await });
        }
        let clients = clients.join_all().await;
        // The thousand, and the one that stays.
        stand_in.wait_for_sessions(CLIENTS * KEPT + 1).await;
        let served = clients.iter().map(|(_, turns)| turns).sum();
        for visit in clients.into_iter().flat_map(|(kept, _)| kept) {
            leave(visit).await;
        }
        stand_in.wait_for_sessions(1).await;
        served
    }

    /// One client until then: the sessions that it has in the end, and how many it has opened.
    async fn come_and_go(&self, until: Instant) -> (VecDeque<Visit>, usize) {
        let (mut kept, mut turn) = (VecDeque::new(), 0);
        while turn < TURNS || Instant::now() < until {
            kept.push_back((turn, self.enter(turn).await));
            turn += 1;
            if kept.len() > KEPT {
                leave(kept.pop_front().unwrap()).await;
            }
        }
        (kept, turn)
    }

    /// Opens a session and asks it something. Of each way to leave, half are inside TLS.
    async fn enter(&self, turn: usize) -> Session<Stream> {
        let socket = tcp(self.port).await;
        if turn % 4 == RESET {
            socket.set_zero_linger().unwrap();
        }
        let encrypted = turn % 8 < 4;
        let stream: Stream =
            if encrypted { Box::new(encrypt(socket, self.tls.clone()).await) } else { Box::new(socket) };
        let mut session = Session::open(stream, "sales").await;
        ask(&mut session, turn).await;
        session
    }
}

/// Of four sessions two end with a goodbye, one without a word, and one by a reset that its answer
/// runs into.
async fn leave((turn, mut session): Visit) {
    match turn % 4 {
        SILENT => {}
        RESET => session.query("select 'unheard'").await,
        _ => {
            raw::send(&mut session.stream, &message(b'X', b"")).await;
            assert_eq!(until_closed(&mut session.stream).await, b"");
        }
    }
}

const SILENT: usize = 2;
const RESET: usize = 3;
