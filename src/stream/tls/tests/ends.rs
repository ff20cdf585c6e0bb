//! An end of a session: what it is to do, and what it has seen.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use crate::stream::{Leg, Stream};

/// Bytes that show their length and their sum where a test fails.
#[derive(Clone, Default, Eq, PartialEq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = self.0.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        write!(f, "{} bytes (sum {sum})", self.0.len())
    }
}

/// What an end does: it sends, and reads to the end of what the other sends.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) bytes: Bytes,
    /// How many bytes it sends at a time.
    pub(super) writes: usize,
    /// How many bytes it reads at most at a time.
    pub(super) reads: usize,
    /// A KeyUpdate (TLS 1.3) goes ahead of each write but the first.
    pub(super) has_key_updates: bool,
    pub(super) goodbye: Goodbye,
}

/// When and how an end says that it sends no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Goodbye {
    /// close_notify, when it has sent all.
    WhenSent,
    /// close_notify, when the other has ended too.
    WhenEnded,
    /// No close_notify: its connection ends when it has sent all.
    Missing,
}

/// What an end has seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    pub(super) read: Bytes,
    /// How the other's bytes ended.
    pub(super) end: Outcome,
    /// How its own did.
    pub(super) sent: Outcome,
}

/// `Err`: what failed, in rustls's words where it was rustls.
pub(super) type Outcome = Result<(), String>;

impl Seen {
    /// What an end has seen of a session whose handshake failed.
    pub(super) fn of_handshake(error: &io::Error) -> Self {
        Self { read: Bytes::default(), end: Err(words(error)), sent: Err(words(error)) }
    }
}

/// What a peer does that a stream under test does not.
pub(super) trait End: Stream {
    fn update_keys(&mut self) {
        panic!("only a peer does that");
    }

    /// Ends the connection without close_notify.
    fn poll_break_off(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        panic!("only a peer does that");
    }
}

impl End for Leg {}

/// Runs an end until both sides have ended, or until it reads an error: then it has no more to say.
pub(super) async fn run(mut stream: impl End, plan: &Plan) -> Seen {
    let mut seen = Seen { read: Bytes::default(), end: Ok(()), sent: Ok(()) };
    let mut buffer = vec![0; plan.reads];
    let (mut has_ended, mut writer) = (false, Writer { plan, sent: 0, has_flushed: true, has_ended: false });
    poll_fn(|cx| {
        while !has_ended {
            match stream.poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(0)) => has_ended = true,
                Poll::Ready(Ok(read)) => seen.read.0.extend_from_slice(&buffer[..read]),
                Poll::Ready(Err(error)) => {
                    seen.end = Err(words(&error));
                    return Poll::Ready(());
                }
                Poll::Pending => break,
            }
        }
        if let Poll::Ready(Err(error)) = writer.poll(cx, &mut stream, has_ended) {
            writer.has_ended = true;
            seen.sent = Err(words(&error));
        }
        if has_ended && writer.has_ended { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    seen
}

struct Writer<'a> {
    plan: &'a Plan,
    sent: usize,
    has_flushed: bool,
    has_ended: bool,
}

impl Writer<'_> {
    /// Sends what can be sent. `can_end`: the other end has.
    fn poll(&mut self, cx: &mut Context<'_>, stream: &mut impl End, can_end: bool) -> Poll<io::Result<()>> {
        let Plan { bytes, writes, has_key_updates, goodbye, .. } = self.plan;
        while !self.has_ended {
            if !self.has_flushed {
                ready!(stream.poll_flush(cx))?;
                self.has_flushed = true;
            }
            let rest = &bytes.0[self.sent..];
            if rest.is_empty() {
                match goodbye {
                    Goodbye::WhenEnded if !can_end => return Poll::Pending,
                    Goodbye::WhenEnded | Goodbye::WhenSent => ready!(stream.poll_close(cx))?,
                    Goodbye::Missing => ready!(stream.poll_break_off(cx))?,
                }
                self.has_ended = true;
            } else {
                if *has_key_updates && self.sent > 0 {
                    stream.update_keys();
                }
                self.sent += ready!(stream.poll_write(cx, &rest[..rest.len().min(*writes)]))?;
                self.has_flushed = false;
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn words(error: &io::Error) -> String {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    inner.map_or_else(|| format!("{:?}", error.kind()), |error| format!("{error:?}"))
}
