//! A connection in memory that cuts what goes through it, damages it or ends it, as a test says.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// Where a stream of records is cut into pieces that are read one by one.
#[derive(Clone, Debug)]
pub(super) enum Cuts {
    /// Nowhere.
    None,
    /// So many bytes behind the start of each record that is longer.
    EachRecord(usize),
    /// Pieces of these sizes, over and over.
    Pieces(Vec<usize>),
}

/// What happens to a stream of records besides.
#[derive(Clone, Copy, Debug)]
pub(super) enum Damage {
    None,
    /// The byte of a record (counted from 0) at this offset is another.
    Flip {
        record: usize,
        at: usize,
    },
    /// It ends so many bytes behind the start of a record.
    End {
        record: usize,
        at: usize,
    },
}

/// Where the records began that went through, and where the last one ended.
pub(super) type Starts = Arc<Mutex<Vec<usize>>>;

/// One direction of a connection.
pub(super) struct Way {
    cuts: Cuts,
    damage: Damage,
    starts: Starts,
    /// Bytes that went by.
    position: usize,
    /// How many pieces went by.
    pieces: usize,
    /// Where the piece that is on its way began.
    piece_start: usize,
    /// The header of the record that is on its way, as far as it has come.
    header: Vec<u8>,
    /// A piece has just ended: the next one is not there yet.
    has_just_cut: bool,
}

impl Way {
    pub(super) fn new(cuts: Cuts, damage: Damage) -> Self {
        let (starts, header) = (Arc::new(Mutex::new(vec![0])), Vec::new());
        Self { cuts, damage, starts, position: 0, pieces: 0, piece_start: 0, header, has_just_cut: false }
    }

    pub(super) fn starts(&self) -> Starts {
        Arc::clone(&self.starts)
    }

    /// The record on its way: its number, and where it began.
    fn record(&self) -> (usize, usize) {
        let starts = self.starts.lock().unwrap();
        (starts.len() - 1, starts[starts.len() - 1])
    }

    /// Whether the next byte does not come any more.
    fn has_ended(&self) -> bool {
        let (record, start) = self.record();
        matches!(self.damage, Damage::End { record: last, at } if (record, self.position - start) >= (last, at))
    }

    /// Whether a piece ends here.
    fn is_cut(&self) -> bool {
        match &self.cuts {
            Cuts::None => false,
            Cuts::EachRecord(at) => self.position == self.record().1 + at,
            Cuts::Pieces(sizes) => self.position - self.piece_start == sizes[self.pieces % sizes.len()],
        }
    }

    /// Lets one byte by.
    fn pass(&mut self, mut byte: u8) -> u8 {
        let (record, start) = self.record();
        if matches!(self.damage, Damage::Flip { record: damaged, at } if (record, self.position - start) == (damaged, at))
        {
            byte ^= 0x40;
        }
        self.position += 1;
        if self.header.len() < 5 {
            self.header.push(byte);
        }
        if let [_, _, _, high, low] = self.header[..]
            && self.position == start + 5 + usize::from(u16::from_be_bytes([high, low]))
        {
            self.starts.lock().unwrap().push(self.position);
            self.header.clear();
        }
        byte
    }

    /// How many of these bytes go by in one piece, each put through [`Way::pass`].
    fn take(&mut self, bytes: &[u8], mut to: impl FnMut(u8)) -> usize {
        for (before, byte) in bytes.iter().enumerate() {
            if self.has_ended() {
                return before;
            }
            to(self.pass(*byte));
            if self.is_cut() {
                self.piece_start = self.position;
                self.pieces += 1;
                self.has_just_cut = true;
                return before + 1;
            }
        }
        bytes.len()
    }

    /// Whether the next piece is there. It is at the second time of asking.
    fn poll_piece(&mut self, cx: &Context<'_>) -> Poll<()> {
        if std::mem::take(&mut self.has_just_cut) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

/// An end of a connection in memory: what its owner reads comes by one way, what it writes goes by
/// the other.
pub(super) struct Socket {
    inner: DuplexStream,
    incoming: Way,
    outgoing: Way,
    /// Received, but not let by.
    held: Vec<u8>,
}

impl Socket {
    pub(super) fn new(inner: DuplexStream, incoming: Way, outgoing: Way) -> Self {
        Self { inner, incoming, outgoing, held: Vec::new() }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, incoming, held, .. } = &mut *self;
        ready!(incoming.poll_piece(cx));
        loop {
            if incoming.has_ended() {
                return Poll::Ready(Ok(()));
            }
            let most = into.remaining().min(held.len());
            let taken = incoming.take(&held[..most], |byte| into.put_slice(&[byte]));
            held.drain(..taken);
            if taken > 0 {
                return Poll::Ready(Ok(()));
            }
            let mut more = [0; 4096];
            let mut more = ReadBuf::new(&mut more);
            ready!(Pin::new(&mut *inner).poll_read(cx, &mut more))?;
            if more.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            held.extend_from_slice(more.filled());
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { inner, outgoing, .. } = &mut *self;
        ready!(outgoing.poll_piece(cx));
        let mut passed = Vec::new();
        let taken = outgoing.take(bytes, |byte| passed.push(byte));
        // Its buffer is larger than any test's traffic.
        let Poll::Ready(written) = Pin::new(&mut *inner).poll_write(cx, &passed)? else { panic!("a full buffer") };
        assert_eq!(written, passed.len());
        Poll::Ready(Ok(taken))
    }

    /// As a kernel does: the oracle tries once to send its alert, with all that waits ahead of it.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write(
            cx,
            &pieces
                .iter()
                .flat_map(|piece| piece.iter().copied())
                .collect::<Vec<_>>(),
        )
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
