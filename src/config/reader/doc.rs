//! A configuration while it is read: its files, and the problems and warnings found so far.

use std::cell::RefCell;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use crate::config::file::read_marked;
use crate::config::keys::UnknownKeys;
use crate::config::problem::{Problem, Problems};
use crate::config::sources::{FileMark, Sources};
use crate::config::tree::Location;

/// Looks up a variable of the environment.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A configuration while it is read. The readers of keys share it to report problems and warnings,
/// which it collects.
pub(in crate::config) struct Doc<'a> {
    /// The files: the first is the one that the caller gave, those that it includes follow.
    files: RefCell<Vec<PathBuf>>,
    /// The folder in which relative paths of the first file start.
    pub(super) folder: PathBuf,
    /// The environment. `None`: `${` is text like any other, and begins no variable.
    pub(in crate::config) env: Option<Env<'a>>,
    /// The treatment of unknown keys.
    pub(super) unknown_keys: UnknownKeys,
    problems: RefCell<Vec<(Location, Problem)>>,
    warnings: RefCell<Vec<(Location, Problem)>>,
    sources: RefCell<Sources>,
    /// Hashes the texts of the files in their order.
    hash: RefCell<Context>,
}

impl<'a> Doc<'a> {
    /// Begins with the first file, by the name that the caller gave it. Paths in it start in
    /// `folder`.
    pub(in crate::config) fn new(path: &Path, folder: &Path, env: Option<Env<'a>>, unknown_keys: UnknownKeys) -> Self {
        let files = RefCell::new(vec![path.to_owned()]);
        Self {
            files,
            folder: folder.to_owned(),
            env,
            unknown_keys,
            problems: RefCell::default(),
            warnings: RefCell::default(),
            sources: RefCell::default(),
            hash: RefCell::new(Context::new(&SHA256)),
        }
    }

    /// Reads a file that the configuration refers to, and notes its state.
    pub(in crate::config) fn read(&self, path: &Path) -> io::Result<String> {
        let (text, mark) = read_marked(path).map_or_else(|error| (Err(error), None), |(text, mark)| (Ok(text), mark));
        self.note_file(path.to_owned(), mark);
        text
    }

    /// Notes the state that a file had when it was read.
    pub(in crate::config) fn note_file(&self, path: PathBuf, mark: Option<FileMark>) {
        self.sources.borrow_mut().add_file(path, mark);
    }

    /// Notes a pattern of `include`, with the files that it matched.
    pub(in crate::config) fn note_pattern(&self, pattern: String, files: Vec<PathBuf>) {
        self.sources.borrow_mut().add_pattern(pattern, files);
    }

    /// The files that were read so far.
    pub(in crate::config) fn sources(&self) -> Sources {
        self.sources.borrow().clone()
    }

    /// Takes the text of one of the configuration's own files into the hash, with its length, so
    /// that no text passes for the end of another.
    pub(in crate::config) fn hash(&self, text: &str) {
        let mut hash = self.hash.borrow_mut();
        hash.update(&text.len().to_be_bytes());
        hash.update(text.as_bytes());
    }

    /// The first 12 hexadecimal digits of the hash of all texts so far.
    pub(in crate::config) fn hash_so_far(&self) -> String {
        let digest = self.hash.borrow().clone().finish();
        digest
            .as_ref()
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The problems and the warnings, each in the order of files and lines.
    pub(in crate::config) fn reported(self) -> (Problems, Problems) {
        (Problems::new(self.problems.into_inner()), Problems::new(self.warnings.into_inner()))
    }

    /// Adds a file, and gives its number.
    pub(in crate::config) fn add(&self, path: PathBuf) -> usize {
        let mut files = self.files.borrow_mut();
        files.push(path);
        files.len() - 1
    }

    /// Adds a problem, for which the configuration will be refused.
    pub(in crate::config) fn report(&self, location: Location, key: &str, message: impl Display) {
        self.problems
            .borrow_mut()
            .push((location, self.note(location, key, &message)));
    }

    /// Adds a warning, with which the configuration can still be used.
    pub(in crate::config) fn warn(&self, location: Location, key: &str, message: impl Display) {
        self.warnings
            .borrow_mut()
            .push((location, self.note(location, key, &message)));
    }

    fn note(&self, location: Location, key: &str, message: &dyn Display) -> Problem {
        let (key, message) = (key.to_owned(), message.to_string());
        Problem { file: self.file(location).display().to_string(), line: location.line, key, message }
    }

    /// The file of a location, as it was named.
    pub(in crate::config) fn file(&self, location: Location) -> PathBuf {
        self.files
            .borrow()
            .get(location.file)
            .cloned()
            .unwrap_or_default()
    }
}
