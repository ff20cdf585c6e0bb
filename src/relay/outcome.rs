//! The outcome of a relay: how the session ended, and how many bytes it moved.

use std::io;

use thiserror::Error;

use crate::stop::Order;

/// The party or limit that ended a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// The client sent Terminate or went away.
    Client,
    /// The warehouse closed the connection.
    Upstream,
    /// The proxy ended it at a shutdown.
    Drain,
    /// An operator ended it.
    Killed,
    /// The proxy ended it, since its user, its connection or the right to it is gone.
    Revoked,
    /// The proxy ended it after `limits.session_lifetime`.
    Lifetime,
    /// The proxy ended it after `limits.idle_timeout` without a byte.
    Idle,
}

impl From<Order> for End {
    fn from(order: Order) -> Self {
        match order {
            Order::Drain | Order::DrainConsoles | Order::DrainNow => Self::Drain,
            Order::Kill => Self::Killed,
            Order::Revoke => Self::Revoked,
        }
    }
}

/// The result of a relay, for the log.
#[derive(Debug)]
pub(crate) struct Relayed {
    /// The party or limit that ended the session.
    pub(crate) end: End,
    /// The bytes that were read from the client.
    pub(crate) bytes_up: u64,
    /// The bytes that were read from the warehouse.
    pub(crate) bytes_down: u64,
    /// The error of the side that failed. `None`: no side did.
    pub(crate) error: Option<RelayError>,
}

/// The failure of one side in mid-session.
#[derive(Debug, Error)]
pub(crate) enum RelayError {
    /// Returned if the client's connection failed, or the client does not answer any more.
    #[error("the client's connection failed")]
    Client(#[source] io::Error),
    /// Returned if the warehouse's connection failed, or the warehouse does not answer any more.
    #[error("the warehouse's connection failed")]
    Upstream(#[source] io::Error),
}
