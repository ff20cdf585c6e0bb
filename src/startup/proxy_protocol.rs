//! The address of a client behind a balancer, which a trusted balancer gives in a PROXY header
//! (haproxy, "The PROXY protocol", versions 1 and 2).
//!
//! Reads the header and not a byte more: the bytes behind it are the client's, and may be TLS. The
//! configuration lists the balancers; a header from any other address is no startup packet, and its
//! connection is closed.

use std::io::ErrorKind;
use std::net::SocketAddr;

use ipnet::IpNet;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tracing::trace;

use self::header::{Parsed, Progress, ProxyError};
use super::error::StartupError;
use super::peer::Peer;
use crate::address::is_in;
use crate::wire::WireError;

pub(super) mod header;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

/// The header of a connection that a balancer makes for itself, such as a health check.
pub(crate) const LOCAL: [u8; 16] = *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// Whether the bytes that were read as a startup packet's length begin a header. Those of either
/// version are an impossible length.
pub(super) fn begins_with(length: u32) -> bool {
    [v1::SIGNATURE, v2::SIGNATURE]
        .iter()
        .any(|signature| signature.starts_with(&length.to_be_bytes()))
}

/// Whether connections from this address begin with a header.
pub(crate) fn is_balancer(address: SocketAddr, balancers: &[IpNet]) -> bool {
    is_in(address.ip(), balancers)
}

/// Reads the header that a connection from a balancer must have, and of others nothing. `None`: no
/// header names the client. The caller sets the deadline.
///
/// # Errors
/// [`ProxyError`], or the connection broke off: a health check that says nothing does.
pub(crate) async fn read_header(
    socket: &mut TcpStream,
    address: SocketAddr,
    balancers: &[IpNet],
) -> Result<Option<Peer>, StartupError> {
    if !is_balancer(address, balancers) {
        return Ok(None);
    }
    let mut header = Vec::new();
    loop {
        match parse(&header)? {
            Progress::Complete(peer) => {
                trace!(bytes = header.len(), "PROXY header");
                return Ok(peer.map(|peer| of_elsewhere(peer, address)).transpose()?);
            }
            Progress::Incomplete(more) => {
                let held = header.len();
                header.resize(held + more, 0);
                let missing = header.get_mut(held..).unwrap_or_default();
                socket
                    .read_exact(missing)
                    .await
                    .map_err(|error| match error.kind() {
                        // In the middle of a header or ahead of it: the peer has left.
                        ErrorKind::UnexpectedEof => WireError::Closed,
                        _ => WireError::Io(error),
                    })?;
            }
        }
    }
}

/// Refuses a client that no balancer can have: on this machine itself, which only a balancer on
/// this machine sees, or at no address of one host. Whoever may send a header could pass for a
/// client of this machine's otherwise, for which much is allowed (`admin.console_from`).
fn of_elsewhere(peer: Peer, balancer: SocketAddr) -> Result<Peer, ProxyError> {
    let client = peer.address.ip();
    if client.is_unspecified() || client.is_multicast() {
        return Err(ProxyError::Malformed("a client at an address of no host"));
    }
    if client.is_loopback() && !balancer.ip().to_canonical().is_loopback() {
        return Err(ProxyError::Malformed("a client at a loopback address, from a balancer elsewhere"));
    }
    Ok(peer)
}

/// Reads a header of either version: the first byte tells them apart.
fn parse(header: &[u8]) -> Parsed {
    match header.first() {
        None => Ok(Progress::Incomplete(1)),
        Some(first) if v1::SIGNATURE.first() == Some(first) => v1::parse(header),
        Some(first) if v2::SIGNATURE.first() == Some(first) => v2::parse(header),
        Some(_) => Err(ProxyError::Missing),
    }
}
