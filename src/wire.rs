//! Reading one message under a size limit, and writing messages.
//!
//! Framing is ours and comes first: pgwire's decoders panic on short bodies and look past their own
//! message (docs/protocol/pgwire.md, pitfalls 2–4), so that they only ever see one whole message
//! whose shape has been checked.

use std::future::poll_fn;
use std::io;

use bytes::{Buf, BytesMut};
use pgwire::messages::Message;
use thiserror::Error;
use tracing::trace;
use zeroize::Zeroize;

use crate::stream::{self, Leg, Stream};

pub(crate) mod boolean;
pub(crate) mod cancel_key;
pub(crate) mod notice;
pub(crate) mod refusal;

/// Longest startup message read, in bytes; PostgreSQL's own bound (MAX_STARTUP_PACKET_LENGTH,
/// pqcomm.h). An unproven client sends it, and may not make us allocate more than this.
pub(crate) const MAX_STARTUP_BYTES: usize = 10_000;

/// The newest version of the protocol that we speak; Redshift knows no other.
pub(crate) const PROTOCOL_3_0: u32 = 196_608;

/// The code of a CancelRequest, in place of a protocol version (pqcomm.h).
pub(crate) const CANCEL_REQUEST: u32 = 80_877_102;

/// The code of an SSLRequest, in place of a protocol version (pqcomm.h).
pub(crate) const SSL_REQUEST: u32 = 80_877_103;

/// The code of a GSSENCRequest, in place of a protocol version (pqcomm.h).
pub(crate) const GSSENC_REQUEST: u32 = 80_877_104;

/// The most bytes that one read takes during login.
const READ_BYTES: usize = 4096;

/// Most that is taken of a peer ahead of its turn, in bytes; the rest waits with the kernel.
const MAX_EARLY: usize = 64 * 1024;

/// A leg that is read message by message, with the bytes that were read ahead of their use.
pub(crate) struct Wire<S = Leg> {
    stream: S,
    buffer: ReadBuffer,
}

/// Bytes that were read but not used yet. They may be a password: no copy of them is left in memory
/// that is freed.
#[derive(Default)]
struct ReadBuffer(BytesMut);

/// A whole message with a type byte, of a login: it may hold a password, and is wiped when dropped.
#[derive(PartialEq)]
pub(crate) struct Frame {
    /// Type byte, length and body.
    bytes: BytesMut,
}

