//! DNS, TCP and TLS: a connection to the verified server, or none.

use std::io;
use std::net::SocketAddr;

use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::error::UpstreamError;
use super::forbidden::is_forbidden;
use super::race::{MAX_ADDRESSES, Unanswered, race};
use super::route::Route;
use super::step::{OnStep, Step};
use crate::stream;
use crate::wire::{self, Wire, WireError};

/// A TLS connection to a server that was verified.
pub(crate) type Secured = Box<stream::tls::ClientSide>;

impl Route {
    /// Connects to the first address that answers. DNS and TCP share one deadline,
    /// `upstream.connect_timeout`.
    pub(super) async fn dial(&self, on_step: OnStep<'_>) -> Result<(SocketAddr, Wire), UpstreamError> {
        on_step(Step::Begun);
        let deadline = self.connect_deadline();
        let addresses = self.resolve(deadline).await?;
        let (address, socket) = self.reach(&addresses, deadline).await?;
        on_step(Step::Connected { local: socket.local_addr().ok() });
        let secured = self.secure(socket, address).await?;
        on_step(Step::Secured(secured.negotiated()));
        Ok((address, Wire::new(secured)))
    }

    /// The deadline of `upstream.connect_timeout` for a dial that begins now.
    pub(crate) fn connect_deadline(&self) -> Instant {
        Instant::now() + self.timeouts.connect
    }

    /// Looks the host up: at least one address that may be dialled.
    pub(crate) async fn resolve(&self, deadline: Instant) -> Result<Vec<SocketAddr>, UpstreamError> {
        let unresolved = |source| UpstreamError::Resolve { host: self.host.clone(), source };
        let found = timeout_at(deadline, self.paths.resolver.resolve(&self.host)).await;
        let found = found
            .map_err(|elapsed| unresolved(elapsed.into()))?
            .map_err(unresolved)?;
        let allowed = found.iter().filter(|ip| !is_forbidden(**ip));
        let addresses: Vec<_> = allowed.map(|ip| SocketAddr::new(*ip, self.port)).collect();
        if addresses.is_empty() {
            return Err(UpstreamError::Forbidden { host: self.host.clone() });
        }
        Ok(addresses)
    }

    /// Connects by TCP to the first of these addresses that answers.
    pub(crate) async fn reach(
        &self,
        addresses: &[SocketAddr],
        deadline: Instant,
    ) -> Result<(SocketAddr, TcpStream), UpstreamError> {
        let raced = race(addresses, &self.paths.avoided, deadline, |address| self.connect(address)).await;
        raced.map_err(|unanswered| self.unconnected(unanswered))
    }

    /// Finds the addresses that do not answer within `upstream.connect_timeout`. A race cannot show
    /// that: it ends when the first one answers.
    pub(crate) async fn unanswering(&self, addresses: &[SocketAddr]) -> Vec<Unanswered> {
        let attempts = addresses
            .iter()
            .take(MAX_ADDRESSES)
            .map(|&address| async move {
                let connected = timeout(self.timeouts.connect, self.connect(address)).await;
                connected
                    .map_err(io::Error::from)
                    .flatten()
                    .err()
                    .map(|error| (address, error))
            });
        join_all(attempts).await.into_iter().flatten().collect()
    }

    /// Connects to this address only, for a session that is already on it.
    pub(super) async fn dial_address(&self, address: SocketAddr) -> Result<Wire, UpstreamError> {
        let (address, socket) = self.reach(&[address], self.connect_deadline()).await?;
        Ok(Wire::new(self.secure(socket, address).await?))
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        self.timeouts.keepalive.set(&socket)?;
        Ok(socket)
    }

    /// Makes one error of several: the kind is that of the last, and its text names the others.
    fn unconnected(&self, mut unanswered: Vec<Unanswered>) -> UpstreamError {
        let Some((address, last)) = unanswered.pop() else {
            return UpstreamError::Forbidden { host: self.host.clone() };
        };
        let others = unanswered
            .iter()
            .map(|(address, error)| format!("; {address}: {error}"))
            .collect::<String>();
        let source = if others.is_empty() { last } else { io::Error::new(last.kind(), format!("{last}{others}")) };
        UpstreamError::Connect { address, source }
    }

    /// Makes the TLS handshake, which verifies the server.
    pub(crate) async fn secure(&self, socket: TcpStream, address: SocketAddr) -> Result<Secured, UpstreamError> {
        let failed = |source| UpstreamError::Tls { address, source };
        match timeout(self.timeouts.tls, self.handshake(socket, address)).await {
            Ok(secured) => secured,
            Err(elapsed) => Err(failed(elapsed.into())),
        }
    }

    async fn handshake(&self, socket: TcpStream, address: SocketAddr) -> Result<Secured, UpstreamError> {
        let mut plain = Wire::new(stream::Io(socket));
        plain
            .send_bytes(&wire::packet(&wire::SSL_REQUEST.to_be_bytes()))
            .await
            .map_err(UpstreamError::Closed)?;
        let answer = plain.byte().await.map_err(UpstreamError::Closed)?;
        if answer != b'S' {
            return Err(UpstreamError::TlsRefused { address, answer: answer.into() });
        }
        // Bytes behind the answer came in clear and could be anyone's: the client's side of
        // CVE-2021-23222.
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
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}

fn is_cut_off(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof)
}
