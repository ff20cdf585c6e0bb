//! Why a session with the warehouse did not come about.

use std::io::ErrorKind;
use std::net::SocketAddr;

use thiserror::Error;

use super::server_error::ServerError;
use crate::config::ConnId;
use crate::fault::{Fault, Kind};
use crate::wire::WireError;
use crate::wire::refusal::Refusal;

/// The ways in which a login at a warehouse fails.
#[derive(Debug, Error)]
pub(crate) enum UpstreamError {
    /// Returned if the host name does not resolve in time.
    #[error("cannot resolve {host}")]
    Resolve { host: String, source: std::io::Error },
    /// Returned if the host name resolves only to addresses that are never dialled.
    #[error("{host} has no address that may be dialled (link-local, multicast and metadata addresses never are)")]
    Forbidden { host: String },
    /// Returned if the configured server name is none that a certificate can have.
    #[error("{host} is no name that a certificate can have")]
    ServerName { host: String, source: rustls::pki_types::InvalidDnsNameError },
    /// Returned if the roots of the connection were not loaded at start, which is a fault of ours.
    #[error("the roots of this connection were not loaded")]
    Roots,
    /// Returned if no address answered.
    #[error("cannot connect to {address}")]
    Connect { address: SocketAddr, source: std::io::Error },
    /// Returned if the server refuses TLS; a password is never sent without.
    #[error("{address} refuses TLS (answered {answer:?} to SSLRequest)")]
    TlsRefused { address: SocketAddr, answer: char },
    /// Returned if the certificate is signed by nobody we trust, is for another name, or is not
    /// valid now.
    #[error("the certificate of {address} is not valid for {name}")]
    Certificate { address: SocketAddr, name: String, source: std::io::Error },
    /// Returned if the TLS handshake failed otherwise, or took too long.
    #[error("TLS handshake with {address} failed")]
    Tls { address: SocketAddr, source: std::io::Error },
    /// Returned if the warehouse closed or reset the connection, as a waking workgroup may do.
    #[error("the warehouse closed the connection during login")]
    Closed(#[source] WireError),
    /// Returned if the warehouse refused the user or password (SQLSTATE class 28).
    #[error("the warehouse refused the login: {0}")]
    LoginRefused(ServerError),
    /// Returned if the warehouse refused for another reason. The client gets its error as sent.
    #[error("the warehouse refused the session: {0}")]
    Refused(ServerError),
    /// Returned if the warehouse asks for an authentication that we do not answer.
    #[error("authentication request {0} is not supported")]
    Authentication(String),
    /// Returned if the warehouse broke the protocol.
    #[error("the warehouse broke the protocol: {0}")]
    Protocol(&'static str),
}

impl UpstreamError {
    /// Whether the user or password was refused, so that fresh ones may be taken.
    pub(crate) fn is_login_refused(&self) -> bool {
        matches!(self, Self::LoginRefused(_))
    }

    /// Whether the address that AWS named may be stale: nothing answers there, or another server.
    pub(crate) fn is_misled(&self) -> bool {
        matches!(self, Self::Resolve { .. } | Self::Connect { .. } | Self::Certificate { .. })
    }

    /// Whether the connection was cut off, as by a workgroup that is waking: worth another dial.
    pub(crate) fn is_reset(&self) -> bool {
        match self {
            Self::Closed(WireError::Closed) => true,
            // A record that fails, or an alert, is an answer of TLS: dialling again changes nothing.
            Self::Closed(WireError::Io(error)) => error.kind() != ErrorKind::InvalidData,
            _ => false,
        }
    }
}

/// An [`UpstreamError`] together with the connection that the client asked for.
#[derive(Debug, Error)]
#[error("connection {conn_id}: no session")]
pub(crate) struct OpenError {
    /// The connection that the client asked for.
    pub(crate) conn_id: ConnId,
    /// The failure on the way to its warehouse.
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
