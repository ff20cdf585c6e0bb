//! Values that are fetched again when somebody asks for them.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_value_past_its_freshness_is_fetched_before_use() {
    let rig = rig(ON_ACCESS, []);
    assert_eq!(rig.serial().await, 1);
    pass(secs(59)).await;
    assert_eq!(rig.at_once().unwrap().unwrap().serial, 1);
    pass(secs(1)).await;
    assert!(rig.at_once().is_none());
    assert_eq!(rig.serial().await, 2);
}

#[tokio::test(start_paused = true)]
async fn an_unused_value_is_not_fetched_again_and_its_memory_is_freed() {
    let rig = rig(ON_ACCESS, []);
    assert_eq!(rig.serial().await, 1);
    pass(secs(359)).await;
    assert_eq!((rig.calls(), rig.cache.len()), (1, 1));
    pass(secs(2)).await;
    assert_eq!((rig.calls(), rig.cache.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_served_while_the_source_fails_up_to_stale_if_error() {
    let rig = rig(ON_ACCESS, []);
    assert_eq!(rig.serial().await, 1);
    rig.usually(Plan::Throttle);
    pass(secs(60)).await;
    assert!(rig.at_once().is_none(), "one waits");
    assert_eq!(rig.serial().await, 1);
    let end = tokio::time::Instant::now() + secs(297);
    while tokio::time::Instant::now() < end {
        assert_eq!(rig.at_once().unwrap().unwrap().serial, 1, "and nobody after that one");
        pass(Duration::from_millis(500)).await;
    }
    let tries = rig.calls() - 1;
    assert!((5..=12).contains(&tries), "{tries}");
    pass(secs(5)).await;
    assert!(rig.get().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_of_long_ago_the_next_client_waits_again() {
    let rig = rig(ON_ACCESS, [Plan::Life(900), Plan::Throttle]);
    assert_eq!(rig.serial().await, 1);
    pass(secs(60)).await;
    assert_eq!(rig.serial().await, 1, "the source fails");
    pass(secs(120)).await;
    assert!(rig.at_once().is_none(), "one waits again");
    assert_eq!(rig.serial().await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_final_error_revokes_the_value_held() {
    let rig = rig(ON_ACCESS, [Plan::Life(900), Plan::Deny]);
    assert_eq!(rig.serial().await, 1);
    pass(secs(60)).await;
    assert!(rig.get().await.unwrap_err().is_denied());
    assert!(rig.at_once().unwrap().is_err());
    pass(secs(10)).await;
    assert_eq!(rig.serial().await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_value_may_have_a_max_age_of_its_own() {
    let rig = rig(ON_ACCESS, []);
    assert_eq!(rig.cache.get(&MISSING).await.unwrap().serial, 1);
    pass(secs(10)).await;
    assert_eq!(rig.cache.get(&MISSING).await.unwrap().serial, 2);
}
