//! The lines that wait for the thread that writes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// The cap on the lines that wait, in bytes. The write under way may hold as many again. It caps
/// the number of lines too, for each has at least a time, a level and a target: some 10,000.
pub(super) const MAX_WAITING: usize = 1024 * 1024;

/// A bounded queue of log lines. All clones share it: the threads that log and the one that writes.
/// A lock guards the lines; it is held while one line is copied, and never while one is written.
#[derive(Clone, Default)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Signalled when the queue is no longer empty, or is closing.
    changed: Condvar,
    /// The number of lines dropped since the start.
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    /// The line that is written first: how many lines were dropped between those that have been
    /// written and those that wait.
    note: Vec<u8>,
    /// The lines that wait, each of them whole.
    waiting: Vec<u8>,
    /// How many lines were dropped since the writer last took the others. While there are any, no
    /// line is let in, so that all dropped ones belong behind those that wait.
    dropped: u64,
    is_closing: bool,
}

/// The lines that the writer takes at a time.
pub(super) struct Batch {
    /// The lines, the note ahead of the others.
    pub(super) bytes: Vec<u8>,
    /// The length of the note, in bytes; 0 where there is none.
    pub(super) note: usize,
    /// The number of lines dropped that belong behind the batch.
    pub(super) dropped: u64,
}

impl Queue {
    /// The number of lines dropped since the start, for the metric `log_lines_dropped_total`.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Adds a line, or drops it where there is no room. It waits for no more than another thread's
    /// copying of a line.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.state();
        let was_empty = state.is_empty();
        if state.dropped == 0 && state.waiting.len() + line.len() <= MAX_WAITING {
            state.waiting.extend_from_slice(line);
        } else {
            state.dropped += 1;
            self.count(1);
        }
        drop(state);
        if was_empty {
            self.0.changed.notify_one();
        }
    }

    /// Adds to the note, which is written ahead of all lines.
    pub(super) fn note(&self, line: &[u8]) {
        self.state().note.extend_from_slice(line);
    }

    /// Waits for lines and takes all that wait. `None`: nothing more will come.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut state = self.state();
        while state.is_empty() {
            if state.is_closing {
                return None;
            }
            self.0.changed.wait(&mut state);
        }
        let (mut bytes, waiting) = (std::mem::take(&mut state.note), std::mem::take(&mut state.waiting));
        let dropped = std::mem::take(&mut state.dropped);
        drop(state);
        let note = bytes.len();
        if note == 0 {
            bytes = waiting;
        } else {
            bytes.extend_from_slice(&waiting);
        }
        Some(Batch { bytes, note, dropped })
    }

    /// Lets the writer end when it has written all lines.
    pub(super) fn close(&self) {
        self.state().is_closing = true;
        self.0.changed.notify_one();
    }

    /// Counts lines that were dropped or lost.
    pub(super) fn count(&self, dropped: u64) {
        self.0.dropped.fetch_add(dropped, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.note.is_empty() && self.waiting.is_empty() && self.dropped == 0
    }
}
