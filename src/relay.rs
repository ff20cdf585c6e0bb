//! The relay of bytes in both directions, until one side ends or the session has to end.
//!
//! It owns back-pressure (one buffer for each direction: while it holds bytes, nothing more is
//! read), half-close, the detection of clients that vanished, and the last message to the client,
//! which is only sent between two whole messages. Of the messages themselves it reads the headers
//! only.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use bytes::BytesMut;
use tokio::time::timeout;

pub(crate) use self::ending::SessionLimits;
use self::ending::{Ending, Linger};
use self::flow::Flow;
pub(crate) use self::flow::Legs;
pub(crate) use self::meter::{Activity, Meter};
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
mod meter;
mod outcome;
mod scanner;
mod watch;

/// Relays until the session ends; `meter` shows how it goes. `refuse` encodes the last message to
/// the client. `over` is called once nothing is relayed any more, ahead of the last words; it is
/// told whether a query still runs whose client has vanished, or whose session an operator has
/// ended, and gives the future that cancels it.
pub(crate) fn run<C: Future<Output = ()>>(
    legs: Legs,
    (stop, meter): (&Stop, &Meter),
    limits: &SessionLimits,
    refuse: impl Fn(&Refusal) -> BytesMut,
    over: impl FnOnce(bool) -> Option<C>,
) -> impl Future<Output = Relayed> {
    let (mut client, mut upstream, mut flow) = Flow::begin(legs);
    if flow.bytes() > 0 {
        flow.show_on(meter);
    }
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
                let has_moved = flow.bytes() != before;
                if has_moved {
                    flow.show_on(meter);
                }
                if ended.is_ready() {
                    return ended;
                }
                if flow.up.is_read_to_end() && linger.poll(cx).is_ready() {
                    return Poll::Ready((End::Client, None));
                }
                let traffic = flow.traffic(&client, &upstream);
                if let Poll::Ready(gone) = watch.poll(cx, &traffic, limits.keepalive) {
                    let error = io::ErrorKind::TimedOut.into();
                    return Poll::Ready(match gone {
                        Gone::Client => (End::Client, Some(RelayError::Client(error))),
                        Gone::Upstream => (End::Upstream, Some(RelayError::Upstream(error))),
                    });
                }
                ending
                    .poll(cx, has_moved, flow.is_idle())
                    .map(|end| (end, None))
            })
            .await
        };
        let Flow { up, down, dialogue } = flow;

        let last_word = match end {
            End::Drain | End::Killed | End::Revoked | End::Lifetime => Some(Refusal::terminated()),
            End::Idle => Some(Refusal::idle_timeout()),
            // Unless it has given its own reason.
            End::Upstream if !dialogue.upstream_said_why() => Some(Refusal::warehouse_closed()),
            End::Client | End::Upstream => None,
        };
        // Within a message the client would take it for a part of that.
        let last_word = last_word.filter(|_| dialogue.is_between_messages_to_client() && down.is_empty());
        let is_abandoned = matches!(end, End::Client | End::Killed | End::Revoked);
        let runs_on = !dialogue.is_answered() && !down.is_read_to_end();
        let cancel = over(is_abandoned && runs_on);
        // Boxed, since a session is not to carry the room for its end through its life.
        Box::pin(part(client, upstream, last_word.map(|word| refuse(&word)), cancel)).await;
        Relayed { end, bytes_up: up.bytes(), bytes_down: down.bytes(), error }
    }
}

/// Ends both legs, best effort: either may be gone, or not take any more. A peer that is still
/// there learns of the end. A client that goes on sending, behind its Terminate too, still gets all
/// that was sent to it: see [`stream::farewell`]. The warehouse's leg is kept until `cancel` is
/// done, since the query that it cancels is that leg's.
async fn part<C: Future<Output = ()>>(
    mut client: Leg,
    mut upstream: Leg,
    last_word: Option<BytesMut>,
    cancel: Option<C>,
) {
    // It takes the leg with it: the client's socket is not kept for as long as the warehouse takes.
    let goodbye = async move { stream::farewell(&mut client, last_word.as_deref().unwrap_or_default()).await };
    let close = async {
        if let Some(cancel) = cancel {
            cancel.await;
        }
        let _ = timeout(LAST_WORDS, stream::close(&mut upstream)).await;
    };
    tokio::join!(goodbye, close);
}

#[cfg(test)]
mod tests;
