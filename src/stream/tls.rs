//! TLS over TCP, with rustls driven by us: its unbuffered API over the thread's scratch buffers.
//!
//! An idle session holds no buffer: ciphertext is received into scratch and decrypted there,
//! plaintext is encrypted into scratch and sent from there; only half a record, or what the peer
//! does not take, is kept. All cryptography, KeyUpdate and TLS 1.2 are rustls's.
//!
//! The unbuffered API ends with rustls 0.23 (docs/architecture.md). Nothing outside of this folder
//! names it: what the others get is a [`Stream`](super::Stream).

#![expect(clippy::disallowed_types, reason = "the one place that knows how rustls is driven")]

use std::fmt::{self, Display, Formatter};
use std::io;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CipherSuite, ClientConfig, ProtocolVersion, ServerConfig};
use tokio::net::TcpStream;

use self::codec::invalid;
use self::server_name::NameListener;
use self::session::Tls;
use self::side::{Client, Server};

mod codec;
mod server_name;
mod session;
mod side;
#[cfg(test)]
mod tests;

/// A TLS session in which we are the server, past its handshake.
pub(crate) type ServerSide = Tls<Server>;

/// A TLS session in which we are the client, past its handshake.
pub(crate) type ClientSide = Tls<Client>;

/// A client that has completed its handshake, and the server name that it told in it.
pub(crate) struct AcceptedClient {
    /// The session, ready for what the client sends next.
    pub(crate) stream: Box<ServerSide>,
    /// The server name that the client asked for (SNI), in lower case.
    pub(crate) server_name: Option<String>,
}

/// The version and the cipher that a handshake has agreed on. It prints itself as
/// `TLSv1.3 TLS13_AES_256_GCM_SHA384`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Negotiated {
    version: Option<ProtocolVersion>,
    cipher: Option<CipherSuite>,
}

impl Negotiated {
    /// What the two sides of a session have agreed on.
    fn of(session: &rustls::CommonState) -> Self {
        let cipher = session.negotiated_cipher_suite();
        Self { version: session.protocol_version(), cipher: cipher.map(|cipher| cipher.suite()) }
    }
}

impl Display for Negotiated {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let version = match self.version {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLS",
        };
        f.write_str(version)?;
        let cipher = self.cipher.and_then(|cipher| cipher.as_str());
        cipher.map_or(Ok(()), |cipher| write!(f, " {cipher}"))
    }
}

/// Verifies the server as `name` and completes the handshake. The caller sets the deadline.
///
/// # Errors
/// A `rustls::Error` inside an [`io::Error`]; `UnexpectedEof` where the peer leaves.
pub(crate) async fn connect(
    socket: TcpStream,
    config: &Arc<ClientConfig>,
    name: ServerName<'static>,
) -> io::Result<Box<ClientSide>> {
    Tls::handshake(socket, Client::new(Arc::clone(config), name).map_err(invalid)?).await
}

/// Serves a client's handshake. The caller sets the deadline.
///
/// # Errors
/// As [`connect`].
pub(crate) async fn accept(socket: TcpStream, config: &ServerConfig) -> io::Result<AcceptedClient> {
    let (config, listener) = NameListener::put_into(config);
    let stream = Tls::handshake(socket, Server::new(Arc::new(config)).map_err(invalid)?).await?;
    Ok(AcceptedClient { stream, server_name: listener.name() })
}

impl ServerSide {
    /// The protocol that ALPN has agreed on.
    pub(crate) fn alpn_protocol(&self) -> Option<&[u8]> {
        self.side().alpn_protocol()
    }

    /// The version and the cipher that were agreed on.
    pub(crate) fn negotiated(&self) -> Negotiated {
        Negotiated::of(self.side())
    }

    /// The client's certificate, which the verifier of the configuration has accepted, and those
    /// that it sent along; empty where it has none.
    pub(crate) fn client_certificates(&self) -> &[CertificateDer<'_>] {
        self.side().peer_certificates().unwrap_or_default()
    }
}

impl ClientSide {
    /// The version and the cipher that were agreed on.
    pub(crate) fn negotiated(&self) -> Negotiated {
        Negotiated::of(self.side())
    }

    /// The server's certificate, in DER.
    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        self.side()
            .peer_certificates()?
            .first()
            .map(|certificate| &**certificate)
    }
}
