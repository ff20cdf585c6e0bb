//! Which of a client's startup parameters go to the warehouse, and how.
//!
//! Redshift ends a login over a parameter that it does not know (42704), so what newer PostgreSQL clients send is
//! dropped or mended here, inside `options` too. Lists: redshift-wire.md 2.2, 2.4 and 8.2.

use tracing::debug;

use super::options;
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
    let mut passed = Vec::new();
    for (name, value) in &startup.pairs {
        let mended = if name == OPTIONS { options::mend(value, mend) } else { mend(name, value) };
        passed.extend(mended.map(|value| (name.clone(), value)));
    }
    // Without it Redshift reports UNICODE, which psycopg 3 does not know.
    let names_encoding = |(name, value): &(String, String)| {
        is(name, "client_encoding") || (name == OPTIONS && options::names(value, "client_encoding"))
    };
    if !passed.iter().any(names_encoding) {
        passed.push(("client_encoding".into(), "UTF8".into()));
    }
    passed
}

/// The server's command line; this name is matched exactly.
const OPTIONS: &str = "options";

/// The value to pass on; `None`: not at all.
fn mend(name: &str, value: &str) -> Option<String> {
    if !is_passed(name, value) {
        // User and database are replaced, which is nothing to tell of.
        if !is(name, "user") && !is(name, "database") {
            debug!(name, "a startup parameter is not passed on");
        }
        return None;
    }
    let too_many = |digits: i32| digits > MAX_FLOAT_DIGITS;
    if is(name, "extra_float_digits") && value.trim().parse().is_ok_and(too_many) {
        debug!(name, "a startup parameter is passed on with another value");
        return Some(MAX_FLOAT_DIGITS.to_string());
    }
    Some(value.to_owned())
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

    #[test]
    fn settings_inside_options_are_judged_alike() {
        let sent = [("options", "-c extra_float_digits=3 --geqo=off -cClient_Encoding=LATIN1")];
        assert_eq!(passed(&sent), owned(&[("options", "-c extra_float_digits=2 -cClient_Encoding=LATIN1")]));
        assert_eq!(passed(&[("options", "-c geqo=off")]), owned(&[("client_encoding", "UTF8")]));
    }
}