/// A message could not be read or written.
#[derive(Debug, Error)]
pub(crate) enum WireError {
    /// The peer has ended the connection, between two messages or in the middle of one.
    #[error("the peer closed the connection")]
    Closed,
    /// The peer announced a length that no message of this phase can have.
    #[error("a message announced {0} bytes")]
    Length(u32),
    /// The system failed to read or write, or TLS did.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<S: Stream> Wire<S> {
    /// Starts on a leg from which nothing has been read.
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: ReadBuffer::default() }
    }

    /// Reads one message without a type byte: the body behind the length, 4 to 9,996 bytes. Cancel
    /// safe.
    pub(crate) async fn startup_packet(&mut self) -> Result<BytesMut, WireError> {
        self.fill(4).await?;
        let length = peek_u32(&self.buffer.0, 0);
        trace!(length, "startup packet");
        if !(8..=MAX_STARTUP_BYTES as u64).contains(&u64::from(length)) {
            return Err(WireError::Length(length));
        }
        self.fill(length as usize).await?;
        let mut packet = self.buffer.0.split_to(length as usize);
        packet.advance(4);
        Ok(packet)
    }

    /// Reads one message with a type byte, of at most `max` bytes behind that byte. Cancel safe.
    pub(crate) async fn frame(&mut self, max: usize) -> Result<Frame, WireError> {
        self.fill(5).await?;
        let length = peek_u32(&self.buffer.0, 1);
        if !(4..=max as u64).contains(&u64::from(length)) {
            return Err(WireError::Length(length));
        }
        self.fill(1 + length as usize).await?;
        let frame = Frame { bytes: self.buffer.0.split_to(1 + length as usize) };
        // Without its length, which for one type is a password's.
        trace!(tag = frame.tag().escape_ascii().to_string().as_str(), "message read");
        Ok(frame)
    }

    /// Waits until the first byte of another message is there. Cancel safe.
    pub(crate) async fn more(&mut self) -> Result<(), WireError> {
        self.fill(1).await
    }

    /// Reads a single byte: the answer to an SSLRequest. Cancel safe.
    pub(crate) async fn byte(&mut self) -> Result<u8, WireError> {
        self.fill(1).await?;
        Ok(self.buffer.0.get_u8())
    }

    /// Writes one message of pgwire's and flushes.
    pub(crate) async fn send(&mut self, message: &impl Message) -> Result<(), WireError> {
        self.send_bytes(&encode(message)).await
    }

    /// Writes whole messages and flushes. Not cancel safe: the peer may have half of them.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        Ok(stream::send(&mut self.stream, bytes).await?)
    }

    /// Ends our side (close_notify where there is TLS, then FIN).
    pub(crate) async fn close(&mut self) -> Result<(), WireError> {
        Ok(stream::close(&mut self.stream).await?)
    }

    /// Whether bytes of the peer have been read that nobody has asked for yet.
    pub(crate) fn has_more(&self) -> bool {
        !self.buffer.0.is_empty()
    }

    /// Takes and drops what the peer still sends, to the end of its stream.
    pub(crate) async fn drain(&mut self) -> Result<(), WireError> {
        Ok(stream::drain(&mut self.stream).await?)
    }

    /// Sends a last message and ends our side: see [`stream::farewell`].
    pub(crate) async fn farewell(&mut self, words: &[u8]) {
        stream::farewell(&mut self.stream, words).await;
    }

    /// Resolves when the peer is gone. What it sends until then is kept, but not without bound.
    /// Cancel safe.
    pub(crate) async fn gone(&mut self) -> WireError {
        while self.buffer.0.len() < MAX_EARLY {
            if let Err(error) = self.fill(self.buffer.0.len() + 1).await {
                return error;
            }
        }
        std::future::pending().await
    }

    /// Gives up the leg, and the bytes that were read but not used: the first ones of the relay.
    pub(crate) fn into_parts(mut self) -> (S, BytesMut) {
        (self.stream, std::mem::take(&mut self.buffer.0))
    }

    /// Forgets the kind of the stream.
    pub(crate) fn boxed(self) -> Wire
    where
        S: 'static,
    {
        Wire { stream: Box::new(self.stream), buffer: self.buffer }
    }

    /// Reads until `wanted` bytes are there. Cancel safe: what was read stays in the buffer.
    async fn fill(&mut self, wanted: usize) -> Result<(), WireError> {
        while self.buffer.0.len() < wanted {
            self.buffer.make_room(wanted + READ_BYTES);
            let Self { stream, buffer: ReadBuffer(buffer) } = self;
            let read = poll_fn(|cx| {
                let held = buffer.len();
                buffer.resize(held + READ_BYTES, 0);
                let read = stream.poll_read(cx, buffer.get_mut(held..).unwrap_or_default());
                buffer.truncate(held + if let std::task::Poll::Ready(Ok(read)) = &read { *read } else { 0 });
                read
            });
            if read.await? == 0 {
                return Err(WireError::Closed);
            }
        }
        Ok(())
    }
}

impl ReadBuffer {
    /// Makes room for so many bytes in all, and gives back the old buffer, wiped, if there is a new
    /// one. `reserve` would free the old buffer with its bytes in it, or leave them behind the end.
    fn make_room(&mut self, bytes: usize) -> Option<BytesMut> {
        if self.0.capacity() >= bytes {
            return None;
        }
        let mut larger = BytesMut::with_capacity(bytes);
        larger.extend_from_slice(&self.0);
        let mut before = std::mem::replace(&mut self.0, larger);
        before.as_mut().zeroize();
        Some(before)
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        self.0.as_mut().zeroize();
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.bytes.as_mut().zeroize();
    }
}

/// Shows neither the bytes nor their number: of one type they are a password.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("tag", &char::from(self.tag()))
            .finish_non_exhaustive()
    }
}

impl Frame {
    /// The type byte of the message.
    pub(crate) fn tag(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    /// The body of the message, behind type and length.
    pub(crate) fn body(&self) -> &[u8] {
        self.bytes.get(5..).unwrap_or_default()
    }

    /// The whole message, as it came.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A message of these bytes, type and length included, which are not checked.
    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self { bytes: BytesMut::from(bytes) }
    }
}

