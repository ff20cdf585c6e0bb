//! The problems of a configuration: all that a load finds is reported at once.

use std::fmt;

use super::sources::Sources;
use super::tree::Location;

/// The problems of one configuration; there is at least one. `Display` writes one per line, in the
/// order of files and lines.
#[derive(Debug)]
pub struct Problems {
    all: Vec<Problem>,
    /// The files that were read, so that the load is tried again once one of them changes.
    sources: Sources,
}

impl Problems {
    /// Sorts problems, given in any order, by their locations.
    pub(super) fn new(mut problems: Vec<(Location, Problem)>) -> Self {
        problems.sort_by(|(a, one), (b, other)| (a, &one.key).cmp(&(b, &other.key)));
        Self { all: problems.into_iter().map(|(_, problem)| problem).collect(), sources: Sources::default() }
    }

    /// Adds the files that were read.
    pub(super) fn of(self, sources: Sources) -> Self {
        Self { sources, ..self }
    }

    /// The files that the load has read, or could not read.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Keeps the problems about some keys.
    pub(super) fn about(self, is_meant: impl Fn(&str) -> bool) -> Self {
        let all = self
            .all
            .into_iter()
            .filter(|problem| is_meant(&problem.key));
        Self { all: all.collect(), sources: self.sources }
    }

    /// Whether there are no problems. Outside a load there is always one.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The problems in the order of files and lines.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.all.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.all.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A problem or a warning: `FILE:LINE: KEY: what is wrong`. The text never holds the value of a
/// secret.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1. `None`: the whole file is meant.
    pub line: Option<usize>,
    /// The dotted key; empty where no key is meant.
    pub key: String,
    /// The message, in lower case and without a full stop.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}
