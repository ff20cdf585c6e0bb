//! A session of PostgreSQL's, over its local socket, as the very database user that the login
//! stands for.

use std::io;
use std::path::Path;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::refusal;
use super::rules::Request;
use crate::wire::{self, Message};

/// Longest message before ReadyForQuery, in bytes (as libpq bounds them).
const MAX_MESSAGE_BYTES: usize = 30_000;

/// How Redshift reads a backslash in a string: as an escape, and without a word about it. It
/// reports neither setting, from which drivers conclude the same.
const STRINGS: [(&str, &str); 2] = [("standard_conforming_strings", "off"), ("escape_string_warning", "off")];

/// Ready for queries; nothing of what follows has been read.
pub(super) struct Backend {
    pub(super) stream: UnixStream,
    /// The parameters that PostgreSQL reports, under its own names.
    pub(super) parameters: Vec<(String, String)>,
    /// Whole messages for the client: notices, BackendKeyData and ReadyForQuery.
    pub(super) rest: Vec<u8>,
}

/// Why there is no session.
pub(super) enum Refused {
    Io(io::Error),
    /// PostgreSQL knows no such role.
    NoRole,
    /// PostgreSQL's ErrorResponse, in Redshift's form.
    Said(Vec<u8>),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Opens a session of `role` in the database that the request names.
pub(super) async fn open(
    socket: &Path,
    role: &str,
    request: &Request,
    settings: &[(String, String)],
) -> Result<Backend, Refused> {
    let mut stream = UnixStream::connect(socket).await?;
    let who = [("user", role), ("database", request.database.as_str())];
    let settings = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    stream
        .write_all(&wire::startup(wire::PROTOCOL_3_0, who.into_iter().chain(STRINGS).chain(settings)))
        .await?;
    let (mut parameters, mut rest) = (Vec::new(), Vec::new());
    loop {
        let Message { kind, body } = wire::read_message(&mut stream, MAX_MESSAGE_BYTES).await?;
        match kind {
            b'R' if body == [0; 4] => {}
            b'S' => parameters.push(parameter(&body).ok_or_else(|| wire::malformed("ParameterStatus"))?),
            b'N' | b'K' => rest.extend(wire::message(kind, &body)),
            b'Z' => {
                rest.extend(wire::message(kind, &body));
                return Ok(Backend { stream, parameters, rest });
            }
            b'E' => return Err(error(&body)),
            _ => return Err(wire::malformed("greeting of PostgreSQL").into()),
        }
    }
}

/// Passes a cancel request on and waits until PostgreSQL has acted on it, which it tells by
/// closing.
pub(super) async fn cancel(socket: &Path, pid: u32, key: u32) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(&wire::cancel(pid, key)).await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink())
        .await
        .map(drop)
}

fn parameter(body: &[u8]) -> Option<(String, String)> {
    let (name, rest) = wire::text(body)?;
    let (value, _) = wire::text(rest)?;
    Some((name.to_owned(), value.to_owned()))
}

fn error(body: &[u8]) -> Refused {
    let fields = refusal::fields(body).unwrap_or_default();
    // Everybody is trusted on this socket, so that is the one reason for this code.
    if fields.contains(&(b'C', "28000")) {
        return Refused::NoRole;
    }
    refusal::translate(body).map_or_else(|| wire::malformed("ErrorResponse of PostgreSQL").into(), Refused::Said)
}
