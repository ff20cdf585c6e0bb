//! To the warehouse: dial, TLS, startup, authentication, until it is ready for queries.
//!
//! Owns one login on one server. What the login is and whether another one is worth a try is the
//! session's business.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use thiserror::Error;

use crate::config::Ca;
use crate::credentials::DbLogin;
use crate::fault::{Fault, Kind};
use crate::network::LookUp;
use crate::resolver::{Resolver, WAREHOUSES};
use crate::stream::{KeepAlive, Leg};
use crate::wire::cancel_key::CancelKey;
use crate::wire::refusal::Refusal;
use crate::wire::{self, Wire, WireError};

mod application_name;
mod auth;
mod dial;
mod digest;
mod errors;
mod forbidden;
#[cfg(test)]
mod fuzz;
mod login;
mod options;
pub(crate) mod parameters;
mod race;
mod scram;
mod tls;

pub(crate) use self::application_name::Asker;
pub(crate) use self::dial::Secured;
pub(crate) use self::errors::ServerError;
use self::race::Avoided;
pub(crate) use self::race::Unanswered;
pub(crate) use self::tls::{ClientTls, ClientTlsError};

/// How a warehouse is reached and known: what login and cancel share.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Sent as SNI and verified.
    pub(crate) server_name: rustls::pki_types::ServerName<'static>,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) timeouts: Arc<Timeouts>,
    pub(crate) paths: Arc<Paths>,
}

/// What is known of the ways to all warehouses. Shared by all routes.
#[derive(Debug)]
pub(crate) struct Paths {
    resolver: Resolver,
    avoided: Avoided,
}

/// Limits of one dial; the login as a whole has its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// DNS and TCP together, all addresses.
    pub(crate) connect: Duration,
    /// SSLRequest and the TLS handshake.
    pub(crate) tls: Duration,
    pub(crate) keepalive: KeepAlive,
}

/// A session that is ready for queries, and what the warehouse said on the way.
pub(crate) struct UpstreamConn {
    wire: Wire,
    /// The server that answered.
    pub(crate) address: SocketAddr,
    /// ParameterStatus and NoticeResponse messages, as they came.
    pub(crate) greeting: BytesMut,
    /// The warehouse's pid and key, where it sent any.
    pub(crate) key: Option<CancelKey>,
    /// ParameterStatus `session_id`, which joins SYS_QUERY_HISTORY.
    pub(crate) session_id: Option<String>,
}

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

/// Where a warehouse is, and what its certificate has to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The name to send as SNI and to verify.
    pub(crate) server_name: String,
}

/// How warehouses are reached: one TLS configuration, and with it one session store, for each set
/// of roots.
pub(crate) struct Routes {
    pub(crate) tls: ClientTls,
    /// For connections that name none of their own.
    pub(crate) ca: Ca,
    pub(crate) timeouts: Arc<Timeouts>,
    pub(crate) paths: Arc<Paths>,
}

impl Routes {
    /// The way to a target. `ca`: the connection's own, one that `tls` was made for.
    ///
    /// # Errors
    /// `ServerName`, `Roots`.
    pub(crate) fn to(&self, target: Target, ca: Option<&Ca>) -> Result<Route, UpstreamError> {
        let Target { host, port, server_name } = target;
        let tls = self
            .tls
            .get(ca.unwrap_or(&self.ca))
            .ok_or(UpstreamError::Roots)?;
        match rustls::pki_types::ServerName::try_from(server_name) {
            Ok(server_name) => {
                let paths = Arc::clone(&self.paths);
                Ok(Route { host, port, server_name, tls, timeouts: Arc::clone(&self.timeouts), paths })
            }
            Err(source) => Err(UpstreamError::ServerName { host, source }),
        }
    }
}

impl Paths {
    /// Nothing is known yet.
    pub(crate) fn new(look_up: LookUp) -> Arc<Self> {
        Arc::new(Self { resolver: Resolver::new(look_up, WAREHOUSES), avoided: Avoided::default() })
    }
}

impl Route {
    /// Dials and logs in. `parameters` go into the startup message behind user and database. The
    /// caller sets the deadline: an idle workgroup wakes inside this step, for a minute at times.
    pub(crate) async fn open(
        &self,
        login: &DbLogin,
        database: &str,
        parameters: &[(String, String)],
    ) -> Result<UpstreamConn, UpstreamError> {
        let (address, wire) = self.dial().await?;
        login::log_in(wire, (&self.host, address), login, database, parameters).await
    }

    /// Logs in over a connection that [`Route::secure`] made: what [`Route::open`] does behind the
    /// dial.
    pub(crate) async fn log_in(
        &self,
        (address, stream): (SocketAddr, Secured),
        login: &DbLogin,
        database: &str,
        parameters: &[(String, String)],
    ) -> Result<UpstreamConn, UpstreamError> {
        login::log_in(Wire::new(stream), (&self.host, address), login, database, parameters).await
    }

    /// Sends a CancelRequest inside TLS to the server of the session, and waits until it is taken.
    pub(crate) async fn cancel(&self, address: SocketAddr, key: &CancelKey) -> Result<(), UpstreamError> {
        let mut wire = self.dial_address(address).await?;
        let request = wire::packet(&[&wire::CANCEL_REQUEST.to_be_bytes()[..], &key.to_bytes()].concat());
        wire.send_bytes(&request)
            .await
            .map_err(UpstreamError::Closed)?;
        // The server closes when it has dealt with it; how does not matter.
        let _ = tokio::time::timeout(self.timeouts.tls, wire.drain()).await;
        Ok(())
    }
}

impl UpstreamConn {
    /// The warehouse's pid; 0 where it sent none.
    pub(crate) fn pid(&self) -> u32 {
        self.key.as_ref().map_or(0, |key| key.pid)
    }

    /// The value of a ParameterStatus of this name; the last one where there are several.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let (mut rest, mut found) = (&self.greeting[..], None);
        while let Some((&tag, behind)) = rest.split_first() {
            let length = usize::try_from(wire::peek_u32(behind, 0)).unwrap_or(usize::MAX);
            let (message, next) = behind.split_at_checked(length)?;
            if tag == b'S' {
                found = login::parameter(message.get(4..).unwrap_or_default(), name).or(found);
            }
            rest = next;
        }
        found
    }

    /// Ends the session as clients do.
    pub(crate) async fn terminate(mut self) {
        self.wire.farewell(&wire::message(b'X', &[])).await;
    }

    /// The leg, and what the warehouse sent behind ReadyForQuery.
    pub(crate) fn into_parts(self) -> (Leg, BytesMut) {
        self.wire.into_parts()
    }
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
    pub(crate) conn_id: String,
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
            UpstreamError::Certificate { .. } => Refusal::bad_certificate(&self.conn_id),
            UpstreamError::LoginRefused(_) | UpstreamError::Authentication(_) => Refusal::not_available(&self.conn_id),
            // A refusal that can be read is passed on as sent; this one cannot.
            UpstreamError::Refused(_)
            | UpstreamError::Resolve { .. }
            | UpstreamError::Forbidden { .. }
            | UpstreamError::ServerName { .. }
            | UpstreamError::Connect { .. }
            | UpstreamError::TlsRefused { .. }
            | UpstreamError::Tls { .. }
            | UpstreamError::Closed(_)
            | UpstreamError::Protocol(_) => Refusal::unreachable(&self.conn_id),
        })
    }
}
