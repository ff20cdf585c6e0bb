//! How far a client had come that took too long.

use thiserror::Error;

/// What was missing when the time for a step of the login was up.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum Stalled {
    /// A load balancer announced no client.
    #[error("no PROXY header had come")]
    Header,
    /// The client had not begun, or not finished, its TLS handshake; or in clear its startup
    /// message.
    #[error("the TLS handshake, or the startup message in clear, was not there or not whole")]
    Tls,
    /// The client had sent no startup message inside TLS.
    #[error("TLS was there, and no startup message had come")]
    Startup,
    /// The client had said who it is, and had not proved it.
    #[error("the client had not proved who it is")]
    Proof,
    /// The client had proved who it is, and its connection was still looked up.
    #[error("the client had proved who it is, and its connection was being looked up")]
    LookUp,
    /// The client did not take the notice that it has to wait.
    #[error("logged in, the client did not take a notice")]
    Notice,
    /// The client did not take the warehouse's greeting.
    #[error("logged in, the client did not take the warehouse's greeting")]
    Greeting,
}
