//! Log lines on their way to standard error: a bounded queue, and the one thread that writes.
//!
//! A thread that logs copies its line into the queue, and never waits for whoever reads standard
//! error. What does not fit is dropped and counted, and one line says how many were dropped once
//! lines can be written again. An error of standard error (its reader is gone, the disk is full)
//! loses the lines of that write, and stops nothing.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use tracing::{Metadata, warn};
use tracing_subscriber::fmt::MakeWriter;

use self::queue::Queue;
use self::writer::Writer;

mod queue;
mod writer;

/// The longest time that the end of the process waits for the last lines to be read.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The target of the line that says how many others were dropped. The queue takes it even when it
/// is full.
const DROPPED: &str = "redshift_iam_proxy::telemetry::dropped";

/// Standard error as the subscriber sees it: a handle of the queue. All clones share one queue, and
/// dropping them loses no line; [`Flush`] writes the last.
#[derive(Clone, Default)]
pub(crate) struct LogLines(Queue);

/// Flushes the log when dropped: waits until all lines are written, but no longer than
/// [`LAST_LINES`].
#[must_use]
pub(crate) struct Flush {
    queue: Queue,
    /// The channel that is closed when the thread has written all.
    written: Receiver<()>,
}

impl LogLines {
    /// The number of lines dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped()
    }

    /// Starts the thread that writes the lines to `sink`. The last lines are written when the
    /// returned value is dropped.
    ///
    /// # Errors
    /// Returned if the system gives no thread.
    pub(crate) fn write_to(&self, sink: impl Write + Send + 'static) -> io::Result<Flush> {
        self.write_with(sink, |dropped, dropped_total| {
            warn!(target: DROPPED, event = "lines dropped", dropped, dropped_total, "log lines were dropped: they were not read in time");
        })
    }

    /// Starts the thread. `report` logs how many lines were dropped since the last report and in
    /// all.
    fn write_with(
        &self,
        sink: impl Write + Send + 'static,
        report: impl Fn(u64, u64) + Send + 'static,
    ) -> io::Result<Flush> {
        let (writing, written) = channel();
        let writer = Writer::new(self.0.clone(), sink, report);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                writer.run();
                drop(writing);
            })?;
        Ok(Flush { queue: self.0.clone(), written })
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.queue.close();
        // It ends as soon as the writer does.
        let _ = self.written.recv_timeout(LAST_LINES);
    }
}

/// The line of one event. The subscriber writes it in one call.
pub(crate) struct LogLine<'a> {
    lines: &'a LogLines,
    is_note: bool,
}

impl Write for LogLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.is_note {
            self.lines.0.note(line);
        } else {
            self.lines.0.push(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> LogLine<'a> {
        LogLine { lines: self, is_note: false }
    }

    fn make_writer_for(&'a self, of: &Metadata<'_>) -> LogLine<'a> {
        LogLine { lines: self, is_note: of.target() == DROPPED }
    }
}

#[cfg(test)]
mod tests;
