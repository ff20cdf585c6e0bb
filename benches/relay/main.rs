//! `make micro`: the relay's two inner loops, following messages and moving bytes; and what the
//! first adds to the second.
//!
//! `cargo bench --features bench --bench relay -- scanner` (or `record_path`, `decrypt`,
//! `boundary_cost`) measures that alone.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "it prints; and when it cannot go on it has nothing to say"
)]

use std::cell::RefCell;
use std::fmt;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use redshift_iam_proxy::bench::{Boundaries, Follower};

use self::rig::{Leg, Rig, Round};
use self::traffic::Traffic;

mod boundary_cost;
mod rig;
mod traffic;
mod ways;

/// The most bytes that a relay reads at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Relayed between two looks at the clock: several reads, but no more than sockets hold.
const ROUND_BYTES: usize = 4 * CHUNK_BYTES;

fn main() {
    divan::main();
    // As cargo and divan understand them; without --bench each is only tried.
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if asked == ["--bench"] || asked == ["boundary_cost", "--bench"] {
        boundary_cost::print();
    }
}

/// Following the messages of one chunk; items are messages.
#[divan::bench(args = Traffic::ALL, sample_size = 100)]
fn scanner(bencher: Bencher<'_, '_>, traffic: Traffic) {
    let (chunk, messages) = traffic.stream(CHUNK_BYTES);
    let mut follower = Follower::default();
    bencher
        .counter(BytesCount::of_slice(&chunk[..]))
        .counter(ItemsCount::new(messages))
        .bench_local(|| follower.upstream_sent(divan::black_box(&chunk)));
}

/// Receiving, decrypting, following, encrypting and sending CopyData of 8 KiB, from upstream to the
/// client.
#[divan::bench(args = Path::all(), sample_size = 1, sample_count = 2000)]
fn record_path(bencher: Bencher<'_, '_>, path: &Path) {
    let (from_upstream, _) = Traffic::Copy.stream(ROUND_BYTES);
    let count = BytesCount::of_slice(&from_upstream[..]);
    let round = Round { from_client: Vec::new(), from_upstream, record_bytes: path.record_bytes };
    let rig = RefCell::new(Rig::new(path.client_leg, path.upstream_leg, round));
    bencher
        .counter(count)
        .with_inputs(|| rig.borrow_mut().feed())
        .bench_local_values(|()| rig.borrow_mut().relay(Boundaries::Followed));
}

/// One direction, from leg to leg.
struct Path {
    upstream_leg: Leg,
    client_leg: Leg,
    /// The size of the records from upstream.
    record_bytes: usize,
}

impl Path {
    fn all() -> impl Iterator<Item = Self> {
        let tls = |client_leg| {
            [16 * 1024, 8 * 1024, 100].map(|record_bytes| Self { upstream_leg: Leg::Tls, client_leg, record_bytes })
        };
        let encrypt = Self { upstream_leg: Leg::Plain, client_leg: Leg::Tls, record_bytes: CHUNK_BYTES };
        tls(Leg::Plain)
            .into_iter()
            .chain(tls(Leg::Tls))
            .chain([encrypt])
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { upstream_leg, client_leg, record_bytes } = self;
        match upstream_leg {
            Leg::Tls => write!(f, "{upstream_leg} of {record_bytes} B to {client_leg}"),
            Leg::Plain => write!(f, "{upstream_leg} to {client_leg}"),
        }
    }
}
