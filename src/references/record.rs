//! What an operator is shown of a watched value: when it was read last, and what went wrong.

use parking_lot::Mutex;
use tokio::time::Instant;

/// The record of one watched value. The task that reads the value writes it, and operators' looks
/// copy it; the lock is held for that long. The value itself is not in it.
pub(crate) struct ReadRecord {
    /// The configuration's key.
    pub(crate) key: String,
    /// The references, as they are written; several that are used together are separated by commas.
    pub(crate) reference: String,
    reads: Mutex<LastReads>,
}

/// The last reads of one value.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastReads {
    /// The last read that brought a usable value. `None`: none has.
    pub(crate) last_read: Option<Instant>,
    /// The error of the last read, if it has failed, with its time.
    pub(crate) last_error: Option<(Instant, String)>,
    /// How many reads have failed.
    pub(crate) errors: u64,
}

impl ReadRecord {
    /// The record of a value that was read with the configuration (`is_known`), or was not yet.
    pub(super) fn new(key: String, reference: String, is_known: bool) -> Self {
        let reads = LastReads { last_read: is_known.then(Instant::now), ..LastReads::default() };
        Self { key, reference, reads: Mutex::new(reads) }
    }

    /// Goes on where the record of the same value under an earlier configuration has come to.
    pub(super) fn follow(&self, before: &Self) {
        *self.reads.lock() = before.reads();
    }

    /// Takes note of a read that brought a usable value.
    pub(super) fn succeeded(&self) {
        let mut reads = self.reads.lock();
        (reads.last_read, reads.last_error) = (Some(Instant::now()), None);
    }

    /// Takes note of a read that failed.
    pub(super) fn failed(&self, error: &str) {
        let mut reads = self.reads.lock();
        reads.last_error = Some((Instant::now(), error.to_owned()));
        reads.errors += 1;
    }

    /// The last reads, as they are known now.
    pub(crate) fn reads(&self) -> LastReads {
        self.reads.lock().clone()
    }
}
