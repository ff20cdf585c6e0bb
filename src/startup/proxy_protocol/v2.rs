//! Version 2: a binary header, with fields behind the addresses.

use std::net::{IpAddr, SocketAddr};

use super::super::peer::Peer;
use super::header::{Parsed, Progress, ProxyError, missing_of};
use crate::config::value;

/// The first bytes of a header of version 2.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and protocol, length.
const HEAD_BYTES: usize = 16;

/// The longest rest of a header that is read, in bytes. Balancers send a few dozen, some of them
/// the subject of a certificate.
pub(super) const MAX_PAYLOAD: usize = 4096;

/// The type of the field that has a checksum of the header (section 2.2).
const CRC32C: u8 = 0x03;

/// The type of AWS's own field (Elastic Load Balancing, "Proxy protocol").
const AWS: u8 = 0xea;

/// The subtype of [`AWS`]'s field that has the id of the VPC endpoint.
const VPC_ENDPOINT_ID: u8 = 0x01;

/// Reads a header of version 2.
pub(super) fn parse(header: &[u8]) -> Parsed {
    if let Some(missing) = missing_of(SIGNATURE, header)? {
        return Ok(Progress::Incomplete(missing));
    }
    let Some((head, payload)) = header.split_at_checked(HEAD_BYTES) else {
        return Ok(Progress::Incomplete(HEAD_BYTES - header.len()));
    };
    let &[.., command, family, high, low] = head else { return Err(ProxyError::Malformed("its head")) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_PAYLOAD {
        return Err(ProxyError::Malformed("over 4 KiB"));
    }
    if payload.len() < length {
        return Ok(Progress::Incomplete(length - payload.len()));
    }
    let named = match (command, family) {
        // LOCAL: the balancer speaks for itself. Unspecified: for somebody it cannot name. Either
        // way the rest is skipped.
        (0x20, _) | (0x21, 0x00) => None,
        (0x21, 0x11) => Some(client::<4>(payload, header)?),
        (0x21, 0x21) => Some(client::<16>(payload, header)?),
        (0x21, _) => return Err(ProxyError::Malformed("a client that is not of TCP")),
        _ => return Err(ProxyError::Malformed("an unknown version or command")),
    };
    Ok(Progress::Complete(named))
}

/// Reads the addresses of source and destination, of `N` bytes each, their ports, and the fields
/// behind them.
fn client<const N: usize>(payload: &[u8], header: &[u8]) -> Result<Peer, ProxyError>
where
    IpAddr: From<[u8; N]>,
{
    let addresses = || {
        let (source, rest) = payload.split_first_chunk::<N>()?;
        let (_destination, rest) = rest.split_first_chunk::<N>()?;
        let (port, rest) = rest.split_first_chunk::<2>()?;
        let (_port, fields) = rest.split_first_chunk::<2>()?;
        Some((SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes(*port)), fields))
    };
    let (address, fields) = addresses().ok_or(ProxyError::Malformed("its addresses are cut off"))?;
    Ok(Peer { vpc_endpoint: vpc_endpoint(fields, header)?, ..Peer::at(address) })
}

/// Reads the fields to their end: that of AWS is for us, unknown ones are skipped.
fn vpc_endpoint(mut fields: &[u8], header: &[u8]) -> Result<Option<String>, ProxyError> {
    let mut found = None;
    while !fields.is_empty() {
        let (kind, value, rest) = field(fields).ok_or(ProxyError::Malformed("a field is cut off"))?;
        match (kind, value) {
            (CRC32C, sum) => check(header, header.len() - rest.len() - sum.len(), sum)?,
            (AWS, [VPC_ENDPOINT_ID, id @ ..]) => {
                let id = std::str::from_utf8(id)
                    .ok()
                    .and_then(|id| value::vpc_endpoint(id).ok());
                let id = id.ok_or(ProxyError::Malformed("the id of a VPC endpoint"))?;
                if found.replace(id).is_some() {
                    return Err(ProxyError::Malformed("two VPC endpoints"));
                }
            }
            _ => {}
        }
        fields = rest;
    }
    Ok(found)
}

/// Splits off the first field: its type, its value, and the fields behind it.
fn field(fields: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let ([kind, high, low], rest) = fields.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
    Some((*kind, value, rest))
}

