//! One direction of a session: read some, write some, pass the end on.

use std::io;
use std::task::{Context, Poll, ready};

use crate::stream::Stream;

/// What is held between reading and writing, in bytes: larger gains nothing (performance.md).
const BUFFER_BYTES: usize = 64 * 1024;

/// Bytes from one leg to the other.
pub(super) struct Direction {
    buffer: Box<[u8]>,
    /// Held bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Written but perhaps not yet with the kernel.
    unflushed: bool,
    at_end: AtEnd,
    read_to_end: bool,
    state: State,
    bytes: u64,
}

/// What becomes of the writing side when the reading side has ended and all is written.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum AtEnd {
    /// It is closed too: half-close goes through.
    Close,
    /// It stays open, for a last word of ours.
    Leave,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Open,
    /// The reading side has ended; the rest is written.
    Ending,
    /// The end has been passed on, or a side broke.
    Over,
}

/// Which side of a direction failed.
#[derive(Debug)]
pub(super) enum Broken {
    Read(io::Error),
    Write(io::Error),
}

impl Direction {
    /// Begins with what was read during login.
    pub(super) fn new(first: &[u8], at_end: AtEnd) -> Self {
        let mut buffer = vec![0; BUFFER_BYTES.max(first.len())].into_boxed_slice();
        buffer.iter_mut().zip(first).for_each(|(to, from)| *to = *from);
        Self {
            buffer,
            start: 0,
            end: first.len(),
            unflushed: false,
            at_end,
            read_to_end: false,
            state: State::Open,
            bytes: first.len() as u64,
        }
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Nothing is held back.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end && !self.unflushed
    }

    /// The reading side has ended, and not just broken off.
    pub(super) fn is_read_to_end(&self) -> bool {
        self.read_to_end
    }

    /// Moves what can be moved; `seen` gets all that is read. Ready once: when the end has been passed on, or a side
    /// broke. Pending from then on.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Stream,
        to: &mut impl Stream,
        seen: impl FnMut(&[u8]),
    ) -> Poll<Result<(), Broken>> {
        if self.state == State::Over {
            return Poll::Pending;
        }
        let result = ready!(self.poll_open(cx, from, to, seen));
        self.state = State::Over;
        Poll::Ready(result)
    }

    fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Stream,
        to: &mut impl Stream,
        mut seen: impl FnMut(&[u8]),
    ) -> Poll<Result<(), Broken>> {
        loop {
            while let Some(held) = self.buffer.get(self.start..self.end).filter(|held| !held.is_empty()) {
                match ready!(to.poll_write(cx, held)).map_err(Broken::Write)? {
                    0 => return Poll::Ready(Err(Broken::Write(io::ErrorKind::WriteZero.into()))),
                    taken => self.start += taken,
                }
                self.unflushed = true;
            }
            (self.start, self.end) = (0, 0);
            if self.state == State::Ending {
                let ended = match self.at_end {
                    AtEnd::Close => to.poll_close(cx),
                    AtEnd::Leave => to.poll_flush(cx),
                };
                ready!(ended).map_err(Broken::Write)?;
                self.unflushed = false;
                return Poll::Ready(Ok(()));
            }
            match from.poll_read(cx, &mut self.buffer).map_err(Broken::Read)? {
                Poll::Ready(0) => {
                    self.read_to_end = true;
                    self.state = State::Ending;
                }
                Poll::Ready(read) => {
                    self.end = read;
                    self.bytes += read as u64;
                    seen(self.buffer.get(..read).unwrap_or_default());
                }
                Poll::Pending => {
                    // Only now: as long as more comes in at once, records fill up better without.
                    if self.unflushed {
                        ready!(to.poll_flush(cx)).map_err(Broken::Write)?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}
