//! A side that takes no more bytes: whether it reads slowly, which it may, or is gone.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep};

use crate::stream::window::{Window, window};
use crate::stream::{KeepAlive, Stream};

/// Watches one side while bytes for it are held back.
///
/// TCP_USER_TIMEOUT would end the connection of a peer that is there but does not read for a minute: a tool that writes a
/// result to a slow disk. So it is off while the peer's window is shut, and we judge by the probes that the kernel sends
/// then. Where the kernel does not tell, it stays on, and such a peer is ended.
#[derive(Default)]
pub(super) struct Stalled {
    watch: Option<Watch>,
}

struct Watch {
    /// Until the next look.
    timer: Pin<Box<Sleep>>,
    is_user_timeout_off: bool,
    /// When we first saw a probe that was not answered, with none answered since.
    unanswered_since: Option<Instant>,
}

impl Stalled {
    /// To be asked whenever the session was woken. `is_held`: bytes wait for this side. Ready when it is gone.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        side: &impl Stream,
        is_held: bool,
        keepalive: KeepAlive,
    ) -> Poll<()> {
        if !is_held {
            if let Some(watch) = self.watch.take() {
                watch.end(side, keepalive);
            }
            return Poll::Pending;
        }
        if keepalive.idle.is_none() {
            return Poll::Pending;
        }
        let watch = self.watch.get_or_insert_with(|| Watch {
            timer: Box::pin(sleep(keepalive.probes.interval)),
            is_user_timeout_off: false,
            unanswered_since: None,
        });
        // Out of tokio's budget it would not register, and nobody would ask it again.
        while pin!(unconstrained(watch.timer.as_mut())).poll(cx).is_ready() {
            if watch.look(side, keepalive) == Peer::Gone {
                return Poll::Ready(());
            }
            watch.timer.as_mut().reset(Instant::now() + keepalive.probes.interval);
        }
        Poll::Pending
    }
}

#[derive(Eq, PartialEq)]
enum Peer {
    Perhaps,
    Gone,
}

impl Watch {
    fn look(&mut self, side: &impl Stream, keepalive: KeepAlive) -> Peer {
        let Some(socket) = side.socket() else { return Peer::Perhaps };
        let seen = window(socket).unwrap_or(Window::Open);
        let is_shut = matches!(seen, Window::Shut { .. });
        if is_shut != self.is_user_timeout_off {
            let set = if is_shut { keepalive.suspend(socket) } else { keepalive.set(socket) };
            // A socket that takes no options is closed, which the next read or write tells.
            self.is_user_timeout_off = is_shut && set.is_ok();
        }
        if !matches!(seen, Window::Shut { unanswered: 1.. }) {
            self.unanswered_since = None;
            return Peer::Perhaps;
        }
        let since = *self.unanswered_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= keepalive.probes.unacknowledged { Peer::Gone } else { Peer::Perhaps }
    }

    /// It takes bytes again.
    fn end(self, side: &impl Stream, keepalive: KeepAlive) {
        if self.is_user_timeout_off
            && let Some(socket) = side.socket()
        {
            // As above.
            let _ = keepalive.set(socket);
        }
    }
}
