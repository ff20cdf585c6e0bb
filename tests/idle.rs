//! Nine thousand sessions that say nothing: none is lost, and none costs much.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails has done its work"
)]

mod support;

use futures_util::{StreamExt, stream};
use support::process::Proxy;
use support::raw::{self, Stream};
use support::session::Session;
use support::stand_in::{StandIn, ask};
use support::{Setup, World};

/// Half of them in clear, half inside TLS.
const SESSIONS: usize = 9_000;
/// The first of each half pay for what a process allocates once, and are not counted.
const FIRST: usize = 500;
/// Logins under way at a time.
const AT_ONCE: usize = 32;

/// Most memory of the proxy's that an idle session takes, in bytes: its client in clear, or inside
/// TLS. The goals of performance.md, though built for tests; with the stand-in's short certificate
/// chain, which rustls keeps.
const PLAIN_BYTES: u64 = 9_000;
const TLS_BYTES: u64 = 12_000;

/// Two sockets a session in the proxy, which keeps a twentieth of all files for logins; and two in
/// this process.
const OPEN_FILES: u64 = 19_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nine_thousand_idle_sessions_are_all_there_and_take_little() {
    support::require_open_files(OPEN_FILES);
    let config = format!("[limits]\nmax_sessions = {SESSIONS}\n");
    let mut world = World::start(&Setup { tls: "prefer", config, ..Setup::default() }).await;
    let stand_in = StandIn::replace(&mut world, SESSIONS).await;
    let proxy = Proxy::start(&world, &[]).await;

    let mut clients = Vec::new();
    let plain = open_half(&proxy, None, &mut clients).await;
    let tls = open_half(&proxy, Some(world.sandbox.ca.pem()), &mut clients).await;
    println!("memory of an idle session: {plain} bytes in clear, {tls} inside TLS");
    assert_eq!((clients.len(), stand_in.sessions()), (SESSIONS, SESSIONS), "all at once");

    let asked = clients
        .iter_mut()
        .enumerate()
        .map(|(n, session)| ask(session, n));
    stream::iter(asked)
        .buffer_unordered(AT_ONCE)
        .collect::<()>()
        .await;
    assert_eq!(stand_in.sessions(), SESSIONS, "none was lost");
    assert!(plain <= PLAIN_BYTES, "{plain} bytes in clear");
    assert!(tls <= TLS_BYTES, "{tls} bytes inside TLS");
}

/// Opens half of the sessions: the proxy's memory for each of them, in bytes.
async fn open_half(proxy: &Proxy, ca_pem: Option<&str>, clients: &mut Vec<Session<Stream>>) -> u64 {
    clients.extend(open(proxy.port, ca_pem, FIRST).await);
    let before = proxy.rss_kib();
    let counted = SESSIONS / 2 - FIRST;
    clients.extend(open(proxy.port, ca_pem, counted).await);
    (proxy.rss_kib() - before) * 1024 / counted as u64
}

/// Opens sessions, each of which asks one thing and then falls silent.
async fn open(port: u16, ca_pem: Option<&str>, count: usize) -> Vec<Session<Stream>> {
    let opening = (0..count).map(|n| async move {
        let mut session = Session::open(raw::open(port, ca_pem).await, "sales").await;
        ask(&mut session, n).await;
        session
    });
    stream::iter(opening)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}
