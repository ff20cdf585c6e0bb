use proptest::prelude::*;

use super::statement::MAX_NAME;
use super::*;
use crate::console::command::{Constant, Habit};

/// The one command of a text.
fn one(text: &str) -> Command {
    let mut commands = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert_eq!(commands.len(), 1, "{text}");
    commands.remove(0)
}

fn conn_id(name: &str) -> ConnId {
    ConnId::new(name).unwrap()
}

#[test]
fn every_command_is_read() {
    let session = || Which::Session("0a1b2c3d4e5f".to_owned());
    for (text, want) in [
        ("KILL 0a1b2c3d4e5f", Command::Kill(session())),
        ("kill session '0a1b2c3d4e5f'", Command::Kill(session())),
        ("KILL 0A1B2C3D4E5F", Command::Kill(session())),
        ("KILL (session 0a1b2c3d4e5f)", Command::Kill(session())),
        ("KILL '(session 0a1b2c3d4e5f)'", Command::Kill(session())),
        ("KILL USER ann", Command::Kill(Which::User("ann".to_owned()))),
        ("KILL USER \"Ann O'Hara\"", Command::Kill(Which::User("Ann O'Hara".to_owned()))),
        ("KILL USER all", Command::Kill(Which::User("all".to_owned()))),
        ("Kill Connection fin-mart", Command::Kill(Which::Connection("fin-mart".to_owned()))),
        ("KILL ADDRESS 10.0.0.1", Command::Kill(Which::Address("10.0.0.1".parse().unwrap()))),
        ("KILL ADDRESS '[2001:db8::1]:5432'", Command::Kill(Which::Address("2001:db8::1".parse().unwrap()))),
        ("KILL ADDRESS ::ffff:10.0.0.1", Command::Kill(Which::Address("10.0.0.1".parse().unwrap()))),
        ("KILL ALL;", Command::Kill(Which::All)),
        ("DISABLE sales", Command::Disable(conn_id("sales"))),
        ("ENABLE \"Sales Mart\"", Command::Enable(conn_id("Sales Mart"))),
        ("CHECK 'sales'", Command::Check(conn_id("sales"))),
        ("REFRESH show", Command::Refresh(conn_id("show"))),
        ("UNBAN 10.0.0.1:5439", Command::Unban("10.0.0.1".parse().unwrap())),
        ("RELOAD", Command::Reload),
        ("reload -- now", Command::Reload),
        ("DRAIN", Command::Drain),
        ("SHUTDOWN", Command::Shutdown),
        ("SET log_level = debug", Command::SetLogLevel(LogLevel::Debug)),
        ("set LOG_LEVEL to 'TRACE'", Command::SetLogLevel(LogLevel::Trace)),
        ("SHOW ERRORS 0a1b2c3d4e5f", Command::Show(Show::Errors(Some("0a1b2c3d4e5f".to_owned())))),
        ("SHOW ERRORS (session 0A1B2C3D4E5F)", Command::Show(Show::Errors(Some("0a1b2c3d4e5f".to_owned())))),
        ("SHOW ERRORS SESSION 0a1b2c3d4e5f", Command::Show(Show::Errors(Some("0a1b2c3d4e5f".to_owned())))),
    ] {
        assert_eq!(one(text), want, "{text}");
    }
    for (name, show) in &SHOWS {
        assert_eq!(one(&format!("show {}", name.to_lowercase())), Command::Show(show.clone()), "{name}");
    }
}

#[test]
fn statements_that_drivers_send_are_answered() {
    let tag = Habit::Tag;
    for (text, want) in [
        ("BEGIN", Habit::Begin),
        ("begin read only", Habit::Begin),
        ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE", Habit::Begin),
        ("COMMIT", Habit::Commit),
        ("END", Habit::Commit),
        ("ROLLBACK", Habit::Rollback),
        ("ROLLBACK TO SAVEPOINT \"x\"", tag("ROLLBACK")),
        ("SAVEPOINT x", tag("SAVEPOINT")),
        ("SET extra_float_digits = 3", tag("SET")),
        ("SET application_name = 'PostgreSQL JDBC Driver'", tag("SET")),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", tag("SET")),
        ("SET TIME ZONE 'Europe/Berlin'", tag("SET")),
        ("SET \"TimeZone\" TO 'UTC'", tag("SET")),
        ("SET DATESTYLE TO 'ISO'", tag("SET")),
        ("SET client_encoding TO 'utf-8'", tag("SET")),
        ("SET NAMES 'UTF8'", tag("SET")),
        ("SET search_path = a, b", tag("SET")),
        ("RESET ALL", tag("RESET")),
        ("UNLISTEN *", tag("UNLISTEN")),
        ("CLOSE ALL", tag("CLOSE CURSOR ALL")),
        ("DISCARD ALL", Habit::DiscardAll),
        ("DEALLOCATE ALL", Habit::Deallocate(None)),
        ("DEALLOCATE PREPARE \"_pg3_0\"", Habit::Deallocate(Some("_pg3_0".to_owned()))),
        ("SHOW TRANSACTION ISOLATION LEVEL", Habit::Setting("transaction_isolation", "read committed")),
        ("show transaction_read_only", Habit::Setting("transaction_read_only", "off")),
        ("SELECT 1", Habit::Constant("?column?", Constant::One)),
        ("select pg_catalog.version()", Habit::Constant("version", Constant::Version)),
        ("SELECT pg_catalog.pg_is_in_recovery()", Habit::Constant("pg_is_in_recovery", Constant::False)),
    ] {
        assert_eq!(one(text), Command::Habit(want), "{text}");
    }
    let reset = "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\n\nUNLISTEN *;\nRESET ALL;";
    assert_eq!(parse(reset).unwrap().len(), 4, "what asyncpg's pool sends");
}

