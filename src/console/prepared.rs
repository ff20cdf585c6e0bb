//! Prepared statements and portals of the extended protocol.

use std::collections::HashMap;
use std::vec;

use super::answer::{Column, Value};
use super::command::{Command, Habit};
use super::error::ConsoleError;
use super::execute::columns;
use super::message::Object;
use super::parse::parse;
use super::tables::Room;
use super::value::Format;

/// Most prepared statements of one client; drivers keep about a hundred.
const MAX_STATEMENTS: usize = 256;

/// Most portals of one client. Each may hold a table, which takes its room of all consoles'.
const MAX_PORTALS: usize = 4;

/// Longest name of a statement or portal, in bytes.
const MAX_NAME: usize = 256;

/// The prepared statements and portals of one client.
#[derive(Default)]
pub(super) struct Prepared {
    /// The statements by name; `None` is an empty text.
    statements: HashMap<String, Option<Command>>,
    portals: HashMap<String, Portal>,
    /// Whether a `BEGIN` has come, and no end of it. It ends nothing here, but clients that asked
    /// for a transaction expect to hear that they are in one.
    pub(super) is_in_transaction: bool,
}

/// A statement that is about to be done, is being done or has been done.
pub(super) struct Portal {
    /// The command; `None`: the text was empty.
    pub(super) command: Option<Command>,
    /// The formats of the columns: none for text, one for all, or one each.
    formats: Vec<Format>,
    /// How far it has come.
    pub(super) progress: Progress,
}

/// How far a portal has come.
#[derive(Default)]
pub(super) enum Progress {
    /// Nothing has been done.
    #[default]
    New,
    /// The command is done, and these rows are yet to be sent.
    Rows { rows: vec::IntoIter<Vec<Value>>, _room: Room },
    /// The command is done, and its answer is sent.
    Done,
}

impl Prepared {
    /// Prepares the one command of a text.
    ///
    /// # Errors
    /// The text is not one command, it has parameters, or there are too many statements.
    pub(super) fn parse(&mut self, name: &str, text: &str, types: u16) -> Result<(), ConsoleError> {
        if types > 0 {
            return Err(ConsoleError::unsupported("the console takes no parameters"));
        }
        if name.is_empty() {
            self.statements.remove(name);
        } else if self.statements.contains_key(name) {
            return Err(ConsoleError::new("42P05", format!("prepared statement \"{name}\" already exists")));
        }
        check_room("prepared statements", name, self.statements.len(), MAX_STATEMENTS)?;
        let mut commands = parse(text)?;
        if commands.len() > 1 {
            return Err(ConsoleError::syntax("cannot insert multiple commands into a prepared statement"));
        }
        self.statements.insert(name.to_owned(), commands.pop());
        Ok(())
    }

    /// Makes a portal of a statement.
    ///
    /// # Errors
    /// There is no such statement, what it is given does not fit it, or there are too many portals.
    pub(super) fn bind(
        &mut self,
        portal: &str,
        statement: &str,
        formats: Vec<Format>,
        parameters: u16,
    ) -> Result<(), ConsoleError> {
        let command = self.statement(statement)?.clone();
        if parameters > 0 {
            return Err(ConsoleError::protocol(format!(
                "bind message supplies {parameters} parameters, but a prepared statement of the console takes none"
            )));
        }
        let count = command
            .as_ref()
            .and_then(columns)
            .map_or(0, |columns| columns.len());
        if formats.len() > 1 && formats.len() != count {
            return Err(ConsoleError::protocol(format!(
                "bind message has {} result formats but query has {count} columns",
                formats.len()
            )));
        }
        if portal.is_empty() {
            self.portals.remove(portal);
        } else if self.portals.contains_key(portal) {
            return Err(ConsoleError::new("42P03", format!("cursor \"{portal}\" already exists")));
        }
        check_room("portals", portal, self.portals.len(), MAX_PORTALS)?;
        self.portals
            .insert(portal.to_owned(), Portal { command, formats, progress: Progress::New });
        Ok(())
    }

    /// The command of a statement.
    ///
    /// # Errors
    /// There is no such statement.
    pub(super) fn statement(&self, name: &str) -> Result<&Option<Command>, ConsoleError> {
        let missing = || ConsoleError::new("26000", format!("prepared statement \"{name}\" does not exist"));
        self.statements.get(name).ok_or_else(missing)
    }

    /// A portal.
    ///
    /// # Errors
    /// There is no such portal.
    pub(super) fn portal(&mut self, name: &str) -> Result<&mut Portal, ConsoleError> {
        let missing = || ConsoleError::new("34000", format!("portal \"{name}\" does not exist"));
        self.portals.get_mut(name).ok_or_else(missing)
    }

    /// Forgets a statement or portal, if there is one.
    pub(super) fn close(&mut self, object: Object<'_>) {
        match object {
            Object::Statement(name) => drop(self.statements.remove(name)),
            Object::Portal(name) => drop(self.portals.remove(name)),
        }
    }

    /// Forgets what a Query forgets: the statement and the portal without a name.
    pub(super) fn forget_unnamed(&mut self) {
        self.statements.remove("");
        self.portals.remove("");
    }

    /// Ends what a Sync ends: all portals, outside a transaction.
    pub(super) fn sync(&mut self) {
        if !self.is_in_transaction {
            self.portals.clear();
        }
    }

    /// Does what a statement that is sent by habit does here.
    ///
    /// # Errors
    /// There is no statement that it names.
    pub(super) fn observe(&mut self, habit: &Habit) -> Result<(), ConsoleError> {
        match habit {
            Habit::Begin => self.is_in_transaction = true,
            Habit::Commit | Habit::Rollback => {
                self.is_in_transaction = false;
                self.portals.clear();
            }
            Habit::DiscardAll | Habit::Deallocate(None) => self.statements.clear(),
            Habit::Deallocate(Some(name)) => {
                self.statement(name)?;
                self.statements.remove(name);
            }
            Habit::Tag(_) | Habit::Setting(..) | Habit::Constant(..) => {}
        }
        Ok(())
    }
}

impl Portal {
    /// The columns of the answer. `None`: it is no table.
    pub(super) fn columns(&self) -> Option<Vec<Column>> {
        self.command.as_ref().and_then(columns)
    }

    /// The format of a column.
    pub(super) fn format(&self, column: usize) -> Format {
        match self.formats[..] {
            [] => Format::Text,
            [all] => all,
            _ => self.formats.get(column).copied().unwrap_or_default(),
        }
    }
}

fn check_room(what: &str, name: &str, count: usize, max: usize) -> Result<(), ConsoleError> {
    if name.len() > MAX_NAME {
        Err(ConsoleError::value(format!("a name is at most {MAX_NAME} bytes")))
    } else if count >= max {
        Err(ConsoleError::too_much(format!("more than {max} {what}")).hint("Close some of them, or send DISCARD ALL."))
    } else {
        Ok(())
    }
}
