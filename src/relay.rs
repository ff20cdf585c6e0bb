//! Bytes both ways, until one side ends or the session has to.
//!
//! Owns back-pressure (one buffer a direction: what is not taken stops the reading), half-close,
//! when a client counts as vanished, and the last word to the client, which is only said between
//! two whole messages. Knows of messages only where they begin.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use thiserror::Error;
use tokio::time::timeout;
use tracing::trace;

use self::boundary::Dialogue;
use self::direction::{AtEnd, Broken, Direction};
use self::ending::Ending;
pub(crate) use self::ending::Limits;
use self::linger::Linger;
use self::watch::{Gone, Session, Watch};
use crate::stop::Stop;
use crate::stream::{self, LAST_WORDS, Leg};
use crate::wire::refusal::Refusal;

#[cfg(feature = "bench")]
pub mod bench;
mod boundary;
mod direction;
mod ending;
mod linger;
mod watch;

/// Both legs, each with what was read of it during login.
pub(crate) struct Legs {
    pub(crate) client: (Leg, BytesMut),
    pub(crate) upstream: (Leg, BytesMut),
}

/// How a session ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// The client said goodbye or went away.
    Client,
    /// The warehouse did.
    Upstream,
    /// We did, at a shutdown.
    Drain,
    /// We did, after its lifetime.
    Lifetime,
    /// We did, after a time of silence.
    Idle,
}

/// What a relay did.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) end: End,
    /// Read from the client.
    pub(crate) bytes_up: u64,
    /// Read from the warehouse.
    pub(crate) bytes_down: u64,
    /// A side that broke rather than ended.
    pub(crate) error: Option<RelayError>,
}

