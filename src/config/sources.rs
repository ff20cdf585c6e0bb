//! What a load has read: by it a change is noticed, while files are read and afterwards.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The state of a regular file, by which a change of it is noticed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FileMark {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The files that a load has read, or could not read, and the patterns of `include`. The load of a
/// configuration makes it; the reload, and the watch of `admin.watch`, compare it with what is
/// there now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sources {
    /// Each file with its state. `None`: there was no such file, or it was not a regular one.
    files: Vec<(PathBuf, Option<FileMark>)>,
    /// Each pattern with the files that it matched.
    patterns: Vec<(String, Vec<PathBuf>)>,
}

impl FileMark {
    /// The state of a file. `None`: it is not a regular file, and is not read again.
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        metadata.is_file().then(|| Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// The state of the file that a path leads to now, through whatever links.
    fn at(path: &Path) -> Option<Self> {
        Self::of(&std::fs::metadata(path).ok()?)
    }
}

impl Sources {
    /// Notes the state that a file had when it was read.
    pub(super) fn add_file(&mut self, path: PathBuf, mark: Option<FileMark>) {
        self.files.push((path, mark));
    }

    /// Notes a pattern, with the files that it matched.
    pub(super) fn add_pattern(&mut self, pattern: String, files: Vec<PathBuf>) {
        self.patterns.push((pattern, files));
    }

    /// The same files and patterns as they are now. It looks at each of them, and blocks for as
    /// long as a mount hangs.
    #[must_use]
    pub fn now(&self) -> Self {
        let files = self
            .files
            .iter()
            .map(|(path, _)| (path.clone(), FileMark::at(path)));
        let patterns = self
            .patterns
            .iter()
            .map(|(pattern, _)| (pattern.clone(), matches(pattern)));
        Self { files: files.collect(), patterns: patterns.collect() }
    }
}

/// The files that a pattern of `include` matches, in their order; none where it cannot be searched.
/// `*` stands for no dot at the beginning of a name, so that the links of Kubernetes are left out.
fn matches(pattern: &str) -> Vec<PathBuf> {
    glob::glob_with(pattern, GLOB).map_or_else(|_bad| Vec::new(), |found| found.filter_map(Result::ok).collect())
}

/// How the patterns of `include` are searched.
pub(super) const GLOB: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
