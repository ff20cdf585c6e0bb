//! Policies that are swapped while values are held, and lookups that want a young value.

use super::*;

#[tokio::test(start_paused = true)]
async fn another_policy_holds_for_values_that_are_held() {
    let rig = rig(ON_ACCESS, []);
    assert_eq!(rig.serial().await, 1);
    let older = Policy { refresh: Refresh::OnAccess { max_age: secs(200), stale_if_error: secs(0) }, ..ON_ACCESS };
    rig.cache.set_policy(older);
    pass(secs(199)).await;
    assert_eq!(rig.at_once().unwrap().unwrap().serial, 1, "its age counts from its fetch");
    pass(secs(2)).await;
    assert_eq!(rig.serial().await, 2);
    rig.cache.set_policy(ON_ACCESS);
    pass(secs(60)).await;
    assert_eq!(rig.serial().await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_wider_margin_moves_the_refresh_of_what_is_held() {
    let rig = rig(AHEAD, []);
    assert_eq!((rig.serial().await, rig.serial().await), (1, 1));
    // 900 s of life: due at 675 s by either, since a margin is cut to a quarter; then with another
    // life.
    rig.cache
        .set_policy(Policy { margin: secs(300), min_life: secs(225), ..AHEAD });
    pass(secs(700)).await;
    assert_eq!((rig.at_once().unwrap().unwrap().serial, rig.calls()), (2, 2), "its upkeep went on");
    rig.cache
        .set_policy(Policy { min_life: secs(1000), ..AHEAD });
    pass(secs(1)).await;
    assert_eq!(rig.cache.len(), 0, "too short a life to be kept");
    assert_eq!(rig.serial().await, 3, "it is fetched for those who ask");
}

#[tokio::test(start_paused = true)]
async fn a_lookup_may_want_a_younger_value_than_others() {
    let rig = rig(ON_ACCESS, []);
    let young = || rig.cache.get_no_older(&1, secs(30));
    assert_eq!(young().await.unwrap().serial, 1, "there was none");
    pass(secs(29)).await;
    assert_eq!(young().now_or_never().unwrap().unwrap().serial, 1);
    pass(secs(1)).await;
    assert!(young().now_or_never().is_none());
    assert_eq!(rig.at_once().unwrap().unwrap().serial, 1, "for others it is young enough meanwhile");
    assert_eq!(young().await.unwrap().serial, 2);
    rig.usually(Plan::Throttle);
    pass(secs(30)).await;
    assert_eq!(young().await.unwrap().serial, 2, "what is held serves where the source fails");
    rig.usually(Plan::Deny);
    pass(secs(30)).await;
    assert!(young().await.unwrap_err().is_denied());
    let calls = rig.calls();
    assert!(young().await.unwrap_err().is_denied());
    assert_eq!(rig.calls(), calls, "the error is remembered");
}
