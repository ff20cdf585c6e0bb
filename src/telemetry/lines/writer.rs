//! The one thread that writes log lines.

use std::io::{ErrorKind, Write};
use std::thread;
use std::time::Duration;

use super::queue::{Batch, Queue};

/// Pause before the next write to a pipe that is full and, by somebody else's doing, not blocking.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// The state of the thread that writes.
pub(super) struct Writer<W, T> {
    queue: Queue,
    sink: W,
    report: T,
    /// A line was cut off by an error: a line end goes ahead of the next one.
    is_cut: bool,
}

impl<W: Write, T: Fn(u64, u64)> Writer<W, T> {
    /// Makes a writer. `report` logs how many lines were dropped since the last report and in all.
    pub(super) fn new(queue: Queue, sink: W, report: T) -> Self {
        Self { queue, sink, report, is_cut: false }
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let (mut unreported, mut reporting) = (0, 0);
        while let Some(batch) = self.queue.take() {
            let lost = self.write(&batch);
            unreported += batch.dropped;
            match lost {
                // The note of the last report is written.
                None => unreported -= std::mem::take(&mut reporting),
                Some(lines) => {
                    unreported += lines;
                    reporting = 0;
                    self.queue.count(lines);
                }
            }
            if unreported > 0 && lost.is_none() {
                (self.report)(unreported, self.queue.dropped());
                reporting = unreported;
            }
        }
    }

    /// Writes a batch. `Some`: that failed, and so many lines are lost, not counting the note.
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
        // The note is made again, with the lines that are lost now.
        let notes = usize::from(written < batch.note);
        Some(u64::try_from(lines - notes.min(lines)).unwrap_or(u64::MAX))
    }

    /// Writes bytes and waits for a reader as long as it takes. Returns how many were written
    /// before an error.
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
