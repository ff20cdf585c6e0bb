//! `SHOW CONNECTIONS`

use crate::console::answer::{Kind, Value};
use crate::console::show::Table;
use crate::operations::ConnectionStatus;

/// The configuration's connections, and those of lava's table that are held.
pub(super) const CONNECTIONS: Table<ConnectionStatus> = Table(&[
    ("conn_id", Kind::Text, |of| Value::text(&of.conn_id)),
    ("origin", Kind::Text, |of| Value::text(of.origin)),
    ("type", Kind::Text, |of| Value::text(of.kind)),
    ("enabled", Kind::Bool, |of| Value::Bool(of.enabled)),
    ("disabled_by_operator", Kind::Bool, |of| Value::Bool(of.disabled_by_operator)),
    ("host", Kind::Text, |of| Value::text(&of.host)),
    ("port", Kind::Int8, |of| Value::int(of.port)),
    ("database", Kind::Text, |of| Value::text(&of.database)),
    ("identity", Kind::Text, |of| Value::text(of.identity)),
    ("sessions", Kind::Int8, |of| Value::count(of.sessions)),
    ("max_sessions", Kind::Int8, |of| Value::count(of.max_sessions)),
    ("description", Kind::Text, |of| Value::text(&of.description)),
    ("last_login", Kind::Timestamptz, |of| Value::time_or_null(of.last_login)),
    ("last_error_at", Kind::Timestamptz, |of| Value::time_or_null(of.last_error.as_ref().map(|(at, _)| *at))),
    ("last_error", Kind::Text, |of| Value::text_or_null(of.last_error.as_ref().map(|(_, why)| why))),
]);
