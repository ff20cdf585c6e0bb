//! Why there is nothing to paste.

use thiserror::Error;

use crate::cli::connection::UnknownConnection;

/// Why there is nothing to paste.
#[derive(Debug, Error)]
pub(crate) enum UrlError {
    /// There is no such connection.
    #[error(transparent)]
    Connection(#[from] UnknownConnection),
    /// There is no such user.
    #[error("there is no user {name:?}{}", did_you_mean(.nearest.as_ref()))]
    User {
        /// Who.
        name: String,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// `enabled = false`
    #[error("the user {0:?} is disabled")]
    DisabledUser(String),
    /// No right of the user's covers the connection.
    #[error("the user {user:?} may not open {conn_id:?}")]
    NoRight {
        /// Who.
        user: String,
        /// What.
        conn_id: String,
    },
    /// Nothing says what clients call the proxy.
    #[error("{0}: set listen.public_name to the name that clients use")]
    Nameless(#[from] Nameless),
    /// `listen.address` has port 0.
    #[error("listen.address leaves the port open: set listen.public_name with the port that clients use")]
    Portless,
}

/// Why nothing says what clients call the proxy.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum Nameless {
    /// There is none, and the address is not a loopback address.
    #[error("there is no certificate to name this proxy, and listen.address does not")]
    NoCertificate,
    /// AWS keeps it, and nothing is called here.
    #[error("listen.tls.cert is kept by AWS, which is not asked here")]
    Unread,
    /// Its names are none, or with `*`.
    #[error("listen.tls.cert has no DNS name that a client could use")]
    NoName,
}

fn did_you_mean(nearest: Option<&String>) -> String {
    nearest
        .map(|name| format!("; did you mean {name:?}?"))
        .unwrap_or_default()
}
