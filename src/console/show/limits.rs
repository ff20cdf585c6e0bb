//! `SHOW LIMITS`, `BANS` and `LISTENERS`: what lets clients in, and what keeps them out.

use crate::console::answer::{Kind, Value};
use crate::console::show::Table;
use crate::operations::{BanStatus, LimitStatus, ListenerStatus};

/// `SHOW LIMITS`: the caps of the whole proxy, and their use.
pub(super) const LIMITS: Table<LimitStatus> = Table(&[
    ("name", Kind::Text, |of| Value::text(of.name)),
    ("used", Kind::Int8, |of| Value::int(of.used)),
    ("limit", Kind::Int8, |of| of.limit.map_or(Value::Null, Value::int)),
]);

/// `SHOW BANS`, in the order in which they end.
pub(super) const BANS: Table<BanStatus> = Table(&[
    ("address", Kind::Text, |ban| Value::text(ban.address)),
    ("user", Kind::Text, |ban| Value::text_or_null(ban.user.as_ref())),
    ("seconds_left", Kind::Float8, |ban| Value::secs(ban.left)),
]);

/// `SHOW LISTENERS`: the addresses that are bound.
pub(super) const LISTENERS: Table<ListenerStatus> = Table(&[
    ("address", Kind::Text, |of| Value::text(of.address.ip())),
    ("port", Kind::Int8, |of| Value::int(of.address.port())),
    ("serves", Kind::Text, |of| Value::text(of.serves)),
    ("conn_id", Kind::Text, |of| Value::text_or_null(of.conn_id.as_ref())),
    ("connections", Kind::Int8, |of| Value::count(of.connections)),
]);
