//! `SHOW VERSION`, `STATS` and `DRAIN`: the process as a whole, in one row each.

use crate::console::answer::{Kind, Value};
use crate::console::show::Table;
use crate::operations::{DrainProgress, DrainState, Totals, VersionStatus};

/// `SHOW VERSION`
pub(super) const VERSION: Table<VersionStatus> = Table(&[
    ("version", Kind::Text, |of| Value::text(format_args!("redshift-iam-proxy {}", of.version))),
    ("started", Kind::Timestamptz, |of| Value::Time(of.started)),
    ("config_hash", Kind::Text, |of| Value::text(&of.config_hash)),
]);

/// `SHOW STATS`: sums since the start.
pub(super) const STATS: Table<Totals> = Table(&[
    ("connections_accepted", Kind::Int8, |sums| Value::int(sums.accepted)),
    ("logins", Kind::Int8, |sums| Value::int(sums.logins)),
    ("refusals", Kind::Int8, |sums| Value::int(sums.refusals)),
    ("sessions_ended", Kind::Int8, |sums| Value::int(sums.ended)),
    ("cancels", Kind::Int8, |sums| Value::int(sums.cancels)),
    ("bytes_up", Kind::Int8, |sums| Value::int(sums.bytes_up)),
    ("bytes_down", Kind::Int8, |sums| Value::int(sums.bytes_down)),
    ("aws_calls", Kind::Int8, |sums| Value::int(sums.aws_calls)),
    ("aws_errors", Kind::Int8, |sums| Value::int(sums.aws_errors)),
]);

/// `SHOW DRAIN`
pub(super) const DRAIN: Table<DrainProgress> = Table(&[
    ("state", Kind::Text, |drain| Value::text(state(drain.state))),
    ("sessions", Kind::Int8, |drain| Value::count(drain.sessions)),
    ("busy", Kind::Int8, |drain| Value::count(drain.busy)),
    ("seconds_left", Kind::Float8, |drain| Value::secs_or_null(drain.left)),
]);

fn state(state: DrainState) -> &'static str {
    match state {
        DrainState::Serving => "serving",
        DrainState::Delaying => "delaying",
        DrainState::Draining => "draining",
        DrainState::Drained => "drained",
    }
}
