//! The errors of `url`.

use thiserror::Error;

use crate::cli::connection::UnknownConnection;

/// Why there is nothing to paste.
#[derive(Debug, Error)]
pub(crate) enum UrlError {
    /// The conn_id is unknown.
    #[error(transparent)]
    Connection(#[from] UnknownConnection),
    /// The user that `--user` names is unknown.
    #[error("there is no user {name:?}{}", did_you_mean(.nearest.as_ref()))]
    User {
        /// The name that `--user` gives.
        name: String,
        /// The user that was probably meant.
        nearest: Option<String>,
    },
    /// The user has `enabled = false`.
    #[error("the user {0:?} is disabled")]
    DisabledUser(String),
    /// The user has no right that covers the connection.
    #[error("the user {user:?} may not open {conn_id:?}")]
    NoRight {
        /// The user that may not open the connection.
        user: String,
        /// The name of the connection that was asked for.
        conn_id: String,
    },
    /// The configuration does not say by which name clients reach the proxy.
    #[error("{0}: set listen.public_name to the name that clients use")]
    Nameless(#[from] Nameless),
    /// The listener takes a free port (`listen.address` has port 0), which is not known here.
    #[error("listen.address leaves the port open: set listen.public_name with the port that clients use")]
    Portless,
}

/// Why the name by which clients reach the proxy is not known.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum Nameless {
    /// The listener has no certificate, and its address is not a loopback address.
    #[error("there is no certificate to name this proxy, and listen.address does not")]
    NoCertificate,
    /// AWS keeps the certificate, and `url` makes no calls.
    #[error("listen.tls.cert is kept by AWS, which is not asked here")]
    Unread,
    /// The certificate has no DNS names, or only names with `*`.
    #[error("listen.tls.cert has no DNS name that a client could use")]
    NoName,
}

/// The end of a message that suggests a name.
fn did_you_mean(nearest: Option<&String>) -> String {
    nearest
        .map(|name| format!("; did you mean {name:?}?"))
        .unwrap_or_default()
}
