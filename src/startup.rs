//! From an accepted socket to a startup message or a cancel request, TLS on or off.
//!
//! Owns the order in which a client may ask for things before it says who it is. Does not judge what it asks for:
//! that TLS is required is said by the session, where it can still be said in PostgreSQL's words.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use thiserror::Error;
use tokio::net::TcpStream;
use tracing::trace;

use self::request::{Packet, StartupParams};
use self::tls::Shown;
use crate::cancel::CancelKey;
use crate::stream;
use crate::stream::tls::{Server, Tls};
use crate::wire::{Wire, WireError};

#[cfg(test)]
mod fuzz;
pub(crate) mod request;
pub(crate) mod tls;

/// Answers to SSLRequest and GSSENCRequest (PostgreSQL protocol, "SSL Session Encryption"): one byte each.
const ACCEPTED: &[u8] = b"S";
const REFUSED: &[u8] = b"N";

/// What a new connection turned out to be.
pub(crate) enum Accepted {
    /// A client that wants a session.
    Client(Client),
    /// A CancelRequest: it is answered by closing, in TLS or in clear.
    Cancel(Wire, CancelKey),
}

/// A client that has sent its startup message.
pub(crate) struct Client {
    pub(crate) wire: Wire,
    /// `None`: in clear.
    pub(crate) tls: Option<Secured>,
    pub(crate) peer: Peer,
    pub(crate) startup: StartupParams,
}

/// What the TLS handshake told of a client.
pub(crate) struct Secured {
    /// The server name that it asked for (SNI), in lower case.
    pub(crate) server_name: Option<String>,
    /// Its certificate, verified against `listen.tls.client_ca`.
    pub(crate) certificate: Option<CertificateDer<'static>>,
    /// Channel binding `tls-server-end-point` (RFC 5929 section 4.1): the hash of the certificate that it was shown. `None`:
    /// there is none for its signature algorithm.
    pub(crate) end_point: Option<Arc<[u8]>>,
}

/// Where a client is, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Its own address: that of the socket, or that of the PROXY header of a trusted balancer.
    pub(crate) address: SocketAddr,
    /// The VPC endpoint it came through (`vpce-…`), by the PROXY header.
    pub(crate) vpc_endpoint: Option<String>,
}

/// Why a connection ended before its startup message. The peer may not speak PostgreSQL at all, so it is told nothing.
#[derive(Debug, Error)]
pub(crate) enum StartupError {
    /// Gone, or a length that no startup packet has.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The TLS handshake failed.
    #[error("TLS handshake with the client failed")]
    Tls(#[source] std::io::Error),
    /// Direct TLS needs ALPN `postgresql`, so that no other protocol can be tricked into talking to us.
    #[error("direct TLS without ALPN \"postgresql\"")]
    Alpn,
    /// Direct TLS to a listener without TLS.
    #[error("direct TLS, but TLS is disabled here")]
    TlsDisabled,
    /// The hole PostgreSQL closed as CVE-2021-23214: such bytes could be anyone's.
    #[error("bytes were sent ahead of the answer to an encryption request")]
    PlaintextBehindRequest,
    /// A second SSLRequest or GSSENCRequest.
    #[error("encryption was asked for twice")]
    AskedTwice,
    /// Not a startup packet.
    #[error("malformed startup packet: {0}")]
    Malformed(&'static str),
}

/// Leads a client to its startup message. The caller sets the deadline.
///
/// # Errors
/// See [`StartupError`]; the connection is to be closed without words.
pub(crate) async fn accept(socket: TcpStream, peer: Peer, tls: &tls::ServerTls) -> Result<Accepted, StartupError> {
    let mut first = [0];
    let direct = socket.peek(&mut first).await.map_err(WireError::Io)? == 1 && first == [tls::HANDSHAKE_RECORD];
    if direct {
        let shown = tls.shown().ok_or(StartupError::TlsDisabled)?;
        let (stream, secured) = secure(socket, &shown).await?;
        trace!("direct TLS");
        if stream.alpn_protocol() != Some(tls::ALPN) {
            return Err(StartupError::Alpn);
        }
        return encrypted(Wire::new(stream), peer, secured).await;
    }
    in_clear(socket, peer, tls.shown()).await
}

/// The part of the dialogue that anyone on the way can read and change.
async fn in_clear(socket: TcpStream, peer: Peer, tls: Option<Arc<Shown>>) -> Result<Accepted, StartupError> {
    let mut plain = Wire::new(stream::Io(socket));
    let (mut ssl_asked, mut gss_asked) = (false, false);
    loop {
        match Packet::parse(&plain.startup_packet().await?)? {
            Packet::SslRequest if ssl_asked => return Err(StartupError::AskedTwice),
            Packet::GssEncRequest if gss_asked => return Err(StartupError::AskedTwice),
            Packet::SslRequest | Packet::GssEncRequest if plain.has_more() => {
                return Err(StartupError::PlaintextBehindRequest);
            }
            Packet::SslRequest => {
                ssl_asked = true;
                trace!(offered = tls.is_some(), "SSLRequest");
                let Some(shown) = &tls else {
                    plain.send_bytes(REFUSED).await?;
                    continue;
                };
                plain.send_bytes(ACCEPTED).await?;
                // Nothing is left in the buffer: checked above, and nothing was read since.
                let (stream::Io(socket), _) = plain.into_parts();
                let (stream, secured) = secure(socket, shown).await?;
                return encrypted(Wire::new(stream), peer, secured).await;
            }
            Packet::GssEncRequest => {
                gss_asked = true;
                trace!("GSSENCRequest");
                plain.send_bytes(REFUSED).await?;
            }
            Packet::Cancel(key) => return Ok(Accepted::Cancel(plain.boxed(), key)),
            Packet::Startup(startup) => {
                return Ok(Accepted::Client(Client { wire: plain.boxed(), tls: None, peer, startup }));
            }
        }
    }
}

/// The TLS handshake, and what it tells.
async fn secure(socket: TcpStream, shown: &Shown) -> Result<(Box<Tls<Server>>, Secured), StartupError> {
    let (config, hello) = shown.config();
    let stream = stream::tls::accept(socket, &config).await.map_err(StartupError::Tls)?;
    let secured = Secured {
        server_name: hello.server_name(),
        certificate: stream.client_certificate().map(CertificateDer::into_owned),
        end_point: shown.end_point.clone(),
    };
    Ok((stream, secured))
}

/// Inside TLS only a startup message or a cancel request makes sense.
async fn encrypted(mut wire: Wire, peer: Peer, secured: Secured) -> Result<Accepted, StartupError> {
    match Packet::parse(&wire.startup_packet().await?)? {
        Packet::Startup(startup) => Ok(Accepted::Client(Client { wire, tls: Some(secured), peer, startup })),
        Packet::Cancel(key) => Ok(Accepted::Cancel(wire, key)),
        Packet::SslRequest | Packet::GssEncRequest => Err(StartupError::AskedTwice),
    }
}
