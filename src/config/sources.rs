//! What a load has read: by it a change is noticed, while files are read and afterwards.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

/// How long one look at all files may take: a mount may hang.
const LOOK: Duration = Duration::from_secs(10);

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
        self.look(&AtomicUsize::new(0))
    }

    /// Whether all is as it was read. It looks on a thread of its own, which is left behind when a
    /// mount hangs.
    ///
    /// # Errors
    /// The name of the file or pattern that did not answer within 10 s; or there was no thread.
    pub(crate) fn are_unchanged(&self) -> Result<bool, String> {
        let sources = self.clone();
        self.within(LOOK, move |done| sources.look(done) == sources)
    }

    /// Looks at each file and pattern, and counts them up.
    fn look(&self, done: &AtomicUsize) -> Self {
        let count = || done.fetch_add(1, Ordering::Relaxed);
        let files = self.files.iter().map(|(path, _)| {
            let now = (path.clone(), FileMark::at(path));
            count();
            now
        });
        let files = files.collect();
        let patterns = self.patterns.iter().map(|(pattern, _)| {
            let now = (pattern.clone(), matches(pattern));
            count();
            now
        });
        Self { files, patterns: patterns.collect() }
    }

    fn within(
        &self,
        deadline: Duration,
        look: impl FnOnce(&AtomicUsize) -> bool + Send + 'static,
    ) -> Result<bool, String> {
        let done = Arc::new(AtomicUsize::new(0));
        let (tell, told) = sync_channel(1);
        let counted = Arc::clone(&done);
        let looking = move || {
            // Nobody may be waiting any more.
            let _ = tell.send(look(&counted));
        };
        thread::Builder::new()
            .name("config-look".to_owned())
            .spawn(looking)
            .map_err(|why: io::Error| format!("no thread to look at the files: {why}"))?;
        told.recv_timeout(deadline).map_err(|_elapsed| {
            let at = done.load(Ordering::Relaxed);
            let file = self
                .files
                .get(at)
                .map(|(path, _)| path.display().to_string());
            let pattern = || {
                self.patterns
                    .get(at.checked_sub(self.files.len())?)
                    .map(|(pattern, _)| pattern.clone())
            };
            let name = file.or_else(pattern).unwrap_or_default();
            format!("{name}: did not answer within {} s", deadline.as_secs())
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Reviewed in issue 13: a mount that hung kept a reload for ever, which named no file.
    #[test]
    fn a_file_that_does_not_answer_is_named() {
        let mut sources = Sources::default();
        sources.add_file("/well".into(), None);
        sources.add_file("/hangs".into(), None);
        sources.add_pattern("/conf.d/*".to_owned(), Vec::new());
        for (answered, hangs) in [(1, "/hangs"), (2, "/conf.d/*")] {
            let (until, hung) = std::sync::mpsc::channel::<()>();
            let (counts, counted) = sync_channel(0);
            let look = move |done: &AtomicUsize| {
                done.store(answered, Ordering::Relaxed);
                counts.send(()).unwrap();
                hung.recv().is_ok()
            };
            let waiting = thread::spawn(move || counted.recv());
            let told = sources.within(Duration::from_millis(200), look);
            waiting.join().unwrap().unwrap();
            assert_eq!(told, Err(format!("{hangs}: did not answer within 0 s")));
            drop(until);
        }
        assert_eq!(sources.are_unchanged(), Ok(true));
    }
}
