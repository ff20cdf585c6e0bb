//! The connection to an operator's client: messages in, answers out, each with a deadline.

use std::io::{self, ErrorKind};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::timeout;

use super::error::ConsoleError;
use super::message;
use crate::relay::{End, RelayError};
use crate::stop::Order;
use crate::wire::refusal::Refusal;
use crate::wire::{Frame, Wire, WireError};

/// Longest message that is read: commands are short.
const MAX_MESSAGE: usize = 64 * 1024;

/// The time that the rest of a message may take from its first byte on.
const MESSAGE_TIME: Duration = Duration::from_secs(30);

/// The most bytes of an answer that wait to be sent together.
const CHUNK: usize = 32 * 1024;

/// The time that a client may take to read a [`CHUNK`]: one that does not read is dropped.
const SEND_TIME: Duration = Duration::from_secs(30);

/// The connection to a client that is logged in, with the answers that are yet to be sent.
pub(super) struct Channel {
    wire: Wire,
    /// Whole messages that are not sent yet.
    pub(super) out: BytesMut,
    /// Whether an unknown part of the last messages has been sent: no other may follow.
    is_sending: bool,
    /// The bytes of the client's messages.
    pub(super) bytes_up: u64,
    /// The bytes of ours.
    pub(super) bytes_down: u64,
}

/// Why a console ends.
#[derive(Debug)]
pub(super) struct Ended {
    /// The party or limit that ended it.
    pub(super) end: End,
    /// How the client's connection failed, if it did.
    pub(super) error: Option<RelayError>,
    /// The last words to the client.
    pub(super) word: Option<Refusal>,
}

impl Channel {
    /// Starts on a client that has proved who it is.
    pub(super) fn new(wire: Wire) -> Self {
        Self { wire, out: BytesMut::new(), is_sending: false, bytes_up: 0, bytes_down: 0 }
    }

    /// Reads the next message; `idle` is how long the client may be silent before it. Cancel safe.
    pub(super) async fn next(&mut self, idle: Duration) -> Result<Frame, Ended> {
        let more = timeout(idle, self.wire.more()).await;
        more.map_err(|_elapsed| Ended::idle())??;
        let frame = timeout(MESSAGE_TIME, self.wire.frame(MAX_MESSAGE)).await;
        let frame = frame.map_err(|_elapsed| Ended::failed(ErrorKind::TimedOut.into()))??;
        self.bytes_up += frame.bytes().len() as u64;
        Ok(frame)
    }

    /// Resolves when the client is gone. Cancel safe.
    pub(super) async fn gone(&mut self) -> Ended {
        self.wire.gone().await.into()
    }

    /// Sends what waits, if it is much.
    pub(super) async fn flush_if_full(&mut self) -> Result<(), Ended> {
        if self.out.len() < CHUNK {
            return Ok(());
        }
        self.flush().await?;
        // An answer of thousands of rows keeps no session of this thread waiting.
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Sends what waits.
    pub(super) async fn flush(&mut self) -> Result<(), Ended> {
        let out = std::mem::take(&mut self.out);
        self.is_sending = true;
        let sent = timeout(SEND_TIME, self.wire.send_bytes(&out)).await;
        sent.map_err(|_elapsed| Ended::failed(ErrorKind::TimedOut.into()))??;
        self.is_sending = false;
        self.bytes_down += out.len() as u64;
        Ok(())
    }

    /// Writes an error behind the answers that wait.
    pub(super) fn put_error(&mut self, error: &ConsoleError) {
        message::put_error(&mut self.out, error);
    }

    /// Sends the last message, unless half of another one has been sent, and ends the connection.
    pub(super) async fn part(&mut self, word: Option<BytesMut>) {
        let word = word.filter(|_| !self.is_sending);
        self.wire
            .farewell(word.as_deref().unwrap_or_default())
            .await;
    }
}

impl Ended {
    /// The client has sent Terminate, or has left.
    pub(super) fn client() -> Self {
        Self { end: End::Client, error: None, word: None }
    }

    /// The client was silent for too long.
    fn idle() -> Self {
        Self { end: End::Idle, error: None, word: Some(Refusal::idle_timeout()) }
    }

    /// The console has lived for as long as it may.
    pub(super) fn lifetime() -> Self {
        Self { end: End::Lifetime, error: None, word: Some(Refusal::terminated()) }
    }

    /// The user may no longer use the console.
    pub(super) fn revoked() -> Self {
        Order::Revoke.into()
    }

    /// The client's connection has failed.
    fn failed(error: io::Error) -> Self {
        Self { end: End::Client, error: Some(RelayError::Client(error)), word: None }
    }

    /// The client has sent another message than `expected`.
    pub(super) fn protocol(expected: &str) -> Self {
        let word = Some(Refusal::protocol(expected));
        Self { word, ..Self::failed(io::Error::new(ErrorKind::InvalidData, format!("not {expected}"))) }
    }
}

impl From<WireError> for Ended {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Closed => Self::client(),
            WireError::Length(_) => Self::protocol("a message of at most 64 KiB"),
            WireError::Io(error) => Self::failed(error),
        }
    }
}

impl From<Order> for Ended {
    fn from(order: Order) -> Self {
        Self { end: order.into(), error: None, word: Some(Refusal::terminated()) }
    }
}