/// Checks the checksum, which is of the whole header with zeros in its own place.
fn check(header: &[u8], at: usize, sum: &[u8]) -> Result<(), ProxyError> {
    let mut zeroed = header.to_vec();
    zeroed
        .iter_mut()
        .skip(at)
        .take(sum.len())
        .for_each(|byte| *byte = 0);
    if sum == crc32c(&zeroed).to_be_bytes() { Ok(()) } else { Err(ProxyError::Malformed("its checksum is wrong")) }
}

/// CRC-32C (RFC 3720, appendix B.4), bit by bit: a header is short.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    const REVERSED_POLYNOMIAL: u32 = 0x82f6_3b78;
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (REVERSED_POLYNOMIAL * (sum & 1)))
    });
    !sum
}

#[cfg(test)]
mod tests {
    use super::super::tests::{V4, header};
    use super::*;

    /// The VPC endpoint of a client with these fields.
    fn endpoint(fields: &[u8]) -> Result<Option<String>, ProxyError> {
        match parse(&header(0x21, 0x11, &[&V4, fields].concat()))? {
            Progress::Complete(Some(peer)) => Ok(peer.vpc_endpoint),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_checksum_is_as_the_rfc_has_it() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn the_field_of_aws_names_the_vpc_endpoint() {
        let id = b"\xea\0\x17\x01vpce-08d2bf15fac5001c9";
        assert_eq!(endpoint(id).unwrap().as_deref(), Some("vpce-08d2bf15fac5001c9"));
        let among_others = [&b"\x04\0\x02\0\0"[..], b"\xea\0\x01\x02", id, b"\x20\0\0"].concat();
        assert_eq!(endpoint(&among_others).unwrap().as_deref(), Some("vpce-08d2bf15fac5001c9"));
        for none in [&b""[..], b"\xea\0\0", b"\xea\0\x02\x02x", b"\x01\0\x0apostgresql", b"\xff\0\0"] {
            assert_eq!(endpoint(none).unwrap(), None, "{}", none.escape_ascii());
        }
    }

    #[test]
    fn fields_are_taken_strictly() {
        let twice = b"\xea\0\x0e\x01vpce-08d2bf15\xea\0\x0e\x01vpce-08d2bf16";
        for fields in [
            &b"\xea"[..],
            b"\xea\0",
            b"\xea\0\x01",
            b"\x04\0\x02x",
            b"\x04\xff\xffx",
            b"\xea\0\x01\x01",
            b"\xea\0\x06\x01vpce-",
            b"\xea\0\x0e\x01vpce-08d2bf1\0",
            b"\xea\0\x0b\x0110.0.0.0/8",
            b"\xea\0\x0e\x01vpce-08d2bf1\xff",
            b"\x03\0\0",
            b"\x03\0\x04\0\0\0\0",
            twice,
        ] {
            assert!(matches!(endpoint(fields), Err(ProxyError::Malformed(_))), "{}", fields.escape_ascii());
        }
    }

    #[test]
    fn headers_are_taken_strictly() {
        for (command, family, payload) in [
            (0x11, 0x11, &V4[..]),
            (0x31, 0x11, &V4),
            (0x22, 0x11, &V4),
            (0x01, 0x11, &V4),
            (0x21, 0x11, &V4[..11]),
            (0x21, 0x21, &V4),
            (0x21, 0x12, &V4),
            (0x21, 0x10, &V4),
            (0x21, 0x31, &[0; 216]),
            (0x21, 0x41, &V4),
            (0x21, 0x01, &V4),
        ] {
            let parsed = parse(&header(command, family, payload));
            assert!(matches!(parsed, Err(ProxyError::Malformed(_))), "{command:x} {family:x} {parsed:?}");
        }
        let too_long = header(0x20, 0, &[0; MAX_PAYLOAD + 1]);
        assert!(matches!(parse(&too_long[..HEAD_BYTES]), Err(ProxyError::Malformed(_))), "from the head alone");
        assert!(matches!(parse(&header(0x20, 0, &[0; MAX_PAYLOAD])), Ok(Progress::Complete(None))));
    }
}
