//! Client and server as one: what rustls's two unbuffered connections have in common.

use rustls::unbuffered::UnbufferedStatus;

pub(super) use rustls::client::UnbufferedClientConnection as Client;
pub(super) use rustls::server::UnbufferedServerConnection as Server;

/// One of rustls's two unbuffered connections.
pub(crate) trait Side: Send {
    /// The part of rustls's state that the two do not share.
    type Data;

    /// The most ciphertext that is kept undecoded: half a record (16 KiB and its header), or a
    /// handshake message in several records (64 KiB).
    const MAX_UNDECODED: usize;

    /// Advances the connection by what has come; see
    /// `UnbufferedConnectionCommon::process_tls_records`.
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    /// Whether application data cannot be sent or received yet.
    fn is_handshaking(&self) -> bool;

    /// Whether rustls has something to send by itself: a part of the handshake, an alert.
    fn wants_write(&self) -> bool;
}

impl Side for Client {
    type Data = rustls::client::ClientConnectionData;

    /// A server's chain of certificates may be long.
    const MAX_UNDECODED: usize = 128 * 1024;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn is_handshaking(&self) -> bool {
        (**self).is_handshaking()
    }

    fn wants_write(&self) -> bool {
        (**self).wants_write()
    }
}

impl Side for Server {
    type Data = rustls::server::ServerConnectionData;

    /// Unproven clients send it, thousands at once: as much as a ClientHello and a record need.
    const MAX_UNDECODED: usize = 32 * 1024;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn is_handshaking(&self) -> bool {
        (**self).is_handshaking()
    }

    fn wants_write(&self) -> bool {
        (**self).wants_write()
    }
}
