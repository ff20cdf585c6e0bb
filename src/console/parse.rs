//! The grammar of the console: a text becomes commands, all of it before any is done.

use std::net::{IpAddr, SocketAddr};

use self::statement::{HELP, Statement, shown};
use super::command::{Command, Show};
use super::error::ConsoleError;
use super::token::{self, Kind, Token};
use crate::config::value::nearest;
use crate::config::{ConnId, LogLevel};
use crate::operations::Which;

mod habit;
mod pgbouncer;
mod statement;

/// The words that commands begin with.
const COMMANDS: [&str; 11] =
    ["SHOW", "KILL", "DISABLE", "ENABLE", "CHECK", "RELOAD", "REFRESH", "UNBAN", "DRAIN", "SHUTDOWN", "SET"];

/// The tables, by the word behind SHOW.
pub(super) const SHOWS: [(&str, Show); 20] = [
    ("HELP", Show::Help),
    ("SESSIONS", Show::Sessions),
    ("CLIENTS", Show::Clients),
    ("SERVERS", Show::Servers),
    ("CONNECTIONS", Show::Connections),
    ("USERS", Show::Users),
    ("CREDENTIALS", Show::Credentials),
    ("STATS", Show::Stats),
    ("CONFIG", Show::Config),
    ("LOG_LEVEL", Show::LogLevel),
    ("VERSION", Show::Version),
    ("BANS", Show::Bans),
    ("DRAIN", Show::Drain),
    ("LIMITS", Show::Limits),
    ("LISTENERS", Show::Listeners),
    ("REFERENCES", Show::References),
    ("CERTIFICATES", Show::Certificates),
    ("ERRORS", Show::Errors(None)),
    ("ACTIONS", Show::Actions),
    ("FLEET", Show::Fleet),
];

/// Reads the commands in a text, which `;` separates; none where it says nothing.
///
/// # Errors
/// One of them is not a command, or not a whole one: see [`ConsoleError`].
pub(crate) fn parse(text: &str) -> Result<Vec<Command>, ConsoleError> {
    let statements = token::statements(text)?;
    statements
        .iter()
        .map(|words| Statement { text, words }.command())
        .collect()
}

