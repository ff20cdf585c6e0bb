//! How a session ended, and what it moved.

use std::io;

use thiserror::Error;

/// How a session ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// The client said goodbye or went away.
    Client,
    /// The warehouse did.
    Upstream,
    /// We did, at a shutdown.
    Drain,
    /// We did, after its lifetime.
    Lifetime,
    /// We did, after a time of silence.
    Idle,
}

/// What a relay did.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) end: End,
    /// Read from the client.
    pub(crate) bytes_up: u64,
    /// Read from the warehouse.
    pub(crate) bytes_down: u64,
    /// A side that broke rather than ended.
    pub(crate) error: Option<RelayError>,
}

/// A side that failed in mid-session.
#[derive(Debug, Error)]
pub(crate) enum RelayError {
    #[error("the client's connection failed")]
    Client(#[source] io::Error),
    #[error("the warehouse's connection failed")]
    Upstream(#[source] io::Error),
}
