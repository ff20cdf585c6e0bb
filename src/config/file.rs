//! Reads the files that the configuration names: text, of a bounded size, and in a bounded time.

use std::fs::{File, FileType};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::sources::FileMark;

/// Largest file that is read, in bytes: CA bundles of operating systems are near 250 KiB.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Longest read of one file while the configuration is loaded: a mount that hangs must not hang a
/// start.
const DEADLINE: Duration = Duration::from_secs(10);

/// Longest read of one file once a few reads hang: others of the same mount are likely to hang as
/// well.
const DEADLINE_AMONG_HANGING: Duration = Duration::from_secs(1);
const A_FEW: isize = 3;

/// Number of reads that have taken longer than they may, and still go on. All loads of this process
/// share it.
static HANGING: AtomicIsize = AtomicIsize::new(0);

/// Reads a whole text file, up to 4 MiB and within 10 s, while the configuration is loaded.
///
/// # Errors
/// Those of [`std::fs::File`]; `FileTooLarge`; `InvalidInput` for a file that is not regular;
/// `TimedOut`.
pub fn read_file(path: &Path) -> io::Result<String> {
    read_marked(path).map(|(text, _)| text)
}

/// Like [`read_file`], and notes the state of the file as it was opened.
///
/// # Errors
/// Those of [`read_file`].
pub(super) fn read_marked(path: &Path) -> io::Result<(String, Option<FileMark>)> {
    within(deadline(), path, |path| read(open_regular(path)?))
}

/// Reads the configuration's own file, which may also be a pipe, as a shell makes of `<(…)`.
///
/// # Errors
/// Those of [`read_file`].
pub(super) fn read_any(path: &Path) -> io::Result<(String, Option<FileMark>)> {
    within(deadline(), path, |path| read(File::open(path)?))
}

fn deadline() -> Duration {
    if HANGING.load(Ordering::Relaxed) < A_FEW { DEADLINE } else { DEADLINE_AMONG_HANGING }
}

/// Reads a whole text file, up to 4 MiB, on a thread that may be blocked for as long as the file's
/// mount hangs.
///
/// # Errors
/// Those of [`read_file`], but for `TimedOut`.
pub(crate) fn read_regular(path: &Path) -> io::Result<String> {
    read(open_regular(path)?).map(|(text, _)| text)
}

fn open_regular(path: &Path) -> io::Result<File> {
    // Judged before it is opened: to open a FIFO waits for its writer.
    refuse_special(std::fs::metadata(path)?.file_type())?;
    let file = File::open(path)?;
    refuse_special(file.metadata()?.file_type())?;
    Ok(file)
}

/// Reads on a thread of its own, which is left behind when the deadline passes.
fn within<T: Send + 'static>(deadline: Duration, path: &Path, read: fn(&Path) -> io::Result<T>) -> io::Result<T> {
    let (sender, receiver) = sync_channel(0);
    let path = path.to_owned();
    thread::Builder::new()
        .name("config-file".to_owned())
        .spawn(move || {
            // Nobody waits for it any more where it was counted as hanging.
            if sender.send(read(&path)).is_err() {
                HANGING.fetch_sub(1, Ordering::Relaxed);
            }
        })?;
    match receiver.recv_timeout(deadline) {
        Ok(read) => read,
        Err(RecvTimeoutError::Timeout) => {
            HANGING.fetch_add(1, Ordering::Relaxed);
            let what = format!("not read within {} s: its file system hangs", deadline.as_secs_f32());
            Err(io::Error::new(ErrorKind::TimedOut, what))
        }
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the read was broken off")),
    }
}

fn read(file: File) -> io::Result<(String, Option<FileMark>)> {
    let metadata = file.metadata()?;
    // At once as large as it gets: what grows leaves copies behind, which may be of a password.
    let size = usize::try_from(metadata.len().min(MAX_FILE_BYTES)).unwrap_or_default();
    let mut text = String::with_capacity(size + 1);
    let read = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "larger than 4 MiB"));
    }
    Ok((text, FileMark::of(&metadata)))
}

/// Refuses files that may block for ever, or have no end. A directory is refused by the read
/// itself.
fn refuse_special(kind: FileType) -> io::Result<()> {
    let special = [
        (kind.is_fifo(), "a FIFO"),
        (kind.is_socket(), "a socket"),
        (kind.is_char_device() || kind.is_block_device(), "a device"),
    ];
    match special.iter().find(|(is_it, _)| *is_it) {
        Some((_, what)) => Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {what}, not a regular file"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::Mutex;

    use super::*;

    /// Issue 11, A3: to open a FIFO waited for a writer, for ever.
    #[test]
    fn files_that_are_not_regular_are_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(
            Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        for (path, what) in [
            (&*fifo, "it is a FIFO, not a regular file"),
            (&folder.path().join("socket"), "it is a socket, not a regular file"),
            (Path::new("/dev/zero"), "it is a device, not a regular file"),
        ] {
            for read in [read_file, read_regular] {
                assert_eq!(read(path).unwrap_err().to_string(), what);
            }
        }
        assert_eq!(read_file(folder.path()).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(read_file(&folder.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_read_that_hangs_is_left_behind() {
        static GO_ON: Mutex<()> = Mutex::new(());
        let held = GO_ON.lock().unwrap();
        let hang = |_: &Path| {
            drop(GO_ON.lock());
            Ok(String::new())
        };
        for _ in 0..A_FEW {
            assert_eq!(deadline(), DEADLINE);
            let error = within(Duration::from_millis(1), Path::new("x"), hang).unwrap_err();
            assert_eq!(error.to_string(), "not read within 0.001 s: its file system hangs");
        }
        assert_eq!(deadline(), DEADLINE_AMONG_HANGING, "of a thousand such files the others do not take 10 s each");
        drop(held);
        while deadline() != DEADLINE {
            thread::yield_now();
        }
    }

    #[test]
    fn a_file_has_a_bounded_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "text").unwrap();
        assert_eq!(read_file(&path).unwrap(), "text");
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(MAX_FILE_BYTES + 1)
            .unwrap();
        assert_eq!(read_file(&path).unwrap_err().to_string(), "larger than 4 MiB");
    }
}
