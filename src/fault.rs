//! What every error of a login says to its two readers: the log and the client.

use std::error::Error;
use std::fmt::Write;

use crate::wire::refusal::Refusal;

/// The party that must act on an error, and with it the level at which the log has the error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The client, or nobody: all works as it was configured to. A wrong password, a missing right,
    /// a connection that is switched off on purpose. Logged at `info`.
    Client,
    /// The operator: a right, a name or an address is wrong. Logged at `warn`.
    Operator,
    /// Nobody at once: AWS or the warehouse is busy or away, which nobody wanted. Logged at `warn`.
    Unavailable,
    /// The authors of the proxy: a fault of its own. Logged at `error`.
    Internal,
}

/// An error that ends a login.
pub(crate) trait Fault: Error {
    /// The party that must act on the error.
    fn kind(&self) -> Kind;

    /// The words for the client. `None`: the client is gone, or never spoke PostgreSQL.
    fn refusal(&self) -> Option<Refusal>;
}

/// Writes an error and the whole chain of its causes in one line, for the log.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut last = line.clone();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Transparent wrappers repeat their source's text.
        if text != last {
            // Writing to a String cannot fail.
            let _ = write!(line, ": {text}");
        }
        last = text;
        cause = error.source();
    }
    line
}
