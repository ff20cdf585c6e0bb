//! The form for SQLAlchemy, with the dialect of sqlalchemy-redshift: PostgreSQL's own asks for what
//! Redshift does not have.

use super::params::{CONNECT_SECS, ConnParams};
use super::percent::encoded;
use super::tls::{SslMode, UNVERIFIED};

/// Writes the parameters as the URL `redshift+psycopg2://…`.
pub(super) fn sqlalchemy(params: &ConnParams<'_>, notes: &mut Vec<String>) -> String {
    params.note_proof(
        notes,
        "the password: in PGPASSWORD or ~/.pgpass, or :PASSWORD behind the user, percent-encoded",
        "the user's certificate instead of a password: add &sslcert=FILE&sslkey=FILE",
    );
    match params.mode {
        SslMode::Disable => {}
        SslMode::Require => notes.push(UNVERIFIED.to_owned()),
        SslMode::VerifyFull => notes.push(
            "sqlalchemy-redshift trusts Amazon's roots alone: for any other CA add &sslrootcert=FILE, its certificates"
                .to_owned(),
        ),
    }
    // In the path SQLAlchemy before 2.1 decodes no percents; in the query all do.
    let database = encoded(params.database);
    let (path, query) = if database == params.database {
        (database, String::new())
    } else {
        (String::new(), format!("dbname={database}&"))
    };
    // With a file of roots, and the dialect brings one, libpq verifies under `require` too.
    let roots = if params.mode == SslMode::Require { "&sslrootcert=none" } else { "" };
    let (user, place) = (encoded(&params.user), params.authority());
    format!(
        "redshift+psycopg2://{user}@{place}/{path}?{query}sslmode={}{roots}&connect_timeout={CONNECT_SECS}",
        params.mode
    )
}
