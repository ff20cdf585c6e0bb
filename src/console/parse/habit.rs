//! Statements of SQL that drivers and pools send by habit.

use super::statement::{Statement, shown};
use crate::console::command::{Constant, Habit};
use crate::console::error::ConsoleError;
use crate::console::token::Kind;

/// The settings that may be set to anything, which changes nothing: those that drivers and tools
/// set when they connect.
const SETTINGS: [&str; 26] = [
    "APPLICATION_NAME",
    "BACKSLASH_QUOTE",
    "BYTEA_OUTPUT",
    "CLIENT_MIN_MESSAGES",
    "DATESTYLE",
    "DEFAULT_TRANSACTION_ISOLATION",
    "DEFAULT_TRANSACTION_READ_ONLY",
    "ENABLE_RESULT_CACHE_FOR_SESSION",
    "ESCAPE_STRING_WARNING",
    "EXTRA_FLOAT_DIGITS",
    "GEQO",
    "IDLE_IN_TRANSACTION_SESSION_TIMEOUT",
    "INTERVALSTYLE",
    "JIT",
    "LC_MESSAGES",
    "LC_MONETARY",
    "LC_NUMERIC",
    "LC_TIME",
    "LOCK_TIMEOUT",
    "QUERY_GROUP",
    "ROW_SECURITY",
    "SEARCH_PATH",
    "STANDARD_CONFORMING_STRINGS",
    "STATEMENT_TIMEOUT",
    "TIMEZONE",
    "TRANSACTION_READ_ONLY",
];

/// The settings that drivers ask for, by the words behind SHOW, with name and value.
const SHOWN: [(&[&str], &str, &str); 16] = [
    (&["TRANSACTION", "ISOLATION", "LEVEL"], "transaction_isolation", "read committed"),
    (&["TRANSACTION_ISOLATION"], "transaction_isolation", "read committed"),
    (&["DEFAULT_TRANSACTION_ISOLATION"], "default_transaction_isolation", "read committed"),
    (&["TRANSACTION_READ_ONLY"], "transaction_read_only", "off"),
    (&["DEFAULT_TRANSACTION_READ_ONLY"], "default_transaction_read_only", "off"),
    (&["IN_HOT_STANDBY"], "in_hot_standby", "off"),
    (&["STANDARD_CONFORMING_STRINGS"], "standard_conforming_strings", "on"),
    (&["INTEGER_DATETIMES"], "integer_datetimes", "on"),
    (&["CLIENT_ENCODING"], "client_encoding", "UTF8"),
    (&["SERVER_ENCODING"], "server_encoding", "UTF8"),
    (&["DATESTYLE"], "DateStyle", "ISO, MDY"),
    (&["INTERVALSTYLE"], "IntervalStyle", "postgres"),
    (&["TIMEZONE"], "TimeZone", "UTC"),
    (&["TIME", "ZONE"], "TimeZone", "UTC"),
    (&["SEARCH_PATH"], "search_path", ""),
    (&["SERVER_VERSION"], "server_version", crate::console::SERVER_VERSION),
];

/// The constants that drivers select.
const SELECTED: [(&[&str], &str, Constant); 9] = [
    (&["1"], "?column?", Constant::One),
    (&["VERSION", "(", ")"], "version", Constant::Version),
    (&["PG_CATALOG.VERSION", "(", ")"], "version", Constant::Version),
    (&["CURRENT_SCHEMA", "(", ")"], "current_schema", Constant::Empty),
    (&["CURRENT_DATABASE", "(", ")"], "current_database", Constant::ConsoleName),
    (&["PG_IS_IN_RECOVERY", "(", ")"], "pg_is_in_recovery", Constant::False),
    (&["PG_CATALOG.PG_IS_IN_RECOVERY", "(", ")"], "pg_is_in_recovery", Constant::False),
    (&["PG_ADVISORY_UNLOCK_ALL", "(", ")"], "pg_advisory_unlock_all", Constant::Empty),
    (&["PG_CATALOG.PG_ADVISORY_UNLOCK_ALL", "(", ")"], "pg_advisory_unlock_all", Constant::Empty),
];

/// Whether a statement that begins so is one for a database.
pub(super) fn is_sql(keyword: &str) -> bool {
    matches!(
        keyword,
        "SELECT"
            | "WITH"
            | "VALUES"
            | "TABLE"
            | "INSERT"
            | "UPDATE"
            | "DELETE"
            | "MERGE"
            | "TRUNCATE"
            | "CREATE"
            | "ALTER"
            | "DROP"
            | "GRANT"
            | "REVOKE"
            | "EXPLAIN"
            | "ANALYZE"
            | "VACUUM"
            | "COPY"
            | "UNLOAD"
            | "CALL"
            | "DO"
            | "LOCK"
            | "PREPARE"
            | "EXECUTE"
            | "DECLARE"
            | "FETCH"
            | "MOVE"
            | "LISTEN"
            | "NOTIFY"
            | "COMMENT"
            | "CLUSTER"
            | "REINDEX"
            | "LOAD"
            | "USE"
            | "CANCEL"
    )
}

