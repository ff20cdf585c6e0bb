//! Where a client is.

use std::net::SocketAddr;

/// Where a client is, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Its own address: that of the socket, or that of the PROXY header of a trusted balancer.
    pub(crate) address: SocketAddr,
    /// The VPC endpoint it came through (`vpce-…`), by the PROXY header.
    pub(crate) vpc_endpoint: Option<String>,
}

impl Peer {
    /// A client of which no more is known. Its address is in the form in which addresses are
    /// compared and shown.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address: SocketAddr::new(address.ip().to_canonical(), address.port()), vpc_endpoint: None }
    }
}
