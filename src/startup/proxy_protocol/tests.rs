//! Headers of both versions: whole, cut, and of any bytes.

use proptest::prelude::*;

use super::*;
use crate::seeded::cases;

/// 10.1.2.3:54321 to 10.0.0.1:5439.
pub(super) const V4: [u8; 12] = [10, 1, 2, 3, 10, 0, 0, 1, 0xd4, 0x31, 0x15, 0x3f];

pub(super) fn header(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [v2::SIGNATURE, &[command, family], &length, payload].concat()
}

/// Feeds a stream as it is asked for: what came of it, and how much was taken. `None`: it ended
/// too soon.
fn read(stream: &[u8]) -> Option<(Result<Option<Peer>, ProxyError>, usize)> {
    let mut taken = 0;
    loop {
        match parse(&stream[..taken]) {
            Err(error) => return Some((Err(error), taken)),
            Ok(Progress::Complete(peer)) => return Some((Ok(peer), taken)),
            Ok(Progress::Incomplete(more)) => {
                assert!(more > 0);
                taken += more;
                assert!(taken <= 16 + v2::MAX_PAYLOAD, "bounded");
                if taken > stream.len() {
                    return None;
                }
            }
        }
    }
}

#[test]
fn headers_name_the_client_and_end_where_they_end() {
    let v6 = [&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[7], &[0; 16], &[0xd4, 0x31, 0, 1]].concat();
    let mapped = [&[0; 10][..], &[0xff, 0xff, 10, 1, 2, 3], &[0; 16], &[0xd4, 0x31, 0, 1]].concat();
    for (header, want) in [
        (b"PROXY TCP4 10.1.2.3 10.0.0.1 54321 5439\r\n".to_vec(), Some("10.1.2.3:54321")),
        (b"PROXY TCP6 2001:db8::7 ::1 54321 5439\r\n".to_vec(), Some("[2001:db8::7]:54321")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN ffff:: whatever 1 2\r\n".to_vec(), None),
        (header(0x21, 0x11, &V4), Some("10.1.2.3:54321")),
        (header(0x21, 0x21, &v6), Some("[2001:db8::7]:54321")),
        (header(0x21, 0x21, &mapped), Some("10.1.2.3:54321")),
        (header(0x20, 0x00, b""), None),
        (header(0x20, 0x11, &V4), None),
        (header(0x20, 0x31, b"anything at all"), None),
        (header(0x21, 0x00, b"ignored"), None),
    ] {
        // What follows may be anything, line ends too.
        for behind in [&b""[..], b"\x16\x03\x01", b"\r\n\r\n", b"PROXY "] {
            let (named, taken) = read(&[&header, behind].concat()).unwrap();
            assert_eq!(taken, header.len(), "{}", header.escape_ascii());
            assert_eq!(named.unwrap().map(|peer| peer.address), want.map(|text| text.parse().unwrap()));
        }
        for cut in 0..header.len() {
            assert!(read(&header[..cut]).is_none(), "{cut} of {}", header.escape_ascii());
        }
    }
}

#[test]
fn a_malformed_header_is_recognised_at_its_first_wrong_byte() {
    for (bytes, taken) in [
        (&b"\0\0\0\x08\x04\xd2\x16\x2f"[..], 1),
        (b"\x16\x03\x01", 1),
        (b"GET / HTTP/1.1\r\n", 1),
        (b"PRI * HTTP/2", 6),
    ] {
        assert!(matches!(read(bytes), Some((Err(ProxyError::Missing), at)) if at == taken), "{bytes:?}");
    }
    let mut almost = header(0x21, 0x11, &V4);
    almost[11] = b'!';
    assert!(matches!(read(&almost), Some((Err(ProxyError::Missing), _))));
}

#[test]
fn a_client_is_at_no_address_that_only_this_machine_has() {
    let taken = |client: &str, balancer: &str| {
        let socket = SocketAddr::new(balancer.parse().unwrap(), 1);
        of_elsewhere(Peer::at(SocketAddr::new(client.parse().unwrap(), 2)), socket).is_ok()
    };
    for (client, from_elsewhere, from_here) in [
        ("10.1.2.3", true, true),
        ("2001:db8::7", true, true),
        ("127.0.0.1", false, true),
        ("127.9.9.9", false, true),
        ("::1", false, true),
        ("::ffff:127.0.0.1", false, true),
        ("0.0.0.0", false, false),
        ("::", false, false),
        ("224.0.0.1", false, false),
        ("ff02::1", false, false),
    ] {
        for balancer in ["10.0.0.7", "::ffff:10.0.0.7", "2001:db8::1"] {
            assert_eq!(taken(client, balancer), from_elsewhere, "{client} from {balancer}");
        }
        for balancer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(taken(client, balancer), from_here, "{client} from {balancer}");
        }
    }
}

#[test]
fn the_checksum_is_checked_where_there_is_one() {
    let with = |checksum: [u8; 4]| header(0x21, 0x11, &[&V4[..], b"\x04\0\x01x\x03\0\x04", &checksum].concat());
    let right = v2::crc32c(&with([0; 4])).to_be_bytes();
    assert!(matches!(read(&with(right)), Some((Ok(Some(_)), _))));
    for at in 0..4 {
        let mut wrong = right;
        wrong[at] ^= 1;
        assert!(matches!(read(&with(wrong)), Some((Err(ProxyError::Malformed(_)), _))));
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn no_bytes_do_any_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read(&bytes);
    }

    #[test]
    fn no_line_does_any_harm(line in "PROXY (TCP4|TCP6|UNKNOWN|TCP5)[ 0-9a-f.:\\r]{0,120}\\r?\\n?") {
        read(line.as_bytes());
    }

    #[test]
    fn no_payload_does_any_harm(
        command in prop_oneof![Just(0x20u8), Just(0x21), any::<u8>()],
        family in prop_oneof![Just(0x11u8), Just(0x21), any::<u8>()],
        payload in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        if let Some((_, taken)) = read(&header(command, family, &payload)) {
            prop_assert!(taken <= 16 + payload.len());
        }
    }
}
