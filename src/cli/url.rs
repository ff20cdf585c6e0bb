//! `url`: what to paste into a tool to reach a connection through the proxy, out of the
//! configuration alone.
//!
//! Owns which host, user, TLS mode and database name the tool is given, and the forms that tools
//! take. Calls nothing. No password is printed: each tool has a way of its own to be given one,
//! which is told.

use thiserror::Error;

pub use self::place::Nameless;
use self::place::Place;
use self::route::Route;
use self::tls::SslMode;
use super::check::{Connection, Unknown};
use crate::config::Config;

mod dbt;
mod jdbc;
mod libpq;
mod odbc;
mod percent;
mod place;
mod route;
mod shell;
mod sqlalchemy;
mod tls;
mod user;

/// `--format`
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
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

/// What is printed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pasted {
    /// One thing to paste, without a newline at its end.
    pub text: String,
    /// What else there is to know, each a line.
    pub notes: Vec<String>,
}

/// Why there is nothing to paste.
#[derive(Debug, Error)]
pub enum UrlError {
    /// There is no such connection.
    #[error(transparent)]
    Connection(#[from] Unknown),
    /// There is no such user.
    #[error("there is no user {name:?}{}", did_you_mean(.nearest.as_ref()))]
    User {
        /// Who.
        name: String,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// `enabled = false`
    #[error("the user {0:?} is disabled")]
    DisabledUser(String),
    /// No right of the user's covers the connection.
    #[error("the user {user:?} may not open {conn_id:?}")]
    NoRight {
        /// Who.
        user: String,
        /// What.
        conn_id: String,
    },
    /// Nothing says what clients call the proxy.
    #[error("{0}: set listen.public_name to the name that clients use")]
    Nameless(#[from] Nameless),
    /// `listen.address` has port 0.
    #[error("listen.address leaves the port open: set listen.public_name with the port that clients use")]
    Portless,
}

fn did_you_mean(nearest: Option<&String>) -> String {
    nearest
        .map(|name| format!("; did you mean {name:?}?"))
        .unwrap_or_default()
}

/// How long a tool has to wait for a login, in seconds: an idle workgroup wakes inside it, for a
/// minute at times, and the proxy itself gives up after 120 s by default
/// (`upstream.login_timeout`). Many tools give up earlier by themselves.
const CONNECT_SECS: u32 = 120;

/// What all forms are made of.
struct Target<'a> {
    host: String,
    port: u16,
    /// With [`user::PLACEHOLDER`] where it is not known, and with `~CONN_ID` where that selects the
    /// connection.
    user: String,
    /// The real database, wherever it is known.
    database: &'a str,
    conn_id: &'a str,
    mode: SslMode,
    /// What proves the user; of users that are proved differently, both.
    takes_password: bool,
    takes_certificate: bool,
}

impl Target<'_> {
    /// As it stands in a URL: IPv6 in brackets.
    fn authority(&self) -> String {
        let host = &self.host;
        if host.contains(':') { format!("[{host}]:{}", self.port) } else { format!("{host}:{}", self.port) }
    }

    /// How the tool is given what proves the user.
    fn tell_proof(&self, notes: &mut Vec<String>, password: &str, certificate: &str) {
        let ways = [(self.takes_password, password), (self.takes_certificate, certificate)];
        notes.extend(
            ways.into_iter()
                .filter(|(is_taken, _)| *is_taken)
                .map(|(_, way)| way.to_owned()),
        );
    }
}

/// What a tool is given for a connection, and for a user if one is named.
///
/// # Errors
/// See [`UrlError`].
pub fn pasted(config: &Config, conn_id: &str, user: Option<&str>, format: Format) -> Result<Pasted, UrlError> {
    let connection = Connection::named(config, conn_id)?;
    let who = user::who(config, &connection, user)?;
    let mode = SslMode::of(&config.listen);
    let route = Route::of(config, &connection, mode);
    let Place { host, port, mut notes } = match &route {
        Route::ServerName(host) => place::named(&config.listen, host)?,
        Route::Port(_) | Route::User | Route::Database => place::place(&config.listen, route.port())?,
    };
    notes.extend(place::unnamed_in_certificate(&config.listen, &host, mode));
    notes.extend(mode.note());
    notes.extend(who.note(conn_id));
    notes.extend(route.notes(&connection, who.name()));
    if connection.spec().is_some_and(|spec| !spec.enabled) {
        notes
            .push(format!("{conn_id:?} is disabled: logins are refused until connections.{conn_id:?}.enabled is true"));
    }
    let target = Target {
        host,
        port,
        user: route.user(who.name(), conn_id),
        database: route.database(&connection),
        conn_id,
        mode,
        takes_password: who.takes_password(),
        takes_certificate: who.takes_certificate(),
    };
    let text = match format {
        Format::Psql => libpq::psql(&target, &mut notes),
        Format::Uri => libpq::uri(&target, &mut notes),
        Format::Env => libpq::env(&target, &mut notes),
        Format::Jdbc => jdbc::jdbc(&target, &mut notes),
        Format::Odbc => odbc::odbc(&target, &mut notes),
        Format::Sqlalchemy => sqlalchemy::sqlalchemy(&target, &mut notes),
        Format::Dbt => dbt::dbt(&target, &mut notes),
    };
    Ok(Pasted { text, notes })
}

#[cfg(test)]
mod tests;
