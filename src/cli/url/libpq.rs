//! Forms for libpq: a connection string (PostgreSQL's manual, 34.1.1), and its environment
//! (34.15).

use super::params::{CONNECT_SECS, ConnParams};
use super::percent::encoded;
use super::shell;
use super::tls::SslMode;

/// The note on how tools that use libpq are given a certificate.
const CERTIFICATE: &str = "the user's certificate instead of a password: sslcert=FILE and sslkey=FILE (PGSSLCERT and PGSSLKEY, \
                           ~/.postgresql/postgresql.crt and .key)";

/// A command line of psql.
pub(super) fn psql(params: &ConnParams<'_>, notes: &mut Vec<String>) -> String {
    params.note_proof(notes, "psql asks for the password; PGPASSWORD and ~/.pgpass save it that", CERTIFICATE);
    roots(params, notes);
    let parts = [
        ("host", params.host.clone()),
        ("port", params.port.to_string()),
        ("user", params.user.clone()),
        ("dbname", params.database.to_owned()),
        ("sslmode", params.mode.to_string()),
        ("connect_timeout", CONNECT_SECS.to_string()),
    ];
    let conninfo: Vec<_> = parts
        .iter()
        .map(|(key, text)| format!("{key}={}", value(text)))
        .collect();
    format!("psql {}", shell::quoted(&conninfo.join(" ")))
}

/// Writes the parameters as the URI `postgresql://…`.
pub(super) fn uri(params: &ConnParams<'_>, notes: &mut Vec<String>) -> String {
    let password = "the password: asked for by psql, else in PGPASSWORD or ~/.pgpass; or :PASSWORD behind the user";
    params.note_proof(notes, password, CERTIFICATE);
    roots(params, notes);
    let (user, place, database) = (encoded(&params.user), params.authority(), encoded(params.database));
    format!("postgresql://{user}@{place}/{database}?sslmode={}&connect_timeout={CONNECT_SECS}", params.mode)
}

/// The environment of libpq as lines of `export`.
pub(super) fn env(params: &ConnParams<'_>, notes: &mut Vec<String>) -> String {
    params.note_proof(notes, "the password: in PGPASSWORD or ~/.pgpass, else psql asks for it", CERTIFICATE);
    roots(params, notes);
    let lines = [
        ("PGHOST", params.host.as_str()),
        ("PGPORT", &params.port.to_string()),
        ("PGUSER", &params.user),
        ("PGDATABASE", params.database),
        ("PGSSLMODE", &params.mode.to_string()),
        ("PGCONNECT_TIMEOUT", &CONNECT_SECS.to_string()),
    ];
    lines
        .map(|(name, text)| format!("export {name}={}", shell::word(text)))
        .join("\n")
}

/// Adds the note on where libpq looks for the CA of the listener's certificate.
pub(super) fn roots(params: &ConnParams<'_>, notes: &mut Vec<String>) {
    match params.mode {
        SslMode::Disable => {}
        SslMode::Require => notes.push(
            "the listener's certificate is made anew at each start: what is sent is encrypted, who answers is not verified"
                .to_owned(),
        ),
        SslMode::VerifyFull => notes.push(
            "verify-full needs the CA that signed listen.tls.cert: sslrootcert=FILE (PGSSLROOTCERT, ~/.postgresql/root.crt) \
             for a private one; sslrootcert=system for a public one (libpq 16 and newer)"
                .to_owned(),
        ),
    }
}

/// The text as a value of a connection string.
pub(super) fn value(text: &str) -> String {
    let plain = !text.is_empty() && !text.contains(['\'', '\\']) && !text.contains(char::is_whitespace);
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'")) }
}
