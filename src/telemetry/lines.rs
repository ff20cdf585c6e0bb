//! Log lines on their way to standard error: a bounded queue, and the one thread that writes.
//!
//! A thread that logs copies its line into the queue, and never waits for whoever reads standard
//! error. What does not fit is dropped and counted, and one line says how many were dropped once
//! lines can be written again. An error of standard error (its reader is gone, the disk is full)
//! loses the lines of that write, and stops nothing.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Metadata, warn};
use tracing_subscriber::fmt::MakeWriter;

/// Bytes of lines that wait. The write under way may hold as many again. It bounds the number of
/// lines too, for each has at least a time, a level and a target: some 10,000.
const MAX_WAITING: usize = 1024 * 1024;

/// How long the end of the process waits for lines that nobody may be reading.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Pause before the next write to a pipe that is full and, by somebody else's doing, not blocking.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// The target of the line that says how many others were dropped. It has a place even when the
/// queue is full.
const DROPPED: &str = "redshift_iam_proxy::telemetry::dropped";

/// Standard error as the subscriber sees it. All clones share one queue.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// The queue is no longer empty, or is closing.
    changed: Condvar,
    /// All lines dropped since the start.
    dropped: AtomicU64,
}

#[derive(Default)]
struct Queue {
    /// Written ahead of the rest: how many lines were dropped between what has been written and
    /// what waits.
    note: Vec<u8>,
    /// Whole lines.
    waiting: Vec<u8>,
    /// Lines dropped since the writer last took what waits. While there are any, no line is let in,
    /// so that all that were dropped belong behind those that wait.
    dropped: u64,
    is_closing: bool,
}

/// What the writer takes at a time.
struct Batch {
    bytes: Vec<u8>,
    /// How many of its bytes are the note.
    note: usize,
    /// Lines that belong behind it, and were dropped.
    dropped: u64,
}

/// Flushes the log when dropped: waits until all lines are written, but no longer than
/// [`LAST_LINES`].
#[must_use]
pub(crate) struct Flush {
    lines: Lines,
    /// Closed when the writer is at its end.
    written: Receiver<()>,
}

impl Lines {
    /// Starts the thread that writes them to `sink`. The last lines are written when the returned
    /// value is dropped.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn write_to(&self, sink: impl Write + Send + 'static) -> io::Result<Flush> {
        self.write_with(sink, |dropped, dropped_total| {
            warn!(target: DROPPED, dropped, dropped_total, "log lines were dropped: they were not read in time");
        })
    }

    /// `tell` logs how many lines were dropped, here and in all.
    fn write_with(
        &self,
        sink: impl Write + Send + 'static,
        tell: impl Fn(u64, u64) + Send + 'static,
    ) -> io::Result<Flush> {
        let (writing, written) = channel();
        let writer = Writer { lines: self.clone(), sink, tell, is_cut: false };
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                writer.run();
                drop(writing);
            })?;
        Ok(Flush { lines: self.clone(), written })
    }

    /// All lines dropped since the start: for the metric `log_lines_dropped_total`.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Never waits but for another thread's copying of a line.
    fn push(&self, line: &[u8]) {
        let mut queue = self.queue();
        let was_empty = queue.is_empty();
        if queue.dropped == 0 && queue.waiting.len() + line.len() <= MAX_WAITING {
            queue.waiting.extend_from_slice(line);
        } else {
            queue.dropped += 1;
            self.count(1);
        }
        drop(queue);
        if was_empty {
            self.0.changed.notify_one();
        }
    }

    fn note(&self, line: &[u8]) {
        self.queue().note.extend_from_slice(line);
    }

    /// What waits, once something does. `None`: nothing more will come.
    fn take(&self) -> Option<Batch> {
        let mut queue = self.queue();
        while queue.is_empty() {
            if queue.is_closing {
                return None;
            }
            queue = self
                .0
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let (mut bytes, waiting) = (std::mem::take(&mut queue.note), std::mem::take(&mut queue.waiting));
        let dropped = std::mem::take(&mut queue.dropped);
        drop(queue);
        let note = bytes.len();
        if note == 0 {
            bytes = waiting;
        } else {
            bytes.extend_from_slice(&waiting);
        }
        Some(Batch { bytes, note, dropped })
    }

    fn close(&self) {
        self.queue().is_closing = true;
        self.0.changed.notify_one();
    }

    fn count(&self, dropped: u64) {
        self.0.dropped.fetch_add(dropped, Ordering::Relaxed);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.note.is_empty() && self.waiting.is_empty() && self.dropped == 0
    }
}

/// The thread that writes.
struct Writer<W, T> {
    lines: Lines,
    sink: W,
    tell: T,
    /// A line was cut off: the next one begins behind a line end of its own.
    is_cut: bool,
}

impl<W: Write, T: Fn(u64, u64)> Writer<W, T> {
    fn run(mut self) {
        let (mut untold, mut telling) = (0, 0);
        while let Some(batch) = self.lines.take() {
            let lost = self.write(&batch);
            untold += batch.dropped;
            match lost {
                // The note of before is written.
                None => untold -= std::mem::take(&mut telling),
                Some(lines) => {
                    untold += lines;
                    telling = 0;
                    self.lines.count(lines);
                }
            }
            if untold > 0 && lost.is_none() {
                (self.tell)(untold, self.lines.dropped());
                telling = untold;
            }
        }
    }

    /// `Some`: it failed, and so many lines are lost, not counting the note.
    fn write(&mut self, batch: &Batch) -> Option<u64> {
        if self.is_cut && self.put(b"\n") == 1 {
            self.is_cut = false;
        }
        let written = self.put(&batch.bytes);
        let lost = batch.bytes.get(written..).filter(|lost| !lost.is_empty())?;
        self.is_cut |= written > 0
            && !batch
                .bytes
                .get(..written)
                .is_some_and(|written| written.ends_with(b"\n"));
        let lines = lost.iter().filter(|byte| **byte == b'\n').count();
        // The note is told again, with what is lost now.
        let notes = usize::from(written < batch.note);
        Some(u64::try_from(lines - notes.min(lines)).unwrap_or(u64::MAX))
    }

    /// Waits for a reader as long as it takes: how many bytes were written before an error.
    fn put(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.sink.write(rest) {
                Ok(0) => break,
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_PAUSE),
                Err(_lost) => break,
            }
        }
        bytes.len() - rest.len()
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.lines.close();
        // It ends as soon as the writer does.
        let _ = self.written.recv_timeout(LAST_LINES);
    }
}

/// One event's line: the subscriber writes it at once.
pub(crate) struct Line<'a> {
    lines: &'a Lines,
    is_note: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.is_note {
            self.lines.note(line);
        } else {
            self.lines.push(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, is_note: false }
    }

    fn make_writer_for(&'a self, of: &Metadata<'_>) -> Line<'a> {
        Line { lines: self, is_note: of.target() == DROPPED }
    }
}

#[cfg(test)]
mod tests;
