//! Which of a client's startup parameters go to the warehouse, and how.
//!
//! Redshift ends a login over a parameter that it does not know (42704), so what newer PostgreSQL clients send is
//! dropped or mended here. Lists: redshift-wire.md 2.2, 2.4 and 8.2.

use crate::startup::request::StartupParams;

/// Ours to set, or never to be passed on: identity, replication, wire compression's family, native identity providers.
const NEVER: &[&str] = &[
    "user",
    "database",
    "replication",
    "idp_type",
    "provider_name",
    "token_type",
    "identity_namespace",
    "idc_client_display_name",
];

/// What Redshift refuses, being PostgreSQL 8.0.2.
const UNKNOWN_TO_REDSHIFT: &[&str] = &[
    "IntervalStyle",
    "standard_conforming_strings",
    "geqo",
    "lc_messages",
    "bytea_output",
    "jit",
    "default_transaction_read_only",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
];

/// Redshift's upper bound of `extra_float_digits`; newer clients ask for 3.
const MAX_FLOAT_DIGITS: i32 = 2;

/// The parameters to send behind user and database, in the client's order.
pub(crate) fn pass_on(startup: &StartupParams) -> Vec<(String, String)> {
    let mut passed = startup.pairs.iter().filter(|(name, value)| is_passed(name, value)).cloned().collect::<Vec<_>>();
    for (name, value) in &mut passed {
        if is(name, "extra_float_digits") && value.trim().parse::<i32>().is_ok_and(|digits| digits > MAX_FLOAT_DIGITS) {
            *value = MAX_FLOAT_DIGITS.to_string();
        }
    }
    // Without it Redshift reports UNICODE, which psycopg 3 does not know.
    if !passed.iter().any(|(name, _)| is(name, "client_encoding")) {
        passed.push(("client_encoding".into(), "UTF8".into()));
    }
    passed
}

fn is_passed(name: &str, value: &str) -> bool {
    let any_of = |list: &[&str]| list.iter().any(|known| is(name, known));
    !(name.starts_with("_pq_.")
        || any_of(NEVER)
        || any_of(UNKNOWN_TO_REDSHIFT)
        // ODBC says "none"; any other makes the server ask for an identity provider's token.
        || (is(name, "plugin_name") && !value.eq_ignore_ascii_case("none")))
}

/// The server's own names are compared without regard to case.
fn is(name: &str, known: &str) -> bool {
    name.eq_ignore_ascii_case(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        pass_on(&StartupParams { major: 3, minor: 0, pairs })
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn the_aws_drivers_own_parameters_are_untouched_and_in_order() {
        let jdbc = [
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO"),
            ("extra_float_digits", "2"),
            ("client_protocol_version", "3"),
            ("driver_version", "Redshift JDBC Driver 2.1"),
            ("os_version", "Linux"),
            ("plugin_name", "none"),
        ];
        assert_eq!(passed(&[&[("user", "u"), ("database", "d")][..], &jdbc].concat()), owned(&jdbc));
    }

    #[test]
    fn what_redshift_refuses_is_dropped_or_mended() {
        let sent = [
            ("extra_float_digits", "3"),
            ("IntervalStyle", "iso_8601"),
            ("intervalstyle", "iso_8601"),
            ("replication", "database"),
            ("_pq_.compression", "zstd"),
            ("idp_type", "AzureAD"),
            ("plugin_name", "com.example.Plugin"),
            ("search_path", "x"),
        ];
        assert_eq!(
            passed(&sent),
            owned(&[("extra_float_digits", "2"), ("search_path", "x"), ("client_encoding", "UTF8")])
        );
    }
}
