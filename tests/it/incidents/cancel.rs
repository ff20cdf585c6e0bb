//! CancelRequests: of the right session, with the right key, inside TLS.

use crate::support::raw::{SSL_REQUEST, send_and_wait};
use crate::support::tap::Tap;
use crate::support::{Rig, Setup, World};

#[tokio::test]
async fn pgbouncer_38_and_245_a_late_or_confused_cancel_hits_nobody() {
    let rig = Rig::start().await;
    let gone = rig.session().await;
    let late = gone.cancel_request();
    drop(gone);
    rig.wait_until_idle().await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(rig.session().await);
    }
    send_and_wait(rig.port(), &late).await;
    // One session's key with another's pid.
    let confused = [&others[0].cancel_request()[..12], &others[1].key.1].concat();
    send_and_wait(rig.port(), &confused).await;
    assert_eq!(rig.sandbox().warehouse.cancels(), []);
    send_and_wait(rig.port(), &others[2].cancel_request()).await;
    let cancels = rig.sandbox().warehouse.cancels();
    assert_eq!(cancels.iter().map(|cancel| cancel.pid).collect::<Vec<_>>(), [others[2].key.0]);
}

#[tokio::test]
async fn neon_9739_guessing_keys_is_limited_and_says_nothing() {
    let rig = Rig::start().await;
    let session = rig.session().await;
    let right = session.cancel_request();
    for guess in 1..=25_u8 {
        let mut wrong = right.clone();
        *wrong.last_mut().unwrap() ^= guess;
        // A guess reads like a hit: a close without words.
        send_and_wait(rig.port(), &wrong).await;
    }
    assert_eq!(rig.sandbox().warehouse.cancels(), [], "no guess hits");
    assert_eq!(rig.app.counts().sessions, 1, "and the session goes on");
    send_and_wait(rig.port(), &right).await;
    assert_eq!(rig.sandbox().warehouse.cancels().len(), 1, "others behind the guesser's address can still cancel");
}

/// What is on the wire between proxy and warehouse.
#[tokio::test]
async fn odyssey_storage_documentation_no_cancel_key_goes_upstream_in_clear() {
    let mut world = World::start(&Setup::default()).await;
    let tap = Tap::to(world.sandbox.warehouse.address()).await;
    let port = world.sandbox.warehouse.address().port();
    world.edit_all(&format!("port = {port}\n"), &format!("port = {}\n", tap.port()));
    let rig = Box::pin(Rig::over(world)).await;
    let session = rig.session().await;
    send_and_wait(rig.port(), &session.cancel_request()).await;
    rig.sandbox().warehouse.wait_for_cancels(1).await;
    assert_eq!(tap.count(SSL_REQUEST), 2, "login and cancel");
    for (what, bytes) in [
        ("CancelRequest", &b"\0\0\0\x10\x04\xd2\x16\x2e"[..]),
        ("a startup message", b"\0\x03\0\0user\0"),
        ("the user", b"IAMR:rs01"),
        ("the client's key", &session.key.1),
    ] {
        assert_eq!(tap.count(bytes), 0, "{what} in clear");
    }
}

#[tokio::test]
async fn jackc_pgx_2578_a_cancel_is_not_sent_at_all_where_tls_cannot_be_had() {
    let rig = Rig::start().await;
    let session = rig.session().await;
    rig.sandbox().warehouse.refuse_tls(true);
    send_and_wait(rig.port(), &session.cancel_request()).await;
    assert_eq!(rig.sandbox().warehouse.cancels(), []);
    rig.sandbox().warehouse.refuse_tls(false);
    send_and_wait(rig.port(), &session.cancel_request()).await;
    let cancels = rig.sandbox().warehouse.cancels();
    assert!(cancels.len() == 1 && cancels[0].inside_tls, "{cancels:?}");
}
