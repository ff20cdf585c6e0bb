//! The cap.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_ten_thousand_keys_used_last_of_a_hundred_thousand_are_held() {
    let rig = rig(Policy { cap: 10_000, ..AHEAD }, []);
    for batch in 0..100 {
        let keys = (batch * 1000..(batch + 1) * 1000).collect::<Vec<_>>();
        futures_util::future::join_all(keys.iter().map(|key| rig.cache.get(key))).await;
        // One of the oldest stays in use.
        assert!(rig.cache.get(&7).now_or_never().unwrap().is_ok());
        assert!(rig.cache.len() <= 10_000 + 1000);
    }
    assert!((9_000..=10_000).contains(&rig.cache.len()), "{}", rig.cache.len());
    assert_eq!(rig.calls(), 100_000);
    assert!((91_000..100_000).all(|key| rig.cache.snapshot(&key).is_some()));
    pass(secs(1)).await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    assert!(tasks <= 10_000, "{tasks} upkeep tasks");
}

#[tokio::test(start_paused = true)]
async fn flights_are_not_evicted_until_they_land() {
    let rig = rig(Policy { cap: 2, ..AHEAD }, []);
    let keys = (0..50).collect::<Vec<_>>();
    let all = futures_util::future::join_all(keys.iter().map(|key| rig.cache.get(key))).await;
    assert!(
        keys.iter()
            .zip(all)
            .all(|(key, value)| value.unwrap().key == *key)
    );
    assert_eq!((rig.cache.len(), rig.calls()), (2, 50));
}

#[tokio::test(start_paused = true)]
async fn remembered_errors_count_towards_the_cap() {
    let rig = rig(Policy { cap: 2, ..AHEAD }, []);
    rig.usually(Plan::Deny);
    for key in 0..10 {
        assert!(rig.cache.get(&key).await.is_err());
    }
    assert_eq!(rig.cache.len(), 2);
}
