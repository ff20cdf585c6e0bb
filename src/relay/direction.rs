//! One direction of a session: bytes are read from one leg and written to the other, and so is the
//! end.

use std::io;
use std::task::{Context, Poll, ready};

use crate::stream::Stream;
use crate::stream::backlog::Backlog;
use crate::stream::scratch::Scratch;

/// How many buffers are moved before the other sessions of the thread have their turn.
const ROUNDS: usize = 4;

/// The state of one direction. It holds bytes only while the writing side stalls.
pub(super) struct Direction {
    /// Bytes that were read and that the writing side has not taken. While there are any, nothing
    /// more is read.
    held: Backlog,
    /// Bytes were written that may not have reached the kernel yet.
    unflushed: bool,
    at_end: AtEnd,
    read_to_end: bool,
    state: State,
    bytes: u64,
}

/// The treatment of the writing side when the reading side has ended and all is written.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum AtEnd {
    /// The writing side is closed too, so that a half-close goes through.
    Close,
    /// The writing side stays open, for a last message of ours.
    Leave,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Open,
    /// The reading side has ended, and the rest is being written.
    Ending,
    /// The end has been passed on, or a side broke.
    Over,
}

/// The side of a direction that failed.
#[derive(Debug)]
pub(super) enum Broken {
    Read(io::Error),
    Write(io::Error),
}

impl Direction {
    /// Begins with the bytes that were read during login.
    pub(super) fn new(first: &[u8], at_end: AtEnd) -> Self {
        let mut held = Backlog::default();
        held.push(first);
        Self { held, unflushed: false, at_end, read_to_end: false, state: State::Open, bytes: first.len() as u64 }
    }

    /// The number of bytes that were read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether all bytes that were read have gone out.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && !self.unflushed
    }

    /// Whether the reading side has ended properly, rather than failed.
    pub(super) fn is_read_to_end(&self) -> bool {
        self.read_to_end
    }

    /// Whether the reading side has ended, all of it is written, and its end is passed on.
    pub(super) fn is_over(&self) -> bool {
        self.read_to_end && self.state == State::Over
    }

    /// Moves as many bytes as can be moved; `seen` gets all that is read. Ready once: when the end
    /// has been passed on, or a side broke. Pending from then on.
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
        for _ in 0..ROUNDS {
            while !self.held.is_empty() {
                let taken = ready!(self.poll_write(cx, to, None)).map_err(Broken::Write)?;
                self.held.consume(taken);
            }
            if self.state == State::Ending {
                let ended = match self.at_end {
                    AtEnd::Close => to.poll_close(cx),
                    AtEnd::Leave => to.poll_flush(cx),
                };
                ready!(ended).map_err(Broken::Write)?;
                self.unflushed = false;
                return Poll::Ready(Ok(()));
            }
            let mut scratch = Scratch::take();
            let buffer = scratch.payload();
            let read = match from.poll_read(cx, buffer).map_err(Broken::Read)? {
                Poll::Ready(read) => read,
                Poll::Pending => {
                    // Only now: as long as more comes in at once, records fill up better without.
                    if self.unflushed {
                        ready!(to.poll_flush(cx)).map_err(Broken::Write)?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            };
            if read == 0 {
                self.read_to_end = true;
                self.state = State::Ending;
                continue;
            }
            self.bytes += read as u64;
            let mut rest = buffer.get(..read).unwrap_or_default();
            seen(rest);
            while !rest.is_empty() {
                match self.poll_write(cx, to, Some(rest)).map_err(Broken::Write)? {
                    Poll::Ready(taken) => rest = rest.get(taken..).unwrap_or_default(),
                    Poll::Pending => {
                        self.held.push(rest);
                        return Poll::Pending;
                    }
                }
            }
        }
        // Others have their turn; then it goes on.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes some of `bytes`, or of the bytes held where it is `None`.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut impl Stream,
        bytes: Option<&[u8]>,
    ) -> Poll<io::Result<usize>> {
        let taken = ready!(to.poll_write(cx, bytes.unwrap_or(self.held.bytes())))?;
        self.unflushed = true;
        Poll::Ready(if taken == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(taken) })
    }
}
