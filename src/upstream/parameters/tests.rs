//! Tests of the parameters that are passed on, replaced and left out.

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
    all_of(spec, pairs).parameters
}

fn all_of(spec: &ConnSpec, pairs: &[(&str, &str)]) -> Passed {
    let asker =
        Asker { user: "demo", conn_id: "sales", client_addr: [10, 0, 0, 7].into(), session_id: SessionId::random() };
    pass_on(&startup(pairs), spec, &asker)
}

fn passed(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    passed_to(&spec(""), pairs)
}

fn startup(pairs: &[(&str, &str)]) -> StartupParams {
    StartupParams { minor: 0, pairs: owned(pairs) }
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
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
fn parameters_that_redshift_refuses_are_dropped_or_replaced() {
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
    assert_eq!(passed(&sent), owned(&[("extra_float_digits", "2"), ("search_path", "x"), ("client_encoding", "UTF8")]));
}

#[test]
fn settings_inside_options_are_judged_alike() {
    let sent = [("options", "-c extra_float_digits=3 --geqo=off -cClient_Encoding=LATIN1")];
    assert_eq!(passed(&sent), owned(&[("options", "-c extra_float_digits=2 -cClient_Encoding=LATIN1")]));
    assert_eq!(passed(&[("options", "-c geqo=off")]), owned(&[("client_encoding", "UTF8")]));
}

const UTF8: (&str, &str) = ("client_encoding", "UTF8");

#[test]
fn read_only_is_passed_on_in_every_form_and_only_off_is_left_out() {
    for name in ["default_transaction_read_only", "transaction_read_only", "Default_Transaction_Read_Only"] {
        for value in ["on", "true", "yes", "1", "ON", "t", "nonsense", ""] {
            assert_eq!(passed(&[(name, value)]), owned(&[(name, value), UTF8]), "{name}={value}");
        }
        for value in ["off", "false", "no", "0", "OFF"] {
            assert_eq!(passed(&[(name, value)]), owned(&[UTF8]), "{name}={value}");
        }
    }
    let on = "-c default_transaction_read_only=on";
    for options in [
        on,
        "-cdefault_transaction_read_only=on",
        "--default-transaction-read-only=on",
        "--default_transaction_read_only=o\\n",
        "-c Default_Transaction_Read_Only=1 -c search_path=x",
    ] {
        assert_eq!(passed(&[("options", options)]), owned(&[("options", options), UTF8]), "{options}");
    }
    assert_eq!(passed(&[("options", &format!("{on} -c jit=off"))]), owned(&[("options", on), UTF8]));
    assert_eq!(passed(&[("options", "-c default_transaction_read_only=off")]), owned(&[UTF8]));
    // A connection with rules of its own keeps it too.
    let spec = spec("application_name = \"bi\"\nstartup_parameters.drop = [\"search_path\"]");
    let options = format!("{on} -c search_path=x");
    assert_eq!(passed_to(&spec, &[("options", &options)]), owned(&[("options", on), ("application_name", "bi"), UTF8]));
}

#[test]
fn timeouts_that_redshift_lacks_are_left_out_and_named_once() {
    let sent = [
        ("lock_timeout", "5s"),
        ("Idle_Session_Timeout", "1"),
        ("LOCK_TIMEOUT", "6s"),
        ("options", "-c transaction_timeout=1min --idle-in-transaction-session-timeout=60000 -c lock_timeout=0"),
        ("statement_timeout", "60000"),
    ];
    let Passed { parameters, missing_timeouts } = all_of(&spec(""), &sent);
    assert_eq!(parameters, owned(&[("statement_timeout", "60000"), UTF8]));
    let all = ["lock_timeout", "idle_session_timeout", "transaction_timeout", "idle_in_transaction_session_timeout"];
    assert_eq!(missing_timeouts, all);
}

#[test]
fn a_timeout_that_is_off_or_that_the_connection_drops_or_sets_is_nothing_to_warn_of() {
    for off in ["0", " 0 ", "0ms", "0 s", "0.0", "-0", "00"] {
        let passed = all_of(&spec(""), &[("lock_timeout", off)]);
        assert_eq!(passed, Passed { parameters: owned(&[UTF8]), missing_timeouts: vec![] }, "{off:?}");
    }
    for on in ["1", "0.5s", "-1", "", "x"] {
        assert_eq!(all_of(&spec(""), &[("lock_timeout", on)]).missing_timeouts, ["lock_timeout"], "{on:?}");
    }
    for keys in ["startup_parameters.drop = [\"lock_timeout\"]", "startup_parameters.set = { lock_timeout = \"1\" }"] {
        let missing = all_of(&spec(keys), &[("lock_timeout", "5s"), ("options", "-c lock_timeout=1")]).missing_timeouts;
        assert!(missing.is_empty(), "{keys}");
    }
}

#[test]
fn keywords_for_the_client_alone_never_get_to_the_warehouse() {
    for name in [
        "sslmode",
        "gssencmode",
        "target_session_attrs",
        "sslnegotiation",
        "channel_binding",
        "connect_timeout",
        "keepalives_idle",
        "load_balance_hosts",
        "pgbouncer",
        "schema",
        "fetch_types",
        "password",
        "SSLPassword",
        "ssl_renegotiation_limit",
        "lc_monetary",
        "lc_messages",
    ] {
        let options = format!("-c {name}=x");
        assert_eq!(passed(&[(name, "x"), ("options", &options)]), owned(&[UTF8]), "{name}");
    }
}

#[test]
fn replication_is_asked_for_by_anything_but_false() {
    for value in ["true", "on", "yes", "1", "database", "TRUE", "Database", "t", "o", "nonsense", " "] {
        assert!(asks_for_replication(&startup(&[("replication", value)])), "{value:?}");
        let inside = format!("--replication={value}");
        assert_eq!(asks_for_replication(&startup(&[("options", &inside)])), value != " ", "{value:?}");
    }
    for value in ["false", "off", "no", "0", "f", "OFF", ""] {
        assert!(!asks_for_replication(&startup(&[("replication", value)])), "{value:?}");
    }
    assert!(asks_for_replication(&startup(&[("Replication", "on"), ("replication", "off")])));
    assert!(!asks_for_replication(&startup(&[("user", "replication"), ("x", "replication=on")])));
}

#[test]
fn parameters_that_the_connection_drops_are_not_passed_on_in_any_form() {
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
fn parameters_that_the_connection_sets_win_over_the_client_in_any_form() {
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
fn a_parameter_dropped_and_set_is_set_and_options_are_dropped_as_a_whole() {
    let spec = spec("startup_parameters = { drop = [\"query_group\", \"options\"], set = { query_group = \"bi\" } }");
    let sent = [("options", "-c search_path=x"), ("query_group", "x")];
    assert_eq!(passed_to(&spec, &sent), owned(&[("query_group", "bi"), UTF8]));
}

#[test]
fn application_name_is_rendered_from_the_template() {
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
fn an_empty_application_name_is_not_sent() {
    assert_eq!(passed(&[]), owned(&[UTF8]));
    let nameless = spec("application_name = \"\"");
    assert_eq!(passed_to(&nameless, &[("application_name", "psql")]), owned(&[UTF8]));
    let dropped = spec("startup_parameters.drop = [\"application_name\"]");
    assert_eq!(passed_to(&dropped, &[("application_name", "psql")]), owned(&[UTF8]));
    let dropped = spec("application_name = \"{application_name}.\"\nstartup_parameters.drop = [\"application_name\"]");
    assert_eq!(passed_to(&dropped, &[("application_name", "x")]), owned(&[("application_name", "."), UTF8]));
}

#[test]
fn without_a_template_the_clients_application_name_is_passed_on_cleaned() {
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
