//! Refreshing ahead, and living through an AWS that does not let us.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_value_in_use_is_replaced_in_the_background_at_three_quarters_of_its_life() {
    let rig = rig(AHEAD, []);
    assert_eq!(rig.serial().await, 1);
    assert_eq!(rig.serial().await, 1);
    pass(secs(640)).await;
    assert_eq!(rig.calls(), 1);
    pass(secs(70)).await;
    assert_eq!(rig.calls(), 2, "nobody asked");
    assert_eq!(rig.at_once().unwrap().unwrap().serial, 2);
}

#[tokio::test(start_paused = true)]
async fn an_unused_value_is_not_refreshed_and_its_entry_is_removed() {
    let rig = rig(AHEAD, []);
    assert_eq!(rig.serial().await, 1);
    pass(secs(770)).await;
    assert_eq!((rig.calls(), rig.cache.len()), (1, 1));
    pass(secs(20)).await;
    assert_eq!((rig.calls(), rig.cache.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_use_after_the_refresh_time_is_served_at_once_and_starts_the_refresh() {
    let rig = rig(AHEAD, []);
    assert_eq!(rig.serial().await, 1);
    pass(secs(750)).await;
    assert_eq!(rig.at_once().unwrap().unwrap().serial, 1);
    pass(secs(2)).await;
    assert_eq!(rig.at_once().unwrap().unwrap().serial, 2);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_expired_during_a_suspend_is_not_served() {
    let rig = rig(AHEAD, []);
    assert_eq!(rig.serial().await, 1);
    rig.fake.clock.suspend(secs(779));
    assert_eq!(rig.at_once().unwrap().unwrap().serial, 1);
    pass(secs(2)).await;
    assert_eq!(rig.serial().await, 2);
    rig.fake.clock.suspend(secs(781));
    assert_eq!(rig.serial().await, 3);
}

#[tokio::test(start_paused = true)]
async fn while_the_source_is_down_the_held_value_is_served_and_few_fetches_are_tried() {
    for down in [Plan::Throttle, Plan::Deny, Plan::Hang, Plan::Panic] {
        let rig = rig(AHEAD, []);
        rig.usually(Plan::Life(3600));
        let landed = rig.get().await.unwrap();
        pass(secs(2500)).await;
        rig.usually(down);
        for _ in 0..600 {
            assert_eq!(rig.at_once().unwrap().unwrap().serial, landed.serial, "{down:?}");
            pass(secs(1)).await;
        }
        let tries = rig.calls() - 1;
        assert!((5..=15).contains(&tries), "{tries} tries while {down:?}");
        rig.usually(Plan::Life(3600));
        pass(secs(70)).await;
        assert!(rig.at_once().unwrap().unwrap().serial > landed.serial);
        assert!(rig.cache.snapshot(&1).unwrap().last_error.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetched_value_that_expires_sooner_does_not_replace_the_held_one() {
    for life in [60, 150] {
        let rig = rig(AHEAD, []);
        assert_eq!((rig.serial().await, rig.serial().await), (1, 1));
        rig.usually(Plan::Life(life));
        pass(secs(750)).await;
        assert_eq!(rig.at_once().unwrap().unwrap().serial, 1);
        assert!((3..=6).contains(&rig.calls()), "{} calls", rig.calls());
        rig.usually(Plan::Life(900));
        pass(secs(28)).await;
        assert_eq!(rig.at_once().unwrap().unwrap().serial, 1, "in its pause");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_could_not_be_refreshed_is_not_served_beyond_its_margin() {
    let rig = rig(AHEAD, []);
    assert_eq!((rig.serial().await, rig.serial().await), (1, 1));
    rig.usually(Plan::Deny);
    pass(secs(779)).await;
    assert!(rig.at_once().unwrap().is_ok());
    pass(secs(1)).await;
    assert!(rig.get().await.unwrap_err().is_denied());
}

#[tokio::test(start_paused = true)]
async fn a_margin_longer_than_a_quarter_of_the_life_is_cut_to_it() {
    let policy = Policy { margin: secs(3000), min_life: secs(225), ..AHEAD };
    let rig = rig(policy, []);
    assert_eq!((rig.serial().await, rig.serial().await), (1, 1));
    rig.usually(Plan::Hang);
    pass(secs(674)).await;
    assert_eq!(rig.at_once().unwrap().unwrap().serial, 1);
    assert!((3..=5).contains(&rig.calls()), "tried ahead of the margin, and again: {}", rig.calls());
    pass(secs(2)).await;
    assert!(rig.get().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_cache_ends_its_upkeep_tasks() {
    let rig = rig(AHEAD, []);
    assert_eq!((rig.serial().await, rig.serial().await), (1, 1));
    drop(rig.cache);
    pass(secs(1)).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}
