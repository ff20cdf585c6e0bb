//! What is wrong with a configuration: every problem of a load, told at once.

use std::fmt;

use super::tree::Location;

/// Everything wrong with one configuration; at least one. `Display` writes one per line, in the
/// order of files and lines.
#[derive(Debug)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `problems` in any order; they are sorted by location.
    pub(super) fn new(mut problems: Vec<(Location, Problem)>) -> Self {
        problems.sort_by(|(a, one), (b, other)| (a, &one.key).cmp(&(b, &other.key)));
        Self(problems.into_iter().map(|(_, problem)| problem).collect())
    }

    /// Those about some keys.
    pub(super) fn about(self, is_meant: impl Fn(&str) -> bool) -> Self {
        Self(
            self.0
                .into_iter()
                .filter(|problem| is_meant(&problem.key))
                .collect(),
        )
    }

    /// Whether nothing is wrong; never outside a load.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of files and lines.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// One problem or warning: `FILE:LINE: KEY: what is wrong`. The text never holds the value of a
/// secret.
#[derive(Clone, Debug)]
pub struct Problem {
    /// As the caller named it.
    pub file: String,
    /// From 1; `None` where the whole file is meant.
    pub line: Option<usize>,
    /// Dotted; empty where no key is meant.
    pub key: String,
    /// Lower case, no full stop.
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
