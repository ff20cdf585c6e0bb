//! Tables and their values, each with its key and location.

use std::fmt::Display;

use super::doc::Doc;
use super::key::{dotted, join};
use crate::config::keys::{NOT_YET, NOT_YET_SUPPORTED, UnknownKeys};
use crate::config::tree::{Data, Location, Node};
use crate::config::value::{self, Parsed};

/// A table whose keys are taken one by one; `finish` then reports the keys that are left.
pub(in crate::config) struct Table<'a> {
    doc: &'a Doc<'a>,
    /// The dotted key of the table; empty at the top.
    key: String,
    location: Location,
    /// The values that nobody has taken yet.
    left: Vec<Value<'a>>,
    /// The names that were asked for, whether they are in the table or not.
    known: Vec<&'static str>,
    /// Whether the value is no table at all. That was reported, so that missing keys are not.
    broken: bool,
}

impl<'a> Table<'a> {
    /// The top table of a document.
    pub(in crate::config) fn root(doc: &'a Doc<'a>, node: &'a Node) -> Self {
        Self::new(doc, String::new(), "", node.location, Some(&node.data))
    }

    /// Opens a table, which is empty where `data` is none.
    fn new(doc: &'a Doc<'a>, key: String, pattern: &str, location: Location, data: Option<&'a Data>) -> Self {
        let entries = match data {
            Some(Data::Table(entries)) => &entries[..],
            _ => &[],
        };
        let left = entries.iter().map(|(name, node)| Value {
            doc,
            name: name.clone(),
            key: dotted(&key, name),
            pattern: join(pattern, name),
            node,
        });
        let left = left.collect();
        Self { doc, key, location, left, known: Vec::new(), broken: false }
    }

    /// Takes a value out of the table. `None`: it is missing.
    pub(in crate::config) fn take(&mut self, name: &'static str) -> Option<Value<'a>> {
        #[cfg(test)]
        super::asked::note(join(&self.key, name));
        self.known.push(name);
        let at = self.left.iter().position(|value| value.name == name)?;
        Some(self.left.swap_remove(at))
    }

    /// Takes a value, and reports it when it is missing.
    pub(in crate::config) fn require(&mut self, name: &'static str) -> Option<Value<'a>> {
        let value = self.take(name);
        if value.is_none() {
            self.report(name, "required");
        }
        value
    }

    /// Takes and parses a string that may be missing.
    pub(in crate::config) fn optional<T>(
        &mut self,
        name: &'static str,
        parser: impl Fn(&str) -> Parsed<T>,
    ) -> Result<Option<T>, Refused> {
        if_given(self.take(name).as_ref(), |value| value.parse(parser))
    }

    /// Takes a table, which is empty when it is missing.
    pub(in crate::config) fn table(&mut self, name: &'static str) -> Table<'a> {
        match self.take(name) {
            Some(value) => value.table(&value.pattern),
            None => Table::new(self.doc, join(&self.key, name), "", self.location, None),
        }
    }

    /// Takes all values that are left, whose names the file chose, in the file's order.
    pub(in crate::config) fn names(&mut self) -> Vec<Value<'a>> {
        let mut all = std::mem::take(&mut self.left);
        all.sort_by_key(|value| value.node.location);
        all
    }

    /// Drops the keys that are to be ignored.
    pub(in crate::config) fn ignore(&mut self, ignored: impl Fn(&str) -> bool) {
        self.left.retain(|value| !ignored(&value.name));
    }

    /// Reports a problem about the key `name` of this table, which need not be there.
    pub(in crate::config) fn report(&self, name: &str, message: impl Display) {
        if self.broken {
            return;
        }
        self.doc
            .report(self.location, &join(&self.key, name), message);
    }

    /// Warns about the key `name` of this table, which need not be there.
    pub(in crate::config) fn warn(&self, name: &str, message: impl Display) {
        self.doc
            .warn(self.location, &join(&self.key, name), message);
    }

    /// Reports the keys that nobody took.
    pub(in crate::config) fn finish(self) {
        for value in &self.left {
            if NOT_YET.contains(&value.pattern.as_str()) {
                value.report(NOT_YET_SUPPORTED);
                continue;
            }
            let meant = value::nearest(&value.name, self.known.iter().copied());
            let meant = meant
                .map(|name| format!("; did you mean {name}?"))
                .unwrap_or_default();
            match self.doc.unknown_keys {
                UnknownKeys::Refuse => value.report(format_args!("unknown key{meant}")),
                UnknownKeys::Warn => value.warn(format_args!("unknown key, ignored{meant}")),
            }
        }
    }
}

/// A value was refused, and a problem with it was reported.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Refused;

/// Reads a value that may be missing.
pub(in crate::config) fn if_given<'a, T>(
    value: Option<&Value<'a>>,
    read: impl FnOnce(&Value<'a>) -> Option<T>,
) -> Result<Option<T>, Refused> {
    value.map(|value| read(value).ok_or(Refused)).transpose()
}

/// A value of the configuration, with its key and location. Each reader of it reports a problem and
/// yields `None` when it refuses the value.
#[derive(Clone)]
pub(in crate::config) struct Value<'a> {
    /// The document, which collects problems.
    pub(super) doc: &'a Doc<'a>,
    /// The last part of the key, unquoted.
    pub(in crate::config) name: String,
    key: String,
    /// The key with `*` in place of names.
    pattern: String,
    /// The value in the tree.
    pub(super) node: &'a Node,
}

impl<'a> Value<'a> {
    /// Reports a problem with this value.
    pub(in crate::config) fn report(&self, message: impl Display) {
        self.doc.report(self.node.location, &self.key, message);
    }

