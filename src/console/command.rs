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
    /// What drivers send by habit when they connect (`SET …` of settings that mean nothing here,
    /// `BEGIN`, `COMMIT`, `DISCARD ALL`): it is answered by this command tag, and nothing is done.
    Habit(&'static str),
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
    Version,
    Bans,
    Drain,
    Limits,
    Listeners,
    References,
    Certificates,
    Errors(Option<String>),
    Actions,
    Fleet,
    /// A setting that drivers ask for by habit, such as `transaction_isolation`, with its answer.
    Setting(&'static str, &'static str),
}
