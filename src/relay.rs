//! Bytes both ways, until one side ends or the session has to.
//!
//! Owns back-pressure (one buffer a direction: what is not taken stops the reading), half-close, and the last word to
//! the client, which is only said between two whole messages. Knows of messages only where they begin.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use thiserror::Error;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::trace;

use self::boundary::Dialogue;
use self::direction::{AtEnd, Broken, Direction};
use crate::stream::{self, LAST_WORDS, Leg};
use crate::wire::refusal::Refusal;

#[cfg(feature = "bench")]
pub mod bench;
mod boundary;
mod direction;

/// When a session has to end although both sides go on.
#[derive(Clone, Default)]
pub(crate) struct Stop {
    /// As soon as it is idle.
    pub(crate) when_idle: CancellationToken,
    /// At once.
    pub(crate) now: CancellationToken,
}

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
}

/// What a relay did.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) end: End,
    /// From the client.
    pub(crate) bytes_up: u64,
    /// To the client.
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

/// Relays until the end. `refuse` turns a last word into bytes.
pub(crate) async fn run(legs: Legs, stop: &Stop, refuse: impl Fn(&Refusal) -> BytesMut) -> Relayed {
    let Legs { client: (mut client, from_client), upstream: (mut upstream, from_upstream) } = legs;
    trace!(from_client = from_client.len(), from_upstream = from_upstream.len(), "relaying");
    let mut dialogue = Dialogue::default();
    let mut up = Direction::new(&from_client, AtEnd::Close);
    let mut down = Direction::new(&from_upstream, AtEnd::Leave);
    dialogue.client_sent(&from_client);
    dialogue.upstream_sent(&from_upstream);

    let (end, error) = {
        let mut when_idle = pin!(stop.when_idle.cancelled());
        let mut now = pin!(stop.now.cancelled());
        poll_fn(|cx| {
            let ended = transfer(cx, (&mut client, &mut up), (&mut upstream, &mut down), &mut dialogue);
            if ended.is_ready() {
                return ended;
            }
            let stopped = now.as_mut().poll(cx).is_ready()
                || (dialogue.is_idle() && up.is_empty() && down.is_empty() && when_idle.as_mut().poll(cx).is_ready());
            if stopped { Poll::Ready((End::Drain, None)) } else { Poll::Pending }
        })
        .await
    };

    let last_word = match end {
        End::Drain => Some(Refusal::terminated()),
        // Unless it has given its own reason.
        End::Upstream if !dialogue.upstream_said_why() => Some(Refusal::warehouse_closed()),
        End::Client | End::Upstream => None,
    };
    // Elsewhere than between two messages it would be taken for a part of one.
    let last_word = last_word.filter(|_| dialogue.is_between_messages_to_client() && down.is_empty());
    // Best effort: either may be gone, or not take any more. Whoever is still there learns that it is over.
    let goodbye = async {
        match last_word {
            Some(word) => stream::farewell(&mut client, &refuse(&word)).await,
            None => drop(timeout(LAST_WORDS, stream::close(&mut client)).await),
        }
    };
    let _ = tokio::join!(goodbye, timeout(LAST_WORDS, stream::close(&mut upstream)));
    Relayed { end, bytes_up: up.bytes(), bytes_down: down.bytes(), error }
}

/// Moves what can be moved in both directions. Ready when the session is over.
fn transfer(
    cx: &mut Context<'_>,
    (client, up): (&mut Leg, &mut Direction),
    (upstream, down): (&mut Leg, &mut Direction),
    dialogue: &mut Dialogue,
) -> Poll<(End, Option<RelayError>)> {
    let sent = up.poll(cx, client, upstream, |bytes| dialogue.client_sent(bytes));
    let received = down.poll(cx, upstream, client, |bytes| dialogue.upstream_sent(bytes));
    match (sent, received) {
        // The warehouse has ended and the client has all of it: nothing that is still sent up can be answered.
        (_, Poll::Ready(Ok(()))) if up.is_read_to_end() || dialogue.client_said_goodbye() => {
            Poll::Ready((End::Client, None))
        }
        (_, Poll::Ready(Ok(()))) => Poll::Ready((End::Upstream, None)),
        (_, Poll::Ready(Err(Broken::Read(error)))) => Poll::Ready((End::Upstream, Some(RelayError::Upstream(error)))),
        (_, Poll::Ready(Err(Broken::Write(error)))) | (Poll::Ready(Err(Broken::Read(error))), _) => {
            Poll::Ready((End::Client, Some(RelayError::Client(error))))
        }
        // A client that has ended still gets its results; and what the warehouse said before it stopped taking is
        // still to be read. Its end ends the session.
        (Poll::Ready(Ok(()) | Err(Broken::Write(_))) | Poll::Pending, Poll::Pending) => Poll::Pending,
    }
}

#[cfg(test)]
mod tests;
