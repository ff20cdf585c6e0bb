//! Where a client is: as its socket says, or as a trusted balancer says in a PROXY header (haproxy,
//! "The PROXY protocol", versions 1 and 2).
//!
//! Owns how much of the stream is the header, and not a byte more: what follows is the client's,
//! and may be TLS. Who the balancers are is the configuration's to say; from all others a header is
//! no startup packet, and closed as such.

use std::io::ErrorKind;
use std::net::SocketAddr;

use ipnet::IpNet;
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tracing::trace;

use super::{Peer, StartupError};
use crate::address::is_in;
use crate::wire::WireError;

mod v1;
mod v2;

/// Why a balancer's connection is not served. It is told nothing.
#[derive(Debug, Error)]
pub(crate) enum ProxyError {
    /// Something else came first, from an address in `listen.proxy_protocol_from`.
    #[error("no PROXY header from an address that owes one (listen.proxy_protocol_from)")]
    Missing,
    /// It breaks the rules of its version.
    #[error("malformed PROXY header: {0}")]
    Malformed(&'static str),
}

/// A header that ended, or how many bytes of it are certainly to come: at least 1.
type Parsed = Result<Progress, ProxyError>;

#[derive(Debug)]
enum Progress {
    Wants(usize),
    /// `None`: it names nobody (a health check of the balancer's own, or no TCP), and the socket's
    /// address counts.
    Names(Option<Peer>),
}

/// The header of a balancer that speaks for itself, as its health checks do.
pub(crate) const LOCAL: [u8; 16] = *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// Whether what was read as a startup packet's length begins a header: that of either version is an
/// impossible length.
pub(super) fn begins_with(length: u32) -> bool {
    [v1::SIGNATURE, v2::SIGNATURE]
        .iter()
        .any(|signature| signature.starts_with(&length.to_be_bytes()))
}

/// Whether connections from this address begin with a header.
pub(crate) fn is_balancer(address: SocketAddr, balancers: &[IpNet]) -> bool {
    is_in(address.ip(), balancers)
}

/// Where the client is by the header, which a connection from a balancer must have; of others
/// nothing is read. `None`: no header names it. The caller sets the deadline.
///
/// # Errors
/// [`ProxyError`], or the connection broke off: a health check that says nothing does.
pub(crate) async fn named(
    socket: &mut TcpStream,
    address: SocketAddr,
    balancers: &[IpNet],
) -> Result<Option<Peer>, StartupError> {
    if !is_balancer(address, balancers) {
        return Ok(None);
    }
    let mut header = Vec::new();
    loop {
        match parse(&header)? {
            Progress::Names(named) => {
                trace!(bytes = header.len(), "PROXY header");
                return Ok(named);
            }
            Progress::Wants(more) => {
                let held = header.len();
                header.resize(held + more, 0);
                let missing = header.get_mut(held..).unwrap_or_default();
                socket
                    .read_exact(missing)
                    .await
                    .map_err(|error| match error.kind() {
                        // Whoever leaves in the middle of it has left, as one who says nothing has.
                        ErrorKind::UnexpectedEof => WireError::Closed,
                        _ => WireError::Io(error),
                    })?;
            }
        }
    }
}

/// Of either version: the first byte tells them apart.
fn parse(header: &[u8]) -> Parsed {
    match header.first() {
        None => Ok(Progress::Wants(1)),
        Some(first) if v1::SIGNATURE.first() == Some(first) => v1::parse(header),
        Some(first) if v2::SIGNATURE.first() == Some(first) => v2::parse(header),
        Some(_) => Err(ProxyError::Missing),
    }
}

/// Whether so much of a signature is there; what else begins like it is no header. `Some(n)`: n
/// bytes of it are to come.
fn rest_of(signature: &[u8], header: &[u8]) -> Result<Option<usize>, ProxyError> {
    if header
        .iter()
        .zip(signature)
        .any(|(byte, expected)| byte != expected)
    {
        return Err(ProxyError::Missing);
    }
    Ok(signature
        .len()
        .checked_sub(header.len())
        .filter(|missing| *missing > 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::v2::tests::{V4, header as v2};
    use super::*;
    use crate::seeded::cases;

    /// Feeds a stream as it is asked for: what came of it, and how much was taken. `None`: it ended
    /// too soon.
    fn read(stream: &[u8]) -> Option<(Result<Option<Peer>, ProxyError>, usize)> {
        let mut taken = 0;
        loop {
            match parse(&stream[..taken]) {
                Err(error) => return Some((Err(error), taken)),
                Ok(Progress::Names(peer)) => return Some((Ok(peer), taken)),
                Ok(Progress::Wants(more)) => {
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
            (v2(0x21, 0x11, &V4), Some("10.1.2.3:54321")),
            (v2(0x21, 0x21, &v6), Some("[2001:db8::7]:54321")),
            (v2(0x21, 0x21, &mapped), Some("10.1.2.3:54321")),
            (v2(0x20, 0x00, b""), None),
            (v2(0x20, 0x11, &V4), None),
            (v2(0x20, 0x31, b"anything at all"), None),
            (v2(0x21, 0x00, b"ignored"), None),
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
    fn what_is_no_header_is_told_by_its_first_strange_byte() {
        for (bytes, taken) in [
            (&b"\0\0\0\x08\x04\xd2\x16\x2f"[..], 1),
            (b"\x16\x03\x01", 1),
            (b"GET / HTTP/1.1\r\n", 1),
            (b"PRI * HTTP/2", 6),
        ] {
            assert!(matches!(read(bytes), Some((Err(ProxyError::Missing), at)) if at == taken), "{bytes:?}");
        }
        let mut almost = v2(0x21, 0x11, &V4);
        almost[11] = b'!';
        assert!(matches!(read(&almost), Some((Err(ProxyError::Missing), _))));
    }

    #[test]
    fn the_checksum_is_checked_where_there_is_one() {
        let with = |checksum: [u8; 4]| v2(0x21, 0x11, &[&V4[..], b"\x04\0\x01x\x03\0\x04", &checksum].concat());
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
            if let Some((_, taken)) = read(&v2(command, family, &payload)) {
                prop_assert!(taken <= 16 + payload.len());
            }
        }
    }
}
