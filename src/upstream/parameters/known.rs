//! The startup parameters that the proxy does not pass on as they are, each with the reason and its
//! source.
//!
//! docs/startup-parameters.md shows this table to users; a test holds the one against the other.
//! Parameters that are not in it are passed on untouched.

/// The treatment of a parameter on its way to the warehouse.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Treatment {
    /// The proxy sends its own value in place of the client's.
    Replaced,
    /// The parameter is left out, whatever its value. So are limits that the client's driver or
    /// pool keeps by itself (`connect_timeout`).
    LeftOut,
    /// The parameter, a limit that the server would keep, is left out. A client that asked for one,
    /// which is any value but 0, hears so in a warning.
    TimeoutLeftOut,
    /// The parameter narrows what the session may do: it is passed on, and only left out where its
    /// value is false.
    PassedUnlessFalse,
    /// A client that asks for it is refused before a warehouse is dialled; false and an empty value
    /// are left out.
    RefusedUnlessFalse,
    /// The parameter is passed on where its value is `none`, else it is left out.
    PassedIfNone,
    /// The parameter is an integer: a larger value than this is replaced by it.
    Capped(i32),
}

/// Parameters that are treated alike, and why.
#[derive(Debug)]
pub(super) struct KnownParameter {
    /// The names of the parameters; clients may write them in any case.
    pub(super) names: &'static [&'static str],
    /// The treatment of the parameters.
    pub(super) treatment: Treatment,
    /// The reason why the parameters are not passed on as they are, for the log and the
    /// documentation.
    pub(super) why: &'static str,
    /// The source of what is known of the parameters, for the documentation.
    #[cfg_attr(not(test), expect(dead_code, reason = "the test that compares it with the documentation reads it"))]
    source: &'static str,
}

/// The entry for a parameter, and its name as the table spells it. `None`: the parameter is passed
/// on.
pub(super) fn known(name: &str) -> Option<(&'static KnownParameter, &'static str)> {
    KNOWN.iter().find_map(|known| {
        let known_as = known
            .names
            .iter()
            .find(|known_as| known_as.eq_ignore_ascii_case(name))?;
        Some((known, *known_as))
    })
}

