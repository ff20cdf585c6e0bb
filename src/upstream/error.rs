//! Why a session with the warehouse did not come about.

use std::net::SocketAddr;

use thiserror::Error;

use super::server_error::ServerError;
use crate::config::ConnId;
use crate::fault::{Fault, Kind};
use crate::wire::WireError;
use crate::wire::refusal::Refusal;

/// Why a login did not come about.
#[derive(Debug, Error)]
pub(crate) enum UpstreamError {
    /// The name does not resolve.
    #[error("cannot resolve {host}")]
    Resolve { host: String, source: std::io::Error },
    /// It resolves to nothing that may be dialled.
    #[error("{host} has no address that may be dialled (link-local, multicast and metadata addresses never are)")]
    Forbidden { host: String },
    /// No certificate can be for this name.
    #[error("{host} is no name that a certificate can have")]
    ServerName { host: String, source: rustls::pki_types::InvalidDnsNameError },
    /// Ours: the connection's roots were not loaded.
    #[error("the roots of this connection were not loaded")]
    Roots,
    /// No address answered.
    #[error("cannot connect to {address}")]
    Connect { address: SocketAddr, source: std::io::Error },
    /// The server does not do TLS; a password is never sent without.
    #[error("{address} refuses TLS (answered {answer:?} to SSLRequest)")]
    TlsRefused { address: SocketAddr, answer: char },
    /// Its certificate is not vouched for, not for this name, or not valid now.
    #[error("the certificate of {address} is not valid for {name}")]
    Certificate { address: SocketAddr, name: String, source: std::io::Error },
    /// The handshake failed otherwise, or took too long.
    #[error("TLS handshake with {address} failed")]
    Tls { address: SocketAddr, source: std::io::Error },
    /// It closed the connection or reset it: what a waking workgroup may do.
    #[error("the warehouse closed the connection during login")]
    Closed(#[source] WireError),
    /// It refused the user or password (class 28).
    #[error("the warehouse refused the login: {0}")]
    LoginRefused(ServerError),
    /// It refused for another reason; passed on as sent.
    #[error("the warehouse refused the session: {0}")]
    Refused(ServerError),
    /// It asks for an authentication that we do not answer.
    #[error("authentication request {0} is not supported")]
    Authentication(String),
    /// It broke the protocol.
    #[error("the warehouse broke the protocol: {0}")]
    Protocol(&'static str),
}

impl UpstreamError {
    /// Whether the login itself was refused, so that a fresh one may do.
    pub(crate) fn is_login_refused(&self) -> bool {
        matches!(self, Self::LoginRefused(_))
    }

    /// Whether what answers there, if anything does, is not the warehouse.
    pub(crate) fn is_misled(&self) -> bool {
        matches!(self, Self::Resolve { .. } | Self::Connect { .. } | Self::Certificate { .. })
    }

    /// Whether it looks like a workgroup that is waking: worth another dial.
    pub(crate) fn is_reset(&self) -> bool {
        matches!(self, Self::Closed(WireError::Closed | WireError::Io(_)))
    }
}

/// What a client reads of an [`UpstreamError`] on its way to `conn_id`.
#[derive(Debug, Error)]
#[error("connection {conn_id}: no session")]
pub(crate) struct OpenError {
    pub(crate) conn_id: ConnId,
    pub(crate) source: UpstreamError,
}

impl Fault for OpenError {
    fn kind(&self) -> Kind {
        match self.source {
            UpstreamError::Roots => Kind::Internal,
            UpstreamError::Closed(_) | UpstreamError::Refused(_) => Kind::Unavailable,
            _ => Kind::Operator,
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        Some(match &self.source {
            UpstreamError::Roots => Refusal::internal(),
            UpstreamError::Certificate { .. } => Refusal::bad_certificate(self.conn_id.as_str()),
            UpstreamError::LoginRefused(_) | UpstreamError::Authentication(_) => {
                Refusal::not_available(self.conn_id.as_str())
            }
            // A refusal that can be read is passed on as sent; this one cannot.
            UpstreamError::Refused(_)
            | UpstreamError::Resolve { .. }
            | UpstreamError::Forbidden { .. }
            | UpstreamError::ServerName { .. }
            | UpstreamError::Connect { .. }
            | UpstreamError::TlsRefused { .. }
            | UpstreamError::Tls { .. }
            | UpstreamError::Closed(_)
            | UpstreamError::Protocol(_) => Refusal::unreachable(self.conn_id.as_str()),
        })
    }
}
