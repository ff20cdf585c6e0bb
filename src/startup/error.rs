//! Why a connection ends before its startup message.

use thiserror::Error;

use super::proxy_protocol::header::ProxyError;
use crate::wire::WireError;

/// Why a connection ended before its startup message. The peer may not speak PostgreSQL at all, so
/// it is told nothing.
#[derive(Debug, Error)]
pub(crate) enum StartupError {
    /// Gone, or a length that no startup packet has.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A balancer that is trusted to say where clients are does not, or not well.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// Anyone may say that it is somebody else.
    #[error(
        "a PROXY header that nobody asked for: its address is not in listen.proxy_protocol_from, or it is the second"
    )]
    ProxyHeader,
    /// It speaks another protocol, and we know which.
    #[error("no PostgreSQL client: it sent {0}")]
    Foreign(&'static str),
    /// The TLS handshake failed.
    #[error("TLS handshake with the client failed")]
    Tls(#[source] std::io::Error),
    /// Direct TLS needs ALPN `postgresql`, so that no other protocol can be tricked into talking to
    /// us.
    #[error("no PostgreSQL client: direct TLS without ALPN \"postgresql\"")]
    Alpn,
    /// A browser, for example.
    #[error("no PostgreSQL client: TLS with ALPN names of other protocols only")]
    OtherAlpn,
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

impl StartupError {
    pub(super) fn of_handshake(error: std::io::Error) -> Self {
        match error.get_ref().and_then(|error| error.downcast_ref()) {
            Some(rustls::Error::NoApplicationProtocol) => Self::OtherAlpn,
            Some(_) | None => Self::Tls(error),
        }
    }

    /// What sort of error it is: those of one sort stand for each other in the log.
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
