//! The answers to statements that drivers and tools send by habit.

use super::SERVER_VERSION;
use super::answer::{Answer, Column, Kind, Rows, Value};
use super::command::{Constant, Habit};
use crate::config::ConnId;

impl Habit {
    /// The columns of the answer. `None`: it is no table.
    pub(super) fn columns(&self) -> Option<Vec<Column>> {
        let (name, kind) = match self {
            Self::Setting(name, _) => (name, Kind::Text),
            Self::Constant(name, Constant::One) => (name, Kind::Int8),
            Self::Constant(name, Constant::False) => (name, Kind::Bool),
            Self::Constant(name, Constant::Empty | Constant::Version | Constant::ConsoleName) => (name, Kind::Text),
            Self::Begin | Self::Commit | Self::Rollback | Self::DiscardAll | Self::Deallocate(_) | Self::Tag(_) => {
                return None;
            }
        };
        Some(vec![Column { name, kind }])
    }

    /// The answer.
    pub(super) fn answer(&self) -> Answer {
        let value = match self {
            Self::Setting(_, value) => Value::Text((*value).to_owned()),
            Self::Constant(_, Constant::One) => Value::Int(1),
            Self::Constant(_, Constant::False) => Value::Bool(false),
            Self::Constant(_, Constant::Empty) => Value::Text(String::new()),
            Self::Constant(_, Constant::Version) => Value::Text(format!("PostgreSQL {SERVER_VERSION}")),
            Self::Constant(_, Constant::ConsoleName) => Value::Text(ConnId::CONSOLE.to_owned()),
            Self::Begin | Self::Commit | Self::Rollback | Self::DiscardAll | Self::Deallocate(_) | Self::Tag(_) => {
                return Answer::Done { tag: self.tag().to_owned(), notices: Vec::new() };
            }
        };
        Answer::Rows(Rows::new(self.columns().unwrap_or_default(), vec![vec![value]]))
    }
}