/// A side that failed in mid-session.
#[derive(Debug, Error)]
pub(crate) enum RelayError {
    #[error("the client's connection failed")]
    Client(#[source] io::Error),
    #[error("the warehouse's connection failed")]
    Upstream(#[source] io::Error),
}

/// Relays until the end. `refuse` turns a last word into bytes; `cancel` is what is done about a
/// query that still runs when its client has vanished, before the warehouse's leg is closed.
pub(crate) fn run<C: Future<Output = ()>>(
    legs: Legs,
    stop: &Stop,
    limits: &Limits,
    refuse: impl Fn(&Refusal) -> BytesMut,
    cancel: impl FnOnce() -> C,
) -> impl Future<Output = Relayed> {
    let (mut client, mut upstream, mut flow) = Flow::begin(legs);
    // Not an async function: one keeps each argument twice, and sessions spend their lives here.
    async move {
        let (end, error) = {
            let changed = pin!(stop.changed());
            let mut ending = Ending::new(stop, changed, limits);
            let mut linger = Linger::default();
            let mut watch = Watch::default();
            poll_fn(|cx| {
                let before = flow.bytes();
                let ended = flow.transfer(cx, &mut client, &mut upstream);
                if ended.is_ready() {
                    return ended;
                }
                if flow.up.is_read_to_end() && linger.poll(cx).is_ready() {
                    return Poll::Ready((End::Client, None));
                }
                let session = flow.session(&client, &upstream);
                if let Poll::Ready(gone) = watch.poll(cx, &session, limits.keepalive) {
                    let error = io::ErrorKind::TimedOut.into();
                    return Poll::Ready(match gone {
                        Gone::Client => (End::Client, Some(RelayError::Client(error))),
                        Gone::Upstream => (End::Upstream, Some(RelayError::Upstream(error))),
                    });
                }
                ending
                    .poll(cx, flow.bytes() != before, flow.is_idle())
                    .map(|end| (end, None))
            })
            .await
        };
        let Flow { up, down, dialogue } = flow;

        let last_word = match end {
            End::Drain | End::Lifetime => Some(Refusal::terminated()),
            End::Idle => Some(Refusal::idle_timeout()),
            // Unless it has given its own reason.
            End::Upstream if !dialogue.upstream_said_why() => Some(Refusal::warehouse_closed()),
            End::Client | End::Upstream => None,
        };
        // Elsewhere than between two messages it would be taken for a part of one.
        let last_word = last_word.filter(|_| dialogue.is_between_messages_to_client() && down.is_empty());
        if end == End::Client && !dialogue.is_answered() && !down.is_read_to_end() {
            // Boxed, as below.
            Box::pin(cancel()).await;
        }
        // Boxed, since a session is not to carry the room for its end through its life.
        Box::pin(part(client, upstream, last_word.map(|word| refuse(&word)))).await;
        Relayed { end, bytes_up: up.bytes(), bytes_down: down.bytes(), error }
    }
}

/// Ends both legs, best effort: either may be gone, or not take any more. Whoever is still there
/// learns that it is over. A client that goes on sending, behind its goodbye too, still gets all
/// that was sent to it: see [`stream::farewell`].
async fn part(mut client: Leg, mut upstream: Leg, last_word: Option<BytesMut>) {
    let goodbye = stream::farewell(&mut client, last_word.as_deref().unwrap_or_default());
    let _ = tokio::join!(goodbye, timeout(LAST_WORDS, stream::close(&mut upstream)));
}

/// What goes on between the two legs.
struct Flow {
    up: Direction,
    down: Direction,
    dialogue: Dialogue,
}

impl Flow {
    /// Begins with what was read during login, whose buffers go.
    fn begin(legs: Legs) -> (Leg, Leg, Self) {
        let Legs { client: (mut client, from_client), upstream: (mut upstream, from_upstream) } = legs;
        client.end_login();
        upstream.end_login();
        trace!(from_client = from_client.len(), from_upstream = from_upstream.len(), "relaying");
        let up = Direction::new(&from_client, AtEnd::Close);
        let down = Direction::new(&from_upstream, AtEnd::Leave);
        let mut dialogue = Dialogue::default();
        dialogue.client_sent(&from_client);
        dialogue.upstream_sent(&from_upstream);
        (client, upstream, Self { up, down, dialogue })
    }

    /// Moves what can be moved in both directions. Ready when the session is over.
    fn transfer(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Leg,
        upstream: &mut Leg,
    ) -> Poll<(End, Option<RelayError>)> {
        let Self { up, down, dialogue } = self;
        let sent = up.poll(cx, client, upstream, |bytes| dialogue.client_sent(bytes));
        let received = down.poll(cx, upstream, client, |bytes| dialogue.upstream_sent(bytes));
        match (sent, received) {
            // The warehouse has ended and the client has all of it: nothing that is still sent up
            // can be answered.
            (_, Poll::Ready(Ok(()))) if up.is_read_to_end() || dialogue.client_said_goodbye() => {
                Poll::Ready((End::Client, None))
            }
            (_, Poll::Ready(Ok(()))) => Poll::Ready((End::Upstream, None)),
            (_, Poll::Ready(Err(Broken::Read(error)))) => {
                Poll::Ready((End::Upstream, Some(RelayError::Upstream(error))))
            }
            (_, Poll::Ready(Err(Broken::Write(error)))) | (Poll::Ready(Err(Broken::Read(error))), _) => {
                Poll::Ready((End::Client, Some(RelayError::Client(error))))
            }
            // What the warehouse said before it stopped taking is still to be read; its end will
            // follow.
            (Poll::Ready(Err(Broken::Write(error))), Poll::Pending) if is_gone(&error) => Poll::Pending,
            (Poll::Ready(Err(Broken::Write(error))), Poll::Pending) => {
                Poll::Ready((End::Upstream, Some(RelayError::Upstream(error))))
            }
            // A client that has ended still gets its results, and then there is nothing to wait
            // for.
            (Poll::Ready(Ok(())) | Poll::Pending, Poll::Pending)
                if up.is_over() && dialogue.is_answered() && down.is_empty() =>
            {
                Poll::Ready((End::Client, None))
            }
            (Poll::Ready(Ok(())) | Poll::Pending, Poll::Pending) => Poll::Pending,
        }
    }

    /// Read so far, both ways.
    fn bytes(&self) -> u64 {
        self.up.bytes() + self.down.bytes()
    }

    /// For the watch over the two legs.
    fn session<'l>(&self, client: &'l Leg, upstream: &'l Leg) -> Session<'l> {
        let is_held = !self.up.is_empty() || !self.down.is_empty();
        Session { legs: [client, upstream], read: [self.up.bytes(), self.down.bytes()], is_held }
    }

    /// Nothing is owed, open, half said or held back.
    fn is_idle(&self) -> bool {
        self.dialogue.is_idle() && self.up.is_empty() && self.down.is_empty()
    }
}

/// The other side has ended, and not we.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut)
}

#[cfg(test)]
mod tests;
