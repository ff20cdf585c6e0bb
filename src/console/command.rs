//! The commands of the console.

use std::net::IpAddr;

use crate::config::{ConnId, LogLevel};
use crate::operations::Which;

/// One command of the console.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    /// `SHOW …`
    Show(Show),
    /// `KILL <session> | USER u | CONNECTION c | ADDRESS a | ALL`
    Kill(Which),
    /// `ENABLE <conn_id>`
    Enable(ConnId),
    /// `DISABLE <conn_id>`
    Disable(ConnId),
    /// `CHECK <conn_id>`
    Check(ConnId),
    /// `REFRESH <conn_id>`
    Refresh(ConnId),
    /// `UNBAN <addr>`
    Unban(IpAddr),
    /// `SET log_level = l`
    SetLogLevel(LogLevel),
    /// `RELOAD`
    Reload,
    /// `DRAIN`
    Drain,
    /// `SHUTDOWN`
    Shutdown,
    /// A statement that drivers and tools send by habit. It is answered, and nothing is done.
    Habit(Habit),
}

impl Command {
    /// The tag that ends the command's answer, where the answer is a table.
    pub(crate) fn tag(&self) -> &'static str {
        match self {
            Self::Show(_) => "SHOW",
            Self::Kill(_) => "KILL",
            Self::Enable(_) => "ENABLE",
            Self::Disable(_) => "DISABLE",
            Self::Check(_) => "CHECK",
            Self::Refresh(_) => "REFRESH",
            Self::Unban(_) => "UNBAN",
            Self::SetLogLevel(_) => "SET",
            Self::Reload => "RELOAD",
            Self::Drain => "DRAIN",
            Self::Shutdown => "SHUTDOWN",
            Self::Habit(habit) => habit.tag(),
        }
    }
}

/// The tables of the console.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Show {
    Help,
    Sessions,
    Clients,
    Servers,
    Connections,
    Users,
    Credentials,
    Stats,
    Config,
    LogLevel,
    Version,
    Bans,
    Drain,
    Limits,
    Listeners,
    References,
    Certificates,
    /// `SHOW ERRORS [session id]`
    Errors(Option<String>),
    Actions,
    Fleet,
}

/// A statement of SQL that drivers send by habit, such as when they connect or give a connection
/// back to a pool. The console has no transactions and no settings of a session, so each of them
/// means nothing here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Habit {
    /// `BEGIN`: from now on clients are told that they are in a transaction, as they expect.
    Begin,
    /// `COMMIT`
    Commit,
    /// `ROLLBACK`
    Rollback,
    /// `DISCARD ALL`: prepared statements are forgotten.
    DiscardAll,
    /// `DEALLOCATE name | ALL`: one prepared statement is forgotten, or all are (`None`).
    Deallocate(Option<String>),
    /// Another statement, which is answered by this tag alone.
    Tag(&'static str),
    /// `SHOW` of a setting of PostgreSQL's: its name and its value.
    Setting(&'static str, &'static str),
    /// A `SELECT` of one constant: the name of its column, and its value.
    Constant(&'static str, Constant),
}

/// The result of a `SELECT` that drivers send by habit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Constant {
    One,
    False,
    Empty,
    Version,
    ConsoleName,
}

impl Habit {
    pub(super) fn tag(&self) -> &'static str {
        match self {
            Self::Begin => "BEGIN",
            Self::Commit => "COMMIT",
            Self::Rollback => "ROLLBACK",
            Self::DiscardAll => "DISCARD ALL",
            Self::Deallocate(Some(_)) => "DEALLOCATE",
            Self::Deallocate(None) => "DEALLOCATE ALL",
            Self::Tag(tag) => tag,
            Self::Setting(..) => "SHOW",
            Self::Constant(..) => "SELECT 1",
        }
    }
}
