//! The tree of a configuration, no matter what it was written in: values with their locations, out
//! of TOML or out of an item.
//!
//! This module owns the tree and its locations. It knows no key.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

/// The location of a value in the files of a configuration.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Location {
    /// The number of the file in its document.
    pub(super) file: usize,
    /// The line, from 1. `None`: the whole file, or an item, which has no lines.
    pub(super) line: Option<usize>,
}

impl Location {
    /// The first file as a whole.
    pub(super) const WHOLE: Self = Self { file: 0, line: None };
}

/// A value and its location.
#[derive(Debug)]
pub(super) struct Node {
    /// The location of the value.
    pub(super) location: Location,
    /// The value without its location.
    pub(super) data: Data,
}

/// The data of a value, whose location its [`Node`] has.
#[derive(Debug)]
pub(super) enum Data {
    Text(String),
    /// A whole number in decimal digits, of any length.
    Integer(String),
    Float(String),
    Bool(bool),
    Datetime(Datetime),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
    /// A value of a type that no key takes, by the name of that type.
    Other(&'static str),
}

impl Data {
    /// The name of the type, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Integer(_) => "integer",
            Self::Float(_) => "float",
            Self::Bool(_) => "boolean",
            Self::Datetime(_) => "datetime",
            Self::List(_) => "array",
            Self::Table(_) => "table",
            Self::Other(name) => name,
        }
    }
}

/// A value of an item of lava's table (docs/protocol/connection-spec.md 2): strings, numbers in
/// text, booleans, and maps of them.
#[derive(Clone, Debug)]
pub enum ItemValue {
    /// A string (DynamoDB's type `S`).
    Text(String),
    /// A number in text (DynamoDB's type `N`).
    Number(String),
    /// A boolean (DynamoDB's type `BOOL`).
    Bool(bool),
    /// A map (DynamoDB's type `M`).
    Map(BTreeMap<String, ItemValue>),
    /// A list (DynamoDB's type `L`).
    List(Vec<ItemValue>),
    /// A value of a type that no field takes, by its name for a message: `NULL`, `B`, `SS`, …
    Other(&'static str),
}

/// Parses a file. The error never shows the line, which may hold a secret.
pub(super) fn from_toml(text: &str, file: usize) -> Result<Node, (Location, String)> {
    let lines = Lines {
        file,
        ends: text
            .bytes()
            .enumerate()
            .filter(|(_, b)| *b == b'\n')
            .map(|(at, _)| at)
            .collect(),
    };
    match DeTable::parse(text) {
        Ok(table) => Ok(Node { location: Location { file, line: Some(1) }, data: lines.table(table.get_ref()) }),
        Err(why) => {
            let line = why.span().and_then(|span| lines.location(span.start).line);
            Err((Location { file, line }, why.message().replace('\n', ", ")))
        }
    }
}

/// The line ends of one file, in bytes from its start.
struct Lines {
    file: usize,
    ends: Vec<usize>,
}

impl Lines {
    fn location(&self, offset: usize) -> Location {
        Location { file: self.file, line: Some(self.ends.partition_point(|end| *end < offset) + 1) }
    }

    fn table(&self, table: &DeTable<'_>) -> Data {
        let entries = table.iter().map(|(name, value)| {
            // A table stands where its name does, any other value where it begins itself.
            let at = if value.get_ref().is_table() { name.span().start } else { value.span().start };
            (name.get_ref().to_string(), Node { location: self.location(at), data: self.data(value) })
        });
        Data::Table(entries.collect())
    }

    fn data(&self, value: &Spanned<DeValue<'_>>) -> Data {
        match value.get_ref() {
            DeValue::String(text) => Data::Text(text.to_string()),
            DeValue::Integer(number) => {
                let decimal = i128::from_str_radix(number.as_str(), number.radix());
                Data::Integer(decimal.map_or_else(|_too_long| number.as_str().to_owned(), |number| number.to_string()))
            }
            DeValue::Float(number) => Data::Float(number.to_string()),
            DeValue::Boolean(is) => Data::Bool(*is),
            DeValue::Datetime(at) => Data::Datetime(*at),
            DeValue::Array(array) => {
                let node =
                    |value: &Spanned<_>| Node { location: self.location(value.span().start), data: self.data(value) };
                Data::List(array.iter().map(node).collect())
            }
            DeValue::Table(table) => self.table(table),
        }
    }
}

/// Makes the tree of an item, which has no lines.
pub(super) fn from_item<'i>(fields: impl IntoIterator<Item = (&'i String, &'i ItemValue)>) -> Node {
    Node { location: Location::WHOLE, data: item_table(fields) }
}

fn item_table<'i>(fields: impl IntoIterator<Item = (&'i String, &'i ItemValue)>) -> Data {
    Data::Table(
        fields
            .into_iter()
            .map(|(name, value)| (name.clone(), item_node(value)))
            .collect(),
    )
}

fn item_node(value: &ItemValue) -> Node {
    let data = match value {
        ItemValue::Text(text) => Data::Text(text.clone()),
        ItemValue::Number(text) => match text.parse::<i128>() {
            Ok(number) => Data::Integer(number.to_string()),
            Err(_fraction) => Data::Float(text.clone()),
        },
        ItemValue::Bool(is) => Data::Bool(*is),
        ItemValue::Map(map) => item_table(map),
        ItemValue::List(list) => Data::List(list.iter().map(item_node).collect()),
        ItemValue::Other(name) => Data::Other(name),
    };
    Node { location: Location::WHOLE, data }
}
