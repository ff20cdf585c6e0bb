//! What the listener's settings mean elsewhere: for the ports of connections, and for users.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use super::settings::{Listen, TlsMode};
use crate::config::connection::{ConnId, ConnSpec};
use crate::config::reader::Value;

/// How clients come in, before they prove who they are.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Entrance {
    /// `None`: a problem. Then nothing is said about what it would have needed.
    pub(super) mode: Option<TlsMode>,
    pub(super) has_identity: bool,
    /// For one of `listen.tls.client_ca`.
    pub(in crate::config) asks_for_certificates: bool,
}

impl Entrance {
    /// The mode; behind a problem the default.
    pub(in crate::config) fn tls(&self) -> TlsMode {
        self.mode.unwrap_or(TlsMode::Require)
    }

    /// Reports a problem where clients elsewhere would be served with a certificate that nobody can verify;
    /// warns where without TLS.
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

/// `connections.*.listen`, of connections without problems, told at their entries.
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
