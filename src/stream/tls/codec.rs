//! Records to plaintext and back, without a socket: the one place that drives rustls.

use std::io;

use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic};

use super::super::backlog::Backlog;
use super::side::Side;

/// rustls's connection, and the bytes that wait on either side of it.
pub(super) struct Codec<S> {
    pub(super) side: S,
    /// Half a record, or half a handshake message: received but not decoded. rustls remembers how
    /// far it has looked into it, so that it has to see it again on every call.
    pub(super) undecoded: Backlog,
    /// Decrypted, but nobody has asked for it yet.
    pub(super) unread: Backlog,
    /// Encrypted, but not taken by the kernel yet.
    pub(super) unsent: Backlog,
    /// What failed behind plaintext that has yet to be read.
    pub(super) failure: Option<io::Error>,
    /// close_notify or FIN has come.
    pub(super) ended: bool,
    /// close_notify has been sent.
    pub(super) closed: bool,
}

impl<S: Side> Codec<S> {
    /// Starts a session on which nothing has been received or sent.
    pub(super) fn new(side: S) -> Self {
        let (undecoded, unread, unsent) = (Backlog::default(), Backlog::default(), Backlog::default());
        Self { side, undecoded, unread, unsent, failure: None, ended: false, closed: false }
    }

    /// Lets rustls encode what it has to send by itself, and then lets `then` write.
    pub(super) fn drive(
        &mut self,
        then: impl FnOnce(&mut WriteTraffic<'_, S::Data>) -> Result<(), EncryptError>,
    ) -> io::Result<usize> {
        let mut held = std::mem::take(&mut self.undecoded);
        self.decode(held.bytes_mut(), &mut [], then)
    }

    /// Decodes all whole records: plaintext goes to `into` and, where it does not fit, to `unread`;
    /// what rustls has to send by itself goes to `unsent`; half a record at the end of `incoming`
    /// goes to `undecoded`. Then `then` may write, if the handshake is over.
    pub(super) fn decode(
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
                    while self.side.wants_write()
                        && let Ok(ConnectionState::EncodeTlsData(data)) = self.side.process(rest).state
                        && encode(data, &mut self.unsent).is_ok()
                    {}
                    // And is not to be asked again: it would see the same record, and say the same.
                    (self.ended, self.closed) = (true, true);
                    if self.side.is_handshaking() {
                        return Err(error);
                    }
                    // It comes behind what was decoded ahead of it, however much was received at
                    // once.
                    self.failure = Some(error);
                    return Ok(filled);
                }
            }
        };
        self.undecoded
            .push(incoming.get(used..).unwrap_or_default());
        result.map(|()| filled)
    }
}

/// Puts a record that rustls has to send behind those that wait.
fn encode<D>(mut data: EncodeTlsData<'_, D>, unsent: &mut Backlog) -> io::Result<()> {
    let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) else { return Ok(()) };
    data.encode(unsent.grow(size.required_size))
        .map(drop)
        .map_err(io::Error::other)
}

/// Writes nothing: a `then` for [`Codec::decode`].
pub(super) fn nothing<D>(_: &mut WriteTraffic<'_, D>) -> Result<(), EncryptError> {
    Ok(())
}

/// Puts an error of rustls's into one of the stream's.
pub(super) fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