impl Statement<'_> {
    /// The habit of a statement that begins with this keyword, if it is one.
    pub(super) fn habit(&mut self, keyword: &str) -> Result<Option<Habit>, ConsoleError> {
        let habit = match keyword {
            "BEGIN" => Habit::Begin,
            "START" if self.peek() == "TRANSACTION" => Habit::Begin,
            "COMMIT" | "END" => Habit::Commit,
            "ROLLBACK" if self.peek() == "TO" => Habit::Tag("ROLLBACK"),
            "ROLLBACK" | "ABORT" => Habit::Rollback,
            "SAVEPOINT" => Habit::Tag("SAVEPOINT"),
            "RELEASE" => Habit::Tag("RELEASE"),
            "RESET" => Habit::Tag("RESET"),
            "UNLISTEN" => Habit::Tag("UNLISTEN"),
            "CLOSE" if self.peek() == "ALL" => Habit::Tag("CLOSE CURSOR ALL"),
            "DISCARD" if self.peek() == "ALL" => Habit::DiscardAll,
            "DISCARD" => Habit::Tag("DISCARD"),
            "DEALLOCATE" => return self.deallocate().map(Some),
            "COPY" => return Err(ConsoleError::unsupported("the console has no COPY")),
            "SELECT" => return Ok(self.selected()),
            _ => return Ok(None),
        };
        self.skip();
        Ok(Some(habit))
    }

    /// `DEALLOCATE [PREPARE] name | ALL`, behind DEALLOCATE.
    fn deallocate(&mut self) -> Result<Habit, ConsoleError> {
        if self.words.len() > 1 && self.peek() == "PREPARE" {
            self.keyword();
        }
        if self.peek() == "ALL" {
            self.keyword();
            return Ok(Habit::Deallocate(None));
        }
        self.name("the name of a prepared statement")
            .map(|name| Habit::Deallocate(Some(name)))
    }

    /// `SET` of a setting that drivers set, behind SET.
    pub(super) fn set_by_habit(&mut self) -> Result<Habit, ConsoleError> {
        let (text, words) = (self.text, self.words);
        if words.len() > 1 && matches!(self.peek().as_str(), "SESSION" | "LOCAL") {
            self.keyword();
        }
        let at = self.words.first().map_or(text.len(), |word| word.at);
        // A name of a setting may be quoted.
        let name = self
            .words
            .first()
            .filter(|word| word.kind == Kind::Name && word.text.len() < 64)
            .map_or_else(|| self.peek(), |word| word.text.to_ascii_uppercase());
        match name.as_str() {
            "CLIENT_ENCODING" | "NAMES" => self.encoding()?,
            // SET TIME ZONE, SET TRANSACTION …, SET SESSION CHARACTERISTICS AS TRANSACTION ….
            "TIME" | "TRANSACTION" | "CHARACTERISTICS" => {}
            name if SETTINGS.contains(&name) => {}
            _ => {
                let shown = self.words.first().map_or("", |word| shown(&word.text));
                let error = ConsoleError::new("42704", format!("unrecognized configuration parameter \"{shown}\""));
                return Err(error.hint("The console sets log_level alone.").at(text, at));
            }
        }
        self.skip();
        Ok(Habit::Tag("SET"))
    }

    /// Refuses another encoding than ours: the last word names it.
    fn encoding(&self) -> Result<(), ConsoleError> {
        let Some(word) = self.words.last() else { return Ok(()) };
        let is_ours = matches!(
            word.text.to_ascii_uppercase().replace('-', "").as_str(),
            "UTF8" | "UNICODE" | "SQL_ASCII" | "DEFAULT"
        );
        match is_ours {
            true => Ok(()),
            false => Err(ConsoleError::value("the console speaks UTF8 alone").at(self.text, word.at)),
        }
    }

    /// The setting of PostgreSQL's that the words behind SHOW ask for, if drivers do.
    pub(super) fn setting(&mut self) -> Option<Habit> {
        let (_, name, value) = SHOWN.iter().find(|(words, ..)| self.is(words))?;
        self.skip();
        Some(Habit::Setting(name, value))
    }

    /// The constant that the words behind SELECT ask for, if drivers do.
    fn selected(&mut self) -> Option<Habit> {
        let (_, name, value) = SELECTED.iter().find(|(words, ..)| self.is(words))?;
        self.skip();
        Some(Habit::Constant(name, *value))
    }

    /// Whether the rest of the statement is these words.
    fn is(&self, words: &[&str]) -> bool {
        let is_bare = |kind| matches!(kind, Kind::Bare | Kind::Symbol);
        self.words.len() == words.len()
            && self
                .words
                .iter()
                .zip(words)
                .all(|(word, want)| is_bare(word.kind) && word.text.eq_ignore_ascii_case(want))
    }

    /// Takes the rest of the statement, whatever it says.
    fn skip(&mut self) {
        self.words = &[];
    }
}
