//! Flights, their waiters, and the memory of what failed.

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::*;

#[tokio::test(start_paused = true)]
async fn ten_thousand_waiters_over_a_hundred_keys_share_a_hundred_flights() {
    let rig = rig(AHEAD, []);
    let keys = (0..10_000).map(|at| at % 100).collect::<Vec<_>>();
    let all = join_all(keys.iter().map(|key| rig.cache.get(key))).await;
    assert!(
        keys.iter()
            .zip(all)
            .all(|(key, value)| value.unwrap().key == *key)
    );
    assert_eq!(rig.calls(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_hangs_ends_at_its_deadline_and_delays_no_other_key() {
    let rig = rig(AHEAD, [Plan::Hang]);
    let hanging = tokio::spawn({
        let cache = Arc::clone(&rig.cache);
        async move { cache.get(&2).await }
    });
    pass(secs(1)).await;
    let began = Instant::now();
    assert!(rig.get().await.is_ok());
    assert_eq!(began.elapsed().as_secs(), 1);
    assert!(matches!(*hanging.await.unwrap().unwrap_err(), Refused::Deadline(_)));
    assert_eq!(began.elapsed().as_secs(), 19);
}

#[tokio::test(start_paused = true)]
async fn a_flight_goes_on_when_its_waiter_leaves() {
    let rig = rig(AHEAD, []);
    let first = timeout(Duration::from_millis(500), rig.get()).await;
    assert!(first.is_err(), "it left while the call was under way");
    assert_eq!((rig.serial().await, rig.calls()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_fetch_is_an_error_and_the_next_fetch_runs() {
    let rig = rig(AHEAD, [Plan::Panic]);
    assert!(matches!(*rig.get().await.unwrap_err(), Refused::Lost));
    assert!(rig.get().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_final_error_is_remembered_twice_as_long_each_time_up_to_five_minutes() {
    let rig = rig(AHEAD, []);
    rig.usually(Plan::Deny);
    for (at, memory) in [10, 20, 40, 80, 160, 300, 300].into_iter().enumerate() {
        assert!(rig.get().await.unwrap_err().is_denied());
        let calls = at as u64 + 1;
        assert_eq!(rig.calls(), calls, "the memory of the one before is over");
        pass(secs(memory - 1)).await;
        assert!(rig.at_once().unwrap().is_err());
        assert_eq!(rig.calls(), calls, "remembered for {memory} s");
        pass(secs(1)).await;
    }
    rig.usually(Plan::Life(900));
    assert!(rig.get().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_final_error_of_long_ago_does_not_lengthen_the_next_memory() {
    let rig = rig(AHEAD, [Plan::Deny, Plan::Deny]);
    assert!(rig.get().await.is_err());
    pass(secs(400)).await;
    assert_eq!(rig.cache.len(), 0);
    assert!(rig.get().await.is_err());
    pass(secs(10)).await;
    assert!(rig.get().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_transient_error_goes_to_all_waiters_and_is_not_remembered() {
    let rig = rig(AHEAD, [Plan::Throttle]);
    let all = join_all((0..10).map(|_| rig.get())).await;
    assert!(all.iter().all(Result::is_err));
    assert!(rig.cache.snapshot(&1).unwrap().last_error.is_some());
    assert!(rig.get().await.is_ok());
    assert!(rig.cache.snapshot(&1).unwrap().last_error.is_none());
    assert_eq!(rig.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fetched_value_with_too_short_a_life_serves_its_waiters_only() {
    let rig = rig(AHEAD, [Plan::Life(60)]);
    let all = join_all((0..10).map(|_| rig.get())).await;
    assert!(all.into_iter().all(|value| value.unwrap().serial == 1));
    assert_eq!((rig.serial().await, rig.serial().await), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_key_is_fetched_again_and_its_flight_is_for_its_waiters_alone() {
    let rig = rig(AHEAD, []);
    assert_eq!(rig.serial().await, 1);
    assert!(rig.forget(1) && !rig.forget(1));
    assert_eq!(rig.cache.len(), 0);
    let (early, late) = tokio::join!(rig.serial(), async {
        rig.forget(1);
        pass(Duration::from_millis(500)).await;
        rig.serial().await
    });
    assert_eq!((early, late, rig.serial().await, rig.calls()), (2, 3, 3, 3));
    // Nothing asks meanwhile: what the flight brings is not kept.
    rig.forget(1);
    let (serial, _) = tokio::join!(rig.serial(), async { rig.forget(1) });
    assert_eq!((serial, rig.cache.len()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_shows_the_state_of_each_key() {
    let rig = rig(AHEAD, [Plan::Deny]);
    assert!(rig.cache.snapshot(&1).is_none());
    assert!(rig.at_once().is_none());
    assert!(rig.cache.snapshot(&1).unwrap().is_in_flight);
    assert!(rig.get().await.is_err());
    let denied = rig.cache.snapshot(&1).unwrap();
    assert_eq!((denied.is_in_flight, denied.last_error.unwrap().is_denied(), denied.expires_at), (false, true, None));
    pass(secs(10)).await;
    let value = rig.get().await.unwrap();
    let (key, held) = rig.cache.snapshots().pop().unwrap();
    assert_eq!((key, held.expires_at, held.last_error.is_none()), (1, value.expires_at, true));
    assert!(Arc::ptr_eq(&held.value.unwrap(), &value));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_counts_those_who_wait_for_a_flight() {
    let rig = rig(AHEAD, []);
    let waiters = || rig.cache.snapshot(&1).map(|entry| entry.waiters);
    let (.., waiting) = tokio::join!(rig.serial(), rig.serial(), async { waiters() });
    assert_eq!((waiting, waiters()), (Some(2), Some(0)));
}

#[tokio::test(start_paused = true)]
async fn the_source_may_set_another_deadline_for_a_key() {
    let rig = rig(AHEAD, [Plan::Hang]);
    let began = Instant::now();
    let error = rig.cache.get(&HURRIED).await.unwrap_err();
    assert!(matches!(*error, Refused::Deadline(after) if after == secs(5)));
    assert_eq!(began.elapsed(), secs(5));
}
