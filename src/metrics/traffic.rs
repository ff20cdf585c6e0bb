//! Bytes that are moved.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number of bytes in each direction: those of one session, or of all sessions of one connection.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    up: AtomicU64,
    down: AtomicU64,
}

impl Traffic {
    /// The bytes from clients to the warehouse.
    pub(crate) fn up(&self) -> u64 {
        self.up.load(Ordering::Relaxed)
    }

    /// The bytes from the warehouse to clients.
    pub(crate) fn down(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }

    /// Sets both numbers, which nobody else writes meanwhile.
    pub(crate) fn set(&self, up: u64, down: u64) {
        self.up.store(up, Ordering::Relaxed);
        self.down.store(down, Ordering::Relaxed);
    }

    /// Adds some bytes.
    pub(crate) fn add(&self, up: u64, down: u64) {
        for (sum, more) in [(&self.up, up), (&self.down, down)] {
            // An atomic addition costs some nanoseconds, more where two workers do it at once.
            if more > 0 {
                sum.fetch_add(more, Ordering::Relaxed);
            }
        }
    }
}
