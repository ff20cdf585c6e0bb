//! The address of a client.

use std::net::SocketAddr;

/// The address of a client, and the VPC endpoint that it came through, as far as they are known.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The client's own address: that of the socket, or that of the PROXY header of a trusted
    /// balancer.
    pub(crate) address: SocketAddr,
    /// The VPC endpoint it came through (`vpce-…`), by the PROXY header.
    pub(crate) vpc_endpoint: Option<String>,
}

impl Peer {
    /// A client of which only the address is known. The address is kept in the form in which
    /// addresses are compared and shown.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address: SocketAddr::new(address.ip().to_canonical(), address.port()), vpc_endpoint: None }
    }
}
