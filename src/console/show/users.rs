//! `SHOW USERS`

use crate::console::answer::{Kind, Value};
use crate::console::show::Table;
use crate::operations::UserStatus;

/// The users with entries of their own, and that of all others.
pub(super) const USERS: Table<UserStatus> = Table(&[
    ("name", Kind::Text, |user| Value::text(&user.name)),
    ("enabled", Kind::Bool, |user| Value::Bool(user.enabled)),
    ("auth", Kind::Text, |user| Value::text(user.auth)),
    ("groups", Kind::Text, |user| Value::text(user.groups.join(", "))),
    ("connections", Kind::Text, |user| Value::text(user.connections.join(", "))),
    ("password_expires", Kind::Timestamptz, |user| Value::time_or_null(user.password_expires)),
    ("password_read", Kind::Bool, |user| Value::Bool(user.is_read)),
    ("sessions", Kind::Int8, |user| Value::count(user.sessions)),
    ("max_sessions", Kind::Int8, |user| user.max_sessions.map_or(Value::Null, Value::count)),
]);
