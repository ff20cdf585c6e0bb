//! What both versions of the header have in common.

use thiserror::Error;

use super::super::peer::Peer;

/// Why a balancer's connection is not served. It is told nothing.
#[derive(Debug, Error)]
pub(crate) enum ProxyError {
    /// Something else came first, from an address in `listen.proxy_protocol_from`.
    #[error("no PROXY header from an address that owes one (listen.proxy_protocol_from)")]
    Missing,
    /// It breaks the rules of its version.
    #[error("malformed PROXY header: {0}")]
    Malformed(&'static str),
}

/// A header that ended, or how many bytes of it are certainly to come: at least 1.
pub(super) type Parsed = Result<Progress, ProxyError>;

#[derive(Debug)]
pub(super) enum Progress {
    Wants(usize),
    /// `None`: it names nobody (a health check of the balancer's own, or no TCP), and the socket's
    /// address counts.
    Names(Option<Peer>),
}

/// Whether so much of a signature is there; what else begins like it is no header. `Some(n)`: n
/// bytes of it are to come.
pub(super) fn rest_of(signature: &[u8], header: &[u8]) -> Result<Option<usize>, ProxyError> {
    if header
        .iter()
        .zip(signature)
        .any(|(byte, expected)| byte != expected)
    {
        return Err(ProxyError::Missing);
    }
    Ok(signature
        .len()
        .checked_sub(header.len())
        .filter(|missing| *missing > 0))
}