#[test]
fn an_error_names_the_place_and_the_way_on() {
    for (text, sqlstate, hint) in [
        ("SHWO VERSION", "42601", "Did you mean SHOW? SHOW HELP lists the commands."),
        ("frobnicate", "42601", HELP),
        ("\"SHOW\" VERSION", "42601", HELP),
        ("SHOW", "42601", "Expected what to show. SHOW HELP lists the commands."),
        ("SHOW SESSION", "42601", "Did you mean SHOW SESSIONS? SHOW HELP lists the commands."),
        ("SHOW POOLS", "42601", "Connections and their sessions are in SHOW CONNECTIONS."),
        ("SHOW STATS_TOTALS", "42601", "Totals are in SHOW STATS."),
        ("SHOW ALL", "42601", "Settings are in SHOW CONFIG."),
        ("SHOW VERSION 1", "42601", HELP),
        ("PAUSE sales", "42601", "DISABLE <conn_id> keeps new logins away from a connection."),
        (
            "SELECT * FROM pg_class",
            "42601",
            "This is the proxy's console, not a database: SHOW HELP lists its commands.",
        ),
        ("COPY t FROM STDIN", "0A000", ""),
        ("SHOW ERRORS $1", "0A000", "Write the value into the command."),
        ("KILL", "42601", "Expected the id of a session. SHOW HELP lists the commands."),
        ("KILL ''", "42601", "Expected the id of a session. SHOW HELP lists the commands."),
        ("KILL sales", "22023", "Ids are in SHOW SESSIONS, in the log, and at the end of the proxy's messages. KILL"),
        ("SHOW ERRORS (session 0a1b2c3d4e5f) x", "42601", HELP),
        ("KILL USER", "42601", "Expected a user. SHOW HELP lists the commands."),
        ("KILL ALL ALL", "42601", HELP),
        ("KILL ADDRESS sales", "22023", ""),
        ("CHECK", "42601", "Expected a conn_id. SHOW HELP lists the commands."),
        ("CHECK fin-*", "22023", ""),
        ("DISABLE proxy_admin", "22023", ""),
        ("UNBAN 10.0.0.0/8", "22023", ""),
        ("RELOAD now", "42601", HELP),
        ("SHUTDOWN WAIT_FOR_CLIENTS", "42601", HELP),
        ("SET log_level", "42601", "Expected = or TO. SHOW HELP lists the commands."),
        ("SET log_level = loud", "22023", "The levels are error, warn, info, debug and trace."),
        ("SET log_level = debug, info", "42601", HELP),
        ("SET max_sessions = 1", "42704", "The console sets log_level alone."),
        ("SET client_encoding = 'LATIN1'", "22023", ""),
        ("SET", "42704", "The console sets log_level alone."),
        ("RELOAD; SHWO VERSION", "42601", "Did you mean SHOW? SHOW HELP lists the commands."),
        ("KILL USER \"unterminated", "42601", ""),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.sqlstate(), sqlstate, "{text}: {error:?}");
        assert!(error.hint_text().starts_with(hint), "{text}: {error:?}");
    }
    let error = parse("SHOW ERRORS sales").unwrap_err();
    assert_eq!(error.sqlstate(), "22023");
    assert!(!error.hint_text().contains("KILL"), "{error:?}");
    let long = format!("KILL USER {}", "x".repeat(MAX_NAME + 1));
    assert_eq!(parse(&long).unwrap_err().sqlstate(), "22023");
    assert_eq!(parse(" ; -- nothing").unwrap(), []);
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_mixture_of_words_panics(
        words in proptest::collection::vec(
            prop_oneof![
                Just("SHOW"), Just("KILL"), Just("SET"), Just("log_level"), Just("USER"), Just("ALL"), Just("="),
                Just("TO"), Just("'"), Just("\""), Just("\"\""), Just("''"), Just(";"), Just("/*"), Just("*/"),
                Just("--"), Just("\n"), Just("$1"), Just("(é)"), Just("SELECT"), Just("1"), Just("DEALLOCATE"),
            ],
            0..12,
        ),
        blank in prop_oneof![Just(""), Just(" ")],
    ) {
        let _ = parse(&words.join(blank));
    }
}
