//! A configuration read key by key. Unlike serde, it goes on behind a fault, and knows the line of
//! each value.
//!
//! Owns lines, dotted keys, `${NAME}`, references, and what becomes of keys nobody asked for. Knows
//! no key's meaning.

use std::cell::RefCell;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::fault::{Fault, Faults};
use super::file::read_file;
use super::keys::{NOT_YET, NOT_YET_SUPPORTED, UnknownKeys};
use super::material::Material;
use super::tree::{Data, Node, Place};
use super::value::{self, Parsed, Reference};
use crate::secret::Secret;

/// The environment.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A configuration while it is read; collects what is wrong with it.
pub(super) struct Doc<'a> {
    /// The first is what the caller gave; those it includes are behind it.
    files: RefCell<Vec<PathBuf>>,
    /// Where relative paths in the first one start.
    folder: PathBuf,
    /// `None`: what `${` begins is no variable, but text.
    pub(super) env: Option<Env<'a>>,
    unknown_keys: UnknownKeys,
    faults: RefCell<Vec<(Place, Fault)>>,
    warnings: RefCell<Vec<(Place, Fault)>>,
}

impl<'a> Doc<'a> {
    /// `path`: its first file as the caller named it. Paths in it start in `folder`.
    pub(super) fn new(path: &Path, folder: &Path, env: Option<Env<'a>>, unknown_keys: UnknownKeys) -> Self {
        let files = RefCell::new(vec![path.to_owned()]);
        Self {
            files,
            folder: folder.to_owned(),
            env,
            unknown_keys,
            faults: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// Faults and warnings, each in the order of files and lines.
    pub(super) fn told(self) -> (Faults, Faults) {
        (Faults::new(self.faults.into_inner()), Faults::new(self.warnings.into_inner()))
    }

    /// Its top table.
    pub(super) fn root(&'a self, node: &'a Node) -> Table<'a> {
        Table::new(self, String::new(), "", node.place, Some(&node.data))
    }

    /// One more file; its number.
    pub(super) fn add(&self, path: PathBuf) -> usize {
        let mut files = self.files.borrow_mut();
        files.push(path);
        files.len() - 1
    }

    pub(super) fn fault(&self, place: Place, key: &str, message: impl Display) {
        self.faults
            .borrow_mut()
            .push((place, self.note(place, key, &message)));
    }

    pub(super) fn warn(&self, place: Place, key: &str, message: impl Display) {
        self.warnings
            .borrow_mut()
            .push((place, self.note(place, key, &message)));
    }

    fn note(&self, place: Place, key: &str, message: &dyn Display) -> Fault {
        let (key, message) = (key.to_owned(), message.to_string());
        Fault { file: self.file(place).display().to_string(), line: place.line, key, message }
    }

    /// The file of a place, as it was named.
    pub(super) fn file(&self, place: Place) -> PathBuf {
        self.files
            .borrow()
            .get(place.file)
            .cloned()
            .unwrap_or_default()
    }
}

/// A table whose keys are taken one by one; `finish` then judges those left.
pub(super) struct Table<'a> {
    doc: &'a Doc<'a>,
    /// Dotted; empty at the top.
    key: String,
    place: Place,
    /// Not yet taken.
    left: Vec<Value<'a>>,
    /// Asked for, here or not.
    known: Vec<&'static str>,
    /// Is something other than a table, which is fault enough: nothing is missing in it.
    broken: bool,
}

impl<'a> Table<'a> {
    /// Empty where `data` is no table.
    fn new(doc: &'a Doc<'a>, key: String, pattern: &str, place: Place, data: Option<&'a Data>) -> Self {
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
        Self { doc, key, place, left, known: Vec::new(), broken: false }
    }

