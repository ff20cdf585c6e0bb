//! What both versions of the header have in common.

use thiserror::Error;

use super::super::peer::Peer;

/// A balancer's connection began with no header, or with a malformed one. It is told nothing.
#[derive(Debug, Error)]
pub(crate) enum ProxyError {
    /// Something else came first, from an address in `listen.proxy_protocol_from`.
    #[error("no PROXY header from an address that owes one (listen.proxy_protocol_from)")]
    Missing,
    /// The header breaks the rules of its version.
    #[error("malformed PROXY header: {0}")]
    Malformed(&'static str),
}

/// The outcome of parsing the bytes of a header that were read so far.
pub(super) type Parsed = Result<Progress, ProxyError>;

/// How much of a header has been read.
#[derive(Debug)]
pub(super) enum Progress {
    /// At least so many bytes of the header are still to come; never 0.
    Incomplete(usize),
    /// The header is whole. `None`: it names nobody (a health check of the balancer's own, or no
    /// TCP), and the socket's address counts.
    Complete(Option<Peer>),
}

/// Compares the first bytes of a header with its signature. `Some(n)`: they agree, and n bytes of
/// the signature are still to come.
pub(super) fn missing_of(signature: &[u8], header: &[u8]) -> Result<Option<usize>, ProxyError> {
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
