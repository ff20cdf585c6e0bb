//! The settings of `[listen]`.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::identity::{ClientCa, Identity};
use crate::config::value::PublicName;

/// The listener: where and how clients are accepted.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The addresses to listen on; at least one.
    pub addresses: Vec<SocketAddr>,
    /// The name by which clients reach this proxy, for the command `url`. `None`: its certificate
    /// says.
    pub public_name: Option<PublicName>,
    /// Whether clients must, may or cannot use TLS.
    pub tls: TlsMode,
    /// Whether clients may bind their proof to the certificate that they were shown. Unused with
    /// `Disable`.
    pub channel_binding: ChannelBinding,
    /// The certificate and key. `None`: a self-signed certificate is made at start, for loopback
    /// addresses only, as was checked. Unused with `Disable`.
    pub identity: Option<Identity>,
    /// Networks whose PROXY header is required and believed; from elsewhere one is refused.
    pub proxy_protocol_from: Vec<IpNet>,
    /// The suffix of TLS server names, in lower case: `CONN_ID.SUFFIX` selects that connection.
    pub sni_suffix: Option<String>,
    /// Whether other processes may listen on the same addresses (`SO_REUSEPORT`).
    pub reuse_port: bool,
    /// The CA of the certificates that clients may show. `None`: clients are not asked for one.
    /// Unused with `Disable`.
    pub clients: Option<ClientCa>,
}

/// The value of `listen.tls.mode`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsMode {
    /// Sessions without TLS are refused (default).
    Require,
    /// Sessions with and without TLS are served.
    Prefer,
    /// TLS is not offered: an SSLRequest is answered with `N`.
    Disable,
}

/// The value of `listen.tls.channel_binding`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChannelBinding {
    /// SCRAM-SHA-256-PLUS is offered inside TLS, where the certificate allows for it (default).
    Auto,
    /// SCRAM-SHA-256-PLUS is never offered: TLS ends in front of the proxy or is encrypted anew
    /// there, so that clients see another certificate than the proxy's, or none.
    Off,
}