    pub(super) fn take(&mut self, name: &'static str) -> Option<Value<'a>> {
        self.known.push(name);
        let at = self.left.iter().position(|value| value.name == name)?;
        Some(self.left.swap_remove(at))
    }

    /// Faults when it is missing.
    pub(super) fn require(&mut self, name: &'static str) -> Option<Value<'a>> {
        let value = self.take(name);
        if value.is_none() {
            self.fault(name, "required");
        }
        value
    }

    /// A string, parsed, that may be missing. `None`: it is there and will not do.
    pub(super) fn optional<T>(&mut self, name: &'static str, parser: impl Fn(&str) -> Parsed<T>) -> Option<Option<T>> {
        self.take(name)
            .map_or(Some(None), |value| value.parse(parser).map(Some))
    }

    /// A table within, empty when it is missing.
    pub(super) fn table(&mut self, name: &'static str) -> Table<'a> {
        match self.take(name) {
            Some(value) => value.table(&value.pattern),
            None => Table::new(self.doc, join(&self.key, name), "", self.place, None),
        }
    }

    /// All that is left, each under a name that the file chose, in the file's order.
    pub(super) fn names(&mut self) -> Vec<Value<'a>> {
        let mut all = std::mem::take(&mut self.left);
        all.sort_by_key(|value| value.node.place);
        all
    }

    /// Drops keys that are nobody's business.
    pub(super) fn ignore(&mut self, ignored: impl Fn(&str) -> bool) {
        self.left.retain(|value| !ignored(&value.name));
    }

    /// A fault of the key `name` that is not there.
    pub(super) fn fault(&self, name: &str, message: impl Display) {
        if self.broken {
            return;
        }
        self.doc.fault(self.place, &join(&self.key, name), message);
    }

    /// A warning about the key `name`, here or not.
    pub(super) fn warn(&self, name: &str, message: impl Display) {
        self.doc.warn(self.place, &join(&self.key, name), message);
    }

    /// Judges the keys that nobody took.
    pub(super) fn finish(self) {
        for value in &self.left {
            if NOT_YET.contains(&value.pattern.as_str()) {
                value.fault(NOT_YET_SUPPORTED);
                continue;
            }
            let meant = value::nearest(&value.name, self.known.iter().copied());
            let meant = meant
                .map(|name| format!("; did you mean {name}?"))
                .unwrap_or_default();
            match self.doc.unknown_keys {
                UnknownKeys::Refuse => value.fault(format_args!("unknown key{meant}")),
                UnknownKeys::Warn => value.warn(format_args!("unknown key, ignored{meant}")),
            }
        }
    }
}

/// One value, with its place. Each reader faults and yields `None` when the value will not do.
#[derive(Clone)]
pub(super) struct Value<'a> {
    doc: &'a Doc<'a>,
    /// The last part of the key, as it is.
    pub(super) name: String,
    key: String,
    /// The key with `*` in place of names.
    pattern: String,
    node: &'a Node,
}

impl<'a> Value<'a> {
    pub(super) fn fault(&self, message: impl Display) {
        self.doc.fault(self.node.place, &self.key, message);
    }

    pub(super) fn warn(&self, message: impl Display) {
        self.doc.warn(self.node.place, &self.key, message);
    }

    fn keep<T>(&self, parsed: Parsed<T>) -> Option<T> {
        parsed.map_err(|message| self.fault(message)).ok()
    }

    fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        self.fault(format_args!("must be {expected}, not {}", self.node.data.type_name()));
        None
    }

    /// A string, its variables put in.
    pub(super) fn text(&self) -> Option<String> {
        match (&self.node.data, self.doc.env) {
            (Data::Text(text), Some(env)) => self.keep(value::expand(text, env)),
            (Data::Text(text), None) => Some(text.clone()),
            _ => self.wrong_type("a string"),
        }
    }

