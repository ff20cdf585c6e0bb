//! Values that the consumer rejects.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_rejected_value_is_evicted_once() {
    let rig = rig(AHEAD, []);
    let refused = rig.get().await.unwrap();
    assert!(rig.cache.reject(&1, &refused));
    assert!(rig.cache.reject(&1, &refused), "another session had the same");
    assert_eq!(rig.serial().await, 2);
    assert!(rig.cache.reject(&1, &refused), "a late report of the old one does not cost the new one");
    assert_eq!((rig.serial().await, rig.calls()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn values_that_are_always_rejected_are_fetched_ever_more_seldom() {
    let rig = rig(AHEAD, []);
    // A login a second for ten minutes, each with its second try.
    for _ in 0..600 {
        let value = rig.get().await.unwrap();
        if rig.cache.reject(&1, &value) {
            rig.get().await.unwrap();
        }
        pass(secs(1)).await;
    }
    // One for the cache, which was cold; then after 0, 10, 30, 70, 150, 310 s.
    assert_eq!(rig.calls(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_rejected_much_later_is_replaced_at_once() {
    let rig = rig(AHEAD, []);
    let first = rig.get().await.unwrap();
    assert!(rig.cache.reject(&1, &first));
    let second = rig.get().await.unwrap();
    assert!(!rig.cache.reject(&1, &second));
    pass(secs(400)).await;
    assert!(rig.cache.reject(&1, &second));
    let third = rig.get().await.unwrap();
    assert!(!rig.cache.reject(&1, &third));
    pass(secs(10)).await;
    assert!(rig.cache.reject(&1, &third), "counted from the beginning");
}

#[tokio::test(start_paused = true)]
async fn rejections_of_values_too_short_to_be_kept_are_limited_too() {
    let rig = rig(AHEAD, []);
    rig.usually(Plan::Life(60));
    let first = rig.get().await.unwrap();
    assert!(rig.cache.reject(&1, &first));
    let second = rig.get().await.unwrap();
    assert!(!rig.cache.reject(&1, &second));
    pass(secs(400)).await;
    assert_eq!(rig.cache.len(), 0);
}
