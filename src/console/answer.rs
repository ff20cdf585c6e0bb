//! What a command of the console answers, before it is bytes.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

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
    /// The notices that an operator gets besides the table.
    pub(crate) notices: Vec<String>,
    /// About how many bytes the rows take.
    pub(crate) bytes: usize,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: &'static str,
    /// The type of its values.
    pub(crate) kind: Kind,
}

impl Rows {
    /// A table of these rows, each with a value for each column, and no notices.
    pub(super) fn new(columns: Vec<Column>, rows: Vec<Vec<Value>>) -> Self {
        let values = rows.iter().flatten().map(Value::bytes).sum::<usize>();
        let bytes = values + rows.len() * size_of::<Vec<Value>>();
        Self { columns, rows, notices: Vec::new(), bytes }
    }
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

impl Value {
    /// A text.
    pub(super) fn text(text: impl Display) -> Self {
        Self::Text(text.to_string())
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Text(text) => text.len(),
                Self::Null | Self::Int(_) | Self::Float(_) | Self::Bool(_) | Self::Time(_) => 0,
            }
    }

    /// A text, or null.
    pub(super) fn text_or_null(text: Option<impl Display>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    /// A number; one beyond the type's range is shown as its greatest.
    pub(super) fn int(number: impl Into<u64>) -> Self {
        Self::Int(i64::try_from(number.into()).unwrap_or(i64::MAX))
    }

    /// A number of things.
    pub(super) fn count(count: usize) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// A moment, or null.
    pub(super) fn time_or_null(at: Option<SystemTime>) -> Self {
        at.map_or(Self::Null, Self::Time)
    }

    /// A number with three decimals at most: people read it.
    pub(super) fn rounded(number: f64) -> Self {
        Self::Float((number * 1000.0).round() / 1000.0)
    }

    /// A duration in seconds.
    pub(super) fn secs(duration: Duration) -> Self {
        Self::rounded(duration.as_secs_f64())
    }

    /// A duration in seconds, or null.
    pub(super) fn secs_or_null(duration: Option<Duration>) -> Self {
        duration.map_or(Self::Null, Self::secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_milliseconds() {
        for (nanos, want) in [(22_568_895_495, 22.569), (1_954_590_164, 1.955), (400_000, 0.0), (5_000_000_000, 5.0)] {
            assert_eq!(Value::secs(Duration::from_nanos(nanos)), Value::Float(want));
        }
        assert_eq!(Value::rounded(2.567_266_999_999_999_7), Value::Float(2.567));
    }
}