    /// A string, parsed.
    pub(super) fn parse<T>(&self, parser: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        let text = self.text()?;
        self.keep(parser(&text))
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        self.parse(|text| {
            let found = choices
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, choice)| *choice);
            found.ok_or_else(|| {
                let words: Vec<_> = choices
                    .iter()
                    .map(|(word, _)| format!("\"{word}\""))
                    .collect();
                format!("must be {}", words.join(" or ")).into()
            })
        })
    }

    pub(super) fn bool(&self) -> Option<bool> {
        match self.node.data {
            Data::Bool(is) => Some(is),
            _ => self.wrong_type("true or false"),
        }
    }

    /// How many: at least 1, at most 1,000,000.
    pub(super) fn count(&self) -> Option<usize> {
        self.number(1, 1_000_000)
    }

    /// A whole number in a range.
    pub(super) fn number(&self, least: usize, most: usize) -> Option<usize> {
        let Data::Integer(number) = &self.node.data else { return self.wrong_type("a whole number") };
        match number.parse::<i128>().map(usize::try_from) {
            Ok(Ok(number)) if (least..=most).contains(&number) => Some(number),
            Ok(Ok(number)) if number < least => self.keep(Err(format!("must be at least {least}").into())),
            Ok(Err(_)) if number.starts_with('-') => self.keep(Err(format!("must be at least {least}").into())),
            Ok(_) | Err(_) => self.keep(Err(format!("must be at most {most}").into())),
        }
    }

    /// A number, or digits in a string.
    pub(super) fn port(&self) -> Option<u16> {
        match &self.node.data {
            Data::Integer(number) => self.keep(value::port(number)),
            Data::Text(_) => self.parse(value::port),
            _ => self.wrong_type("a number"),
        }
    }

    /// A duration that `range` accepts.
    pub(super) fn duration(&self, range: impl Fn(Duration) -> Parsed<Duration>) -> Option<Duration> {
        let text = match &self.node.data {
            Data::Integer(number) | Data::Float(number) => number.clone(),
            Data::Text(_) => self.text()?,
            _ => return self.wrong_type("a duration"),
        };
        self.keep(value::duration(&text).and_then(range))
    }

    /// A date or a moment.
    pub(super) fn moment(&self) -> Option<SystemTime> {
        match &self.node.data {
            Data::Datetime(at) => self.keep(value::moment(at)),
            _ => self.wrong_type("a date, such as 2027-01-31, without quotes"),
        }
    }

    /// The elements of an array.
    pub(super) fn list(&self) -> Option<Vec<Value<'a>>> {
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
    pub(super) fn texts<T>(&self, parser: impl Fn(&str) -> Parsed<T>) -> Vec<T> {
        self.list()
            .unwrap_or_default()
            .iter()
            .filter_map(|value| value.parse(&parser))
            .collect()
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.node.data, Data::List(_))
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.node.data, Data::Table(_))
    }

    /// A table; faults and is empty when it is something else. `pattern`: the key with `*` in place
    /// of names.
    pub(super) fn table(&self, pattern: &str) -> Table<'a> {
        let broken = !self.is_table();
        if broken {
            self.wrong_type::<()>("a table");
        }
        let opened = Table::new(self.doc, self.key.clone(), pattern, self.node.place, Some(&self.node.data));
        Table { broken, ..opened }
    }

    /// What a REF in this string leads to. `checked` may still refuse what is here already.
    pub(super) fn referenced(&self, checked: impl Fn(&str) -> Parsed<()>) -> Option<Material> {
        let from = self.place_of(self.parse(value::reference)?);
        let text = match &from {
            Reference::File(path) => {
                self.keep(read_file(path).map_err(|why| format!("cannot read {}: {why}", path.display()).into()))?
            }
            Reference::Env(name) => self.variable(name)?,
            Reference::Remote(_) => return Some(Material { from, text: None }),
        };
        let text = Secret::new(text);
        self.keep(checked(text.expose()))?;
        Some(Material { from, text: Some(text) })
    }

    /// A reference that holds wherever it is read: its path starts beside this file, and is
    /// absolute.
    pub(super) fn place_of(&self, reference: Reference) -> Reference {
        match reference {
            Reference::File(path) => {
                let path = self.beside(&path);
                Reference::File(std::path::absolute(&path).unwrap_or(path))
            }
            Reference::Env(_) | Reference::Remote(_) => reference,
        }
    }

    /// What `env:NAME` leads to.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let unset = || format!("environment variable {name} is not set").into();
        self.keep(self.doc.env.and_then(|env| env(name)).ok_or_else(unset))
    }

    /// Where a path in this file leads.
    pub(super) fn beside(&self, path: &Path) -> PathBuf {
        let place = self.node.place;
        match place.file {
            0 => self.doc.folder.join(path),
            _ => self
                .doc
                .file(place)
                .parent()
                .unwrap_or(Path::new(""))
                .join(path),
        }
    }
}

/// The key of `name` in the table `key`.
pub(super) fn dotted(key: &str, name: &str) -> String {
    join(key, &quoted(name))
}

fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

/// A name as it stands in a dotted key; what a terminal must not see is escaped, and what is too
/// long to be a name is cut.
fn quoted(name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let (shown, rest) = name.split_at(
        name.char_indices()
            .nth(MAX_NAME_CHARS)
            .map_or(name.len(), |(at, _)| at),
    );
    let cut = if rest.is_empty() { "" } else { "…" };
    if bare { format!("{shown}{cut}") } else { format!("\"{}{cut}\"", shown.escape_debug()) }
}

/// As long as a tag's key may be.
const MAX_NAME_CHARS: usize = 128;
