//! Where a client is: as its socket says, or as a trusted balancer says in a PROXY header (haproxy,
//! "The PROXY protocol", versions 1 and 2).
//!
//! Owns how much of the stream is the header, and not a byte more: what follows is the client's,
//! and may be TLS. Who the balancers are is the configuration's to say; from all others a header is
//! no startup packet, and closed as such.

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

/// The header of a balancer that speaks for itself, as its health checks do.
pub(crate) const LOCAL: [u8; 16] = *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// Whether what was read as a startup packet's length begins a header: that of either version is an
/// impossible length.
pub(super) fn begins_with(length: u32) -> bool {
    [v1::SIGNATURE, v2::SIGNATURE]
        .iter()
        .any(|signature| signature.starts_with(&length.to_be_bytes()))
}

/// Whether connections from this address begin with a header.
pub(crate) fn is_balancer(address: SocketAddr, balancers: &[IpNet]) -> bool {
    is_in(address.ip(), balancers)
}

/// Where the client is by the header, which a connection from a balancer must have; of others
/// nothing is read. `None`: no header names it. The caller sets the deadline.
///
/// # Errors
/// [`ProxyError`], or the connection broke off: a health check that says nothing does.
pub(crate) async fn named(
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
            Progress::Names(named) => {
                trace!(bytes = header.len(), "PROXY header");
                return Ok(named);
            }
            Progress::Wants(more) => {
                let held = header.len();
                header.resize(held + more, 0);
                let missing = header.get_mut(held..).unwrap_or_default();
                socket
                    .read_exact(missing)
                    .await
                    .map_err(|error| match error.kind() {
                        // Whoever leaves in the middle of it has left, as one who says nothing has.
                        ErrorKind::UnexpectedEof => WireError::Closed,
                        _ => WireError::Io(error),
                    })?;
            }
        }
    }
}

/// Of either version: the first byte tells them apart.
fn parse(header: &[u8]) -> Parsed {
    match header.first() {
        None => Ok(Progress::Wants(1)),
        Some(first) if v1::SIGNATURE.first() == Some(first) => v1::parse(header),
        Some(first) if v2::SIGNATURE.first() == Some(first) => v2::parse(header),
        Some(_) => Err(ProxyError::Missing),
    }
}
