//! `SHOW ERRORS` and `ACTIONS`: what happened last, the newest first.

use crate::console::answer::{Kind, Rows, Value};
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

/// The rows of `SHOW ERRORS`; `of` is the session that was asked for. Where none is kept of it, that
/// says little: there may have been a thousand since, or the session ended without a fault.
pub(super) fn rows(errors: Vec<ErrorStatus>, of: Option<&str>) -> Rows {
    let mut rows = ERRORS.of(errors);
    if let Some(id) = of.filter(|_| rows.rows.is_empty()) {
        let told = format!("session {id} is not among the last 1,000 refusals and broken sessions: see the log");
        rows.notices.push(told);
    }
    rows
}

/// `SHOW ACTIONS`: what operators did.
pub(super) const ACTIONS: Table<ActionStatus> = Table(&[
    ("at", Kind::Timestamptz, |action| Value::Time(action.at)),
    ("by", Kind::Text, |action| Value::text(&action.by)),
    ("client_addr", Kind::Text, |action| Value::text_or_null(action.from)),
    ("action", Kind::Text, |action| Value::text(&action.action)),
    ("outcome", Kind::Text, |action| Value::text(&action.outcome)),
]);
