//! The watch for a side that does not acknowledge the bytes sent to it: whether it only reads
//! slowly, which it may, or is gone.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep};

use self::side::{Side, State};
use crate::network::Probes;
use crate::stream::{KeepAlive, Leg};

mod side;

/// The watch over both sides while the kernel may hold bytes for them.
///
/// It begins when bytes are moved, and ends when neither side was heard for a while and the kernel
/// holds nothing: then TCP keepalive takes over. An idle session is not woken, and each time that
/// bytes are moved costs a few comparisons.
#[derive(Debug, Default)]
pub(super) struct Watch {
    period: Option<Box<Period>>,
    sides: [Side; 2],
    /// The bytes read from the client and from the warehouse at the last look. `None`: the session
    /// begins, and the last messages of its login may be on their way.
    read: Option<[u64; 2]>,
}

/// A view of the session for one poll.
pub(super) struct Traffic<'l> {
    /// The legs to the client and to the warehouse.
    pub(super) legs: [&'l Leg; 2],
    /// The bytes read from each of them so far.
    pub(super) read: [u64; 2],
    /// The relay holds bytes for either of them.
    pub(super) is_held: bool,
}

/// The side that is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Gone {
    Client,
    Upstream,
}

/// The time from one look at the kernel to the next.
#[derive(Debug)]
struct Period {
    timer: Pin<Box<Sleep>>,
    /// The task that the timer wakes.
    waker: Waker,
    /// The time at which bytes were first moved in this period. `None`: none were moved yet.
    moved_at: Option<Instant>,
}

impl Watch {
    /// Polls the watch, which is due whenever the session was woken. Ready when a side is gone.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, traffic: &Traffic<'_>, keepalive: KeepAlive) -> Poll<Gone> {
        if keepalive.idle.is_none() {
            return Poll::Pending;
        }
        let has_moved = self.read != Some(traffic.read);
        let (mut period, is_new) = match self.period.take() {
            Some(period) => (period, false),
            None if has_moved || traffic.is_held => {
                self.read = Some(traffic.read);
                (Box::new(Period::begin(cx, keepalive.probes)), true)
            }
            None => return Poll::Pending,
        };
        if has_moved && period.moved_at.is_none() {
            period.moved_at = Some(Instant::now());
        }
        let has_news = is_new || period.timer.is_elapsed() || !period.waker.will_wake(cx.waker());
        // Out of tokio's budget it would not register, and nobody would ask it again.
        while has_news
            && pin!(unconstrained(period.timer.as_mut()))
                .poll(cx)
                .is_ready()
        {
            let before = self.read.replace(traffic.read).unwrap_or_default();
            let now = Instant::now();
            let since = period.moved_at.take().unwrap_or(now);
            match self.look(traffic, before, (since, now), keepalive) {
                Look::Again(after) => period.timer.as_mut().reset(now + after),
                Look::Settled => return Poll::Pending,
                Look::Gone(side) => return Poll::Ready(side),
            }
        }
        if has_news {
            period.waker.clone_from(cx.waker());
        }
        self.period = Some(period);
        Poll::Pending
    }

    /// Looks at the sides that sent nothing in the period that is over: `before` it, so many bytes
    /// were read from each.
    fn look(
        &mut self,
        traffic: &Traffic<'_>,
        before: [u64; 2],
        period: (Instant, Instant),
        keepalive: KeepAlive,
    ) -> Look {
        let interval = keepalive.probes.interval;
        let mut again = traffic.is_held.then_some(interval);
        let heard = traffic
            .read
            .into_iter()
            .zip(before)
            .map(|(now, before)| now != before);
        let names = [Gone::Client, Gone::Upstream];
        for (((side, leg), was_heard), name) in self
            .sides
            .iter_mut()
            .zip(traffic.legs)
            .zip(heard)
            .zip(names)
        {
            let state = if was_heard { side.heard(interval) } else { side.ask(leg, period, keepalive) };
            match state {
                State::Settled => {}
                State::Waiting(after) => again = Some(again.map_or(after, |again| again.min(after))),
                State::Gone => return Look::Gone(name),
            }
        }
        again.map_or(Look::Settled, Look::Again)
    }
}

/// The result of a look at both sides.
enum Look {
    Again(Duration),
    /// Both sides have acknowledged all bytes that they were sent.
    Settled,
    Gone(Gone),
}

impl Period {
    fn begin(cx: &Context<'_>, probes: Probes) -> Self {
        Self { timer: Box::pin(sleep(probes.interval)), waker: cx.waker().clone(), moved_at: Some(Instant::now()) }
    }
}
