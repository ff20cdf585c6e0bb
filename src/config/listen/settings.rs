//! What `[listen]` says.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::identity::{ClientCa, Identity};
use crate::config::value::PublicName;

/// Where clients are accepted.
#[derive(Clone, Debug)]
pub struct Listen {
    /// At least one.
    pub addresses: Vec<SocketAddr>,
    /// What clients call this proxy, for `url`. `None`: as its certificate says.
    pub public_name: Option<PublicName>,
    /// Whether clients must, may or cannot use TLS.
    pub tls: TlsMode,
    /// Whether clients may bind their proof to the certificate that they were shown. Unused with
    /// `Disable`.
    pub channel_binding: ChannelBinding,
    /// `None`: a self-signed certificate is made at start (loopback addresses only; checked here).
    /// Unused with `Disable`.
    pub identity: Option<Identity>,
    /// Whose PROXY header is required and believed; elsewhere one is refused.
    pub proxy_protocol_from: Vec<IpNet>,
    /// `CONN_ID.suffix` as TLS server name is that conn_id's. In lower case.
    pub sni_suffix: Option<String>,
    /// Other processes may listen on the same addresses.
    pub reuse_port: bool,
    /// Whose certificates clients may show. `None`: they are not asked for one. Unused with
    /// `Disable`.
    pub clients: Option<ClientCa>,
}

/// `listen.tls.mode`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsMode {
    /// Sessions without TLS are refused (default).
    Require,
    /// Both are served.
    Prefer,
    /// An SSLRequest is answered with `N`.
    Disable,
}

/// `listen.tls.channel_binding`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChannelBinding {
    /// SCRAM-SHA-256-PLUS is offered inside TLS, where the certificate allows for it (default).
    Auto,
    /// It is never offered: TLS ends in front of the proxy or is encrypted anew there, so that
    /// clients see another certificate than the proxy's, or none.
    Off,
}