/// The table. An entry stands beside its like; the order has no meaning, but
/// docs/startup-parameters.md has the same.
const KNOWN: &[KnownParameter] = &[
    KnownParameter {
        names: &["user", "database"],
        treatment: Treatment::Replaced,
        why: "the warehouse gets the database user of the credential and the connection's own database",
        source: "the purpose of the proxy",
    },
    KnownParameter {
        names: &["default_transaction_read_only", "transaction_read_only"],
        treatment: Treatment::PassedUnlessFalse,
        why: "a client that asks for read-only must not be able to write; should the warehouse refuse the parameter, \
              so is the login",
        source: "our own reading",
    },
    KnownParameter {
        names: &["replication"],
        treatment: Treatment::RefusedUnlessFalse,
        why: "Redshift has no replication protocol; in an ordinary session the client's replication commands would be \
              read as SQL",
        source: "airbytehq/airbyte#51556",
    },
    KnownParameter {
        names: &["idle_in_transaction_session_timeout", "idle_session_timeout", "lock_timeout", "transaction_timeout"],
        treatment: Treatment::TimeoutLeftOut,
        why: "newer than PostgreSQL 8.0.2, which Redshift descends from: it would end the login with 42704",
        source: "PostgreSQL's release notes (9.6, 14, 9.3, 17); brianc/node-postgres#2779",
    },
    KnownParameter {
        names: &["extra_float_digits"],
        treatment: Treatment::Capped(2),
        why: "Redshift takes -15 to 2, newer clients ask for 3",
        source: "launchbadge/sqlx#801, #2708",
    },
    KnownParameter {
        names: &["IntervalStyle"],
        treatment: Treatment::LeftOut,
        why: "unknown to Redshift (42704)",
        source: "typelevel/skunk#229, JuliaDatabases/LibPQ.jl#71",
    },
    KnownParameter {
        names: &["standard_conforming_strings"],
        treatment: Treatment::LeftOut,
        why: "unknown to Redshift (42704)",
        source: "sqlalchemy/sqlalchemy#9494",
    },
    KnownParameter {
        names: &["ssl_renegotiation_limit"],
        treatment: Treatment::LeftOut,
        why: "unknown to Redshift (42704)",
        source: "jackc/pgx#321, npgsql/npgsql#1109",
    },
    KnownParameter {
        names: &["lc_collate", "lc_ctype", "lc_messages", "lc_monetary", "lc_numeric", "lc_time"],
        treatment: Treatment::LeftOut,
        why: "Redshift lets no user set them (42501)",
        source: "npgsql/npgsql#163, #210, pgbouncer/pgbouncer#472",
    },
    KnownParameter {
        names: &["jit"],
        treatment: Treatment::LeftOut,
        why: "newer than PostgreSQL 8.0.2 (42704)",
        source: "PostgreSQL's release notes (11); PrefectHQ/prefect#15446",
    },
    KnownParameter {
        names: &["bytea_output"],
        treatment: Treatment::LeftOut,
        why: "newer than PostgreSQL 8.0.2 (42704)",
        source: "PostgreSQL's release notes (9.0)",
    },
    KnownParameter {
        names: &["geqo"],
        treatment: Treatment::LeftOut,
        why: "libpq sends it where PGGEQO is set, for a planner that Redshift does not have",
        source: "PostgreSQL's documentation of libpq (PGGEQO)",
    },
    KnownParameter {
        names: &[
            "client_connection_check_interval",
            "tcp_keepalives_count",
            "tcp_keepalives_idle",
            "tcp_keepalives_interval",
            "tcp_user_timeout",
        ],
        treatment: Treatment::LeftOut,
        why: "they are about the socket between server and client, which the proxy looks after (upstream.keepalive), \
              and are newer than PostgreSQL 8.0.2",
        source: "PostgreSQL's release notes (14, 8.1, 12); MagicStack/asyncpg#1010",
    },
    KnownParameter {
        names: &["idp_type", "provider_name", "token_type", "identity_namespace", "idc_client_display_name"],
        treatment: Treatment::LeftOut,
        why: "they make Redshift ask for an identity provider's token in place of the password that the proxy has",
        source: "AWS's drivers",
    },
    KnownParameter {
        names: &["plugin_name"],
        treatment: Treatment::PassedIfNone,
        why: "any other plug-in makes Redshift ask for an identity provider's token",
        source: "AWS's drivers (ODBC sends none)",
    },
    KnownParameter {
        names: &[
            "authtype",
            "channel_binding",
            "connect_timeout",
            "dbname",
            "fallback_application_name",
            "gssdelegation",
            "gssencmode",
            "gsslib",
            "host",
            "hostaddr",
            "keepalives",
            "keepalives_count",
            "keepalives_idle",
            "keepalives_interval",
            "krbsrvname",
            "load_balance_hosts",
            "max_protocol_version",
            "min_protocol_version",
            "oauth_client_id",
            "oauth_client_secret",
            "oauth_issuer",
            "oauth_scope",
            "passfile",
            "password",
            "port",
            "require_auth",
            "requirepeer",
            "requiressl",
            "scram_client_key",
            "scram_server_key",
            "service",
            "servicefile",
            "ssl_max_protocol_version",
            "ssl_min_protocol_version",
            "sslcert",
            "sslcertmode",
            "sslcompression",
            "sslcrl",
            "sslcrldir",
            "sslkey",
            "sslkeylogfile",
            "sslmode",
            "sslnegotiation",
            "sslpassword",
            "sslrootcert",
            "sslsni",
            "target_session_attrs",
            "tty",
        ],
        treatment: Treatment::LeftOut,
        why: "keywords of libpq, for the client alone; a driver that does not know one sends it to the server, which \
              refuses it (42704)",
        source: "PostgreSQL's documentation of libpq (Parameter Key Words); noctarius/timescaledb-event-streamer#241",
    },
    KnownParameter {
        names: &[
            "connection_limit",
            "pgbouncer",
            "pool_timeout",
            "schema",
            "single_use_connections",
            "socket_timeout",
            "sslaccept",
            "sslidentity",
        ],
        treatment: Treatment::LeftOut,
        why: "Prisma's own, in URLs that other drivers are given too; who wants a schema says search_path",
        source: "Prisma's documentation (PostgreSQL connector); porsager/postgres#367",
    },
    KnownParameter {
        names: &[
            "default_query_exec_mode",
            "description_cache_capacity",
            "pool_health_check_period",
            "pool_max_conn_idle_time",
            "pool_max_conn_lifetime",
            "pool_max_conn_lifetime_jitter",
            "pool_max_conns",
            "pool_min_conns",
            "pool_min_idle_conns",
            "prefer_simple_protocol",
            "statement_cache_capacity",
            "statement_cache_mode",
        ],
        treatment: Treatment::LeftOut,
        why: "keywords of pgx, of its pool and of gorm",
        source: "the documentation of pgx; oasisprotocol/nexus#962, dosco/graphjin#454, go-gorm/postgres#219",
    },
    KnownParameter {
        names: &["binary_parameters", "disable_prepared_binary_result", "krbspn", "sslinline"],
        treatment: Treatment::LeftOut,
        why: "keywords of lib/pq",
        source: "the documentation of lib/pq",
    },
    KnownParameter {
        names: &["fetch_types", "prepare", "ssl", "statement_cache_size", "uselibpqcompat"],
        treatment: Treatment::LeftOut,
        why: "keywords of postgres.js, node-postgres and asyncpg",
        source: "their documentation; brianc/node-postgres#276",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::connection::{NEVER_PASSED, OURS};

    const DOCS: &str = include_str!("../../../docs/startup-parameters.md");

    fn said(treatment: Treatment) -> String {
        match treatment {
            Treatment::Replaced => "replaced".into(),
            Treatment::LeftOut => "left out".into(),
            Treatment::TimeoutLeftOut => "left out, with a warning to the client unless it is 0".into(),
            Treatment::PassedUnlessFalse => "passed on; left out where it is false".into(),
            Treatment::RefusedUnlessFalse => "0A000; left out where it is false".into(),
            Treatment::PassedIfNone => "left out unless it is `none`".into(),
            Treatment::Capped(most) => format!("at most {most}"),
        }
    }

    /// The table of the documentation is this one, word for word: a name that is added here is
    /// explained there.
    #[test]
    fn the_documentation_shows_this_table() {
        let mut table = "| parameter | what becomes of it | why | source |\n| --- | --- | --- | --- |\n".to_owned();
        for KnownParameter { names, treatment, why, source } in KNOWN {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            table += &format!("| {} | {} | {why} | {source} |\n", names.join(", "), said(*treatment));
        }
        assert!(DOCS.contains(&format!("\n\n{table}\n")), "docs/startup-parameters.md should hold:\n{table}");
    }

    #[test]
    fn every_entry_has_a_reason_and_a_source_and_every_name_one_entry() {
        let mut names: Vec<_> = KNOWN
            .iter()
            .flat_map(|known| known.names)
            .map(|name| name.to_ascii_lowercase())
            .collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        assert!(
            KNOWN
                .iter()
                .all(|known| !known.why.is_empty() && !known.source.is_empty())
        );
    }

    /// The configuration refuses to set what is never passed on.
    #[test]
    fn the_configurations_lists_agree_with_this_table() {
        let is = |name: &str, treatment| known(name).is_some_and(|(known, _)| known.treatment == treatment);
        assert!(OURS.iter().all(|name| is(name, Treatment::Replaced)));
        for name in NEVER_PASSED {
            assert!(is(name, Treatment::LeftOut) || is(name, Treatment::RefusedUnlessFalse), "{name}");
        }
    }
}
