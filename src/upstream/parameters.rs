//! Which of a client's startup parameters go to the warehouse, and how.
//!
//! Redshift ends a login over a parameter that it does not know (42704), so what newer PostgreSQL clients send is
//! dropped or mended here, inside `options` too. Lists: redshift-wire.md 2.2, 2.4 and 8.2.

use std::borrow::Cow;

use tracing::debug;

use super::application_name::{self, Asker};
use super::options::{self, Others};
use crate::config::ConnSpec;
use crate::config::connection::{NEVER_PASSED, OURS, is_one_of};
use crate::startup::request::StartupParams;

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

/// The parameters to send behind user and database, in the client's order; behind them what the connection sets.
pub(crate) fn pass_on(startup: &StartupParams, spec: &ConnSpec, asker: &Asker<'_>) -> Vec<(String, String)> {
    let rules = Rules { spec, asker };
    let (mut passed, mut name_place) = (Vec::new(), None);
    for (name, value) in &startup.pairs {
        if is(name, APPLICATION_NAME) && rules.names_the_application() {
            name_place.get_or_insert(passed.len());
            continue;
        }
        let mended = if name == OPTIONS { rules.mend_options(value) } else { rules.mend(name, value) };
        passed.extend(mended.map(|value| (name.clone(), value)));
    }
    if rules.names_the_application() {
        let name = application_name::render(&spec.application_name, &rules.clients_own(startup), asker);
        if !name.is_empty() {
            passed.insert(name_place.unwrap_or(passed.len()), (APPLICATION_NAME.into(), name));
        }
    }
    passed.extend(spec.startup_parameters.set.iter().cloned());
    // Without it Redshift reports UNICODE, which psycopg 3 does not know.
    let names_encoding = |(name, value): &(String, String)| {
        is(name, "client_encoding") || (name == OPTIONS && options::value_of(value, "client_encoding").is_some())
    };
    if !passed.iter().any(names_encoding) {
        passed.push(("client_encoding".into(), "UTF8".into()));
    }
    passed
}

/// The server's command line; this name is matched exactly.
const OPTIONS: &str = "options";

const APPLICATION_NAME: &str = "application_name";

/// Longest name of a client's that is logged, in bytes.
const MAX_NAME: usize = 64;

/// What goes for one session.
struct Rules<'a> {
    spec: &'a ConnSpec,
    asker: &'a Asker<'a>,
}

impl Rules<'_> {
    /// The value to pass on; `None`: not at all.
    fn mend(&self, name: &str, value: &str) -> Option<String> {
        if !is_passed(name, value) || self.is_the_connections(name) {
            // User and database are replaced, which is nothing to tell of.
            if !is_one_of(&OURS, name) {
                debug!(name = shown(name), "a startup parameter is not passed on");
            }
            return None;
        }
        let mended = if is(name, APPLICATION_NAME) {
            application_name::render(&self.spec.application_name, value, self.asker)
        } else if is(name, "extra_float_digits") && value.trim().parse().is_ok_and(|n: i32| n > MAX_FLOAT_DIGITS) {
            MAX_FLOAT_DIGITS.to_string()
        } else {
            value.to_owned()
        };
        if mended != value {
            debug!(name = shown(name), "a startup parameter is passed on with another value");
        }
        Some(mended)
    }

    /// The same for settings inside `options`. Where the connection has a say, other words could say otherwise.
    fn mend_options(&self, options: &str) -> Option<String> {
        if self.is_the_connections(OPTIONS) {
            return self.mend(OPTIONS, options);
        }
        let has_say = self.names_the_application() || !self.spec.startup_parameters.is_empty();
        let others = if has_say { Others::Dropped } else { Others::Kept };
        let mended = options::mend(options, others, |name, value| self.mend(name, value));
        match &mended {
            None => debug!(name = OPTIONS, "a startup parameter is not passed on"),
            Some(mended) if mended != options => {
                debug!(name = OPTIONS, "a startup parameter is passed on with another value");
            }
            Some(_) => {}
        }
        mended
    }

    /// Whether the client is not asked about it.
    fn is_the_connections(&self, name: &str) -> bool {
        let policy = &self.spec.startup_parameters;
        policy.drops(name) || policy.sets(name) || is(name, APPLICATION_NAME) && self.names_the_application()
    }

    fn names_the_application(&self) -> bool {
        !self.spec.application_name.is_clients_own()
    }

    /// What the client calls itself: the last that it says, and inside `options` only where it says nothing else.
    fn clients_own<'s>(&self, startup: &'s StartupParams) -> Cow<'s, str> {
        if self.spec.startup_parameters.drops(APPLICATION_NAME) {
            return "".into();
        }
        let mut said = startup.pairs.iter().rev();
        if let Some((_, value)) = said.clone().find(|(name, _)| is(name, APPLICATION_NAME)) {
            return value.into();
        }
        let inside =
            said.find_map(|(name, value)| (name == OPTIONS).then(|| options::value_of(value, APPLICATION_NAME)));
        inside.flatten().unwrap_or_default().into()
    }
}

fn shown(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_NAME)).unwrap_or_default()
}

fn is_passed(name: &str, value: &str) -> bool {
    // Behind `_pq_.` the protocol itself is extended, as by compression.
    !(name.starts_with("_pq_.")
        || is_one_of(&OURS, name)
        || is_one_of(&NEVER_PASSED, name)
        || is_one_of(UNKNOWN_TO_REDSHIFT, name)
        // ODBC says "none"; any other makes the server ask for an identity provider's token.
        || (is(name, "plugin_name") && !value.eq_ignore_ascii_case("none")))
}

