//! Startup packets of any bytes: read as they were sent, or refused. The same ones each time.

use proptest::prelude::*;

use super::request::Packet;
use crate::seeded::cases;
use crate::wire::{CANCEL_REQUEST, GSSENC_REQUEST, SSL_REQUEST};

/// Writes down again what a packet says. `None`: refused, or of a version whose layout is not read.
fn rewritten(packet: &[u8]) -> Option<Vec<u8>> {
    Some(match Packet::parse(packet).ok()? {
        Packet::SslRequest => SSL_REQUEST.to_be_bytes().to_vec(),
        Packet::GssEncRequest => GSSENC_REQUEST.to_be_bytes().to_vec(),
        Packet::Cancel(key) => [&CANCEL_REQUEST.to_be_bytes()[..], &key.to_bytes()].concat(),
        Packet::Unsupported(_) => return None,
        Packet::Startup(startup) => {
            let mut bytes = [3u16.to_be_bytes(), startup.minor.to_be_bytes()].concat();
            for (name, value) in &startup.pairs {
                bytes.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
            }
            bytes.push(0);
            bytes
        }
    })
}

/// A startup message, perhaps with one byte that is another, and perhaps cut.
fn nearly_right() -> impl Strategy<Value = Vec<u8>> {
    let text = || "[a-z_.=\\\\ üé-]{0,12}";
    let pairs = prop::collection::vec((text(), text()), 0..6);
    let damage = prop::option::of((any::<prop::sample::Index>(), any::<u8>()));
    (any::<u16>(), pairs, damage, prop::option::of(any::<prop::sample::Index>())).prop_map(
        |(minor, pairs, damage, cut)| {
            let mut bytes = [3u16.to_be_bytes(), minor.to_be_bytes()].concat();
            for (name, value) in pairs {
                bytes.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
            }
            bytes.push(0);
            if let Some((at, byte)) = damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn startup_packets_of_any_bytes_are_read_as_sent_or_refused(packet in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(rewritten) = rewritten(&packet) {
            prop_assert_eq!(rewritten, packet);
        }
    }

    #[test]
    fn nearly_right_startup_messages_are_read_as_sent_or_refused(packet in nearly_right()) {
        if let Some(rewritten) = rewritten(&packet) {
            prop_assert_eq!(rewritten, packet);
        }
    }

    #[test]
    fn cancel_requests_of_3_0_and_3_2_have_keys_of_4_to_256_bytes(pid: u32, key in prop_oneof![
        prop::collection::vec(any::<u8>(), 4..=4),
        prop::collection::vec(any::<u8>(), 32..=32),
        prop::collection::vec(any::<u8>(), 0..300),
    ]) {
        let packet = [&CANCEL_REQUEST.to_be_bytes()[..], &pid.to_be_bytes(), &key].concat();
        let parsed = Packet::parse(&packet);
        prop_assert_eq!(matches!(parsed, Ok(Packet::Cancel(_))), (4..=256).contains(&key.len()));
        if let Ok(Packet::Cancel(read)) = parsed {
            prop_assert_eq!(read.pid, pid);
            prop_assert_eq!(read.to_bytes(), [&pid.to_be_bytes()[..], &key].concat());
        }
    }
}