/// Encodes a message of pgwire's.
pub(crate) fn encode(message: &impl Message) -> BytesMut {
    let mut bytes = BytesMut::new();
    // Fails only over a size limit (10,000 bytes and more) that no message of ours comes near.
    let encoded = message.encode(&mut bytes);
    debug_assert!(encoded.is_ok(), "a message of ours over pgwire's limit");
    bytes
}

/// Makes a message of a type byte, the length, and this body.
pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &packet(body)].concat()
}

/// Makes a message without a type byte, as they are sent before the login: the length and this
/// body.
pub(crate) fn packet(body: &[u8]) -> Vec<u8> {
    // Bodies of ours are far from 4 GiB.
    let length = u32::try_from(4 + body.len()).unwrap_or_default();
    [&length.to_be_bytes()[..], body].concat()
}

/// Reads the big-endian number at `at`; 0 where the bytes are not there.
pub(crate) fn peek_u32(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|four| four.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}

/// Splits a C string off the front. `None` without a NUL or where the text is not UTF-8.
pub(crate) fn take_cstr<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let (text, rest) = bytes.split_at_checked(end)?;
    *bytes = rest.get(1..)?;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(bytes: &[u8]) -> Wire {
        let (mut ours, theirs) = tokio::io::duplex(bytes.len().max(1));
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            // One byte at a time: every split there is.
            for byte in bytes {
                if tokio::io::AsyncWriteExt::write_all(&mut ours, &[byte])
                    .await
                    .is_err()
                {
                    return;
                }
                tokio::task::yield_now().await;
            }
        });
        Wire::new(Box::new(stream::Io(theirs)))
    }

    #[tokio::test]
    async fn frames_survive_every_split() {
        let mut wire = wire(b"p\0\0\0\x06ab\x48\0\0\0\x04");
        assert_eq!(wire.frame(100).await.unwrap(), Frame::from_bytes(b"p\0\0\0\x06ab"));
        assert_eq!(wire.frame(100).await.unwrap(), Frame::from_bytes(b"H\0\0\0\x04"));
        assert!(matches!(wire.frame(100).await, Err(WireError::Closed)));
    }

    #[test]
    fn a_buffer_that_grows_leaves_nothing_behind() {
        let mut held = ReadBuffer(BytesMut::from(&b"p\0\0\x20\0pass"[..]));
        let before = held.make_room(10_000).unwrap();
        assert_eq!((&before[..], &held.0[..]), (&[0; 9][..], &b"p\0\0\x20\0pass"[..]));
        assert!(held.make_room(10_000).is_none() && held.0.capacity() >= 10_000);
    }

    #[test]
    fn a_message_is_not_printed() {
        assert_eq!(format!("{:?}", Frame::from_bytes(b"p\0\0\0\x09word\0")), "Frame { tag: 'p', .. }");
    }

    #[tokio::test]
    async fn impossible_lengths_are_refused_from_the_header_alone() {
        for length in [0u32, 3, 101, 1 << 31, u32::MAX] {
            let mut message = vec![b'p'];
            message.extend(length.to_be_bytes());
            assert!(matches!(wire(&message).frame(100).await, Err(WireError::Length(l)) if l == length));
        }
        for length in [0u32, 3, 4, 7, 10_001, 1 << 31, u32::MAX] {
            assert!(
                matches!(wire(&length.to_be_bytes()).startup_packet().await, Err(WireError::Length(l)) if l == length)
            );
        }
    }

    #[tokio::test]
    async fn a_truncated_message_is_a_closed_connection() {
        let whole = b"\0\0\0\x0c\0\x03\0\0user";
        for end in 0..whole.len() {
            assert!(matches!(wire(&whole[..end]).startup_packet().await, Err(WireError::Closed)), "{end}");
        }
        assert_eq!(wire(whole).startup_packet().await.unwrap(), b"\0\x03\0\0user"[..]);
    }

    #[test]
    fn c_strings_need_their_nul_and_utf_8() {
        let mut bytes: &[u8] = b"ab\0\0c";
        assert_eq!(take_cstr(&mut bytes), Some("ab"));
        assert_eq!(take_cstr(&mut bytes), Some(""));
        assert_eq!(take_cstr(&mut bytes), None);
        assert_eq!(take_cstr(&mut &b"\xff\0"[..]), None);
    }
}
