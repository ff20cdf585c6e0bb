//! What is wrong with a configuration: every fault of a load, told at once.

use std::fmt;

use super::tree::Place;

/// Everything wrong with one configuration; at least one. `Display` writes one per line, in the
/// order of files and lines.
#[derive(Debug)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// `faults` in any order; they are sorted by place.
    pub(super) fn new(mut faults: Vec<(Place, Fault)>) -> Self {
        faults.sort_by(|(a, one), (b, other)| (a, &one.key).cmp(&(b, &other.key)));
        Self(faults.into_iter().map(|(_, fault)| fault).collect())
    }

    /// Those about some keys.
    pub(super) fn about(self, is_meant: impl Fn(&str) -> bool) -> Self {
        Self(
            self.0
                .into_iter()
                .filter(|fault| is_meant(&fault.key))
                .collect(),
        )
    }

    /// Whether nothing is wrong; never outside a load.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of files and lines.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// One fault or warning: `FILE:LINE: KEY: what is wrong`. The text never holds the value of a
/// secret.
#[derive(Clone, Debug)]
pub struct Fault {
    /// As the caller named it.
    pub file: String,
    /// From 1; `None` where the whole file is meant.
    pub line: Option<usize>,
    /// Dotted; empty where no key is meant.
    pub key: String,
    /// Lower case, no full stop.
    pub message: String,
}

impl fmt::Display for Fault {
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
