//! TLS over TCP, with rustls driven by us: its unbuffered API over the thread's scratch buffers.
//!
//! An idle session holds no buffer: ciphertext is received into scratch and decrypted there,
//! plaintext is encrypted into scratch and sent from there; only half a record, or what the peer
//! does not take, is kept. All cryptography, KeyUpdate and TLS 1.2 are rustls's.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use zeroize::Zeroize;

pub(crate) use self::side::{Client, Server, Side};
use super::Stream;
use super::backlog::Backlog;
use super::scratch::{SCRATCH_BYTES, Scratch};

mod side;

/// One side of a TLS session on a socket.
pub(crate) struct Tls<S> {
    socket: TcpStream,
    side: S,
    /// Half a record, or half a handshake message: received but not decoded. rustls remembers how
    /// far it has looked into it, so that it has to see it again on every call.
    undecoded: Backlog,
    /// Decrypted, but nobody has asked for it yet.
    unread: Backlog,
    /// Encrypted, but not taken by the kernel yet.
    unsent: Backlog,
    /// close_notify or FIN has come.
    ended: bool,
    /// close_notify has been sent.
    closed: bool,
    /// What is read may be a password: plaintext is wiped from the scratch buffer, which other
    /// sessions use after us.
    is_login: bool,
}

/// Verifies the server as `name` and completes the handshake. The caller sets the deadline.
///
/// # Errors
/// A `rustls::Error` inside an [`io::Error`]; `UnexpectedEof` where the peer leaves.
pub(crate) async fn connect(
    socket: TcpStream,
    config: &Arc<ClientConfig>,
    name: ServerName<'static>,
) -> io::Result<Box<Tls<Client>>> {
    Tls::handshake(socket, Client::new(Arc::clone(config), name).map_err(invalid)?).await
}

/// The server's side of the same.
///
/// # Errors
/// As [`connect`].
pub(crate) async fn accept(socket: TcpStream, config: &Arc<ServerConfig>) -> io::Result<Box<Tls<Server>>> {
    Tls::handshake(socket, Server::new(Arc::clone(config)).map_err(invalid)?).await
}

impl Tls<Server> {
    /// What ALPN agreed on.
    pub(crate) fn alpn_protocol(&self) -> Option<&[u8]> {
        self.side.alpn_protocol()
    }

    /// The client's certificate and those that it sent along, which the verifier of the
    /// configuration has accepted; empty where it has none.
    pub(crate) fn client_certificates(&self) -> &[CertificateDer<'_>] {
        self.side.peer_certificates().unwrap_or_default()
    }
}

impl Tls<Client> {
    /// The server's certificate, in DER.
    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        self.side
            .peer_certificates()?
            .first()
            .map(|certificate| &**certificate)
    }
}

