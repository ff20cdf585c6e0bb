//! Reads of files, a few at a time.

use std::path::{Path, PathBuf};

use tokio::sync::Semaphore;

use crate::blocking::Lanes;
use crate::config::read_regular;

/// The most reads of one file at a time.
///
/// A read on a mount that hangs never ends. It keeps its turns, and so holds up the next read of
/// its file and, after a few, those of its folder, but no others.
const READS_OF_FILE: usize = 1;

/// The most reads in one folder at a time.
const READS_OF_FOLDER: usize = 4;

/// The most reads at a time in all.
const READS: usize = 256;

/// Reads files while the proxy runs, on threads of their own, so that a mount that hangs stops
/// nothing else.
pub(super) struct Files {
    of_file: Lanes<PathBuf>,
    of_folder: Lanes<PathBuf>,
}

impl Files {
    /// Starts with no read under way.
    pub(super) fn new() -> Self {
        Self {
            of_file: Lanes::new("reference", READS_OF_FILE, Semaphore::MAX_PERMITS),
            of_folder: Lanes::new("reference", READS_OF_FOLDER, READS),
        }
    }

    /// Reads a file once it is its turn. The caller sets the deadline. A read that has begun goes
    /// on beyond it on its thread, and keeps its turns until then.
    pub(super) async fn read(&self, path: &Path) -> std::io::Result<String> {
        let turn = self.of_file.turn(path.to_owned()).await;
        let (file, folder) = (path.to_owned(), path.parent().unwrap_or(path).to_owned());
        let read = self.of_folder.run(folder, move || {
            let _held_to_the_end = turn;
            read_regular(&file)
        });
        read.await.map_err(std::io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    /// As on a mount that hangs: the first read of a file never ends.
    #[tokio::test]
    async fn a_read_that_hangs_keeps_others_of_its_file_waiting_and_no_other_file() {
        let dir = tempfile::tempdir().unwrap();
        let [hung, other] = ["hung", "other"].map(|name| dir.path().join(name));
        for path in [&hung, &other] {
            std::fs::write(path, "text").unwrap();
        }
        let files = Files::new();
        let of_hung = (files.of_file.turn(hung.clone()).await, files.of_folder.turn(dir.path().to_owned()).await);
        let mut next = Box::pin(files.read(&hung));
        assert!(poll!(&mut next).is_pending());
        assert_eq!(files.read(&other).await.unwrap(), "text");
        assert!(poll!(&mut next).is_pending());
        drop(of_hung);
        assert_eq!(next.await.unwrap(), "text");
    }
}
