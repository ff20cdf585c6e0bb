//! What a scrape costs beside nine thousand sessions: how long `/metrics` takes, how much of a
//! processor, and how long queries take with and without a scrape every 100 ms (`make scrape`). The figures are printed,
//! and held to `SCRAPE_MS` where that is given: how fast a machine is, is no test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails has done its work"
)]

mod support;

use std::fmt::Write;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use support::admin::{Admin, metric};
use support::process::Proxy;
use support::raw::{self, Stream};
use support::session::Session;
use support::stand_in::{StandIn, ask};
use support::{Setup, World};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// Sessions without `SCRAPE_SESSIONS`.
const SESSIONS: usize = 9_000;

/// Logins under way at a time.
const AT_ONCE: usize = 32;

/// Sessions that ask a query at each of their turns: so that what waits for a processor is seen, and
/// not made.
const BUSY: usize = 4;
const TURN: Duration = Duration::from_millis(2);

/// Scrapes one after the other, with nothing else to do.
const ALONE: u32 = 200;

/// How long queries are asked without and with scrapes, in turn, and how often.
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 6;

const EVERY: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrape_is_short_beside_nine_thousand_sessions() {
    let number = |name: &str, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"));
    let sessions = number("SCRAPE_SESSIONS", SESSIONS);
    support::require_open_files(2 * u64::try_from(sessions).unwrap() + 1_000);
    let mut config = format!("[limits]\nmax_sessions = {sessions}\n[admin]\naddress = \"127.0.0.1:0\"\n");
    let connections = number("SCRAPE_CONNECTIONS", 0);
    for number in 0..connections {
        let host = format!("more-{number}.123456789012.ap-southeast-2.redshift-serverless.amazonaws.com");
        writeln!(
            config,
            "[connections.more-{number:04}]\ntype = \"redshift-serverless\"\nhost = \"{host}\"\ndatabase = \"dev\""
        )
        .unwrap();
    }
    let mut world = World::start(&Setup { tls: "prefer", config, ..Setup::default() }).await;
    let stand_in = StandIn::replace(&mut world, sessions).await;
    let mut proxy = Proxy::start(&world, &[("RUST_LOG", "info,redshift_iam_proxy::session=warn")]).await;
    let admin = Admin::of(&mut proxy, "admin", None).await;

    let logins =
        (0..sessions).map(|_| async { Session::open(Box::new(raw::tcp(proxy.port).await) as Stream, "sales").await });
    let mut clients: Vec<_> = stream::iter(logins)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert_eq!(stand_in.sessions(), sessions);

    let cpu = |text: &str| metric(text, "process_cpu_seconds_total").unwrap();
    let (before, mut one_by_one) = (cpu(&admin.get("/metrics").await.body), Vec::new());
    for _ in 0..ALONE {
        let begun = Instant::now();
        admin.get("/metrics").await;
        one_by_one.push(begun.elapsed());
    }
    let used = cpu(&admin.get("/metrics").await.body) - before;

    let mut busy: Vec<_> = clients.drain(..BUSY).collect();
    let (mut alone, mut scraped, mut scrapes, mut text) = (Vec::new(), Vec::new(), Vec::new(), String::new());
    for _ in 0..ROUNDS {
        (busy, alone) = queries(busy, alone).await;
        let until = Instant::now() + ROUND;
        let scraping = async {
            let mut next = Instant::now();
            while next < until {
                sleep_until(next).await;
                next += EVERY;
                let begun = Instant::now();
                text = admin.get("/metrics").await.body;
                scrapes.push(begun.elapsed());
            }
        };
        ((busy, scraped), ()) = tokio::join!(queries(busy, scraped), scraping);
    }

    let lines = text.lines().count();
    println!("{sessions} sessions, {} connections: {lines} lines, {} bytes", connections + 1, text.len());
    println!("a scrape takes {:.1} ms of a processor", used * 1e3 / f64::from(ALONE + 1));
    show("scrape alone", &mut one_by_one);
    show("scrape beside queries", &mut scrapes);
    show("query, no scrapes", &mut alone);
    show("query, a scrape every 100 ms", &mut scraped);
    let active = metric(&text, "redshift_iam_proxy_sessions_active{conn_id=\"sales\"}").unwrap();
    assert_eq!(active, f64::from(u32::try_from(sessions).unwrap()));
    if let Ok(bound) = std::env::var("SCRAPE_MS") {
        let bound: u64 = bound.parse().expect("SCRAPE_MS: a number");
        assert!(at(&one_by_one, 50) <= Duration::from_millis(bound), "{:?}", at(&one_by_one, 50));
    }
}

/// Lets some sessions ask for a round. `took` gets the time of each answer.
async fn queries(sessions: Vec<Session<Stream>>, mut took: Vec<Duration>) -> (Vec<Session<Stream>>, Vec<Duration>) {
    let until = Instant::now() + ROUND;
    let mut asking = JoinSet::new();
    for mut session in sessions {
        asking.spawn(async move {
            let (mut took, mut turns) = (Vec::new(), interval(TURN));
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while Instant::now() < until {
                turns.tick().await;
                let begun = Instant::now();
                ask(&mut session, took.len()).await;
                took.push(begun.elapsed());
            }
            (session, took)
        });
    }
    let mut sessions = Vec::new();
    for (session, of_session) in asking.join_all().await {
        sessions.push(session);
        took.extend(of_session);
    }
    (sessions, took)
}

#[expect(clippy::print_stdout, reason = "a measurement")]
fn show(what: &str, took: &mut [Duration]) {
    took.sort();
    let [half, most, longest] = [50, 99, 100].map(|percent| at(took, percent).as_micros());
    println!("{what}: {} times, {half} µs at the median, {most} µs at p99, {longest} µs at most", took.len());
}

/// The time that so many in a hundred do not exceed. `took` is in order.
fn at(took: &[Duration], percent: usize) -> Duration {
    took[(took.len() * percent / 100).min(took.len() - 1)]
}
