//! How far a dial has come, for those who count and measure.

use std::net::SocketAddr;

use super::error::UpstreamError;
use crate::stream::tls::Negotiated;

/// A step of one dial, in the order in which they come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    /// The host is about to be looked up.
    Begun,
    /// An address of the host has answered by TCP. `local`: our end of the connection, as far as the
    /// system tells.
    Connected { local: Option<SocketAddr> },
    /// The server is verified, and the login goes on inside TLS of this kind.
    Secured(Negotiated),
    /// The dial or the login over it has failed. Another dial may follow.
    Failed(&'a UpstreamError),
}

/// What is told of each step of a dial. It is called between two waits, and returns at once.
pub(crate) type OnStep<'a> = &'a (dyn Fn(Step<'_>) + Sync);
