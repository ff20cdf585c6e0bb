//! The error of a connection that ends before its startup message.

use thiserror::Error;

use super::proxy_protocol::header::ProxyError;
use crate::wire::WireError;

/// A connection ended before its startup message. The peer may not speak PostgreSQL at all, so it
/// is told nothing.
#[derive(Debug, Error)]
pub(crate) enum StartupError {
    /// The peer has gone, or announced a length that no startup packet has.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A balancer that is trusted to say where clients are sent no PROXY header, or a malformed
    /// one.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// A PROXY header came from an address that is not trusted: anyone may say to be somebody else.
    #[error(
        "a PROXY header that nobody asked for: its address is not in listen.proxy_protocol_from, or it is the second"
    )]
    ProxyHeader,
    /// The peer speaks another protocol, of those that we recognize.
    #[error("no PostgreSQL client: it sent {0}")]
    Foreign(&'static str),
    /// The TLS handshake failed.
    #[error("TLS handshake with the client failed")]
    Tls(#[source] std::io::Error),
    /// The client began with TLS and did not offer ALPN `postgresql`, which keeps other protocols
    /// from being tricked into talking to us.
    #[error("no PostgreSQL client: direct TLS without ALPN \"postgresql\"")]
    Alpn,
    /// The client offered only ALPN names of other protocols, as a browser does.
    #[error("no PostgreSQL client: TLS with ALPN names of other protocols only")]
    OtherAlpn,
    /// The client began with TLS, and the listener has none.
    #[error("direct TLS, but TLS is disabled here")]
    TlsDisabled,
    /// Bytes came in clear ahead of the TLS handshake. They could be anyone's: the hole that
    /// PostgreSQL closed as CVE-2021-23214.
    #[error("bytes were sent ahead of the answer to an encryption request")]
    PlaintextBehindRequest,
    /// A second SSLRequest or GSSENCRequest came.
    #[error("encryption was asked for twice")]
    AskedTwice,
    /// The bytes are no startup packet.
    #[error("malformed startup packet: {0}")]
    Malformed(&'static str),
}

impl StartupError {
    /// Tells a client without our ALPN name from one whose handshake fails otherwise.
    pub(super) fn of_handshake(error: std::io::Error) -> Self {
        match error.get_ref().and_then(|error| error.downcast_ref()) {
            Some(rustls::Error::NoApplicationProtocol) => Self::OtherAlpn,
            Some(_) | None => Self::Tls(error),
        }
    }

    /// Classes the error for the log, in which errors of one class stand for each other.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Wire(_) | Self::Malformed(_) => "no startup packet",
            Self::Proxy(_) | Self::ProxyHeader => "PROXY header",
            Self::Foreign(what) => what,
            Self::Tls(_) => "TLS",
            Self::Alpn => "no ALPN",
            Self::OtherAlpn => "other ALPN",
            Self::TlsDisabled => "TLS disabled",
            Self::PlaintextBehindRequest => "plaintext ahead of TLS",
            Self::AskedTwice => "encryption asked for twice",
        }
    }
}
