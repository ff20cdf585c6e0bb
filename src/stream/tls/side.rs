//! Client and server as one: what rustls's two unbuffered connections have in common.

use rustls::unbuffered::UnbufferedStatus;

pub(crate) use rustls::client::UnbufferedClientConnection as Client;
pub(crate) use rustls::server::UnbufferedServerConnection as Server;

/// Client or server.
pub(crate) trait Side: Send {
    /// rustls's own bookkeeping.
    type Data;

    /// Most ciphertext that is kept undecoded: half a record (16 KiB and its header), or a
    /// handshake message in several records (64 KiB).
    const MAX_UNDECODED: usize;

    /// Advances the connection by what has come; see
    /// `UnbufferedConnectionCommon::process_tls_records`.
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    fn is_handshaking(&self) -> bool;
}

impl Side for Client {
    type Data = rustls::client::ClientConnectionData;

    /// A chain of certificates is long.
    const MAX_UNDECODED: usize = 128 * 1024;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn is_handshaking(&self) -> bool {
        (**self).is_handshaking()
    }
}

impl Side for Server {
    type Data = rustls::server::ServerConnectionData;

    /// Strangers send it, thousands at once: as much as a ClientHello and a record need.
    const MAX_UNDECODED: usize = 32 * 1024;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn is_handshaking(&self) -> bool {
        (**self).is_handshaking()
    }
}
