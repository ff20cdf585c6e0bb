//! `url`: prints the settings to paste into a tool that is to reach a connection through the proxy,
//! from the configuration alone.
//!
//! Owns which host, user, TLS mode and database name the tool is given, and the forms that tools
//! take. Calls nothing. No password is printed; a note says how each tool is given one.

use self::address::ProxyAddress;
pub(crate) use self::error::UrlError;
use self::params::ConnParams;
use self::selector::ConnSelector;
use self::tls::SslMode;
use super::connection::Connection;
use crate::config::Config;

mod address;
mod dbt;
mod error;
mod jdbc;
mod libpq;
mod odbc;
mod params;
mod percent;
mod selector;
mod shell;
mod sqlalchemy;
mod tls;
mod user;

/// The form of the output, `--format`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A command line
    Psql,
    /// postgresql://…, for libpq and most drivers
    Uri,
    /// jdbc:postgresql://…, for pgjdbc; on stderr the form for Amazon's driver
    Jdbc,
    /// A connection string without DSN for psqlODBC; on stderr the one for Amazon's driver
    Odbc,
    /// redshift+psycopg2://…, for sqlalchemy-redshift
    Sqlalchemy,
    /// A profile for profiles.yml, for dbt-redshift
    Dbt,
    /// PGHOST and the like, to be sourced by a shell
    Env,
}

/// The output of `url`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Snippet {
    /// The text to paste, without a newline at its end.
    pub(crate) text: String,
    /// Notes for people, a line each.
    pub(crate) notes: Vec<String>,
}

/// Makes the settings for a connection, and for a user if one is named.
///
/// # Errors
/// See [`UrlError`].
pub(crate) fn snippet(config: &Config, conn_id: &str, user: Option<&str>, format: Format) -> Result<Snippet, UrlError> {
    let connection = Connection::named(config, conn_id)?;
    let user = user::find(config, &connection, user)?;
    let mode = SslMode::of(&config.listen);
    let selector = ConnSelector::of(config, &connection, mode);
    let ProxyAddress { host, port, mut notes } = match &selector {
        ConnSelector::ServerName(host) => address::named(&config.listen, host)?,
        ConnSelector::Port(_) | ConnSelector::User | ConnSelector::Database => {
            address::usual(&config.listen, selector.port())?
        }
    };
    notes.extend(address::unnamed_in_certificate(&config.listen, &host, mode));
    notes.extend(mode.note());
    notes.extend(user.note(conn_id));
    notes.extend(selector.notes(&connection, user.name()));
    if connection.spec().is_some_and(|spec| !spec.enabled) {
        notes
            .push(format!("{conn_id:?} is disabled: logins are refused until connections.{conn_id:?}.enabled is true"));
    }
    let params = ConnParams {
        host,
        port,
        user: selector.user(user.name(), conn_id),
        database: selector.database(&connection),
        conn_id,
        mode,
        takes_password: user.takes_password(),
        takes_certificate: user.takes_certificate(),
    };
    let text = match format {
        Format::Psql => libpq::psql(&params, &mut notes),
        Format::Uri => libpq::uri(&params, &mut notes),
        Format::Env => libpq::env(&params, &mut notes),
        Format::Jdbc => jdbc::jdbc(&params, &mut notes),
        Format::Odbc => odbc::odbc(&params, &mut notes),
        Format::Sqlalchemy => sqlalchemy::sqlalchemy(&params, &mut notes),
        Format::Dbt => dbt::dbt(&params, &mut notes),
    };
    Ok(Snippet { text, notes })
}

#[cfg(test)]
mod tests;
