//! DNS, TCP and TLS: a connection to the server that is meant, or none.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::forbidden::is_forbidden;
use super::{Route, UpstreamError};
use crate::stream;
use crate::wire::{self, Wire, WireError};

/// A connection to the server that is meant.
pub(crate) type Secured = Box<stream::tls::Tls<stream::tls::Client>>;

impl Route {
    /// The first address that answers, in the resolver's order.
    pub(super) async fn dial(&self) -> Result<(SocketAddr, Wire), UpstreamError> {
        let (address, socket) = self.reach(&self.resolve().await?).await?;
        Ok((address, Wire::new(self.secure(socket, address).await?)))
    }

    /// DNS: at least one address that may be dialled.
    pub(crate) async fn resolve(&self) -> Result<Vec<SocketAddr>, UpstreamError> {
        let unresolved = |source| UpstreamError::Resolve { host: self.host.clone(), source };
        let addresses = timeout(self.timeouts.connect, lookup_host((self.host.as_str(), self.port)))
            .await
            .map_err(|elapsed| unresolved(elapsed.into()))?
            .map_err(unresolved)?;
        let addresses: Vec<_> = addresses.filter(|address| !is_forbidden(address.ip())).collect();
        if addresses.is_empty() {
            return Err(UpstreamError::Forbidden { host: self.host.clone() });
        }
        Ok(addresses)
    }

    /// TCP: the first of these that answers.
    pub(crate) async fn reach(&self, addresses: &[SocketAddr]) -> Result<(SocketAddr, TcpStream), UpstreamError> {
        let mut last = UpstreamError::Forbidden { host: self.host.clone() };
        for &address in addresses {
            match self.connect(address).await {
                Ok(socket) => return Ok((address, socket)),
                Err(source) => last = UpstreamError::Connect { address, source },
            }
        }
        Err(last)
    }

    /// One server, already known.
    pub(super) async fn dial_address(&self, address: SocketAddr) -> Result<Wire, UpstreamError> {
        let socket = self.connect(address).await.map_err(|source| UpstreamError::Connect { address, source })?;
        Ok(Wire::new(self.secure(socket, address).await?))
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = timeout(self.timeouts.connect, TcpStream::connect(address)).await??;
        socket.set_nodelay(true)?;
        stream::keep_alive(&socket, self.timeouts.keepalive)?;
        Ok(socket)
    }

    /// TLS, with the server verified.
    pub(crate) async fn secure(&self, socket: TcpStream, address: SocketAddr) -> Result<Secured, UpstreamError> {
        let failed = |source| UpstreamError::Tls { address, source };
        match timeout(self.timeouts.tls, self.handshake(socket, address)).await {
            Ok(secured) => secured,
            Err(elapsed) => Err(failed(elapsed.into())),
        }
    }

    async fn handshake(&self, socket: TcpStream, address: SocketAddr) -> Result<Secured, UpstreamError> {
        let mut plain = Wire::new(stream::Io(socket));
        plain.send_bytes(&wire::packet(&wire::SSL_REQUEST.to_be_bytes())).await.map_err(UpstreamError::Closed)?;
        let answer = plain.byte().await.map_err(UpstreamError::Closed)?;
        if answer != b'S' {
            return Err(UpstreamError::TlsRefused { address, answer: answer.into() });
        }
        // Bytes behind the answer came in clear and could be anyone's: the client's side of CVE-2021-23222.
        if plain.has_more() {
            return Err(UpstreamError::Protocol("bytes were sent ahead of the TLS handshake"));
        }
        let (stream::Io(socket), _) = plain.into_parts();
        match stream::tls::connect(socket, &self.tls, self.server_name.clone()).await {
            Ok(stream) => Ok(stream),
            Err(source) if is_certificate_fault(&source) => {
                Err(UpstreamError::Certificate { address, name: self.server_name.to_str().into_owned(), source })
            }
            // A waking or failing server cuts off here too.
            Err(source) if is_cut_off(&source) => Err(UpstreamError::Closed(WireError::Io(source))),
            Err(source) => Err(UpstreamError::Tls { address, source }),
        }
    }
}

fn is_certificate_fault(error: &io::Error) -> bool {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}

fn is_cut_off(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof)
}
