//! Errors as the warehouse sends them.

use std::fmt;

use bytes::BytesMut;

use crate::wire::{Frame, take_cstr};

/// Classes of SQLSTATE that quote what the client sent: data exception, syntax error or access rule violation.
const QUOTING: &[&str] = &["22", "42"];

/// An ErrorResponse of the warehouse; fields may be missing, repeated or unknown.
pub(crate) struct ServerError {
    sqlstate: String,
    message: String,
    frame: BytesMut,
}

impl ServerError {
    /// Reads what can be read of it.
    pub(super) fn new(frame: &Frame) -> Self {
        let (mut sqlstate, mut message) = (String::new(), String::new());
        let mut fields = frame.body();
        while let Some((&code, mut rest)) = fields.split_first()
            && code != 0
            && let Some(text) = take_cstr(&mut rest)
        {
            match code {
                b'C' => text.clone_into(&mut sqlstate),
                b'M' => text.clone_into(&mut message),
                _ => {}
            }
            fields = rest;
        }
        Self { sqlstate, message, frame: BytesMut::from(frame.bytes()) }
    }

    /// One as the warehouse would send it.
    #[cfg(test)]
    pub(crate) fn of(sqlstate: &str, message: &str) -> Self {
        Self { sqlstate: sqlstate.to_owned(), message: message.to_owned(), frame: BytesMut::new() }
    }

    /// Class 28: the user or password was refused (28000 from Redshift, 28P01 from PostgreSQL).
    pub(super) fn is_login_refused(&self) -> bool {
        self.sqlstate.starts_with("28")
    }

    /// Empty where there was none.
    pub(crate) fn sqlstate(&self) -> &str {
        &self.sqlstate
    }

    /// The message as it came, where it ends as messages do: what a client can read.
    pub(crate) fn as_sent(&self) -> Option<&BytesMut> {
        self.frame.ends_with(&[0]).then_some(&self.frame)
    }
}

/// Code and primary message, bounded: they go to the log. Of what is wrong with the client's own parameters the code
/// alone: the message quotes them, and people put passwords into `options`. The client reads it whole.
impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if QUOTING.iter().any(|class| self.sqlstate.starts_with(class)) {
            return write!(f, "{:.5} (a startup parameter of the client)", self.sqlstate);
        }
        write!(f, "{:.5} {:.500}", self.sqlstate, self.message)
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerError({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &[u8]) -> ServerError {
        let length = u32::try_from(4 + body.len()).unwrap();
        ServerError::new(&Frame::from_bytes(&[b"E", &length.to_be_bytes()[..], body].concat()))
    }

    #[test]
    fn fields_may_be_missing_repeated_or_cut_off() {
        assert_eq!(error(b"SFATAL\0C28000\0Mno\0\0").to_string(), "28000 no");
        assert!(error(b"SFATAL\0C28000\0Mno\0\0").is_login_refused());
        assert_eq!(error(b"Mno\0\0").to_string(), " no");
        assert_eq!(error(b"C1\0C28P01\0\0").to_string(), "28P01 ");
        assert_eq!(error(b"C28000\0Mcut off").to_string(), "28000 ");
        assert!(error(b"C28000\0Mcut off").as_sent().is_none());
        assert_eq!(error(b"").to_string(), " ");
    }

    #[test]
    fn what_quotes_the_client_is_told_by_its_code() {
        for sqlstate in ["22023", "42601", "42704"] {
            let error = error(format!("C{sqlstate}\0Minvalid value: \"planted\"\0\0").as_bytes());
            assert_eq!(error.to_string(), format!("{sqlstate} (a startup parameter of the client)"));
            assert!(!format!("{error:?}").contains("planted"));
        }
    }
}
