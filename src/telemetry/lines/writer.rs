//! The one thread that writes log lines.

use std::io::{ErrorKind, Write};
use std::thread;
use std::time::Duration;

use super::queue::{Batch, Queue};

/// Pause before the next write to a pipe that is full and, by somebody else's doing, not blocking.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// The thread that writes.
pub(super) struct Writer<W, T> {
    queue: Queue,
    sink: W,
    tell: T,
    /// A line was cut off: the next one begins behind a line end of its own.
    is_cut: bool,
}

impl<W: Write, T: Fn(u64, u64)> Writer<W, T> {
    pub(super) fn new(queue: Queue, sink: W, tell: T) -> Self {
        Self { queue, sink, tell, is_cut: false }
    }

    pub(super) fn run(mut self) {
        let (mut untold, mut telling) = (0, 0);
        while let Some(batch) = self.queue.take() {
            let lost = self.write(&batch);
            untold += batch.dropped;
            match lost {
                // The note of before is written.
                None => untold -= std::mem::take(&mut telling),
                Some(lines) => {
                    untold += lines;
                    telling = 0;
                    self.queue.count(lines);
                }
            }
            if untold > 0 && lost.is_none() {
                (self.tell)(untold, self.queue.dropped());
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
