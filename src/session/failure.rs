//! The failures that an operator looks for: refusals and broken sessions, and what they and
//! successful logins say of their connections.

use super::error::SessionError;
use super::errors::Errors;
use super::event::Event;
use super::facts::Facts;
use super::log::{WAREHOUSE_CLOSED, concerns_nobody};
use super::outcomes::Outcomes;
use crate::fault::{Fault, Kind, chain};
use crate::relay::{End, Relayed};
use crate::session_id::SessionId;

/// Takes note of an event, if it is a failure or the success of a login. `facts` copies what is
/// known of the session now.
pub(super) fn note(id: SessionId, facts: impl Fn() -> Facts, event: &Event<'_>, errors: &Errors, outcomes: &Outcomes) {
    match event {
        Event::Started(_) => {
            if let Some(conn_id) = facts().conn_id {
                outcomes.succeeded(&conn_id);
            }
        }
        Event::Refused(error) => refused(id, &facts(), error, errors, outcomes),
        Event::Ended(relayed) => ended(id, facts, relayed, errors),
        Event::Panicked => errors.keep(id, &facts(), "", "internal error: a session panicked"),
        Event::Lost(error) => errors.keep(id, &facts(), "", &format!("the connection was lost: {error}")),
        Event::Accepted
        | Event::Located { .. }
        | Event::Asked { .. }
        | Event::Proved { .. }
        | Event::Permitted(_)
        | Event::Admitted
        | Event::CredentialAwaited
        | Event::Dialled { .. }
        | Event::Dial(_)
        | Event::ConsoleOpened
        | Event::CredentialRefused(_)
        | Event::WarehouseMoved(_)
        | Event::Cancelled { .. } => {}
    }
}

fn refused(id: SessionId, facts: &Facts, error: &SessionError, errors: &Errors, outcomes: &Outcomes) {
    if error.kind() == Kind::Client && concerns_nobody(facts, error) {
        return;
    }
    let cause = chain(error);
    if error.kind() != Kind::Client
        && let Some(conn_id) = &facts.conn_id
    {
        // Whoever reads it knows which connection it is about.
        let about = format!("connection {conn_id}: ");
        outcomes.failed(conn_id, cause.strip_prefix(&about).unwrap_or(&cause));
    }
    errors.keep(id, facts, error.sqlstate(), &cause);
}

fn ended(id: SessionId, facts: impl Fn() -> Facts, relayed: &Relayed, errors: &Errors) {
    match (&relayed.error, relayed.end) {
        (Some(error), End::Upstream) => errors.keep(id, &facts(), "08006", &chain(error)),
        (Some(error), _) => errors.keep(id, &facts(), "", &chain(error)),
        (None, End::Upstream) => errors.keep(id, &facts(), "08006", WAREHOUSE_CLOSED),
        (None, End::Killed) => errors.keep(id, &facts(), "57P01", "an operator ended the session"),
        (None, End::Revoked) => {
            errors.keep(id, &facts(), "57P01", "its user, its connection, or the right to it is gone or disabled")
        }
        (None, End::Client | End::Drain | End::Lifetime | End::Idle) => {}
    }
}
