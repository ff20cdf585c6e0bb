//! The parameter statuses of a Redshift Serverless workgroup, in place of PostgreSQL's.
//!
//! Names and values as public logs of real sessions show them (docs/protocol/redshift-wire.md 2.5).
//! PostgreSQL's own `standard_conforming_strings`, `IntervalStyle` and others are not among them.

use super::Statements;
use super::auth::random;
use super::rules::Request;
use crate::wire;

/// The version of `SHOW …` that drivers may ask about databases, schemas, tables and columns with.
const SHOW_DISCOVERY: &str = "4";

/// All ParameterStatus messages, for a session of which PostgreSQL reported `parameters`.
pub(super) fn encode(
    request: &Request,
    settings: &[(String, String)],
    parameters: &[(String, String)],
    statements: Statements,
) -> Vec<u8> {
    let reported = |name: &str| {
        parameters
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    };
    let application = Some(reported("application_name"))
        .filter(|name| !name.is_empty())
        .unwrap_or("unset");
    // A client that asks for no encoding is told of one that psycopg 3 does not know.
    let asked = settings
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("client_encoding"));
    let encoding = if asked { reported("client_encoding") } else { "UNICODE" };
    let (level, session, token) = (request.level.to_string(), uuid(), uuid());
    let mut statuses = vec![
        ("application_name", application),
        ("case_sensitive", "on"),
        ("client_encoding", encoding),
        ("datashare_enabled", "off"),
        ("datestyle", reported("DateStyle")),
        ("external_database", "off"),
        ("integer_datetimes", "on"),
        ("is_superuser", reported("is_superuser")),
        ("max_numeric_precision", "38"),
        ("max_varchar_size", "65535"),
        ("padb_revision", "fd7d3dd"),
        ("padb_version", "1.0.63269"),
        ("server_encoding", "UNICODE"),
        ("server_protocol_version", level.as_str()),
        ("server_version", "8.0.2"),
        ("session_authorization", reported("session_authorization")),
        ("session_id", session.as_str()),
        ("TimeZone", reported("TimeZone")),
        ("timezone_abbreviations", "Default"),
    ];
    if request.discovery {
        statuses.push(("driver_token", token.as_str()));
        if statements == Statements::Redshift {
            statuses.push(("show_discovery", SHOW_DISCOVERY));
        }
    }
    statuses
        .iter()
        .flat_map(|(name, value)| wire::parameter_status(name, value))
        .collect()
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> String {
    const FIXED: u128 = 0x0000_0000_0000_4000_8000_0000_0000_0000;
    const FREE: u128 = 0xffff_ffff_ffff_0fff_3fff_ffff_ffff_ffff;
    let hex = format!("{:032x}", u128::from_be_bytes(random()) & FREE | FIXED);
    let ends = [0, 8, 12, 16, 20, 32];
    let parts = ends
        .iter()
        .zip(ends.iter().skip(1))
        .filter_map(|(start, end)| hex.get(*start..*end));
    parts.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_of_version_four_and_differ() {
        let uuid = uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&uuid.as_bytes()[19]));
        assert_ne!(uuid, super::uuid());
    }
}
