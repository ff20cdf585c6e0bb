//! The console's tables: which there are, and the rows that each has now.

pub(super) use self::table::Table;
use super::answer::{Column, Rows};
use super::command::Show;
use crate::clock::{Clock, SystemClock};
use crate::operations::Operations;

mod certificates;
mod config;
mod connections;
mod credentials;
mod errors;
mod fleet;
mod help;
mod limits;
mod process;
mod references;
mod sessions;
mod table;
mod users;

/// The columns of a table: clients ask for them before they ask for the rows.
pub(super) fn columns(what: &Show) -> Vec<Column> {
    match what {
        Show::Help => help::HELP.columns(),
        Show::Sessions => sessions::SESSIONS.columns(),
        Show::Clients => sessions::CLIENTS.columns(),
        Show::Servers => sessions::SERVERS.columns(),
        Show::Connections => connections::CONNECTIONS.columns(),
        Show::Users => users::USERS.columns(),
        Show::Credentials => credentials::CREDENTIALS.columns(),
        Show::Stats => process::STATS.columns(),
        Show::Config => config::CONFIG.columns(),
        Show::LogLevel => config::LOG_LEVEL.columns(),
        Show::Version => process::VERSION.columns(),
        Show::Bans => limits::BANS.columns(),
        Show::Drain => process::DRAIN.columns(),
        Show::Limits => limits::LIMITS.columns(),
        Show::Listeners => limits::LISTENERS.columns(),
        Show::References => references::REFERENCES.columns(),
        Show::Certificates => certificates::CERTIFICATES.columns(),
        Show::Errors(_) => errors::ERRORS.columns(),
        Show::Actions => errors::ACTIONS.columns(),
        Show::Fleet => fleet::FLEET.columns(),
    }
}

/// The rows of a table as they are now. Each value is of its column's type, or null.
pub(super) fn show(what: &Show, operations: &dyn Operations) -> Rows {
    let now = SystemClock.now();
    match what {
        Show::Help => help::HELP.of(help::commands()),
        Show::Sessions => sessions::SESSIONS.of(operations.sessions()),
        Show::Clients => sessions::CLIENTS.of(operations.sessions()),
        Show::Servers => sessions::SERVERS.of(sessions::at_warehouses(operations.sessions())),
        Show::Connections => connections::CONNECTIONS.of(operations.connections()),
        Show::Users => users::USERS.of(operations.users()),
        Show::Credentials => credentials::CREDENTIALS.of(operations.credentials()),
        Show::Stats => process::STATS.of([operations.totals()]),
        Show::Config => config::CONFIG.of(operations.settings()),
        Show::LogLevel => config::LOG_LEVEL.of([config::log_level(operations.settings())]),
        Show::Version => process::VERSION.of([operations.version()]),
        Show::Bans => limits::BANS.of(operations.bans()),
        Show::Drain => process::DRAIN.of([operations.drain_progress()]),
        Show::Limits => limits::LIMITS.of(operations.limits()),
        Show::Listeners => limits::LISTENERS.of(operations.listeners()),
        Show::References => references::REFERENCES.of(references::aged(operations.references(), now)),
        Show::Certificates => certificates::CERTIFICATES.of(certificates::aged(operations.certificates(), now)),
        Show::Errors(of) => errors::rows(operations.errors(of.as_deref()), of.as_deref()),
        Show::Actions => errors::ACTIONS.of(operations.actions()),
        Show::Fleet => fleet::FLEET.of([fleet::ALONE]),
    }
}

#[cfg(test)]
pub(super) mod tests;
