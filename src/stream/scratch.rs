//! Buffers that belong to the thread, not to the session: an idle session holds none.

use std::cell::RefCell;

/// Bytes of payload in a scratch buffer; more gains nothing (performance.md).
pub(crate) const SCRATCH_BYTES: usize = 64 * 1024;

/// The room for the bytes that TLS adds to the payload: four records of up to 29 bytes more, a
/// KeyUpdate, an alert.
const RECORD_ROOM: usize = 1024;

thread_local! {
    /// The thread's buffers that are not in use. Uses nest a few deep.
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer on loan from the thread, given back when dropped. It is not cleared between uses: a
/// user must not read bytes that it has not written, and wipes a password.
pub(crate) struct Scratch(Box<[u8]>);

impl Scratch {
    /// Takes one of the thread's buffers; makes one where all are in use.
    pub(crate) fn take() -> Self {
        let free = FREE.with_borrow_mut(Vec::pop);
        Self(free.unwrap_or_else(|| vec![0; SCRATCH_BYTES + RECORD_ROOM].into_boxed_slice()))
    }

    /// The first [`SCRATCH_BYTES`] of the buffer.
    pub(crate) fn payload(&mut self) -> &mut [u8] {
        self.0.get_mut(..SCRATCH_BYTES).unwrap_or_default()
    }

    /// The whole buffer, with the room for what TLS adds.
    pub(crate) fn records(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        FREE.with_borrow_mut(|free| free.push(std::mem::take(&mut self.0)));
    }
}
