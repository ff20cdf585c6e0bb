//! Bytes that could not be passed on at once, in their order.

use zeroize::Zeroize;

/// A queue of bytes that wait to be passed on. It holds no memory when empty.
#[derive(Default)]
pub(crate) struct Backlog {
    bytes: Vec<u8>,
    /// Where the waiting bytes begin.
    start: usize,
}

impl Backlog {
    /// The bytes that wait.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The bytes that wait, to be changed in place.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).unwrap_or_default()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// Puts bytes at the end of the queue.
    pub(crate) fn push(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
    }

    /// Makes room for `by` bytes at the end of the queue. Those that are not used are to be taken
    /// away again by [`Backlog::shrink`].
    pub(crate) fn grow(&mut self, by: usize) -> &mut [u8] {
        let from = self.bytes.len();
        self.bytes.resize(from + by, 0);
        self.bytes.get_mut(from..).unwrap_or_default()
    }

    /// Takes the last `by` bytes away.
    pub(crate) fn shrink(&mut self, by: usize) {
        self.bytes.truncate(self.bytes.len().saturating_sub(by));
    }

    /// Takes the first `count` bytes away: they have been passed on.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.bytes.len().min(self.start + count);
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Moves as many bytes as fit into the front of `into`, and wipes them here: they may be a
    /// password.
    pub(crate) fn drain_and_wipe_into(&mut self, into: &mut [u8]) -> usize {
        let count = self.bytes().len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..count), self.bytes_mut().get_mut(..count)) {
            to.copy_from_slice(from);
            from.zeroize();
        }
        self.consume(count);
        count
    }

    /// Moves as many bytes as fit into the front of `into`.
    pub(crate) fn drain_into(&mut self, into: &mut [u8]) -> usize {
        let count = self.bytes().len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..count), self.bytes().get(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut backlog = Backlog::default();
        backlog.push(b"abc");
        backlog.grow(4).copy_from_slice(b"defg");
        backlog.shrink(2);
        let mut some = [0; 2];
        assert_eq!((backlog.drain_into(&mut some), &some), (2, b"ab"));
        backlog.consume(1);
        assert_eq!(backlog.bytes(), b"de");
        let mut rest = [0; 9];
        assert_eq!(backlog.drain_into(&mut rest), 2);
        assert!(backlog.is_empty() && backlog.bytes.capacity() == 0);
    }

    #[test]
    fn bytes_drained_during_a_login_are_wiped() {
        let mut backlog = Backlog::default();
        backlog.push(b"password");
        let mut some = [0; 4];
        assert_eq!((backlog.drain_and_wipe_into(&mut some), &some), (4, b"pass"));
        assert_eq!(backlog.bytes, b"\0\0\0\0word");
    }
}
