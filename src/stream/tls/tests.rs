//! The stream over TLS does what another implementation does, the oracle: the same plaintext both
//! ways, and the same end, however the network cuts, damages or ends what the peer sends.

use proptest::prelude::*;

use self::configs::{Shape, Version, configs};
use self::cut::{Cuts, Damage};
use self::ends::{Bytes, Goodbye, Plan};
use self::session::{By, Session, Side};
use crate::seeded::cases;

mod configs;
mod cut;
mod ends;
mod oracle;
mod session;

const WHOLE: (Cuts, Damage) = (Cuts::None, Damage::None);

fn plan(bytes: &[u8], writes: usize, goodbye: Goodbye) -> Plan {
    Plan { bytes: Bytes(bytes.to_vec()), writes, reads: 4096, has_key_updates: false, goodbye }
}

/// A few words each way.
fn small(side: Side, version: Version, shape: Shape) -> Session {
    let (client, server) = configs(version, shape);
    let stream = plan(b"a question, and another one", 16, Goodbye::WhenEnded);
    let mut peer = plan(b"an answer, and the next one", 14, Goodbye::WhenSent);
    peer.has_key_updates = version == Version::Tls13;
    Session { side, client, server, stream, peer, incoming: WHOLE, outgoing: WHOLE }
}

const ALL: [(Side, Version); 4] = [
    (Side::Client, Version::Tls12),
    (Side::Client, Version::Tls13),
    (Side::Server, Version::Tls12),
    (Side::Server, Version::Tls13),
];

/// Plays a session by both, to the same outcome.
async fn same(session: &Session) -> session::Outcome {
    let (by_us, _) = session.play(By::Us).await;
    let (by_oracle, _) = session.play(By::Oracle).await;
    assert_eq!(by_us, by_oracle, "{session:?}");
    by_us
}

/// Plays a session with damage by both, to the same end. How much was read ahead of it may differ:
/// the oracle forgets what it decrypted in one go with the damage.
async fn same_end(session: &Session) {
    let (by_us, _) = session.play(By::Us).await;
    let (by_oracle, _) = session.play(By::Oracle).await;
    let ends = |outcome: &session::Outcome| {
        let (stream, peer) = outcome.as_ref()?;
        Some((stream.end.clone(), peer.end.clone()))
    };
    assert_eq!(ends(&by_us), ends(&by_oracle), "{session:?}");
    if let Some((stream, peer)) = by_us {
        assert!(session.peer.bytes.0.starts_with(&stream.read.0), "{session:?}");
        assert!(session.stream.bytes.0.starts_with(&peer.read.0), "{session:?}");
    }
}

/// Has the end that receives the damage end last: rustls's debug assertions allow for no alert
/// behind its close_notify.
fn damaged(session: &Session, is_incoming: bool, damage: Damage) -> Session {
    let mut session = session.clone();
    let (goodbyes, way) = if is_incoming {
        ((Goodbye::WhenEnded, Goodbye::WhenSent), &mut session.incoming)
    } else {
        ((Goodbye::WhenSent, Goodbye::WhenEnded), &mut session.outgoing)
    };
    way.1 = damage;
    // The oracle tries to send its alert once.
    session.outgoing.0 = Cuts::None;
    (session.stream.goodbye, session.peer.goodbye) = goodbyes;
    session
}

