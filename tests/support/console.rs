//! The console (`dbname=proxy_admin`), by psql and by tokio-postgres.

use std::collections::BTreeMap;

use tokio::process::Command;
use tokio_postgres::{Error, SimpleQueryMessage};

use super::raw::{self, SOON};
use super::{PASSWORD, World, login_over};

/// The reserved conn_id.
pub(crate) const CONSOLE: &str = "proxy_admin";

/// A row of a table, by the names of its columns.
pub(crate) type Row = BTreeMap<String, Option<String>>;

/// A console that is open.
pub(crate) struct Console(pub(crate) tokio_postgres::Client);

impl Console {
    /// Opens the console inside verified TLS.
    ///
    /// # Errors
    /// When the user is refused.
    pub(crate) async fn open(world: &World, port: u16, user: &str) -> Result<Self, Error> {
        let stream = raw::tls(port, world.sandbox.ca.pem()).await;
        Ok(Self(login_over(stream, user, PASSWORD, CONSOLE).await?))
    }

    /// Opens the console in clear, for a proxy whose `listen.tls.mode` allows it.
    ///
    /// # Errors
    /// When the user is refused.
    pub(crate) async fn open_in_clear(port: u16, user: &str) -> Result<Self, Error> {
        Ok(Self(login_over(raw::tcp(port).await, user, PASSWORD, CONSOLE).await?))
    }

    /// Runs a command by the simple protocol: its rows.
    ///
    /// # Errors
    /// When the command is refused. The console is still open then.
    pub(crate) async fn run(&self, command: &str) -> Result<Vec<Row>, Error> {
        let messages = tokio::time::timeout(2 * SOON, self.0.simple_query(command)).await;
        let messages = messages.unwrap_or_else(|_| panic!("{command} takes too long"))?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let named = rows.map(|row| {
            let columns = row.columns().iter().enumerate();
            columns
                .map(|(at, column)| (column.name().to_owned(), row.get(at).map(str::to_owned)))
                .collect()
        });
        Ok(named.collect())
    }

    /// Runs a command, which has to succeed: all values of its rows.
    pub(crate) async fn all(&self, command: &str) -> String {
        let rows = self
            .run(command)
            .await
            .unwrap_or_else(|error| panic!("{command}: {error:?}"));
        let rows = rows.iter().map(|row| {
            let cells = row
                .iter()
                .map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("∅")));
            cells.collect::<Vec<_>>().join("\t")
        });
        rows.collect::<Vec<_>>().join("\n")
    }
}

/// psql on the console inside verified TLS, ready for `-c` and more.
pub(crate) fn psql(world: &World, port: u16, user: &str) -> Command {
    let mut psql = world.psql(port);
    psql.env("PGUSER", user).args(["-d", CONSOLE]);
    psql
}