impl Statement<'_> {
    /// Reads the whole statement.
    fn command(mut self) -> Result<Command, ConsoleError> {
        if let Some(parameter) = self.words.iter().find(|word| is_parameter(word)) {
            let error = ConsoleError::unsupported("the console takes no parameters");
            return Err(error
                .hint("Write the value into the command.")
                .at(self.text, parameter.at));
        }
        let first = self.words.first();
        let command = match self.keyword().as_str() {
            "SHOW" => self.show()?,
            "KILL" => Command::Kill(self.sessions()?),
            "DISABLE" => Command::Disable(self.conn_id()?),
            "ENABLE" => Command::Enable(self.conn_id()?),
            "CHECK" => Command::Check(self.conn_id()?),
            "REFRESH" => Command::Refresh(self.conn_id()?),
            "UNBAN" => Command::Unban(self.address()?),
            "RELOAD" => Command::Reload,
            "DRAIN" => Command::Drain,
            "SHUTDOWN" => Command::Shutdown,
            "SET" => self.set()?,
            keyword => match (self.habit(keyword)?, first) {
                (Some(habit), _) => Command::Habit(habit),
                (None, Some(first)) => return Err(self.unknown(first, keyword)),
                (None, None) => return Err(self.expected("a command")),
            },
        };
        match self.words.first() {
            None => Ok(command),
            Some(_) => Err(self.unexpected().hint(HELP)),
        }
    }

    /// `SHOW …`, behind SHOW.
    fn show(&mut self) -> Result<Command, ConsoleError> {
        let Some(word) = self.words.first() else { return Err(self.expected("what to show")) };
        if let Some(setting) = self.setting() {
            return Ok(Command::Habit(setting));
        }
        let name = self.keyword();
        if let Some(instead) = pgbouncer::show_instead(&name) {
            let error = ConsoleError::syntax(format!("there is no SHOW {name} here"));
            return Err(error.hint(instead).at(self.text, word.at));
        }
        let Some((_, show)) = SHOWS.iter().find(|(known, _)| *known == name) else {
            let error = ConsoleError::syntax(format!("there is no SHOW {}", shown(&word.text)));
            let hint = did_you_mean(&name, SHOWS.iter().map(|(known, _)| *known), "SHOW ");
            return Err(error.hint(hint).at(self.text, word.at));
        };
        Ok(Command::Show(match show {
            Show::Errors(_) if !self.words.is_empty() => Show::Errors(Some(self.session_id("")?)),
            show => show.clone(),
        }))
    }

    /// `<session> | USER u | CONNECTION c | ADDRESS a | ALL`, behind KILL.
    fn sessions(&mut self) -> Result<Which, ConsoleError> {
        Ok(match self.peek().as_str() {
            "ALL" => {
                self.next();
                Which::All
            }
            "USER" => {
                self.next();
                Which::User(self.name("a user")?)
            }
            "CONNECTION" => {
                self.next();
                Which::Connection(self.name("a conn_id")?)
            }
            "ADDRESS" => {
                self.next();
                Which::Address(self.address()?)
            }
            _ => Which::Session(
                self.session_id(" KILL USER, KILL CONNECTION, KILL ADDRESS and KILL ALL take other names.")?,
            ),
        })
    }

    /// The id of a session, alone or behind SESSION, or as the end of a message has it: `(session
    /// abc123def456)`. `else_hint` ends the hint for what is no id.
    fn session_id(&mut self, else_hint: &str) -> Result<String, ConsoleError> {
        let is_pasted = self.is_symbol("(");
        if is_pasted {
            self.next();
        }
        if self.words.len() > 1 && self.peek() == "SESSION" {
            self.next();
        }
        let (text, at) = (self.text, self.words.first().map(|word| word.at));
        let name = self.name("the id of a session")?;
        if is_pasted && self.is_symbol(")") {
            self.next();
        }
        let id = name.trim().to_ascii_lowercase();
        let id = id.strip_prefix("(session ").unwrap_or(&id);
        let id = id.strip_suffix(')').unwrap_or(id);
        if id.len() == 12
            && id
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        {
            return Ok(id.to_owned());
        }
        let error = ConsoleError::value(format!("\"{}\" is not the id of a session", shown(&name)));
        let hint = "Ids are in SHOW SESSIONS, in the log, and at the end of the proxy's messages.";
        Err(error
            .hint(format!("{hint}{else_hint}"))
            .at(text, at.unwrap_or_default()))
    }

    /// A conn_id.
    fn conn_id(&mut self) -> Result<ConnId, ConsoleError> {
        let (text, at) = (self.text, self.words.first().map(|word| word.at));
        let name = self.name("a conn_id")?;
        ConnId::new(&name).map_err(|why| ConsoleError::value(why.to_string()).at(text, at.unwrap_or_default()))
    }

    /// An address, or an address and a port as tables show it: the address.
    fn address(&mut self) -> Result<IpAddr, ConsoleError> {
        let (text, at) = (self.text, self.words.first().map(|word| word.at));
        let name = self.name("an address")?;
        let address = name
            .parse::<IpAddr>()
            .or_else(|_why| name.parse::<SocketAddr>().map(|address| address.ip()));
        address
            .map(|address| address.to_canonical())
            .map_err(|_why| {
                ConsoleError::value(format!("\"{}\" is not an address", shown(&name))).at(text, at.unwrap_or_default())
            })
    }

    /// `SET log_level = l`, or a setting that drivers set by habit, behind SET.
    fn set(&mut self) -> Result<Command, ConsoleError> {
        if self.peek() != "LOG_LEVEL" {
            return self.set_by_habit().map(Command::Habit);
        }
        self.keyword();
        let is_to = self.peek() == "TO" || self.is_symbol("=");
        if !is_to {
            return Err(self.expected("= or TO"));
        }
        self.next();
        let (text, at) = (self.text, self.words.first().map(|word| word.at));
        let name = self.name("a level")?;
        let level = match name.to_ascii_lowercase().as_str() {
            "error" => LogLevel::Error,
            "warn" => LogLevel::Warn,
            "info" => LogLevel::Info,
            "debug" => LogLevel::Debug,
            "trace" => LogLevel::Trace,
            _ => {
                let error = ConsoleError::value(format!("invalid value for log_level: \"{}\"", shown(&name)));
                let hint = "The levels are error, warn, info, debug and trace.";
                return Err(error.hint(hint).at(text, at.unwrap_or_default()));
            }
        };
        Ok(Command::SetLogLevel(level))
    }

    /// The error for a statement whose first word is no command.
    fn unknown(&self, first: &Token<'_>, keyword: &str) -> ConsoleError {
        let error = ConsoleError::syntax(format!("syntax error at or near \"{}\"", shown(&first.text)));
        let hint = match pgbouncer::instead(keyword) {
            Some(instead) => instead.to_owned(),
            None if habit::is_sql(keyword) => {
                "This is the proxy's console, not a database: SHOW HELP lists its commands.".to_owned()
            }
            None => did_you_mean(keyword, COMMANDS, ""),
        };
        error.hint(hint).at(self.text, first.at)
    }
}

/// Whether a word is a parameter, such as `$1`.
fn is_parameter(word: &Token<'_>) -> bool {
    let digits = word.text.strip_prefix('$').unwrap_or_default();
    word.kind == Kind::Bare && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A hint that offers the known word nearest to `word`, behind `before`.
fn did_you_mean<'c>(word: &str, known: impl IntoIterator<Item = &'c str>, before: &str) -> String {
    match nearest(word, known) {
        Some(meant) => format!("Did you mean {before}{meant}? {HELP}"),
        None => HELP.to_owned(),
    }
}

#[cfg(test)]
mod tests;
