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

/// The way to one warehouse: its host, and how TLS verifies it. A login and the cancel requests for
/// its session share it.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// The host that is looked up.
    pub(crate) host: String,
    /// The port that is dialled.
    pub(crate) port: u16,
    /// The name that is sent as SNI, and that the certificate must be for.
    pub(crate) server_name: rustls::pki_types::ServerName<'static>,
    /// The TLS configuration with the roots of the connection.
    pub(crate) tls: Arc<rustls::ClientConfig>,
    /// The time-outs of a dial, which all routes share.
    pub(crate) timeouts: Arc<Timeouts>,
    /// The resolver and the memory of addresses, which all routes share.
    pub(crate) paths: Arc<Paths>,
}

/// The resolver, and the addresses that did not answer of late. All routes share one.
#[derive(Debug)]
pub(crate) struct Paths {
    /// The resolver for the hosts of warehouses.
    pub(super) resolver: Resolver,
    /// The addresses that are tried last.
    pub(super) avoided: Avoided,
}

/// The time-outs of one dial. The login as a whole has one of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// The time for DNS and TCP together, over all addresses.
    pub(crate) connect: Duration,
    /// The time for SSLRequest and the TLS handshake.
    pub(crate) tls: Duration,
    /// How a warehouse that vanishes is noticed.
    pub(crate) keepalive: KeepAlive,
}

/// Makes routes. There is one TLS configuration, and with it one store of TLS sessions, for each
/// set of roots.
pub(crate) struct Routes {
    /// The TLS configurations for all roots that the configuration names.
    pub(crate) tls: ClientTls,
    /// The roots for connections that name none of their own.
    pub(crate) ca: Ca,
    /// The time-outs of every dial.
    pub(crate) timeouts: Arc<Timeouts>,
    /// The resolver and the memory of addresses, for all routes.
    pub(crate) paths: Arc<Paths>,
}

impl Routes {
    /// Makes the route to a warehouse. `ca` is that of the connection, which `tls` was made for.
    ///
    /// # Errors
    /// [`UpstreamError::ServerName`], [`UpstreamError::Roots`].
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
    /// Makes an empty memory over this look-up of host names.
    pub(crate) fn new(look_up: LookUp) -> Arc<Self> {
        Arc::new(Self { resolver: Resolver::new(look_up, WAREHOUSES), avoided: Avoided::default() })
    }
}
