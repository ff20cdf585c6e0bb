//! A table: its columns, and how its rows are made.

use crate::console::answer::{Column, Kind, Rows, Value};

/// The columns of a table, each with how its value is read from the status that a row is made of.
pub(in crate::console) struct Table<T: 'static>(pub(in crate::console) &'static [Field<T>]);

/// A column's name, its type, and how its value is read.
type Field<T> = (&'static str, Kind, fn(&T) -> Value);

impl<T> Table<T> {
    /// The columns of the table.
    pub(in crate::console) fn columns(&self) -> Vec<Column> {
        let column = |(name, kind, _): &Field<T>| Column { name, kind: *kind };
        self.0.iter().map(column).collect()
    }

    /// Makes a row of each status.
    pub(in crate::console) fn of(&self, statuses: impl IntoIterator<Item = T>) -> Rows {
        let row = |status: T| self.0.iter().map(|(_, _, value)| value(&status)).collect();
        Rows::new(self.columns(), statuses.into_iter().map(row).collect())
    }
}
