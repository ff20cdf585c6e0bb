//! What `[listen]` means for addresses beside its own: the ports of connections, and balancers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::reader::{Table, Value};
use super::value;
use super::{ConnId, ConnSpec, Listen, TlsMode};

/// What a listener's address is held to.
pub(super) struct Exposure {
    /// `None`: a fault. Then nothing is said about what it would have needed.
    pub(super) mode: Option<TlsMode>,
    pub(super) has_identity: bool,
}

impl Exposure {
    /// Faults where clients elsewhere would be served with a certificate that nobody can verify; warns where without TLS.
    pub(super) fn check(&self, address: SocketAddr, place: &Value<'_>) {
        match self.mode {
            _ if address.ip().is_loopback() => {}
            Some(TlsMode::Disable) => place.warn("clients are served without TLS on an address that is not loopback"),
            Some(TlsMode::Require | TlsMode::Prefer) if !self.has_identity => place.fault(format_args!(
                "{address} is not a loopback address: it needs listen.tls.cert and listen.tls.key"
            )),
            Some(TlsMode::Require | TlsMode::Prefer) | None => {}
        }
    }
}

/// `listen.proxy_protocol_from`
pub(super) fn balancers(table: &mut Table<'_>) -> Vec<IpNet> {
    let Some(place) = table.take("proxy_protocol_from") else { return Vec::new() };
    let networks = place.texts(value::network);
    if networks.iter().any(|network| network.prefix_len() == 0) {
        place.warn("whoever connects may say who it is: bans and users.*.from mean nothing");
    }
    networks
}

/// `connections.*.listen`, of connections without faults, told at their entries.
pub(super) fn check_ports(
    connections: &BTreeMap<ConnId, Arc<ConnSpec>>,
    entries: &[Value<'_>],
    listen: &Listen,
    exposure: &Exposure,
) {
    let mut taken = listen.addresses.clone();
    for entry in entries {
        let Some(address) = connections.get(entry.name.as_str()).and_then(|spec| spec.listen) else { continue };
        let Some(place) = entry.table("connections.*").take("listen") else { continue };
        if address.port() != 0 && taken.contains(&address) {
            place.fault(format_args!("{address} is another listener's"));
        }
        taken.push(address);
        exposure.check(address, &place);
    }
}
