//! `SHOW ERRORS` and `ACTIONS`: what happened last, the newest first.

use crate::console::answer::{Kind, Value};
use crate::console::show::Table;
use crate::operations::{ActionStatus, ErrorStatus};

/// `SHOW ERRORS`: refusals and broken sessions.
pub(super) const ERRORS: Table<ErrorStatus> = Table(&[
    ("at", Kind::Timestamptz, |error| Value::Time(error.at)),
    ("session", Kind::Text, |error| Value::text(&error.session)),
    ("client_addr", Kind::Text, |error| Value::text(error.client)),
    ("user", Kind::Text, |error| Value::text(&error.user)),
    ("conn_id", Kind::Text, |error| Value::text(&error.conn_id)),
    ("sqlstate", Kind::Text, |error| Value::text(&error.sqlstate)),
    ("cause", Kind::Text, |error| Value::text(&error.cause)),
]);

/// `SHOW ACTIONS`: what operators did.
pub(super) const ACTIONS: Table<ActionStatus> = Table(&[
    ("at", Kind::Timestamptz, |action| Value::Time(action.at)),
    ("by", Kind::Text, |action| Value::text(&action.by)),
    ("client_addr", Kind::Text, |action| Value::text_or_null(action.from)),
    ("action", Kind::Text, |action| Value::text(&action.action)),
    ("outcome", Kind::Text, |action| Value::text(&action.outcome)),
]);
