//! Explains failures: what went wrong, and the smallest thing to do about it. Calls nothing.

use std::time::Duration;

pub(super) use self::aws::is_unreachable;
pub(super) use self::token::token_unread;
pub(super) use self::words::causes;
use super::context::{Context, Explanation};
use crate::aws::AwsError;
use crate::config::{BEFORE_CONN_ID, SpecsTable};
use crate::spec::Flaw;
use crate::upstream::UpstreamError;

mod aws;
mod denied;
mod fill;
mod iam;
mod known;
mod profile;
mod table;
mod token;
mod unreachable;
mod warehouse;
mod words;

/// Why a step failed.
#[derive(Debug)]
pub(crate) enum CheckError<'a> {
    /// The user is unknown.
    UnknownUser(&'a str),
    /// The user has `enabled = false`.
    DisabledUser(&'a str),
    /// The user has no right, of its own or by a group, that covers the connection.
    NoRight(&'a str),
    /// The connection has `enabled = false`.
    Disabled,
    /// The user's password cannot be read, or is no password; AWS did not fail.
    Password(&'a str, String),
    /// The user has no usable password below the path of `users."*"`.
    Listed { user: &'a str, path: &'a str, why: String },
    /// The connection has `identity = "per-user"`, and no user was given.
    NeedsUser,
    /// Lava's table has no item of this name.
    NoItem(&'a SpecsTable),
    /// Lava's table has an item of this name that cannot be used.
    BadItem(&'a SpecsTable, &'a Flaw),
    /// A call to AWS failed, or brought something that cannot be used.
    Aws(&'a AwsError),
    /// The warehouse could not be reached, verified or logged in to.
    Warehouse(&'a UpstreamError),
    /// The warehouse was not ready within `upstream.login_timeout`.
    LoginTimeout(Duration),
}

/// Explains a failure of a check: what went wrong, and the smallest thing to do about it.
pub(crate) fn explain(error: &CheckError<'_>, context: &Context) -> Explanation {
    let id = &context.conn_id;
    match error {
        CheckError::UnknownUser(user) => Explanation::new(
            format_args!("there is no user {user:?}"),
            match user.rsplit_once(BEFORE_CONN_ID) {
                Some((name, _)) => format!("give the user alone, {name:?}: what stands behind the last ~ is a conn_id"),
                None => format!("add [users.{user:?}], or correct the name"),
            },
        ),
        CheckError::DisabledUser(user) => Explanation::new(
            format_args!("the user {user:?} is disabled"),
            format_args!("set users.{user:?}.enabled = true"),
        ),
        CheckError::NoRight(user) => Explanation::new(
            format_args!("no right of {user:?}, nor of its groups, covers this connection"),
            format_args!("add {:?} to users.{user:?}.connections, or to those of one of its groups", id.as_str()),
        ),
        CheckError::Password(user, why) => Explanation::new(
            format_args!("the password of {user:?}: {why}"),
            format_args!(
                "every login of {user:?} is refused until users.{user:?}.password leads to a password, or to a \
                 verifier of hash-password's: store one there, or correct the reference"
            ),
        ),
        CheckError::Listed { user, path, why } => Explanation::new(
            format_args!("the password of {user:?}: {why}"),
            format_args!(
                "every login of {user:?} is refused until {path}/{user} holds a password, or a verifier of \
                 hash-password's, as a SecureString"
            ),
        ),
        CheckError::Disabled => Explanation::new(
            "the connection is disabled: clients are refused",
            match &context.table {
                Some(table) => format!("set enabled = true in the item {:?} of {}", id.as_str(), table.dynamodb_table),
                None => format!("set connections.{:?}.enabled = true", id.as_str()),
            },
        ),
        CheckError::NeedsUser => Explanation::new(
            "identity = \"per-user\": each user has a login of its own, so that there is none to prove without one",
            "give --user USER",
        ),
        CheckError::NoItem(table) => table::missing(table, context),
        CheckError::BadItem(table, flaw) => table::unusable(flaw, table, context),
        CheckError::Aws(error) => aws::explain(error.root(), context),
        CheckError::Warehouse(error) => warehouse::explain(error, context),
        CheckError::LoginTimeout(after) => Explanation::new(
            format_args!("the warehouse was not ready within {} s", after.as_secs()),
            "an idle workgroup wakes inside this step: try again in a minute; if it is always so, raise \
             upstream.login_timeout",
        ),
    }
}

#[cfg(test)]
mod tests;
