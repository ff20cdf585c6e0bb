//! The cost of following the messages, as a share of all that a relay does: at most 3 % in lines 1
//! and 5 of the goals (performance.md). Narrow rows are no goal, but the most messages that a byte
//! can hold in practice.
//!
//! Measured twice. The scanner alone, over the same bytes: exact, but with the caches to itself.
//! And the relay with it and without, turn by turn: leaves nothing out. Neither counts that the
//! proxy's workers also sleep and wake up, so that there it is less.

use std::hint::black_box;
use std::time::Duration;

use redshift_iam_proxy::bench::{Boundaries, Follower};
use tokio::time::Instant;

use crate::rig::{Leg, Rig, Round};
use crate::traffic::{Traffic, query};
use crate::{CHUNK_BYTES, ROUND_BYTES};

/// How long each relay is watched.
const WATCHED: Duration = Duration::from_secs(3);

/// The amount of bytes that times are given for.
#[derive(Clone, Copy)]
enum Per {
    Mebibyte,
    Query,
}

/// Measures and prints.
pub(crate) fn print() {
    println!("\nwhat following messages costs");
    println!(
        "line of the goals       client leg      whole relay       scanner alone      with against without (95 %)"
    );
    for client_leg in [Leg::Plain, Leg::Tls] {
        let bulk = |name, traffic: Traffic| {
            let (from_upstream, _) = traffic.stream(ROUND_BYTES);
            let round = Round { from_client: Vec::new(), from_upstream, record_bytes: 8 * 1024 };
            line(name, client_leg, Per::Mebibyte, round);
        };
        bulk("1: bulk, rows of 8 KiB", Traffic::WideRows);
        bulk("-: bulk, rows of 60 B", Traffic::NarrowRows);
        let (from_client, from_upstream) = (query(), Traffic::Answers.unit().concat());
        let record_bytes = from_upstream.len();
        line("5: query and answer", client_leg, Per::Query, Round { from_client, from_upstream, record_bytes });
    }
}

fn line(name: &str, client_leg: Leg, per: Per, round: Round) {
    let (rounds, unit) = match per {
        Per::Mebibyte => (f64::from(1 << 20) / round.from_upstream.len() as f64, "MiB"),
        Per::Query => (1.0, "query"),
    };
    let alone = rounds * scanner(&round);
    let (relay, shares) = relays(&mut Rig::new(client_leg, Leg::Tls, round));
    let relay = rounds * relay;
    // So far from the middle, in ranks, the median of n values is found with a probability of 95 %.
    let (middle, spread) = (shares.len() / 2, (shares.len() as f64).sqrt() as usize);
    let [low, median, high] = [middle - spread, middle, middle + spread].map(|rank| 100.0 * shares[rank]);
    let client_leg = client_leg.to_string();
    println!(
        "{name:<23} {client_leg:<11} {relay:7.2} µs/{unit:<5} {alone:7.3} µs = {share:5.2} %   \
         {median:5.2} % ({low:.2} … {high:.2})",
        share = 100.0 * alone / relay,
    );
}

/// Microseconds that a round takes with its messages followed, and the shares that following has of
/// them, sorted: each from one round with and one without.
fn relays(rig: &mut Rig) -> (f64, Vec<f64>) {
    let mut time = |boundaries| {
        rig.feed();
        let start = Instant::now();
        rig.relay(boundaries);
        micros(start.elapsed())
    };
    let (mut times, mut shares) = (Vec::new(), Vec::new());
    let start = Instant::now();
    while start.elapsed() < WATCHED {
        // Each is first as often as the other.
        let (with, without) = if shares.len() % 2 == 0 {
            let with = time(Boundaries::Followed);
            (with, time(Boundaries::Ignored))
        } else {
            let without = time(Boundaries::Ignored);
            (time(Boundaries::Followed), without)
        };
        times.push(with);
        shares.push(1.0 - without / with);
    }
    (median(times), sorted(shares))
}

/// Microseconds that the scanner takes for a round.
fn scanner(round: &Round) -> f64 {
    // Long enough for the clock, and short beside the time slices of whatever else runs.
    let times = (2 << 20) / (round.from_client.len() + round.from_upstream.len());
    let mut follower = Follower::default();
    let taken = (0..999).map(|_| {
        let start = Instant::now();
        for _ in 0..times {
            follower.client_sent(black_box(&round.from_client));
            for chunk in round.from_upstream.chunks(CHUNK_BYTES) {
                follower.upstream_sent(black_box(chunk));
            }
        }
        micros(start.elapsed()) / times as f64
    });
    median(taken.collect())
}

fn median(values: Vec<f64>) -> f64 {
    let values = sorted(values);
    values[values.len() / 2]
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