impl<S: Side> Tls<S> {
    async fn handshake(socket: TcpStream, side: S) -> io::Result<Box<Self>> {
        let (undecoded, unread, unsent) = (Backlog::default(), Backlog::default(), Backlog::default());
        let mut tls =
            Box::new(Self { socket, side, undecoded, unread, unsent, ended: false, closed: false, is_login: true });
        // A client begins.
        tls.drive(nothing)?;
        loop {
            poll_fn(|cx| tls.poll_unsent(cx)).await?;
            if !tls.side.is_handshaking() {
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

    /// Receives once and decodes: how much of `into` is filled, which may be nothing. `None`: the
    /// end of the stream.
    fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<Option<usize>>> {
        let mut scratch = Scratch::take();
        let room = scratch.payload();
        // Of a stranger no more is taken than may be kept.
        let most = if self.side.is_handshaking() { S::MAX_UNDECODED } else { SCRATCH_BYTES };
        let room = room.get_mut(..most.min(SCRATCH_BYTES)).unwrap_or_default();
        let held = self.undecoded.bytes().len();
        if held >= S::MAX_UNDECODED {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a TLS message without end")));
        }
        let Some((front, back)) = room
            .split_at_mut_checked(held)
            .filter(|(_, back)| !back.is_empty())
        else {
            return self.poll_receive_long(cx, into);
        };
        front.copy_from_slice(self.undecoded.bytes());
        let mut back = ReadBuf::new(back);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut back))?;
        let received = back.filled().len();
        if received == 0 {
            return Poll::Ready(Ok(None));
        }
        self.undecoded = Backlog::default();
        let incoming = room.get_mut(..held + received).unwrap_or_default();
        let filled = self.decode(incoming, into, nothing);
        if self.is_login {
            incoming.zeroize();
        }
        Poll::Ready(filled.map(Some))
    }

    /// The same for a handshake message that is longer than a scratch buffer.
    fn poll_receive_long(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<Option<usize>>> {
        let mut back = ReadBuf::new(self.undecoded.grow(SCRATCH_BYTES));
        let read = Pin::new(&mut self.socket).poll_read(cx, &mut back);
        let received = back.filled().len();
        self.undecoded.shrink(SCRATCH_BYTES - received);
        ready!(read)?;
        if received == 0 {
            return Poll::Ready(Ok(None));
        }
        let mut incoming = std::mem::take(&mut self.undecoded);
        Poll::Ready(self.decode(incoming.bytes_mut(), into, nothing).map(Some))
    }

    /// Lets rustls say what it has to say, and `then` write.
    fn drive(
        &mut self,
        then: impl FnOnce(&mut WriteTraffic<'_, S::Data>) -> Result<(), EncryptError>,
    ) -> io::Result<usize> {
        let mut held = std::mem::take(&mut self.undecoded);
        self.decode(held.bytes_mut(), &mut [], then)
    }

    /// Decodes all whole records: plaintext goes to `into` and, where it does not fit, to `unread`;
    /// what rustls has to say goes to `unsent`; what is left of `incoming` goes to `undecoded`.
    /// Then `then` may write, if that is possible.
    fn decode(
        &mut self,
        incoming: &mut [u8],
        into: &mut [u8],
        then: impl FnOnce(&mut WriteTraffic<'_, S::Data>) -> Result<(), EncryptError>,
    ) -> io::Result<usize> {
        let (mut used, mut filled) = (0, 0);
        let result = loop {
            let rest = incoming.get_mut(used..).unwrap_or_default();
            let UnbufferedStatus { mut discard, state } = self.side.process(rest);
            let decoded = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                    let Some(record) = traffic.next_record() else { break Ok(false) };
                    let Ok(record) = record else { break Err(io::ErrorKind::InvalidData.into()) };
                    discard += record.discard;
                    let free = into.get_mut(filled..).unwrap_or_default();
                    let (now, later) = record
                        .payload
                        .split_at(free.len().min(record.payload.len()));
                    if let Some(free) = free.get_mut(..now.len()) {
                        free.copy_from_slice(now);
                    }
                    filled += now.len();
                    self.unread.push(later);
                },
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.unsent).map(|()| false),
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    Ok(false)
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.ended = true;
                    Ok(false)
                }
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    used += discard;
                    break then(&mut traffic).map_err(io::Error::other);
                }
                Ok(_) => Ok(true),
                Err(error) => Err(invalid(error)),
            };
            used += discard;
            match decoded {
                Ok(false) => {}
                Ok(true) => break Ok(()),
                Err(error) => {
                    // rustls has more to say: the alert, behind what it said before the error. It
                    // is shown what it has not used, since it may hold places in that; and not
                    // asked beyond the alert, or it would judge that again.
                    let rest = incoming.get_mut(used..).unwrap_or_default();
                    let mut is_said = false;
                    while !is_said && let Ok(ConnectionState::EncodeTlsData(data)) = self.side.process(rest).state {
                        let before = self.unsent.bytes().len();
                        is_said = encode(data, &mut self.unsent).is_err()
                            || self.unsent.bytes().get(before..).is_some_and(is_alert);
                    }
                    // And is not to be asked again: it would see the same record, and say the same.
                    (self.ended, self.closed) = (true, true);
                    return Err(error);
                }
            }
        };
        self.undecoded
            .push(incoming.get(used..).unwrap_or_default());
        result.map(|()| filled)
    }

    /// Sends what `write` encrypts into scratch, behind what waits already; keeps what the kernel
    /// does not take.
    fn poll_encrypted(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut WriteTraffic<'_, S::Data>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> io::Result<()> {
        let mut scratch = Scratch::take();
        let mut length = None;
        self.drive(|traffic| {
            length = Some(write(traffic, scratch.records())?);
            Ok(())
        })?;
        let length = length.ok_or(io::ErrorKind::BrokenPipe)?;
        let mut records = scratch.records().get(..length).unwrap_or_default();
        if self.unsent.is_empty()
            && let Poll::Ready(sent) = Pin::new(&mut self.socket).poll_write(cx, records)
        {
            records = records.get(sent?..).unwrap_or_default();
        }
        self.unsent.push(records);
        Ok(())
    }

    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, self.unsent.bytes()))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.consume(sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Side> Stream for Tls<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            if !self.unread.is_empty() {
                let drain = if self.is_login { Backlog::drain_and_wipe_into } else { Backlog::drain_into };
                return Poll::Ready(Ok(drain(&mut self.unread, into)));
            }
            if self.ended {
                return Poll::Ready(Ok(0));
            }
            let received = self.poll_receive(cx, into);
            // What rustls says by itself, as an alert, does not wait for a write of ours.
            if let Poll::Ready(Err(error)) = self.poll_unsent(cx) {
                return Poll::Ready(Err(error));
            }
            match ready!(received)? {
                // TLS peers that close without close_notify are common (libpq, JDBC). PostgreSQL's
                // framing tells a truncated stream from a whole one, so this is an end like any
                // other.
                None => self.ended = true,
                Some(0) => {}
                Some(filled) => return Poll::Ready(Ok(filled)),
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_unsent(cx))?;
        let taken = bytes.get(..SCRATCH_BYTES).unwrap_or(bytes);
        self.poll_encrypted(cx, |traffic, records| traffic.encrypt(taken, records))?;
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_unsent(cx)
    }

    fn end_login(&mut self) {
        self.is_login = false;
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closed {
            self.closed = true;
            self.poll_encrypted(cx, |traffic, records| traffic.queue_close_notify(records))?;
        }
        ready!(self.poll_unsent(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn socket(&self) -> Option<&TcpStream> {
        Some(&self.socket)
    }
}

/// Puts what rustls has to say behind what waits.
fn encode<D>(mut data: EncodeTlsData<'_, D>, unsent: &mut Backlog) -> io::Result<()> {
    let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) else { return Ok(()) };
    data.encode(unsent.grow(size.required_size))
        .map(drop)
        .map_err(io::Error::other)
}

/// Of a record by itself: by its type or, encrypted by TLS 1.3, by its length (level, description,
/// type, tag). Nothing else that rustls says of its own accord is as short.
fn is_alert(record: &[u8]) -> bool {
    matches!(record, [21, ..] | [23, _, _, 0, 19, ..])
}

/// Nothing to write.
fn nothing<D>(_: &mut WriteTraffic<'_, D>) -> Result<(), EncryptError> {
    Ok(())
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
