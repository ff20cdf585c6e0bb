//! Client and server as one: what rustls's two unbuffered connections have in common.

use rustls::unbuffered::UnbufferedStatus;

pub(crate) use rustls::client::UnbufferedClientConnection as Client;
pub(crate) use rustls::server::UnbufferedServerConnection as Server;

/// Client or server.
pub(crate) trait Side: Send {
    /// rustls's own bookkeeping.
    type Data;

    /// Advances the connection by what has come; see `UnbufferedConnectionCommon::process_tls_records`.
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    fn is_handshaking(&self) -> bool;
}

impl Side for Client {
    type Data = rustls::client::ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn is_handshaking(&self) -> bool {
        (**self).is_handshaking()
    }
}

impl Side for Server {
    type Data = rustls::server::ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn is_handshaking(&self) -> bool {
        (**self).is_handshaking()
    }
}
