//! A second implementation of the seam, on tokio-rustls, that the first is held to.
//!
//! It drives rustls by its buffered API, which 0.24 keeps, and is far simpler. What it lacks is
//! memory: two buffers of its own for each session.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::ends::End;
use crate::stream::Stream;

/// One side of a TLS session, past its handshake.
pub(super) struct Oracle<T> {
    tls: TlsStream<T>,
    /// Whether a missing close_notify is an error, as it is to rustls, and not an end like any
    /// other, as it is at the seam: for a peer that is to see the difference.
    is_strict: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Oracle<T> {
    /// What [`super::super::connect`] is to do.
    pub(super) async fn connect(socket: T, config: &Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<Self> {
        let connector = TlsConnector::from(Arc::clone(config));
        Ok(Self { tls: connector.connect(name, socket).await?.into(), is_strict: false })
    }

    /// What [`super::super::accept`] is to do.
    pub(super) async fn accept(socket: T, config: &Arc<ServerConfig>) -> io::Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::clone(config));
        Ok(Self { tls: acceptor.accept(socket).await?.into(), is_strict: false })
    }

    /// The same, as a peer.
    pub(super) fn strict(self) -> Self {
        Self { is_strict: true, ..self }
    }
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for Oracle<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut into = ReadBuf::new(into);
        match ready!(Pin::new(&mut self.tls).poll_read(cx, &mut into)) {
            Ok(()) => Poll::Ready(Ok(into.filled().len())),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !self.is_strict => Poll::Ready(Ok(0)),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }

    fn socket(&self) -> Option<&TcpStream> {
        None
    }
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> End for Oracle<T> {
    fn update_keys(&mut self) {
        match &mut self.tls {
            TlsStream::Client(tls) => tls.get_mut().1.refresh_traffic_keys().unwrap(),
            TlsStream::Server(tls) => tls.get_mut().1.refresh_traffic_keys().unwrap(),
        }
    }

    fn poll_break_off(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.tls.get_mut().0).poll_shutdown(cx)
    }
}
