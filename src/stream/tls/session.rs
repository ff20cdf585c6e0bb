//! A TLS session on a socket: receiving and sending what the codec decodes and encodes.

use std::any::Any;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::unbuffered::{EncryptError, WriteTraffic};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use zeroize::Zeroize;

use super::super::Stream;
use super::super::backlog::Backlog;
use super::super::scratch::{SCRATCH_BYTES, Scratch};
use super::codec::{Codec, nothing};
use super::side::Side;

/// One side of a TLS session on a socket, which tests replace.
pub(crate) struct Tls<S, T = TcpStream> {
    socket: T,
    codec: Codec<S>,
    /// What is read may be a password: plaintext is wiped from the scratch buffer, which other
    /// sessions use after us.
    is_login: bool,
}

impl<S, T> Tls<S, T> {
    /// What rustls knows of the session.
    pub(super) fn side(&self) -> &S {
        &self.codec.side
    }
}

impl<S: Side, T: AsyncRead + AsyncWrite + Unpin> Tls<S, T> {
    /// Completes the handshake that `side` begins. The caller sets the deadline.
    pub(super) async fn handshake(socket: T, side: S) -> io::Result<Box<Self>> {
        let mut tls = Box::new(Self { socket, codec: Codec::new(side), is_login: true });
        // A client begins.
        tls.codec.drive(nothing)?;
        loop {
            poll_fn(|cx| tls.poll_unsent(cx)).await?;
            if !tls.codec.side.is_handshaking() {
                return Ok(tls);
            }
            let received = poll_fn(|cx| tls.poll_receive(cx, &mut [])).await;
            if received.is_err() {
                // An alert of ours explains it to the peer; whether it gets there does not matter.
                let _ = poll_fn(|cx| tls.poll_unsent(cx)).await;
            }
            received?.ok_or(io::ErrorKind::UnexpectedEof)?;
        }
    }

    /// Receives once and decodes. `Some`: how much of `into` is filled, which may be nothing.
    /// `None`: the stream has ended.
    fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<Option<usize>>> {
        let mut scratch = Scratch::take();
        let room = scratch.payload();
        // Of an unproven peer no more is received than may be kept.
        let most = if self.codec.side.is_handshaking() { S::MAX_UNDECODED } else { SCRATCH_BYTES };
        let room = room.get_mut(..most.min(SCRATCH_BYTES)).unwrap_or_default();
        let held = self.codec.undecoded.bytes().len();
        if held >= S::MAX_UNDECODED {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a TLS message without end")));
        }
        let Some((front, back)) = room
            .split_at_mut_checked(held)
            .filter(|(_, back)| !back.is_empty())
        else {
            return self.poll_receive_long(cx, into);
        };
        front.copy_from_slice(self.codec.undecoded.bytes());
        let mut back = ReadBuf::new(back);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut back))?;
        let received = back.filled().len();
        if received == 0 {
            return Poll::Ready(Ok(None));
        }
        self.codec.undecoded = Backlog::default();
        let incoming = room.get_mut(..held + received).unwrap_or_default();
        let filled = self.codec.decode(incoming, into, nothing);
        if self.is_login {
            incoming.zeroize();
        }
        Poll::Ready(filled.map(Some))
    }

    /// Does what [`Self::poll_receive`] does for a handshake message that is longer than a scratch
    /// buffer.
    fn poll_receive_long(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<Option<usize>>> {
        let mut back = ReadBuf::new(self.codec.undecoded.grow(SCRATCH_BYTES));
        let read = Pin::new(&mut self.socket).poll_read(cx, &mut back);
        let received = back.filled().len();
        self.codec.undecoded.shrink(SCRATCH_BYTES - received);
        ready!(read)?;
        if received == 0 {
            return Poll::Ready(Ok(None));
        }
        let mut incoming = std::mem::take(&mut self.codec.undecoded);
        Poll::Ready(
            self.codec
                .decode(incoming.bytes_mut(), into, nothing)
                .map(Some),
        )
    }

    /// Sends the records that `write` encrypts into scratch, behind those that wait already. What
    /// the kernel does not take waits too.
    fn poll_encrypted(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut WriteTraffic<'_, S::Data>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> io::Result<()> {
        let mut scratch = Scratch::take();
        let mut length = None;
        self.codec.drive(|traffic| {
            length = Some(write(traffic, scratch.records())?);
            Ok(())
        })?;
        let length = length.ok_or(io::ErrorKind::BrokenPipe)?;
        let mut records = scratch.records().get(..length).unwrap_or_default();
        if self.codec.unsent.is_empty()
            && let Poll::Ready(sent) = Pin::new(&mut self.socket).poll_write(cx, records)
        {
            records = records.get(sent?..).unwrap_or_default();
        }
        self.codec.unsent.push(records);
        Ok(())
    }

    /// Sends what waits. Ready when nothing does.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.codec.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, self.codec.unsent.bytes()))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.codec.unsent.consume(sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Side, T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for Tls<S, T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            if !self.codec.unread.is_empty() {
                let drain = if self.is_login { Backlog::drain_and_wipe_into } else { Backlog::drain_into };
                return Poll::Ready(Ok(drain(&mut self.codec.unread, into)));
            }
            if let Some(error) = self.codec.failure.take() {
                return Poll::Ready(Err(error));
            }
            if self.codec.ended {
                return Poll::Ready(Ok(0));
            }
            let received = self.poll_receive(cx, into);
            // What rustls says by itself, as an alert, does not wait for a write of ours. Where it
            // cannot be sent, the next write says so: what the peer has said can still be read.
            let _ = self.poll_unsent(cx);
            match ready!(received)? {
                // TLS peers that close without close_notify are common (libpq, JDBC). PostgreSQL's
                // framing tells a truncated stream from a whole one, so this is an end like any
                // other.
                None => self.codec.ended = true,
                Some(0) => {}
                Some(filled) => return Poll::Ready(Ok(filled)),
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_unsent(cx))?;
        // Behind an alert or close_notify of ours nothing may follow (RFC 8446, 6).
        if self.codec.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let taken = bytes.get(..SCRATCH_BYTES).unwrap_or(bytes);
        self.poll_encrypted(cx, |traffic, records| traffic.encrypt(taken, records))?;
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_unsent(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.codec.closed {
            self.codec.closed = true;
            self.poll_encrypted(cx, |traffic, records| traffic.queue_close_notify(records))?;
        }
        ready!(self.poll_unsent(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn end_login(&mut self) {
        self.is_login = false;
    }

    fn socket(&self) -> Option<&TcpStream> {
        (&self.socket as &dyn Any).downcast_ref()
    }
}
