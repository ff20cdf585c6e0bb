//! Messages of PostgreSQL's protocol, read whole and within a cap, and written: for the sandbox's
//! warehouse, and for the clients and warehouses of tests. The proxy's own reader is another one,
//! so that each tests the other.
//!
//! The peer chooses the lengths: nothing is allocated beyond the cap, and nothing is read past the
//! message, so that its successor is left for the next reader.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest startup packet, in bytes (MAX_STARTUP_PACKET_LENGTH, pqcomm.h).
const MAX_PACKET_BYTES: usize = 10_000;

/// PostgreSQL's protocol 3.0, as startup messages name it.
pub const PROTOCOL_3_0: u32 = 0x0003_0000;

const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// A packet without a type byte: how every connection begins.
#[derive(Debug, Eq, PartialEq)]
pub enum Packet {
    /// SSLRequest.
    Ssl,
    /// GSSENCRequest.
    GssEnc,
    /// CancelRequest.
    Cancel {
        /// The process that is to be cancelled.
        pid: u32,
        /// The key that proves the right to.
        key: u32,
    },
    /// StartupMessage.
    Startup {
        /// The protocol's major version in the upper half, the minor one in the lower.
        version: u32,
        /// Names and values, as they came.
        parameters: Vec<(String, String)>,
    },
}

/// A message with a type byte.
#[derive(Debug)]
pub struct Message {
    /// The type byte.
    pub kind: u8,
    /// The bytes behind the length.
    pub body: Vec<u8>,
}

/// Reads the packet that opens a connection. Not cancel safe.
///
/// # Errors
/// The stream ends or fails, or the packet is malformed.
pub async fn read_packet<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Packet> {
    let length = stream.read_u32().await?;
    let body = read_body(stream, length, 4, MAX_PACKET_BYTES).await?;
    parse_packet(&body).ok_or_else(|| malformed("startup packet"))
}

/// Reads a message whose body is at most `max` bytes long. Not cancel safe.
///
/// # Errors
/// The stream ends or fails, or the length is impossible.
pub async fn read_message<S: AsyncRead + Unpin>(stream: &mut S, max: usize) -> io::Result<Message> {
    let kind = stream.read_u8().await?;
    let length = stream.read_u32().await?;
    Ok(Message { kind, body: read_body(stream, length, 0, max).await? })
}

/// Reads the `min` to `max` bytes behind a length, which counts itself, as all of the protocol's
/// lengths do.
pub(crate) async fn read_body<S: AsyncRead + Unpin>(
    stream: &mut S,
    length: u32,
    min: usize,
    max: usize,
) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_sub(4));
    let length = length
        .filter(|length| (min..=max).contains(length))
        .ok_or_else(|| malformed("message length"))?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

fn parse_packet(body: &[u8]) -> Option<Packet> {
    let (code, rest) = int32(body)?;
    match code {
        SSL_REQUEST => rest.is_empty().then_some(Packet::Ssl),
        GSSENC_REQUEST => rest.is_empty().then_some(Packet::GssEnc),
        CANCEL_REQUEST => {
            let (pid, rest) = int32(rest)?;
            let (key, rest) = int32(rest)?;
            rest.is_empty().then_some(Packet::Cancel { pid, key })
        }
        version => Some(Packet::Startup { version, parameters: parse_parameters(rest)? }),
    }
}

fn parse_parameters(mut rest: &[u8]) -> Option<Vec<(String, String)>> {
    let mut parameters = Vec::new();
    while rest != [0] {
        let (name, after) = text(rest)?;
        let (value, after) = text(after)?;
        parameters.push((name.to_owned(), value.to_owned()));
        rest = after;
    }
    Some(parameters)
}

/// A big-endian int32 (as the opaque 32 bits it often is) and what follows.
pub(crate) fn int32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (int, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*int), rest))
}

/// A NUL-terminated UTF-8 string and what follows.
pub(crate) fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (text, rest) = bytes.split_at_checked(end)?;
    Some((std::str::from_utf8(text).ok()?, rest.get(1..)?))
}

/// An int32 length and as many bytes, and what follows.
pub(crate) fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = int32(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// Encodes one message. Bodies here are far below the protocol's 2 GiB.
#[must_use]
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut framed = vec![kind];
    framed.extend(length(body.len() + 4));
    framed.extend_from_slice(body);
    framed
}

/// Encodes a StartupMessage of this protocol version.
pub fn startup<'a>(version: u32, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    for (name, value) in parameters {
        push_text(&mut body, name);
        push_text(&mut body, value);
    }
    body.push(0);
    packet(&body)
}

/// Encodes a packet without a type byte.
#[must_use]
pub fn packet(body: &[u8]) -> Vec<u8> {
    [&length(body.len() + 4), body].concat()
}

/// Encodes a CancelRequest.
#[must_use]
pub fn cancel(pid: u32, key: u32) -> Vec<u8> {
    [16, CANCEL_REQUEST, pid, key]
        .iter()
        .flat_map(|int| int.to_be_bytes())
        .collect()
}

/// Encodes a ParameterStatus.
#[must_use]
pub fn parameter_status(name: &str, value: &str) -> Vec<u8> {
    let mut body = Vec::new();
    push_text(&mut body, name);
    push_text(&mut body, value);
    message(b'S', &body)
}

/// Encodes an authentication request (`R`) of this code.
#[must_use]
pub fn authentication(code: u32, data: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes(), data].concat())
}

/// Encodes a NegotiateProtocolVersion: the server speaks 3.0, without these options.
pub(crate) fn negotiate(unknown: &[String]) -> Vec<u8> {
    let mut body = PROTOCOL_3_0.to_be_bytes().to_vec();
    body.extend(length(unknown.len()));
    for name in unknown {
        push_text(&mut body, name);
    }
    message(b'v', &body)
}

/// Appends a NUL-terminated string.
pub(crate) fn push_text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(text.as_bytes());
    body.push(0);
}

/// Encodes a length.
pub(crate) fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// The error of a peer that broke the protocol in this `what`.
pub(crate) fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_cut_and_every_wrong_length_of_a_startup_packet_is_an_error() {
        let whole = startup(PROTOCOL_3_0, [("user", "IAMR:rs01"), ("database", "dev")]);
        let Packet::Startup { version, parameters } = read_packet(&mut whole.as_slice()).await.unwrap() else {
            panic!()
        };
        assert_eq!((version, parameters.len()), (196_608, 2));
        for end in 0..whole.len() {
            read_packet(&mut &whole[..end]).await.unwrap_err();
        }
        for wrong in (0..=255_u8).filter(|wrong| *wrong != whole[3]) {
            let mut bytes = whole.clone();
            bytes[3] = wrong;
            read_packet(&mut bytes.as_slice()).await.unwrap_err();
        }
        read_packet(&mut [0xff; 64].as_slice()).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_message_over_its_cap_is_refused_by_its_header() {
        let mut bytes = [b'p', 0, 0, 0x10, 0].as_slice();
        assert_eq!(read_message(&mut bytes, 100).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
