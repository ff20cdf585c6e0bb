//! Bytes both ways, until one side ends or the session has to.
//!
//! Owns back-pressure (one buffer a direction: what is not taken stops the reading), half-close,
//! when a client counts as vanished, and the last word to the client, which is only said between
//! two whole messages. Knows of messages only where they begin.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use bytes::BytesMut;
use tokio::time::timeout;

pub(crate) use self::ending::Limits;
use self::ending::{Ending, Linger};
use self::flow::Flow;
pub(crate) use self::flow::Legs;
pub(crate) use self::outcome::{End, RelayError, Relayed};
use self::watch::{Gone, Watch};
use crate::stop::Stop;
use crate::stream::{self, LAST_WORDS, Leg};
use crate::wire::refusal::Refusal;

#[cfg(feature = "bench")]
pub mod bench;
mod dialogue;
mod direction;
mod ending;
mod flow;
mod outcome;
mod scanner;
mod watch;

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

#[cfg(test)]
mod tests;
