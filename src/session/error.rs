//! Why a session did not come about, and how each cause is classed and told.

use std::io::ErrorKind;

use bytes::BytesMut;
use thiserror::Error;
use tokio::time::error::Elapsed;

use super::stalled::Stalled;
use crate::client_auth::AuthError;
use crate::config::ConnId;
use crate::credentials::CredentialError;
use crate::fault::{Fault, Kind};
use crate::limits::bans::Banned;
use crate::limits::caps::CapError;
use crate::session_id::SessionId;
use crate::spec::SpecError;
use crate::startup::StartupError;
use crate::stop::Order;
use crate::upstream::{OpenError, UpstreamError};
use crate::wire::WireError;
use crate::wire::refusal::Refusal;

/// Why a login came to nothing. The variants of stages carry the stage's own error.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Startup(#[from] StartupError),
    /// The client took longer than `limits.startup_timeout` to log in, or to take what it was sent.
    #[error("not logged in within limits.startup_timeout: {0}")]
    StartupTimeout(Stalled),
    /// The client's permit was revoked in favour of another client: too many were not logged in.
    #[error("too many clients that were not logged in yet (limits.max_handshakes, max_handshakes_per_address)")]
    CrowdedOut,
    /// The client asked for another protocol version than 3.x.
    #[error("the client asked for protocol {0}.{1}")]
    Version(u16, u16),
    /// The startup message has no `user`.
    #[error("the client named no user")]
    UserMissing,
    /// The client is in clear, but `listen.tls.mode` requires TLS.
    #[error("the client did not ask for TLS")]
    TlsRequired,
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Banned(#[from] Banned),
    /// The user has proved who it is, but may not come from its address or VPC endpoint.
    #[error("the user may not come from there (from); VPC endpoint: {}", .0.as_deref().unwrap_or("none"))]
    Address(Option<String>),
    /// The client asked for a replication connection, which Redshift does not have.
    #[error("the client asked for the replication protocol (startup parameter replication)")]
    Replication,
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Cap(#[from] CapError),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The warehouse was not ready within `upstream.login_timeout` of the first dial.
    #[error("connection {conn_id}: not ready within the login timeout")]
    LoginTimeout { conn_id: ConnId, source: Elapsed },
    /// The client left while the proxy waited for its warehouse.
    #[error("the client is gone before the warehouse was ready")]
    ClientGone(#[source] WireError),
    /// The proxy began to shut down before the client was served.
    #[error("the proxy is shutting down")]
    ShuttingDown,
    /// An operator ended the login.
    #[error("an operator ended the login")]
    Killed,
    /// The login's user, its connection or the right to it is gone since a reload.
    #[error("the user, the connection or the right to it is gone")]
    Revoked,
    /// The system gave no random bytes.
    #[error("no randomness for a cancel key")]
    Randomness,
}

impl SessionError {
    /// The message to the client, as bytes. `None`: the client is gone, or may not speak
    /// PostgreSQL.
    pub(super) fn words(&self, id: SessionId) -> Option<BytesMut> {
        if let Self::Open(OpenError { source: UpstreamError::Refused(error), .. }) = self
            && let Some(as_sent) = error.as_sent()
        {
            return Some(as_sent.clone());
        }
        self.refusal().map(|refusal| refusal.encode(id))
    }

    /// The SQLSTATE of the message to the client. Empty: it is told nothing.
    pub(super) fn sqlstate(&self) -> &str {
        match self {
            Self::Open(OpenError { source: UpstreamError::Refused(error), .. }) if error.as_sent().is_some() => {
                error.sqlstate()
            }
            _ => self.refusal().map_or("", |refusal| refusal.sqlstate()),
        }
    }

    /// Whether the client left by itself: psql does, to ask for the password; a health check does
    /// at once, and some people while their warehouse wakes. That is no refusal.
    pub(super) fn is_departure(&self) -> bool {
        match self {
            Self::Startup(StartupError::Wire(error)) | Self::Auth(AuthError::Wire(error)) | Self::ClientGone(error) => {
                match error {
                    WireError::Closed => true,
                    // A record that fails, or an alert, says more than that the client has left.
                    WireError::Io(error) => error.kind() != ErrorKind::InvalidData,
                    WireError::Length(_) => false,
                }
            }
            // Gone behind the answer to its SSLRequest.
            Self::Startup(StartupError::Tls(error)) => matches!(
                error.kind(),
                ErrorKind::UnexpectedEof
                    | ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe
                    | ErrorKind::NotConnected
            ),
            // One line is logged for all clients that had to make room.
            Self::CrowdedOut => true,
            _ => false,
        }
    }

    /// The connection that the client asked for and may open, where the error is about one.
    pub(super) fn conn_id(&self) -> Option<&ConnId> {
        if let Self::Spec(error) = self { error.conn_id() } else { None }
    }

    /// The error of the stage that failed. It says itself how it is classed, and what the client
    /// reads. `None`: the session itself refused the client, or its startup failed, of which the
    /// client reads nothing.
    fn inner(&self) -> Option<&dyn Fault> {
        match self {
            Self::Auth(error) => Some(error),
            Self::Banned(error) => Some(error),
            Self::Spec(error) => Some(error),
            Self::Cap(error) => Some(error),
            Self::Credential(error) => Some(error),
            Self::Open(error) => Some(error),
            Self::Startup(_)
            | Self::StartupTimeout(_)
            | Self::CrowdedOut
            | Self::Version(..)
            | Self::UserMissing
            | Self::TlsRequired
            | Self::Address(_)
            | Self::Replication
            | Self::LoginTimeout { .. }
            | Self::ClientGone(_)
            | Self::ShuttingDown
            | Self::Killed
            | Self::Revoked
            | Self::Randomness => None,
        }
    }

    /// The class of the error: in the log, one line stands for many errors of one class. It is the
    /// SQLSTATE, or a word where the SQLSTATE does not say enough or there is none.
    pub(super) fn class(&self) -> &'static str {
        match self {
            Self::Startup(error) => error.class(),
            Self::StartupTimeout(_) => "startup timeout",
            Self::TlsRequired => "TLS required",
            Self::Auth(AuthError::Failed { reason, .. }) => reason.class(),
            Self::Auth(AuthError::LeftAtSasl(_)) => "left at SASL",
            Self::Banned(_) => "banned",
            Self::Address(_) => "address",
            Self::CrowdedOut
            | Self::Version(..)
            | Self::UserMissing
            | Self::Auth(_)
            | Self::Replication
            | Self::Spec(_)
            | Self::Cap(_)
            | Self::Credential(_)
            | Self::Open(_)
            | Self::LoginTimeout { .. }
            | Self::ClientGone(_)
            | Self::ShuttingDown
            | Self::Killed
            | Self::Revoked
            | Self::Randomness => self.refusal().map_or("gone", |refusal| refusal.sqlstate()),
        }
    }
}

impl From<Order> for SessionError {
    fn from(order: Order) -> Self {
        match order {
            Order::Drain | Order::DrainConsoles | Order::DrainNow => Self::ShuttingDown,
            Order::Kill => Self::Killed,
            Order::Revoke => Self::Revoked,
        }
    }
}

impl Fault for SessionError {
    fn kind(&self) -> Kind {
        match self {
            Self::LoginTimeout { .. } => Kind::Unavailable,
            Self::Randomness => Kind::Internal,
            Self::Startup(_)
            | Self::StartupTimeout(_)
            | Self::CrowdedOut
            | Self::Version(..)
            | Self::UserMissing
            | Self::TlsRequired
            | Self::Address(_)
            | Self::Replication
            | Self::ClientGone(_)
            | Self::ShuttingDown
            | Self::Killed
            | Self::Revoked => Kind::Client,
            Self::Auth(_) | Self::Banned(_) | Self::Spec(_) | Self::Cap(_) | Self::Credential(_) | Self::Open(_) => {
                self.inner().map_or(Kind::Client, Fault::kind)
            }
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Startup(_) | Self::StartupTimeout(_) | Self::CrowdedOut | Self::ClientGone(_) => None,
            Self::Version(major, minor) => Some(Refusal::unsupported_protocol(*major, *minor)),
            Self::UserMissing => Some(Refusal::user_missing()),
            Self::TlsRequired => Some(Refusal::tls_required()),
            Self::Address(_) => Some(Refusal::address_not_allowed()),
            Self::Replication => Some(Refusal::replication()),
            Self::LoginTimeout { conn_id, .. } => Some(Refusal::not_now(conn_id.as_str())),
            Self::ShuttingDown => Some(Refusal::shutting_down()),
            Self::Killed | Self::Revoked => Some(Refusal::terminated()),
            Self::Randomness => Some(Refusal::internal()),
            Self::Auth(_) | Self::Banned(_) | Self::Spec(_) | Self::Cap(_) | Self::Credential(_) | Self::Open(_) => {
                self.inner()?.refusal()
            }
        }
    }
}
