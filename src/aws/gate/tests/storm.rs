//! A thousand clients of a cache, and through the gate an AWS that admits one call a second.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::*;
use crate::cache::{Cache, Fetch, Perishable, Policy, Refresh};
use crate::clock::{Clock, TokioClock};

/// A value that lives for a quarter of an hour.
#[derive(Debug)]
struct Value(SystemTime);

impl Perishable for Value {
    fn expires_at(&self) -> Option<SystemTime> {
        Some(self.0)
    }
}

/// Admits a call when the last one admitted is a second ago, and throttles the rest; either takes
/// 50 ms.
struct Slow {
    gate: Gate,
    admitted: Mutex<Option<Instant>>,
    calls: AtomicU64,
    clock: Arc<TokioClock>,
}

impl Slow {
    async fn answer(&self) -> Result<Value, AwsError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let is_admitted = {
            let mut last = self.admitted.lock().unwrap();
            let is_admitted = last.is_none_or(|last| last.elapsed() >= secs(1));
            if is_admitted {
                *last = Some(Instant::now());
            }
            is_admitted
        };
        tokio::time::sleep(Duration::from_millis(50)).await;
        if is_admitted { Ok(Value(self.clock.now() + secs(900))) } else { Err(throttled()) }
    }
}

impl Fetch for Slow {
    type Key = u32;
    type Value = Value;
    type Error = AwsError;

    fn fetch<'a>(&'a self, _key: &'a u32, _cache: &'a Arc<Cache<Self>>) -> BoxFuture<'a, Result<Value, AwsError>> {
        async move { self.gate.call(&QuotaKey::default(), || self.answer()).await }.boxed()
    }
}

type Outcome = Result<Arc<Value>, Arc<AwsError>>;

/// One outcome of each key, in the order in which the keys were asked for, and when it came.
struct Storm {
    all: Vec<(Outcome, Duration)>,
    calls: u64,
}

async fn storm(timeout: Duration, seed: u64) -> Storm {
    let clock = Arc::new(TokioClock::start());
    let slow = Arc::new(Slow {
        gate: Gate::new(Jitter::fixed(seed), secs(3600)),
        admitted: Mutex::default(),
        calls: AtomicU64::new(0),
        clock: Arc::clone(&clock),
    });
    let policy = Policy {
        refresh: Refresh::Ahead,
        margin: secs(120),
        min_life: secs(120),
        negative_ttl: secs(10),
        timeout,
        cap: 1000,
    };
    let cache = Cache::new(Arc::clone(&slow), clock, Handle::current(), policy, Jitter::fixed(seed));
    let began = Instant::now();
    // Each key is wanted by ten.
    let all = join_all((0..1000).map(|at| {
        let cache = Arc::clone(&cache);
        async move { (cache.get(&(at / 10)).await, began.elapsed()) }
    }));
    let all = all.await.into_iter().step_by(10).collect();
    Storm { all, calls: slow.calls.load(Ordering::Relaxed) }
}

#[tokio::test(start_paused = true)]
async fn clients_of_a_throttled_source_are_served_in_order_of_arrival() {
    for seed in 0..20 {
        let storm = storm(secs(200), seed).await;
        assert!(storm.all.iter().all(|(outcome, _)| outcome.is_ok()));
        assert!((100..600).contains(&storm.calls), "{} calls", storm.calls);
        // Of the eight inside, a new one may be lucky; those outside come in by turns.
        let mut turns = storm
            .all
            .iter()
            .enumerate()
            .map(|(at, (_, served))| (*served, at))
            .collect::<Vec<_>>();
        turns.sort_unstable();
        assert!(
            turns
                .iter()
                .enumerate()
                .all(|(turn, (_, at))| turn.abs_diff(*at) < 8),
            "{turns:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn clients_that_a_throttled_source_cannot_serve_fail_at_the_deadline() {
    for seed in 0..20 {
        let storm = storm(secs(20), seed).await;
        let served = storm
            .all
            .iter()
            .filter(|(outcome, _)| outcome.is_ok())
            .count();
        assert!((10..=20).contains(&served), "{served}");
        for (at, (outcome, when)) in storm.all.iter().enumerate() {
            match outcome {
                Ok(_) => assert!(*when <= secs(20) && at < served + 8, "{at} of {served} after {when:?}"),
                Err(error) => {
                    assert!(matches!(**error, AwsError::Deadline { .. }));
                    assert_eq!(when.as_secs(), 20);
                }
            }
        }
        assert!(storm.calls < 200, "{} calls", storm.calls);
    }
}
