//! The consequences of the listener's settings for the ports of connections, and for users.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use super::settings::{Listen, TlsMode};
use crate::config::connection::{ConnId, ConnSpec};
use crate::config::reader::Value;

/// The way in which clients connect, before they prove who they are.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Entrance {
    /// The mode of TLS. `None`: it was refused, so that nothing is said about what it would have
    /// needed.
    pub(super) mode: Option<TlsMode>,
    /// Whether there is a certificate of the operator's, or a part of one.
    pub(super) has_identity: bool,
    /// Whether clients are asked for certificates, by `listen.tls.client_ca`.
    pub(in crate::config) asks_for_certificates: bool,
}

impl Entrance {
    /// The mode of TLS; the default where it was refused.
    pub(in crate::config) fn tls(&self) -> TlsMode {
        self.mode.unwrap_or(TlsMode::Require)
    }

    /// Reports a certificate that clients on other machines cannot verify, and warns of an address
    /// on which they are served without TLS.
    pub(super) fn check(&self, address: SocketAddr, place: &Value<'_>) {
        match self.mode {
            _ if address.ip().is_loopback() => {}
            Some(TlsMode::Disable) => place.warn("clients are served without TLS on an address that is not loopback"),
            Some(TlsMode::Require | TlsMode::Prefer) if !self.has_identity => place.report(format_args!(
                "{address} is not a loopback address: it needs listen.tls.cert and listen.tls.key"
            )),
            Some(TlsMode::Require | TlsMode::Prefer) | None => {}
        }
    }
}

/// Checks `connections.*.listen` of connections without problems. Messages are about the
/// connections' entries.
pub(in crate::config) fn check_ports(
    connections: &BTreeMap<ConnId, Arc<ConnSpec>>,
    entries: &[Value<'_>],
    listen: &Listen,
    entrance: Entrance,
) {
    let mut taken: HashSet<_> = listen.addresses.iter().copied().collect();
    for entry in entries {
        let Some(address) = connections
            .get(entry.name.as_str())
            .and_then(|spec| spec.listen)
        else {
            continue;
        };
        let Some(place) = entry.table("connections.*").take("listen") else {
            continue;
        };
        if !taken.insert(address) && address.port() != 0 {
            place.report(format_args!("{address} is another listener's"));
        }
        entrance.check(address, &place);
    }
}
