//! Tables and their values, each with its key and location.

use std::fmt::Display;

use super::doc::Doc;
use super::key::{dotted, join};
use crate::config::keys::{NOT_YET, NOT_YET_SUPPORTED, UnknownKeys};
use crate::config::tree::{Data, Location, Node};
use crate::config::value::{self, Parsed};

/// A table whose keys are taken one by one; `finish` then judges those left.
pub(in crate::config) struct Table<'a> {
    doc: &'a Doc<'a>,
    /// Dotted; empty at the top.
    key: String,
    location: Location,
    /// Not yet taken.
    left: Vec<Value<'a>>,
    /// Asked for, here or not.
    known: Vec<&'static str>,
    /// Is something other than a table, which is problem enough: nothing is missing in it.
    broken: bool,
}

impl<'a> Table<'a> {
    /// The top table of a document.
    pub(in crate::config) fn root(doc: &'a Doc<'a>, node: &'a Node) -> Self {
        Self::new(doc, String::new(), "", node.location, Some(&node.data))
    }

    /// Empty where `data` is no table.
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

    pub(in crate::config) fn take(&mut self, name: &'static str) -> Option<Value<'a>> {
        self.known.push(name);
        let at = self.left.iter().position(|value| value.name == name)?;
        Some(self.left.swap_remove(at))
    }

    /// Reports a problem when it is missing.
    pub(in crate::config) fn require(&mut self, name: &'static str) -> Option<Value<'a>> {
        let value = self.take(name);
        if value.is_none() {
            self.report(name, "required");
        }
        value
    }

    /// A string, parsed, that may be missing. `None`: it is there and will not do.
    pub(in crate::config) fn optional<T>(
        &mut self,
        name: &'static str,
        parser: impl Fn(&str) -> Parsed<T>,
    ) -> Option<Option<T>> {
        self.take(name)
            .map_or(Some(None), |value| value.parse(parser).map(Some))
    }

    /// A table within, empty when it is missing.
    pub(in crate::config) fn table(&mut self, name: &'static str) -> Table<'a> {
        match self.take(name) {
            Some(value) => value.table(&value.pattern),
            None => Table::new(self.doc, join(&self.key, name), "", self.location, None),
        }
    }

    /// All that is left, each under a name that the file chose, in the file's order.
    pub(in crate::config) fn names(&mut self) -> Vec<Value<'a>> {
        let mut all = std::mem::take(&mut self.left);
        all.sort_by_key(|value| value.node.location);
        all
    }

    /// Drops keys that are nobody's business.
    pub(in crate::config) fn ignore(&mut self, ignored: impl Fn(&str) -> bool) {
        self.left.retain(|value| !ignored(&value.name));
    }

    /// A problem of the key `name` that is not there.
    pub(in crate::config) fn report(&self, name: &str, message: impl Display) {
        if self.broken {
            return;
        }
        self.doc
            .report(self.location, &join(&self.key, name), message);
    }

    /// A warning about the key `name`, here or not.
    pub(in crate::config) fn warn(&self, name: &str, message: impl Display) {
        self.doc
            .warn(self.location, &join(&self.key, name), message);
    }

    /// Judges the keys that nobody took.
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

/// One value, with its location. Each reader reports a problem and yields `None` when the value will not do.
#[derive(Clone)]
pub(in crate::config) struct Value<'a> {
    pub(super) doc: &'a Doc<'a>,
    /// The last part of the key, as it is.
    pub(in crate::config) name: String,
    key: String,
    /// The key with `*` in place of names.
    pattern: String,
    pub(super) node: &'a Node,
}

impl<'a> Value<'a> {
    pub(in crate::config) fn report(&self, message: impl Display) {
        self.doc.report(self.node.location, &self.key, message);
    }

    pub(in crate::config) fn warn(&self, message: impl Display) {
        self.doc.warn(self.node.location, &self.key, message);
    }

    pub(super) fn keep<T>(&self, parsed: Parsed<T>) -> Option<T> {
        parsed.map_err(|message| self.report(message)).ok()
    }

    pub(super) fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        self.report(format_args!("must be {expected}, not {}", self.node.data.type_name()));
        None
    }

    /// A string, its variables put in.
    pub(in crate::config) fn text(&self) -> Option<String> {
        match (&self.node.data, self.doc.env) {
            (Data::Text(text), Some(env)) => self.keep(value::expand(text, env)),
            (Data::Text(text), None) => Some(text.clone()),
            _ => self.wrong_type("a string"),
        }
    }

    /// A string, parsed.
    pub(in crate::config) fn parse<T>(&self, parser: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        let text = self.text()?;
        self.keep(parser(&text))
    }

    /// The elements of an array.
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

    /// The strings of an array, those parsed that will do.
    pub(in crate::config) fn texts<T>(&self, parser: impl Fn(&str) -> Parsed<T>) -> Vec<T> {
        self.list()
            .unwrap_or_default()
            .iter()
            .filter_map(|value| value.parse(&parser))
            .collect()
    }

    pub(in crate::config) fn is_list(&self) -> bool {
        matches!(self.node.data, Data::List(_))
    }

    pub(in crate::config) fn is_table(&self) -> bool {
        matches!(self.node.data, Data::Table(_))
    }

    /// A table; reports a problem and is empty when it is something else. `pattern`: the key with `*` in place
    /// of names.
    pub(in crate::config) fn table(&self, pattern: &str) -> Table<'a> {
        let broken = !self.is_table();
        if broken {
            self.wrong_type::<()>("a table");
        }
        let opened = Table::new(self.doc, self.key.clone(), pattern, self.node.location, Some(&self.node.data));
        Table { broken, ..opened }
    }
}