/// The server's own names are compared without regard to case.
fn is(name: &str, known: &str) -> bool {
    name.eq_ignore_ascii_case(known)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{self, UnknownKeys};
    use crate::session_id::SessionId;

    /// A connection with these keys besides.
    fn spec(keys: &str) -> ConnSpec {
        let head = "[connections.sales]\ntype = \"redshift-serverless\"\nworkgroup = \"analytics\"\ndatabase = \"dev\"";
        let text = format!("[listen]\naddress = \"127.0.0.1:0\"\n{head}\n{keys}");
        let config = config::parse(&text, Path::new("proxy.toml"), &|_| None, UnknownKeys::Refuse).unwrap();
        (*config.connections["sales"]).clone()
    }

    fn passed_to(spec: &ConnSpec, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let asker = Asker {
            user: "demo",
            conn_id: "sales",
            client_addr: [10, 0, 0, 7].into(),
            session_id: SessionId::random(),
        };
        pass_on(&StartupParams { major: 3, minor: 0, pairs: owned(pairs) }, spec, &asker)
    }

    fn passed(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        passed_to(&spec(""), pairs)
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

    const UTF8: (&str, &str) = ("client_encoding", "UTF8");

    #[test]
    fn what_the_connection_drops_is_not_passed_on_in_any_form() {
        let spec = spec("startup_parameters = { drop = [\"Search_Path\", \"options_x\"] }");
        for sent in [
            ("search_path", "x"),
            ("SEARCH_PATH", "x"),
            ("options", "-c search_path=x"),
            ("options", "-csearch_path=x"),
            ("options", "--search-path=x"),
            ("options", "-c Search_Path=x --SEARCH-path=y"),
        ] {
            assert_eq!(passed_to(&spec, &[sent]), owned(&[UTF8]), "{sent:?}");
        }
        let mixed = passed_to(&spec, &[("options", "-c search_path=x -c query_group=bi")]);
        assert_eq!(mixed, owned(&[("options", "-c query_group=bi"), UTF8]));
    }

    #[test]
    fn what_the_connection_sets_wins_over_the_client_in_any_form() {
        let spec = spec("startup_parameters = { set = { query_group = \"bi\", Client_Encoding = \"LATIN1\" } }");
        let set = [("Client_Encoding", "LATIN1"), ("query_group", "bi")];
        for sent in [
            &[][..],
            &[("query_group", "x"), ("client_encoding", "UTF8")],
            &[("Query_Group", "x"), ("query_group", "y")],
            &[("options", "-c query_group=x --query-group=y -cQUERY_GROUP=z")],
        ] {
            assert_eq!(passed_to(&spec, sent), owned(&set), "{sent:?}");
        }
        let kept = passed_to(&spec, &[("search_path", "x"), ("query_group", "y")]);
        assert_eq!(kept, owned(&[&[("search_path", "x")][..], &set].concat()));
    }

    #[test]
    fn what_is_dropped_and_set_is_set_and_options_go_as_a_whole() {
        let spec =
            spec("startup_parameters = { drop = [\"query_group\", \"options\"], set = { query_group = \"bi\" } }");
        let sent = [("options", "-c search_path=x"), ("query_group", "x")];
        assert_eq!(passed_to(&spec, &sent), owned(&[("query_group", "bi"), UTF8]));
    }

    #[test]
    fn the_warehouse_is_told_the_name_that_the_template_makes() {
        let spec = spec("application_name = \"[{user}] {application_name}\"");
        let (psql, none) = (("application_name", "[demo] psql"), ("application_name", "[demo] "));
        for (sent, want) in [
            (&[("application_name", "psql"), ("x", "1")][..], &[psql, ("x", "1"), UTF8][..]),
            (&[("application_name", "a"), ("x", "1"), ("Application_Name", "psql")], &[psql, ("x", "1"), UTF8]),
            // Inside options it is the client's own name too, but does not get there.
            (&[("options", "-c application_name=psql -c x=1")], &[("options", "-c x=1"), psql, UTF8]),
            (&[("options", "--Application-Name=b"), ("application_name", "psql")], &[psql, UTF8]),
            (&[("x", "1")], &[("x", "1"), none, UTF8]),
            (&[("application_name", "")], &[none, UTF8]),
        ] {
            assert_eq!(passed_to(&spec, sent), owned(want), "{sent:?}");
        }
    }

    #[test]
    fn a_name_that_comes_to_nothing_is_not_told() {
        assert_eq!(passed(&[]), owned(&[UTF8]));
        let nameless = spec("application_name = \"\"");
        assert_eq!(passed_to(&nameless, &[("application_name", "psql")]), owned(&[UTF8]));
        let dropped = spec("startup_parameters.drop = [\"application_name\"]");
        assert_eq!(passed_to(&dropped, &[("application_name", "psql")]), owned(&[UTF8]));
        let dropped =
            spec("application_name = \"{application_name}.\"\nstartup_parameters.drop = [\"application_name\"]");
        assert_eq!(passed_to(&dropped, &[("application_name", "x")]), owned(&[("application_name", "."), UTF8]));
    }

    #[test]
    fn without_a_template_the_clients_own_name_goes_as_it_is_but_for_what_it_must_not_hold() {
        let long = "x".repeat(300);
        for (own, want) in [("psql", "psql"), ("a [b]\n", "a _b__"), (&long, &long[..250]), ("", "")] {
            assert_eq!(passed(&[("application_name", own)]), owned(&[("application_name", want), UTF8]));
        }
        for (sent, want) in [
            ("-c application_name=a\\ b -e", "-c application_name=a\\ b -e"),
            ("-c application_name=a\\ [b] -e", "-c application_name=a\\ _b_ -e"),
        ] {
            assert_eq!(passed(&[("options", sent)]), owned(&[("options", want), UTF8]));
        }
    }
}
