//! Both directions of a session together: moving bytes, and whether that is over.

use std::io;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tracing::trace;

use super::dialogue::Dialogue;
use super::direction::{AtEnd, Broken, Direction};
use super::meter::Meter;
use super::outcome::{End, RelayError};
use super::watch::Traffic;
use crate::stream::Leg;

/// The two legs of a session, each with the bytes that were read from it during login and not used.
pub(crate) struct Legs {
    /// The leg to the client.
    pub(crate) client: (Leg, BytesMut),
    /// The leg to the warehouse.
    pub(crate) upstream: (Leg, BytesMut),
}

/// The state of a relay: both directions, and the dialogue that their messages make.
pub(super) struct Flow {
    /// The direction from the client to the warehouse.
    pub(super) up: Direction,
    /// The direction from the warehouse to the client.
    pub(super) down: Direction,
    /// The dialogue that the messages of both make.
    pub(super) dialogue: Dialogue,
}

impl Flow {
    /// Begins with the bytes that were read during login, and frees the buffers of the login.
    pub(super) fn begin(legs: Legs) -> (Leg, Leg, Self) {
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

    /// Moves as many bytes as can be moved in both directions. Ready when the session is over.
    pub(super) fn transfer(
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
            // The last messages of a warehouse that stopped reading are still to be read; its end
            // will follow.
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

    /// The bytes read so far in both directions.
    pub(super) fn bytes(&self) -> u64 {
        self.up.bytes() + self.down.bytes()
    }

    /// Shows the session's figures on its meter.
    pub(super) fn show_on(&self, meter: &Meter) {
        meter.note(self.up.bytes(), self.down.bytes(), self.dialogue.activity());
    }

    /// The view of the two legs for [`Watch`](super::watch::Watch).
    pub(super) fn traffic<'l>(&self, client: &'l Leg, upstream: &'l Leg) -> Traffic<'l> {
        let is_held = !self.up.is_empty() || !self.down.is_empty();
        Traffic { legs: [client, upstream], read: [self.up.bytes(), self.down.bytes()], is_held }
    }

    /// Whether the session is idle: no answer is owed, no transaction is open, no message is half
    /// sent or held back.
    pub(super) fn is_idle(&self) -> bool {
        self.dialogue.is_idle() && self.up.is_empty() && self.down.is_empty()
    }
}

/// Whether the error says that the peer closed the connection.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut)
}
