//! The shared files that keys may be read from, by marks that change when the files do.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::SystemTime;

/// A file's inode number, length and time of change: a file that is replaced has another number,
/// and one that is written to another time or length. `None`: there is no such file.
pub(in crate::aws) type FileMark = Option<(u64, u64, SystemTime)>;

/// Marks the present state of some files. This blocks on the disk.
pub(in crate::aws) fn file_marks(files: &[PathBuf]) -> Vec<FileMark> {
    let mark = |file: &PathBuf| {
        let meta = std::fs::metadata(file).ok()?;
        Some((meta.ino(), meta.len(), meta.modified().ok()?))
    };
    files.iter().map(mark).collect()
}
