//! `SHOW CREDENTIALS`

use crate::console::answer::{Kind, Value};
use crate::console::show::Table;
use crate::operations::CredentialStatus;

/// The credentials that are held or being fetched, without their secrets.
pub(super) const CREDENTIALS: Table<CredentialStatus> = Table(&[
    ("source", Kind::Text, |of| Value::text(of.origin)),
    ("name", Kind::Text, |of| Value::text(&of.name)),
    ("user", Kind::Text, |of| Value::text(&of.user)),
    ("conn_ids", Kind::Text, |of| Value::text(of.conn_ids.join(", "))),
    ("role", Kind::Text, |of| Value::text(&of.role)),
    ("held", Kind::Bool, |of| Value::Bool(of.is_held)),
    ("expires", Kind::Timestamptz, |of| Value::time_or_null(of.expires)),
    ("in_flight", Kind::Bool, |of| Value::Bool(of.is_in_flight)),
    ("waiters", Kind::Int8, |of| Value::count(of.waiters)),
    ("last_error", Kind::Text, |of| Value::text_or_null(of.last_error.as_ref())),
]);
