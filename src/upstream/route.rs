//! The way to a warehouse: where it is, how TLS knows it, and what is known of its addresses.

use std::sync::Arc;
use std::time::Duration;

use super::error::UpstreamError;
use super::race::Avoided;
use super::tls::ClientTls;
use crate::config::Ca;
use crate::credentials::WarehouseAddr;
use crate::network::LookUp;
use crate::resolver::{Resolver, WAREHOUSES};
use crate::stream::KeepAlive;

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
    pub(super) resolver: Resolver,
    pub(super) avoided: Avoided,
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
    /// The way to a warehouse. `ca`: the connection's own, one that `tls` was made for.
    ///
    /// # Errors
    /// `ServerName`, `Roots`.
    pub(crate) fn to(&self, addr: WarehouseAddr, ca: Option<&Ca>) -> Result<Route, UpstreamError> {
        let WarehouseAddr { host, port, server_name } = addr;
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
