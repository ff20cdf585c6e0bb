//! The common parts of the warehouses that are not the sandbox's: how they take its place, their
//! door, and what they say.

use std::io::Result;
use std::sync::Arc;

use redshift_sandbox::ca::Leaf;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::World;
use super::raw::SSL_REQUEST;

impl World {
    /// Leads `sales`, or all connections, here; with a certificate that the proxy trusts.
    pub(crate) async fn take_warehouse(&mut self, all: bool) -> (TcpListener, TlsAcceptor) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = |port: u16| format!("port = {port}\n");
        let (from, to) = (self.sandbox.warehouse.address().port(), listener.local_addr().unwrap().port());
        if all {
            self.edit_all(&port(from), &port(to));
        } else {
            self.edit(&port(from), &port(to));
        }
        (listener, acceptor(&self.sandbox.ca.issue(&["localhost"])))
    }
}

fn acceptor(leaf: &Leaf) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(leaf.cert_pem.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()))
}

/// Reads the first bytes of a connection: an SSLRequest, or others of its length.
pub(crate) async fn read_request(socket: &mut TcpStream) -> Result<[u8; SSL_REQUEST.len()]> {
    let mut request = [0; SSL_REQUEST.len()];
    socket.read_exact(&mut request).await?;
    Ok(request)
}

/// `S` to an SSLRequest, and the handshake.
pub(crate) async fn agree(mut socket: TcpStream, request: [u8; 8], tls: &TlsAcceptor) -> Result<TlsStream<TcpStream>> {
    assert_eq!(request, SSL_REQUEST);
    socket.write_all(b"S").await?;
    tls.accept(socket).await
}

/// The other side may be gone.
pub(crate) async fn send<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}
