//! `SHOW SESSIONS`, and its two sides as operators of PgBouncer know them. PgBouncer's columns are
//! there where they mean the same, ours behind them.

use crate::console::answer::{Kind, Value};
use crate::console::show::Table;
use crate::operations::{SessionState, SessionStatus};

/// `SHOW SESSIONS`: all connections of clients, the oldest first.
pub(super) const SESSIONS: Table<SessionStatus> = Table(&[
    ("session", Kind::Text, |session| Value::text(&session.id)),
    ("state", Kind::Text, |session| Value::text(state(session))),
    ("user", Kind::Text, |session| Value::text(&session.user)),
    ("conn_id", Kind::Text, |session| Value::text(&session.conn_id)),
    ("client_addr", Kind::Text, |session| Value::text(session.client.ip())),
    ("client_port", Kind::Int8, |session| Value::int(session.client.port())),
    ("listener", Kind::Text, |session| Value::text(session.listener)),
    ("tls", Kind::Text, |session| Value::text(&session.tls)),
    ("application_name", Kind::Text, |session| Value::text(&session.application_name)),
    ("db_user", Kind::Text, |session| Value::text(&session.db_user)),
    ("database", Kind::Text, |session| Value::text(&session.database)),
    ("host", Kind::Text, |session| Value::text(&session.host)),
    ("warehouse", Kind::Text, |session| Value::text_or_null(session.warehouse)),
    ("upstream_pid", Kind::Int8, |session| Value::int(session.upstream_pid)),
    ("warehouse_session_id", Kind::Text, |session| Value::text(&session.warehouse_session_id)),
    ("connected", Kind::Timestamptz, |session| Value::Time(session.connected)),
    ("ready", Kind::Timestamptz, |session| Value::time_or_null(session.ready)),
    ("last_traffic", Kind::Timestamptz, |session| Value::time_or_null(session.last_traffic)),
    ("bytes_up", Kind::Int8, |session| Value::int(session.bytes_up)),
    ("bytes_down", Kind::Int8, |session| Value::int(session.bytes_down)),
]);

/// `SHOW CLIENTS`: the sessions' sides towards clients.
pub(super) const CLIENTS: Table<SessionStatus> = Table(&[
    ("type", Kind::Text, |_| Value::text("C")),
    ("user", Kind::Text, |session| Value::text(&session.user)),
    ("database", Kind::Text, |session| Value::text(&session.conn_id)),
    ("state", Kind::Text, |session| Value::text(if is_linked(session) { "active" } else { "waiting" })),
    ("addr", Kind::Text, |session| Value::text(session.client.ip())),
    ("port", Kind::Int8, |session| Value::int(session.client.port())),
    ("local_addr", Kind::Text, |session| Value::text(session.listener.ip())),
    ("local_port", Kind::Int8, |session| Value::int(session.listener.port())),
    ("connect_time", Kind::Timestamptz, |session| Value::Time(session.connected)),
    ("wait", Kind::Int8, |session| Value::int(session.waiting.unwrap_or_default().as_secs())),
    ("wait_us", Kind::Int8, |session| Value::int(session.waiting.unwrap_or_default().subsec_micros())),
    ("ptr", Kind::Text, |session| Value::text(&session.id)),
    ("link", Kind::Text, |session| match session.warehouse {
        Some(_) => Value::text(&session.id),
        None => Value::text(""),
    }),
    ("tls", Kind::Text, |session| Value::text(&session.tls)),
    ("application_name", Kind::Text, |session| Value::text(&session.application_name)),
    ("session", Kind::Text, |session| Value::text(&session.id)),
    ("session_state", Kind::Text, |session| Value::text(state(session))),
    ("last_traffic", Kind::Timestamptz, |session| Value::time_or_null(session.last_traffic)),
    ("bytes_up", Kind::Int8, |session| Value::int(session.bytes_up)),
    ("bytes_down", Kind::Int8, |session| Value::int(session.bytes_down)),
]);

/// `SHOW SERVERS`: the sessions' sides towards warehouses.
pub(super) const SERVERS: Table<SessionStatus> = Table(&[
    ("type", Kind::Text, |_| Value::text("S")),
    ("user", Kind::Text, |session| Value::text(&session.db_user)),
    ("database", Kind::Text, |session| Value::text(&session.database)),
    ("state", Kind::Text, |session| Value::text(if is_linked(session) { "active" } else { "new" })),
    ("addr", Kind::Text, |session| Value::text_or_null(session.warehouse.map(|at| at.ip()))),
    ("port", Kind::Int8, |session| {
        session
            .warehouse
            .map_or(Value::Null, |at| Value::int(at.port()))
    }),
    ("local_addr", Kind::Text, |session| Value::text_or_null(session.warehouse_local.map(|at| at.ip()))),
    ("local_port", Kind::Int8, |session| {
        session
            .warehouse_local
            .map_or(Value::Null, |at| Value::int(at.port()))
    }),
    ("connect_time", Kind::Timestamptz, |session| Value::time_or_null(session.warehouse_connected)),
    ("ptr", Kind::Text, |session| Value::text(&session.id)),
    ("link", Kind::Text, |session| Value::text(&session.id)),
    ("remote_pid", Kind::Int8, |session| Value::int(session.upstream_pid)),
    ("tls", Kind::Text, |session| Value::text(&session.warehouse_tls)),
    ("application_name", Kind::Text, |session| Value::text(&session.application_name)),
    ("session", Kind::Text, |session| Value::text(&session.id)),
    ("session_state", Kind::Text, |session| Value::text(state(session))),
    ("conn_id", Kind::Text, |session| Value::text(&session.conn_id)),
    ("host", Kind::Text, |session| Value::text(&session.host)),
    ("warehouse_session_id", Kind::Text, |session| Value::text(&session.warehouse_session_id)),
    ("ready", Kind::Timestamptz, |session| Value::time_or_null(session.ready)),
]);

/// The sessions that have a connection to their warehouse.
pub(super) fn at_warehouses(sessions: Vec<SessionStatus>) -> impl Iterator<Item = SessionStatus> {
    sessions
        .into_iter()
        .filter(|session| session.warehouse.is_some())
}

fn state(session: &SessionStatus) -> &'static str {
    match session.state {
        SessionState::Login => "login",
        SessionState::Credential => "credential",
        SessionState::Connect => "connect",
        SessionState::Active => "active",
        SessionState::Transaction => "transaction",
        SessionState::Idle => "idle",
        SessionState::Console => "console",
    }
}

/// Whether the client has a session at the warehouse, which PgBouncer calls active: it keeps it
/// until its end, as in PgBouncer's session pooling. A console is served as well.
fn is_linked(session: &SessionStatus) -> bool {
    match session.state {
        SessionState::Login | SessionState::Credential | SessionState::Connect => false,
        SessionState::Active | SessionState::Transaction | SessionState::Idle | SessionState::Console => true,
    }
}
