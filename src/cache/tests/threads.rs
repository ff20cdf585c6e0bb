//! The cache under many threads: no clock is paused, nothing takes time.

use tokio::task::JoinSet;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_that_get_reject_and_forget_the_same_keys_share_one_flight_per_key() {
    let rig = Arc::new(rig(Policy { cap: 8, ..AHEAD }, []));
    rig.usually(Plan::Quick(900));
    let mut tasks = JoinSet::new();
    for task in 0..8_u32 {
        let rig = Arc::clone(&rig);
        tasks.spawn(async move {
            for step in 0..3000_u32 {
                let key = (task * 7 + step * 13) % 16;
                let value = rig.cache.get(&key).await.unwrap();
                assert_eq!(value.key, key);
                if step % 5 == 0 {
                    rig.cache.reject(&key, &value);
                }
                if step % 3 == 0 && key < 8 {
                    rig.forget(key);
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(rig.fake.doubled.load(Ordering::Relaxed), 0, "two flights for one key at once");
    assert!(rig.cache.len() <= 8);
}