    /// Warns about this value.
    pub(in crate::config) fn warn(&self, message: impl Display) {
        self.doc.warn(self.node.location, &self.key, message);
    }

    /// Reports the message of a value that was refused.
    pub(super) fn keep<T>(&self, parsed: Parsed<T>) -> Option<T> {
        parsed.map_err(|message| self.report(message)).ok()
    }

    /// Reports a value of another type than expected.
    pub(super) fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        self.report(format_args!("must be {expected}, not {}", self.node.data.type_name()));
        None
    }

    /// Reads a string, and puts variables in.
    pub(in crate::config) fn text(&self) -> Option<String> {
        match (&self.node.data, self.doc.env) {
            (Data::Text(text), Some(env)) => self.keep(value::expand(text, env)),
            (Data::Text(text), None) => Some(text.clone()),
            _ => self.wrong_type("a string"),
        }
    }

    /// Reads and parses a string.
    pub(in crate::config) fn parse<T>(&self, parser: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        let text = self.text()?;
        self.keep(parser(&text))
    }

    /// Reads the elements of an array.
    pub(in crate::config) fn list(&self) -> Option<Vec<Value<'a>>> {
        match &self.node.data {
            Data::List(nodes) => Some(
                nodes
                    .iter()
                    .map(|node| Value { node, ..self.clone() })
                    .collect(),
            ),
            _ => self.wrong_type("a list"),
        }
    }

    /// Reads and parses the strings of an array; those that were refused are left out.
    pub(in crate::config) fn texts<T>(&self, parser: impl Fn(&str) -> Parsed<T>) -> Vec<T> {
        self.list()
            .unwrap_or_default()
            .iter()
            .filter_map(|value| value.parse(&parser))
            .collect()
    }

    /// Whether the value is an array.
    pub(in crate::config) fn is_list(&self) -> bool {
        matches!(self.node.data, Data::List(_))
    }

    /// Whether the value is a table.
    pub(in crate::config) fn is_table(&self) -> bool {
        matches!(self.node.data, Data::Table(_))
    }

    /// Opens this value as a table. When it is something else, that is reported, and the table is
    /// empty. `pattern` is the key with `*` in place of names.
    pub(in crate::config) fn table(&self, pattern: &str) -> Table<'a> {
        let broken = !self.is_table();
        if broken {
            self.wrong_type::<()>("a table");
        }
        let opened = Table::new(self.doc, self.key.clone(), pattern, self.node.location, Some(&self.node.data));
        Table { broken, ..opened }
    }
}
