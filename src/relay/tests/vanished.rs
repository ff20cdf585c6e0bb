//! Clients that are gone while the warehouse works for them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::time::{Instant, advance};

use super::*;
use crate::relay::ending::LINGER;

const QUERY: &[u8] = b"Q\0\0\0\x08abc\0";
const HALF_A_RESULT: &[u8] = b"D\0\0\0\x06ab";
const COMPLETE: &[u8] = b"C\0\0\0\x06S\0";
const READY: &[u8] = b"Z\0\0\0\x05I";
const IN_TRANSACTION: &[u8] = b"Z\0\0\0\x05T";
const SECOND: Duration = Duration::from_secs(1);

/// How often the query of a session was cancelled, and when the session was over.
struct Outcome {
    relayed: Relayed,
    cancels: usize,
    after: Duration,
}

/// Relays to the end.
async fn relay(legs: Legs) -> Outcome {
    let (cancels, began, stop) = (AtomicUsize::new(0), Instant::now(), Stop::default());
    let cancel = |is_abandoned: bool| {
        is_abandoned.then_some(async {
            cancels.fetch_add(1, Ordering::Relaxed);
        })
    };
    let relayed = run(legs, (&stop, &meter()), &SessionLimits::default(), |_| LAST_WORD.into(), cancel).await;
    Outcome { relayed, cancels: cancels.load(Ordering::Relaxed), after: began.elapsed() }
}

/// Two legs in clear that need no kernel, so that the clock can stand still; and their peers.
fn piped() -> (Legs, DuplexStream, DuplexStream) {
    let ((ours, client), (ours_too, upstream)) = (tokio::io::duplex(64), tokio::io::duplex(4096));
    let leg = |stream| (Box::new(Io(stream)) as Leg, BytesMut::new());
    (Legs { client: leg(ours), upstream: leg(ours_too) }, client, upstream)
}

/// The other end sends this, and no more.
async fn expect(stream: &mut DuplexStream, wanted: &[u8]) {
    let mut got = vec![0; wanted.len()];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(got, wanted);
}

async fn expect_end(stream: &mut DuplexStream) {
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_query_that_still_runs_30_s_after_its_clients_fin_is_cancelled() {
    let (legs, mut client, mut upstream) = piped();
    client.write_all(QUERY).await.unwrap();
    client.shutdown().await.unwrap();
    let ((), outcome) = tokio::join!(
        async {
            expect(&mut upstream, QUERY).await;
            // The end is passed on at once, and what is said behind it still goes through.
            expect_end(&mut upstream).await;
            upstream.write_all(HALF_A_RESULT).await.unwrap();
            expect(&mut client, HALF_A_RESULT).await;
        },
        relay(legs)
    );
    assert_eq!((outcome.cancels, outcome.after.as_secs()), (1, LINGER.as_secs()));
    assert_eq!((outcome.relayed.end, outcome.relayed.error.is_none()), (End::Client, true));
    expect_end(&mut client).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_half_closes_gets_a_result_that_comes_within_30_s() {
    let (legs, mut client, mut upstream) = piped();
    client.write_all(QUERY).await.unwrap();
    client.shutdown().await.unwrap();
    let result = [HALF_A_RESULT, COMPLETE, READY].concat();
    let (outcome, ()) = tokio::join!(relay(legs), async {
        expect(&mut upstream, QUERY).await;
        expect_end(&mut upstream).await;
        advance(LINGER - SECOND).await;
        upstream.write_all(&result).await.unwrap();
        expect(&mut client, &result).await;
        expect_end(&mut client).await;
    });
    assert_eq!((outcome.cancels, outcome.after.as_secs()), (0, LINGER.as_secs() - 1));
    assert_eq!(outcome.relayed.end, End::Client);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_half_closes_and_does_not_take_its_result_is_not_waited_for() {
    let (legs, mut client, mut upstream) = piped();
    client.write_all(QUERY).await.unwrap();
    client.shutdown().await.unwrap();
    // Twice what the pipe to the client holds: the rest waits in the relay.
    let row = [&b"D\0\0\0\x84"[..], &[7; 128]].concat();
    let (outcome, ()) = tokio::join!(relay(legs), async {
        expect(&mut upstream, QUERY).await;
        upstream
            .write_all(&[&row[..], COMPLETE, READY].concat())
            .await
            .unwrap();
    });
    // All is answered: there is nothing to cancel.
    assert_eq!((outcome.cancels, outcome.after.as_secs()), (0, LINGER.as_secs()));
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_cancelled_where_nothing_runs() {
    for answer in [&[COMPLETE, READY][..], &[COMPLETE, IN_TRANSACTION]] {
        let (legs, mut client, mut upstream) = piped();
        client.write_all(QUERY).await.unwrap();
        let (outcome, ()) = tokio::join!(relay(legs), async {
            expect(&mut upstream, QUERY).await;
            upstream.write_all(&answer.concat()).await.unwrap();
            expect(&mut client, &answer.concat()).await;
            client.shutdown().await.unwrap();
        });
        assert_eq!((outcome.cancels, outcome.after), (0, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn a_warehouse_that_ends_first_has_nothing_to_cancel() {
    let (legs, mut client, mut upstream) = piped();
    client.write_all(QUERY).await.unwrap();
    client.shutdown().await.unwrap();
    let (outcome, ()) = tokio::join!(relay(legs), async {
        expect(&mut upstream, QUERY).await;
        upstream.write_all(HALF_A_RESULT).await.unwrap();
        upstream.shutdown().await.unwrap();
    });
    assert_eq!((outcome.cancels, outcome.after), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_more_has_its_query_cancelled_at_once() {
    let (legs, mut client, mut upstream) = piped();
    client.write_all(QUERY).await.unwrap();
    let (outcome, ()) = tokio::join!(relay(legs), async {
        expect(&mut upstream, QUERY).await;
        drop(client);
        upstream.write_all(HALF_A_RESULT).await.unwrap();
    });
    assert_eq!((outcome.cancels, outcome.after), (1, Duration::ZERO));
    assert!(matches!(outcome.relayed.error, Some(RelayError::Client(_))), "{:?}", outcome.relayed);
}

#[tokio::test]
async fn a_reset_of_the_clients_cancels_its_query_at_once() {
    for message in [QUERY, b"P\0\0\0\x04B\0\0\0\x04E\0\0\0\x04H\0\0\0\x04"] {
        let ((client, ours), (mut upstream, ours_too)) = (pair().await, pair().await);
        let leg = |stream| (Box::new(Io(stream)) as Leg, BytesMut::new());
        let (outcome, ()) = tokio::join!(relay(Legs { client: leg(ours), upstream: leg(ours_too) }), async {
            let mut client = client;
            client.write_all(message).await.unwrap();
            upstream
                .read_exact(&mut vec![0; message.len()])
                .await
                .unwrap();
            client.set_zero_linger().unwrap();
            drop(client);
        });
        assert_eq!(outcome.cancels, 1);
        assert!(matches!(outcome.relayed.error, Some(RelayError::Client(_))), "{:?}", outcome.relayed);
        assert!(outcome.after < LINGER / 2, "{:?}", outcome.after);
    }
}
