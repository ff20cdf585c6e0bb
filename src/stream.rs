//! The seam under login and relay: the bytes of one leg, over plain TCP ([`Io`]) or TLS ([`tls`]).
//!
//! Both look alike here: read some, write some, flush, close.

use std::any::Any;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use self::scratch::Scratch;
use crate::network::Probes;

pub(crate) mod backlog;
pub(crate) mod outgoing;
pub(crate) mod scratch;
pub(crate) mod tls;

/// One leg of a session: the connection of a client, or that to a warehouse.
pub(crate) trait Stream: Send {
    /// Reads some bytes into `into`, which is not empty. 0 = the peer sends no more, by
    /// close_notify or without.
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Takes some of `bytes`; they may wait in a buffer until the next [`Stream::poll_flush`].
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Ready when all that was taken is with the kernel.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Flushes, then ends our side (close_notify where there is TLS, then FIN). Reading goes on.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Says that the login is over. Until then plaintext is wiped from buffers that outlive a read:
    /// it may be a password.
    fn end_login(&mut self) {}

    /// The socket below the stream, where there is one.
    fn socket(&self) -> Option<&TcpStream>;
}

/// A leg whose kind of stream no longer matters.
pub(crate) type Leg = Box<dyn Stream>;

impl Stream for Leg {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        (**self).poll_read(cx, into)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        (**self).poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_close(cx)
    }

    fn end_login(&mut self) {
        (**self).end_login();
    }

    fn socket(&self) -> Option<&TcpStream> {
        (**self).socket()
    }
}

/// Sends all of `bytes` and flushes. Not cancel safe: an unknown part may have been sent.
pub(crate) async fn send(stream: &mut impl Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let taken = poll_fn(|cx| stream.poll_write(cx, bytes)).await?;
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(taken..).unwrap_or_default();
    }
    poll_fn(|cx| stream.poll_flush(cx)).await
}

/// Ends our side of a stream, and waits until that is with the kernel.
pub(crate) async fn close(stream: &mut impl Stream) -> io::Result<()> {
    poll_fn(|cx| stream.poll_close(cx)).await
}

/// How long a peer is given to read our last message.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(2);

/// Sends a last message, ends our side, and reads until the peer ends too: unread bytes would turn
/// our close into a reset, and the reset could overtake the message. Best effort, for
/// [`LAST_WORDS`]: the peer may be gone.
pub(crate) async fn farewell(stream: &mut impl Stream, words: &[u8]) {
    let said = async {
        send(stream, words).await?;
        close(stream).await?;
        drain(stream).await
    };
    let _ = timeout(LAST_WORDS, said).await;
}

/// Reads and drops the bytes that the peer still sends, to the end of its stream.
pub(crate) async fn drain(stream: &mut impl Stream) -> io::Result<()> {
    while poll_fn(|cx| stream.poll_read(cx, Scratch::take().payload())).await? > 0 {}
    Ok(())
}

/// How the kernel notices that a peer is gone, and keeps a flow known to NATs and load balancers
/// (an NLB forgets one after 350 s).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeepAlive {
    /// The silence before the first probe. `None`: nothing is probed, and the kernel's own limits
    /// apply, of a quarter of an hour.
    pub(crate) idle: Option<Duration>,
    /// How many probes are sent how often, and how long sent bytes may stay unacknowledged.
    pub(crate) probes: Probes,
}

impl KeepAlive {
    /// Sets keepalive for a connection, if there is to be any.
    pub(crate) fn set(self, socket: &impl AsFd) -> io::Result<()> {
        let Some(idle) = self.idle else { return Ok(()) };
        let Probes { interval, count, .. } = self.probes;
        let socket = socket2::SockRef::from(socket);
        let probes = socket2::TcpKeepalive::new()
            .with_time(idle)
            .with_interval(interval)
            .with_retries(count);
        socket.set_tcp_keepalive(&probes)
    }

    /// Switches TCP_USER_TIMEOUT on or off, by which the kernel bounds how long sent bytes may stay
    /// unacknowledged. It is what is left where we cannot judge that ourselves, for it ends the
    /// connection of a peer that reads nothing for so long. Linux ends an idle connection by it as
    /// well, after one unanswered probe and whatever their number (`tcp_keepalive_timer`); it is
    /// therefore never shorter than all probes take.
    pub(crate) fn judge_by_kernel(self, socket: &impl AsFd, is_on: bool) -> io::Result<()> {
        let Probes { interval, count, unacknowledged } = self.probes;
        let all_probes = self.idle.unwrap_or_default() + interval * count;
        socket2::SockRef::from(socket).set_tcp_user_timeout(is_on.then_some(unacknowledged.max(all_probes)))
    }
}

/// A tokio stream as a [`Stream`]; a socket in clear stays one, so that it can be upgraded.
pub(crate) struct Io<T>(pub(crate) T);

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for Io<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut into = ReadBuf::new(into);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut into))?;
        Poll::Ready(Ok(into.filled().len()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn socket(&self) -> Option<&TcpStream> {
        (&self.0 as &dyn Any).downcast_ref()
    }
}
