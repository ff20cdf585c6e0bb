//! What a command of the console answers, before it is bytes.

use std::time::SystemTime;

/// The answer to one command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// A table, and the command tag behind it.
    Rows(Rows),
    /// The command tag alone, such as `KILL 3`, behind these notices.
    Done { tag: String, notices: Vec<String> },
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rows {
    /// The columns.
    pub(crate) columns: Vec<Column>,
    /// The rows, each with a value for each column.
    pub(crate) rows: Vec<Vec<Value>>,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: &'static str,
    /// The type of its values.
    pub(crate) kind: Kind,
}

/// The type of a column, by PostgreSQL's names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Text,
    Int8,
    Float8,
    Bool,
    Timestamptz,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Time(SystemTime),
}
