//! Sides that end a session otherwise than they should.

use super::*;

async fn relay(legs: Legs) -> Relayed {
    run(legs, (&Stop::default(), &meter()), &SessionLimits::default(), |_| LAST_WORD.into(), nothing_runs).await
}

/// A record of application data that nobody has encrypted.
const FORGED: &[u8] = &[23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];

#[tokio::test]
async fn a_forged_record_of_the_clients_ends_the_session_with_an_alert() {
    let (legs, mut client, mut upstream) = session().await;
    client.get_mut().0.write_all(FORGED).await.unwrap();
    let (relayed, answer) = tokio::join!(relay(legs), async {
        let mut nothing = Vec::new();
        upstream
            .read_to_end(&mut nothing)
            .await
            .expect("the warehouse is told goodbye");
        client.read(&mut [0]).await.unwrap_err()
    });
    assert_eq!(relayed.end, End::Client);
    assert!(matches!(relayed.error, Some(RelayError::Client(_))), "{relayed:?}");
    assert!(answer.to_string().contains("BadRecordMac"), "{answer}");
}

#[tokio::test]
async fn a_forged_record_of_the_warehouses_does_not_reach_the_client() {
    let (legs, mut client, mut upstream) = session().await;
    upstream.get_mut().0.write_all(FORGED).await.unwrap();
    let (relayed, got) = tokio::join!(relay(legs), async {
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        client.shutdown().await.unwrap();
        got
    });
    assert_eq!((relayed.end, &got[..]), (End::Upstream, LAST_WORD));
    assert!(matches!(relayed.error, Some(RelayError::Upstream(_))), "{relayed:?}");
    assert!(
        upstream
            .read(&mut [0])
            .await
            .unwrap_err()
            .to_string()
            .contains("BadRecordMac")
    );
}

#[tokio::test]
async fn a_client_that_leaves_with_nothing_owed_does_not_wait_for_a_warehouse_that_stays() {
    let (legs, mut client, upstream) = session().await;
    client.shutdown().await.unwrap();
    let relayed = relay(legs).await;
    assert_eq!((relayed.end, relayed.error.is_none()), (End::Client, true));
    drop(upstream);
}