#[tokio::test(start_paused = true)]
async fn each_record_may_be_cut_at_each_byte() {
    for (side, version) in ALL {
        let mut session = small(side, version, Shape::default());
        let (outcome, records) = session.play(By::Oracle).await;
        let (stream, peer) = outcome.clone().unwrap();
        assert_eq!((stream.end, stream.sent, peer.end, peer.sent), (Ok(()), Ok(()), Ok(()), Ok(())));
        assert_eq!((&stream.read, &peer.read), (&session.peer.bytes, &session.stream.bytes));
        let longest = records
            .incoming
            .into_iter()
            .chain(records.outgoing)
            .max()
            .unwrap();
        for at in 0..longest {
            session.incoming.0 = Cuts::EachRecord(at);
            session.outgoing.0 = Cuts::EachRecord(at);
            assert_eq!(session.play(By::Us).await.0, outcome, "{side:?} {version:?} at {at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn records_may_come_byte_by_byte() {
    let shapes = [
        Shape::default(),
        Shape { has_retry: true, ..Shape::default() },
        Shape { asks_client: true, has_client_certificate: true, ..Shape::default() },
        Shape { chain_bytes: 2000, ..Shape::default() },
        Shape { resumes: true, ..Shape::default() },
    ];
    for ((side, version), shape) in ALL
        .into_iter()
        .flat_map(|each| shapes.map(|shape| (each, shape)))
    {
        let mut session = small(side, version, shape);
        (session.incoming.0, session.outgoing.0) = (Cuts::Pieces(vec![1]), Cuts::Pieces(vec![1]));
        // After this one there is one to resume.
        session.play(By::Oracle).await;
        let (stream, peer) = same(&session).await.unwrap();
        assert_eq!((&stream.read, &peer.read), (&session.peer.bytes, &session.stream.bytes), "{shape:?}");
    }
}

/// Who ends first, and by what.
#[tokio::test(start_paused = true)]
async fn sessions_end_alike() {
    use Goodbye::{Missing, WhenEnded, WhenSent};
    for (side, version) in ALL {
        for (stream, peer) in [(WhenSent, WhenSent), (WhenSent, WhenEnded), (WhenEnded, Missing), (WhenSent, Missing)] {
            let mut session = small(side, version, Shape::default());
            (session.stream.goodbye, session.peer.goodbye) = (stream, peer);
            let (by_stream, by_peer) = same(&session).await.unwrap();
            assert_eq!((by_stream.end, by_peer.end), (Ok(()), Ok(())), "{side:?} {version:?} {stream:?} {peer:?}");
            assert_eq!((by_stream.read, by_peer.read), (session.peer.bytes, session.stream.bytes));
        }
    }
}

/// What one side refuses, the other is told by an alert.
#[tokio::test(start_paused = true)]
async fn refused_handshakes_end_alike() {
    for (side, version) in ALL {
        for (shape, reason, alert) in [
            (Shape { has_other_ca: true, ..Shape::default() }, "UnknownIssuer", "UnknownCA"),
            (Shape { asks_client: true, ..Shape::default() }, "NoCertificatesPresented", "CertificateRequired"),
            (Shape { has_other_alpn: true, ..Shape::default() }, "NoApplicationProtocol", "NoApplicationProtocol"),
            (Shape { has_other_version: true, ..Shape::default() }, "PeerIncompatible", "ProtocolVersion"),
        ] {
            let mut session = small(side, version, shape);
            for pieces in [16_384, 1] {
                // Not of what goes: the oracle tries to send its alert once.
                session.incoming.0 = Cuts::Pieces(vec![pieces]);
                let (stream, peer) = same(&session).await.unwrap();
                let ends = [stream.end.unwrap_err(), peer.end.unwrap_err()];
                let has = |text: &str| ends.iter().any(|end| end.contains(text));
                assert!(has(reason) && has(alert), "{side:?} {version:?} {shape:?} {ends:?}");
            }
        }
    }
}

/// Bits that fall over, in the handshake and behind it, in what comes and in what goes.
#[tokio::test(start_paused = true)]
async fn damaged_records_end_alike() {
    for (side, version) in ALL {
        let session = small(side, version, Shape::default());
        let (_, records) = session.play(By::Oracle).await;
        // Type, version, length, and the first and the last byte behind them. Of those that may be
        // in clear not length and last byte: what stands there is another each time.
        let places = |lengths: Vec<usize>| {
            let each = lengths.into_iter().enumerate();
            each.flat_map(|(record, length)| {
                let places = if record < 3 { vec![0, 1, 5] } else { vec![0, 1, 3, 4, 5, length - 1] };
                places
                    .into_iter()
                    .map(move |at| Damage::Flip { record, at })
            })
        };
        for damage in places(records.incoming) {
            same_end(&damaged(&session, true, damage)).await;
        }
        for damage in places(records.outgoing) {
            same_end(&damaged(&session, false, damage)).await;
        }
    }
}

/// However they are received: one by one, or all at once.
#[tokio::test(start_paused = true)]
async fn plaintext_ahead_of_a_damaged_record_is_read() {
    for (side, version) in ALL {
        let session = small(side, version, Shape::default());
        let (_, records) = session.play(By::Oracle).await;
        // The last but one: behind it comes close_notify.
        let damage = Damage::Flip { record: records.incoming.len() - 2, at: 5 };
        for cuts in [Cuts::None, Cuts::EachRecord(0)] {
            let mut session = damaged(&session, true, damage);
            session.incoming.0 = cuts;
            let (stream, peer) = session.play(By::Us).await.0.unwrap();
            assert_eq!(stream.end, Err("DecryptError".to_owned()), "{session:?}");
            assert_eq!(peer.end, Err("AlertReceived(BadRecordMac)".to_owned()));
            assert_eq!(stream.read.0, session.peer.bytes.0[..session.peer.writes]);
        }
    }
}

/// The peer is gone, and its alert says why: a write of ours that fails does not hide it.
#[tokio::test(start_paused = true)]
async fn an_alert_is_read_though_nothing_can_be_sent() {
    for (side, version) in ALL {
        let session = small(side, version, Shape::default());
        let (_, records) = session.play(By::Oracle).await;
        // Its first word; the last record is close_notify.
        let mut session = damaged(&session, false, Damage::Flip { record: records.outgoing.len() - 3, at: 5 });
        session.stream.bytes.0.resize(10_000, b'.');
        (session.incoming.0, session.outgoing.0) = (Cuts::Pieces(vec![1]), Cuts::Pieces(vec![50]));
        let (stream, peer) = session.play(By::Us).await.0.unwrap();
        assert_eq!(stream.end, Err("AlertReceived(BadRecordMac)".to_owned()), "{session:?}");
        assert_eq!(peer.end, Err("DecryptError".to_owned()), "{session:?}");
    }
}

/// A connection that breaks off: between two records, and in the middle of one.
#[tokio::test(start_paused = true)]
async fn truncated_streams_end_alike() {
    for (side, version) in ALL {
        let session = small(side, version, Shape::default());
        let (_, records) = session.play(By::Oracle).await;
        for (record, length) in records.incoming.into_iter().enumerate() {
            for at in [0, 1, 4, 5, 6, length / 2, length - 1] {
                same(&damaged(&session, true, Damage::End { record, at })).await;
            }
        }
    }
}

fn plans() -> impl Strategy<Value = Plan> {
    let sizes = || prop_oneof![1usize..300, 1usize..100_000];
    let goodbye = prop_oneof![Just(Goodbye::WhenSent), Just(Goodbye::WhenEnded)];
    (any::<u8>(), prop_oneof![0usize..2000, 0usize..100_000], sizes(), sizes(), any::<bool>(), goodbye).prop_map(
        |(first, length, writes, reads, has_key_updates, goodbye)| {
            let bytes: Vec<u8> = (0..251)
                .cycle()
                .map(|byte: u8| byte.wrapping_add(first))
                .take(length)
                .collect();
            // Each write is a record or more: not thousands of them.
            Plan { bytes: Bytes(bytes), writes: writes.max(length / 100), reads, has_key_updates, goodbye }
        },
    )
}

fn pieces() -> impl Strategy<Value = Cuts> {
    prop::collection::vec(prop_oneof![1usize..40, 1usize..20_000], 1..8).prop_map(Cuts::Pieces)
}

fn sessions() -> impl Strategy<Value = Session> {
    let sides = prop_oneof![Just(Side::Client), Just(Side::Server)];
    let versions = prop_oneof![Just(Version::Tls12), Just(Version::Tls13)];
    let shapes = (any::<bool>(), any::<bool>(), prop_oneof![3 => Just(0), 1 => 0usize..64_500]);
    let shapes = shapes.prop_map(|(has_retry, asks_client, chain_bytes)| Shape {
        has_retry,
        asks_client,
        has_client_certificate: asks_client,
        chain_bytes,
        ..Shape::default()
    });
    (sides, versions, shapes, plans(), plans(), pieces(), pieces()).prop_map(
        |(side, version, shape, mut stream, mut peer, incoming, outgoing)| {
            let (client, server) = configs(version, shape);
            stream.has_key_updates = false;
            peer.has_key_updates &= version == Version::Tls13;
            if stream.goodbye == Goodbye::WhenEnded {
                // Or each would wait for the other.
                peer.goodbye = Goodbye::WhenSent;
            }
            let (incoming, outgoing) = ((incoming, Damage::None), (outgoing, Damage::None));
            Session { side, client, server, stream, peer, incoming, outgoing }
        },
    )
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(cases(50))]

    #[test]
    fn long_sessions_may_be_cut_anywhere(session in sessions()) {
        let (stream, peer) = paused().block_on(same(&session)).unwrap();
        prop_assert_eq!((&stream.read, &peer.read), (&session.peer.bytes, &session.stream.bytes));
        prop_assert_eq!((stream.end, stream.sent, peer.end, peer.sent), (Ok(()), Ok(()), Ok(()), Ok(())));
    }

    #[test]
    fn damage_anywhere_ends_alike(
        session in sessions(),
        is_end: bool,
        is_incoming: bool,
        record in 0usize..20,
        at in prop_oneof![0usize..10, 0usize..2000],
    ) {
        // Behind a ClientHello, and a second one, which rustls orders at random.
        let flipped = record + 3;
        let damage = if is_end && is_incoming { Damage::End { record, at } } else { Damage::Flip { record: flipped, at } };
        paused().block_on(same_end(&damaged(&session, is_incoming, damage)));
    }
}
