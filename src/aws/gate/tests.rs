//! The gate alone.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Gate, QuotaKey};
use crate::aws::{AwsError, Call, Operation};
use crate::jitter::Jitter;

mod storm;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn place(account: &str) -> QuotaKey {
    QuotaKey { account: Some(account.into()), region: None }
}

/// Calls that fail in turn with these, and succeed after; how often it was tried comes with the
/// outcome.
async fn call(gate: &Gate, failures: impl IntoIterator<Item = AwsError>) -> (Result<(), AwsError>, usize) {
    let (failures, tries) = (Mutex::new(failures.into_iter().collect::<VecDeque<_>>()), AtomicUsize::new(0));
    let attempt = || async {
        tries.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(1)).await;
        failures.lock().unwrap().pop_front().map_or(Ok(()), Err)
    };
    let outcome = gate.call(&place("1"), attempt).await;
    (outcome, tries.into_inner())
}

fn denied() -> AwsError {
    AwsError::Denied {
        call: Call::new(Operation::GetItem, "x"),
        code: "AccessDenied".into(),
        source: Box::new(std::fmt::Error),
    }
}

fn throttled() -> AwsError {
    AwsError::Throttled {
        call: Call::new(Operation::GetItem, "x"),
        code: "Throttling".into(),
        source: Box::new(std::fmt::Error),
    }
}

fn failing() -> AwsError {
    AwsError::Unavailable {
        call: Call::new(Operation::GetItem, "x"),
        code: "InternalFailure".into(),
        source: Box::new(std::fmt::Error),
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_throttled_until_the_deadline_reports_throttling() {
    for seed in 0..20 {
        let gate = Gate::new(Jitter::fixed(seed), secs(15));
        let began = Instant::now();
        let told = gate
            .call(&QuotaKey::default(), || async { Err::<(), _>(throttled()) })
            .await;
        assert!(told.unwrap_err().is_throttled());
        // Its caller waits for 20 s.
        assert!((secs(15)..secs(16)).contains(&began.elapsed()), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn throttled_calls_are_retried_with_pauses_that_grow_to_five_seconds() {
    let gate = Gate::new(Jitter::fixed(1), secs(3600));
    let began = Instant::now();
    let (outcome, tries) = call(&gate, (0..100).map(|_| throttled())).await;
    assert!(outcome.is_ok());
    assert_eq!(tries, 101);
    let mean = began.elapsed() / 100;
    assert!((Duration::from_millis(2000)..Duration::from_millis(2800)).contains(&mean), "{mean:?}");
}

#[tokio::test(start_paused = true)]
async fn transient_failures_are_tried_three_times_and_refusals_once() {
    let gate = Gate::new(Jitter::fixed(1), secs(3600));
    assert!(matches!(call(&gate, [failing(), failing()]).await, (Ok(()), 3)));
    assert!(matches!(call(&gate, [failing(), failing(), failing()]).await, (Err(_), 3)));
    assert!(matches!(call(&gate, [throttled(), failing(), throttled(), failing()]).await, (Ok(()), 5)));
    assert!(matches!(call(&gate, [denied()]).await, (Err(AwsError::Denied { .. }), 1)));
}

#[tokio::test(start_paused = true)]
async fn at_most_eight_calls_per_quota_run_at_once_in_order_of_arrival() {
    let (gate, most, now) = (Gate::new(Jitter::fixed(1), secs(3600)), AtomicUsize::new(0), AtomicUsize::new(0));
    let order = Mutex::new(Vec::new());
    let began = Instant::now();
    let here = join_all((0..80).map(|at| {
        let (gate, most, now, order) = (&gate, &most, &now, &order);
        async move {
            let attempt = || async {
                most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::time::sleep(secs(1)).await;
                now.fetch_sub(1, Ordering::Relaxed);
                order.lock().unwrap().push(at);
                Ok(())
            };
            gate.call(&place("1"), attempt).await
        }
    }));
    let there = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        gate.call(&place("2"), || async { Ok(()) })
            .now_or_never()
            .expect("another place has its own eight")
            .unwrap();
    };
    tokio::join!(here, there);
    assert_eq!((most.into_inner(), began.elapsed().as_secs()), (8, 10));
    assert_eq!(order.into_inner().unwrap(), (0..80).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_gives_its_turn_back() {
    let gate = Gate::new(Jitter::fixed(1), secs(3600));
    let here = place("1");
    let hanging = join_all((0..20).map(|_| gate.call(&here, std::future::pending::<Result<(), AwsError>>)));
    assert!(tokio::time::timeout(secs(1), hanging).await.is_err());
    assert!(
        gate.call(&here, || async { Ok(()) })
            .now_or_never()
            .unwrap()
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn idle_quotas_are_forgotten_beyond_the_cap() {
    let gate = Gate::new(Jitter::fixed(1), secs(3600));
    let there = place("busy");
    let busy = gate.call(&there, std::future::pending::<Result<(), AwsError>>);
    tokio::pin!(busy);
    assert!(busy.as_mut().now_or_never().is_none());
    for account in 0..5000 {
        gate.call(&place(&account.to_string()), || async { Ok(()) })
            .await
            .unwrap();
        assert!(gate.len() <= 1024);
    }
    assert!(gate.knows(&there));
}
