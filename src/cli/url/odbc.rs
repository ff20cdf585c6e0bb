//! The form for ODBC: a connection string without a DSN, for psqlODBC.
//!
//! psqlODBC takes braces around Database and UID for a part of the name. It undoes them in `pqopt`,
//! which libpq reads as a connection string: names that cannot stand bare go there.

use super::libpq::{roots, value};
use super::params::{CONNECT_SECS, ConnParams};
use super::tls::{AMAZON_NEEDS_TLS, SslMode};

/// The connection string `Driver={PostgreSQL Unicode};…`.
pub(super) fn odbc(params: &ConnParams<'_>, notes: &mut Vec<String>) -> String {
    params.note_proof(
        notes,
        "the password: in the tool's own field, or as PWD={…}, each } in it doubled",
        "the user's certificate instead of a password: sslcert=FILE and sslkey=FILE inside of pqopt={…}",
    );
    roots(params, notes);
    notes.push(
        "in transactions psqlODBC sets savepoints, which Redshift does not have: Protocol=7.4-1 turns them off"
            .to_owned(),
    );
    let names = [("Database", "dbname", params.database), ("UID", "user", params.user.as_str())];
    let (bare, braced): (Vec<_>, Vec<_>) = names.into_iter().partition(|(_, _, name)| is_bare(name));
    let mut text = format!("Driver={{PostgreSQL Unicode}};Server={};Port={};", params.host, params.port);
    for (key, _, name) in &bare {
        text.push_str(&format!("{key}={name};"));
    }
    text.push_str(&format!("SSLmode={};", params.mode));
    let mut options: Vec<_> = braced
        .iter()
        .map(|(_, key, name)| format!("{key}={}", value(name)))
        .collect();
    options.push(format!("connect_timeout={CONNECT_SECS}"));
    text.push_str(&format!("pqopt={{{}}};", options.join(" ").replace('}', "}}")));
    notes.push(match params.mode {
        SslMode::Disable => AMAZON_NEEDS_TLS.to_owned(),
        SslMode::Require | SslMode::VerifyFull if braced.is_empty() => format!(
            "Amazon's driver: Driver={{Amazon Redshift ODBC Driver (x64)}};Server={};Port={};Database={};UID={};SSLMode={};",
            params.host, params.port, params.database, params.user, params.mode
        ),
        SslMode::Require | SslMode::VerifyFull => {
            "Amazon's driver: enter the names in the dialog of a DSN".to_owned()
        }
    });
    text
}

/// Whether psqlODBC reads the name unchanged without braces.
fn is_bare(name: &str) -> bool {
    !name.contains(';') && !name.starts_with('{')
}
