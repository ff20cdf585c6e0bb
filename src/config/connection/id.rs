//! The logical names of connections.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::config::value;

/// The logical name of a connection, checked once, so that the rest of the code cannot meet a bad
/// one. A clone shares the text.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnId(Arc<str>);

impl ConnId {
    /// The name that stands for the console: no connection has it, and no right covers it.
    pub const CONSOLE: &'static str = "proxy_admin";

    /// The name of the console, in place of a connection's, for what is told of its sessions.
    #[must_use]
    pub fn of_console() -> Self {
        Self(Self::CONSOLE.into())
    }

    /// Checks a name: 1–63 bytes of visible characters, blanks within allowed. `*` and `?` are not,
    /// since rights use them as globs.
    ///
    /// # Errors
    /// `Name`: not such a name. `Glob`: holds `*` or `?`. `Reserved`: `proxy_admin`, the console's.
    pub fn new(name: &str) -> Result<Self, BadConnId> {
        value::visible_name(name).map_err(|_why| BadConnId::Name)?;
        if name.contains(['*', '?']) {
            return Err(BadConnId::Glob);
        }
        if name == Self::CONSOLE {
            return Err(BadConnId::Reserved);
        }
        Ok(Self(name.into()))
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lets maps be searched with the text that a client sent.
impl Borrow<str> for ConnId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The reason why a text is no conn_id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadConnId {
    /// The name is too long, empty, or holds invisible characters.
    #[error("a conn_id is 1 to 63 bytes of visible characters, with no blanks at its ends")]
    Name,
    /// The name holds `*` or `?`.
    #[error("a conn_id holds no * and no ?")]
    Glob,
    /// The name is reserved for the console.
    #[error("proxy_admin is reserved")]
    Reserved,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conn_id_is_a_visible_name() {
        for (name, want) in [
            ("sales", Ok("sales")),
            ("Sales Mart", Ok("Sales Mart")),
            ("", Err(BadConnId::Name)),
            (" sales", Err(BadConnId::Name)),
            ("a\0b", Err(BadConnId::Name)),
            ("fin-*", Err(BadConnId::Glob)),
            ("proxy_admin", Err(BadConnId::Reserved)),
        ] {
            let got = ConnId::new(name);
            assert_eq!(got.as_ref().map(ConnId::as_str).map_err(|why| *why), want, "{name:?}");
        }
    }
}
