//! Why the proxy did not start.

use std::net::SocketAddr;

use thiserror::Error;

use crate::aws::NoRoots;
use crate::client_auth::AccountsError;
use crate::startup::tls::ServerTlsError;
use crate::upstream::ClientTlsError;

/// The reason why the proxy did not start.
#[derive(Debug, Error)]
pub enum AppError {
    /// The listener's certificate or its settings for TLS cannot be used.
    #[error(transparent)]
    ServerTls(#[from] ServerTlsError),
    /// The root certificates for warehouses cannot be used.
    #[error("upstream.ca or a connection's ca")]
    ClientTls(#[from] ClientTlsError),
    /// The verifiers of the users could not be made.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The system has no root certificates, so AWS cannot be verified.
    #[error(transparent)]
    NoRoots(#[from] NoRoots),
    /// An address could not be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address that could not be bound.
        address: SocketAddr,
        /// The error of the system's `bind` or `listen`.
        source: std::io::Error,
    },
    /// A runtime or a signal handler could not be set up.
    #[error("cannot set up the process")]
    Process(#[source] std::io::Error),
}

impl AppError {
    /// Tells whether the error goes away only when the configuration is fixed.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::ServerTls(_) | Self::ClientTls(_) => true,
            Self::Accounts(_) | Self::NoRoots(_) | Self::Bind { .. } | Self::Process(_) => false,
        }
    }
}
