//! A login at the warehouse, from the startup message to ReadyForQuery.

use std::net::SocketAddr;

use bytes::{BufMut, BytesMut};
use tracing::{debug, trace};

use super::auth::Authentication;
use super::conn::UpstreamConn;
use super::dial::Secured;
use super::error::UpstreamError;
use super::route::Route;
use super::server_error::ServerError;
use super::status;
use super::step::OnStep;
use crate::credentials::DbLogin;
use crate::wire::cancel_key::CancelKey;
use crate::wire::{self, Frame, MAX_STARTUP_BYTES, Wire, peek_u32};

/// The longest message that is accepted during login, in bytes. AWS's ODBC driver accepts errors of
/// this size.
const MAX_MESSAGE: usize = 30_000;

/// The cap on all messages that a warehouse sends before it is ready, in bytes.
const MAX_GREETING: usize = 256 * 1024;

impl Route {
    /// Dials and logs in, once.
    pub(super) async fn open_once(
        &self,
        login: &DbLogin,
        database: &str,
        parameters: &[(String, String)],
        on_step: OnStep<'_>,
    ) -> Result<UpstreamConn, UpstreamError> {
        let (address, wire) = self.dial(on_step).await?;
        log_in(wire, (&self.host, address), login, database, parameters).await
    }

    /// Logs in over a connection that [`Route::secure`] made: the second half of [`Route::open`].
    pub(crate) async fn log_in(
        &self,
        (address, stream): (SocketAddr, Secured),
        login: &DbLogin,
        database: &str,
        parameters: &[(String, String)],
    ) -> Result<UpstreamConn, UpstreamError> {
        log_in(Wire::new(stream), (&self.host, address), login, database, parameters).await
    }
}

/// Logs in over a verified connection to the host at that address. The caller sets the deadline.
async fn log_in(
    mut wire: Wire,
    (host, address): (&str, SocketAddr),
    login: &DbLogin,
    database: &str,
    parameters: &[(String, String)],
) -> Result<UpstreamConn, UpstreamError> {
    let message = startup_message(&login.user, database, parameters);
    if message.len() > MAX_STARTUP_BYTES {
        return Err(UpstreamError::Protocol("the startup parameters are more than fits into a startup message"));
    }
    wire.send_bytes(&message)
        .await
        .map_err(UpstreamError::Closed)?;
    authenticate(&mut wire, host, login).await?;
    debug!(%address, "the warehouse took the login");
    greeted(wire, address).await
}

/// Encodes the StartupMessage: length, version (3.0, whatever the client speaks), pairs of C
/// strings, NUL.
fn startup_message(user: &str, database: &str, parameters: &[(String, String)]) -> Vec<u8> {
    let mut message = BytesMut::new();
    message.put_u32(wire::PROTOCOL_3_0);
    let own = [("user", user), ("database", database)];
    for (name, value) in own
        .into_iter()
        .chain(parameters.iter().map(|(name, value)| (&**name, &**value)))
    {
        message.put_slice(name.as_bytes());
        message.put_u8(0);
        message.put_slice(value.as_bytes());
        message.put_u8(0);
    }
    message.put_u8(0);
    wire::packet(&message)
}

/// Answers authentication requests until AuthenticationOk.
async fn authenticate(wire: &mut Wire, host: &str, login: &DbLogin) -> Result<(), UpstreamError> {
    let mut authentication = Authentication::new(host, login);
    loop {
        let frame = next(wire).await?;
        if frame.tag() != b'R' {
            return Err(UpstreamError::Protocol("no authentication request"));
        }
        trace!(request = peek_u32(frame.body(), 0), "the warehouse asks");
        match authentication.answer(frame.body()).await? {
            Some(answer) => wire
                .send_bytes(&answer)
                .await
                .map_err(UpstreamError::Closed)?,
            None if authentication.is_ok() => return Ok(()),
            None => {}
        }
    }
}

/// Collects the messages between AuthenticationOk and ReadyForQuery.
async fn greeted(mut wire: Wire, address: SocketAddr) -> Result<UpstreamConn, UpstreamError> {
    let mut greeting = BytesMut::new();
    let (mut key, mut session_id, mut said) = (None, None, 0);
    loop {
        let frame = next(&mut wire).await?;
        said += frame.bytes().len();
        if said > MAX_GREETING {
            return Err(UpstreamError::Protocol("too much said before ReadyForQuery"));
        }
        match (frame.tag(), frame.body()) {
            (b'S', body) if status::is_whole(body) => {
                session_id = status::parameter(body, "session_id").or(session_id);
                greeting.extend_from_slice(frame.bytes());
            }
            (b'N', [.., 0]) => greeting.extend_from_slice(frame.bytes()),
            (b'K', body) if body.len() == 8 && key.is_none() => key = CancelKey::parse(body),
            (b'Z', b"I") => {
                return Ok(UpstreamConn { wire, address, greeting, key, session_id });
            }
            _ => return Err(UpstreamError::Protocol("unexpected message before ReadyForQuery")),
        }
    }
}

/// Reads the next message; an ErrorResponse becomes an error.
async fn next(wire: &mut Wire) -> Result<Frame, UpstreamError> {
    let frame = wire
        .frame(MAX_MESSAGE)
        .await
        .map_err(UpstreamError::Closed)?;
    if frame.tag() != b'E' {
        return Ok(frame);
    }
    let error = ServerError::new(&frame);
    Err(if error.is_login_refused() { UpstreamError::LoginRefused(error) } else { UpstreamError::Refused(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/protocol/redshift-wire.md 4.3, the startup example.
    #[test]
    fn the_startup_vector() {
        let parameters = [("application_name", "rsgate"), ("client_protocol_version", "2")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let expected = b"\0\0\0\x57\0\x03\0\0user\0IAMR:rs01\0database\0dev\0\
            application_name\0rsgate\0client_protocol_version\x002\0\0";
        assert_eq!(startup_message("IAMR:rs01", "dev", &parameters), expected[..]);
    }
}
