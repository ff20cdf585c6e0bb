//! The ends of a session that neither side makes: a shutdown, its lifetime, silence, or a client
//! that has ended its side for too long.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::futures::Notified;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::outcome::End;
use crate::stop::{Order, Phase, Stop};
use crate::stream::KeepAlive;

/// How long sessions may last; `None` is for ever. Neither time cuts off a session that is busy or
/// in a transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SessionLimits {
    /// The longest time without a byte in either direction.
    pub(crate) idle_timeout: Option<Duration>,
    /// The longest time from ReadyForQuery; beyond it the session ends as soon as it is idle.
    pub(crate) session_lifetime: Option<Duration>,
    /// How a side that vanished is noticed. The default watches nothing.
    pub(crate) keepalive: KeepAlive,
}

/// Watches for the end of one session. Timer and notification are only polled when they have
/// changed: each time that bytes are moved costs a few comparisons, and with an
/// `idle_timeout` a look at the clock.
pub(super) struct Ending<'s, 'p> {
    stop: &'s Stop,
    /// The order that was seen last. `changed` waits for the next.
    order: Option<Order>,
    changed: Pin<&'p mut Notified<'s>>,
    limits: &'p SessionLimits,
    started: Instant,
    /// The time at which the session was last busy or moved bytes; kept only where there is an
    /// `idle_timeout`.
    active: Instant,
    was_idle: bool,
    /// The lifetime is over, but the session was not idle then.
    is_aged: bool,
    /// The next moment at which a limit may be reached.
    timer: Option<Pin<Box<Sleep>>>,
    /// The task that timer and notification wake.
    waker: Option<Waker>,
}

impl<'s, 'p> Ending<'s, 'p> {
    /// Begins to watch a session that begins now. `changed` is that of `stop`.
    pub(super) fn new(stop: &'s Stop, changed: Pin<&'p mut Notified<'s>>, limits: &'p SessionLimits) -> Self {
        let now = Instant::now();
        let mut ending = Self {
            stop,
            order: None,
            changed,
            limits,
            started: now,
            active: now,
            was_idle: false,
            is_aged: false,
            timer: None,
            waker: None,
        };
        ending.timer = ending.next(now).map(|next| Box::pin(sleep_until(next)));
        ending
    }

    /// Polls the limits, which is due whenever the session was woken. `has_moved`: that moved
    /// bytes. `is_idle`: the session is idle now.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, has_moved: bool, is_idle: bool) -> Poll<End> {
        let is_new = !self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()));
        if is_new {
            self.waker = Some(cx.waker().clone());
        }
        let was_idle = std::mem::replace(&mut self.was_idle, is_idle);
        if (has_moved || !was_idle || !is_idle) && self.limits.idle_timeout.is_some() {
            self.active = Instant::now();
        }
        self.poll_stop(cx, is_new);
        let has_to = match self.order {
            Some(order) if order.phase() == Phase::Now => return Poll::Ready(order.into()),
            Some(order) => Some(order.into()),
            None => self.poll_timer(cx, is_new),
        };
        match has_to {
            Some(end) if is_idle => Poll::Ready(end),
            _ => Poll::Pending,
        }
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>, is_new: bool) {
        // During a shutdown always: an order may have been seen ahead of its notification, which is
        // yet to be taken.
        if is_new || self.order.is_some() || self.stop.order().is_some() {
            // Registered first and read then, so that no change falls in between.
            while self.changed.as_mut().poll(cx).is_ready() {
                self.changed.set(self.stop.changed());
            }
            self.order = self.stop.order();
        }
    }

    /// The limit that is reached, whether the session is idle or not.
    fn poll_timer(&mut self, cx: &mut Context<'_>, is_new: bool) -> Option<End> {
        let mut is_silent = false;
        let has_news = is_new || self.timer.as_ref().is_some_and(|timer| timer.is_elapsed());
        // Out of tokio's budget it would not register, and nobody would ask it again.
        let mut is_up = |timer: &mut Pin<Box<Sleep>>| pin!(unconstrained(timer.as_mut())).poll(cx).is_ready();
        while has_news && self.timer.as_mut().is_some_and(&mut is_up) {
            let now = Instant::now();
            self.is_aged |= has_passed(self.limits.session_lifetime, self.started, now);
            is_silent = has_passed(self.limits.idle_timeout, self.active, now);
            match (self.next(now), &mut self.timer) {
                (Some(next), Some(timer)) => timer.as_mut().reset(next),
                _ => self.timer = None,
            }
        }
        match (self.is_aged, is_silent) {
            (true, _) => Some(End::Lifetime),
            (false, true) => Some(End::Idle),
            (false, false) => None,
        }
    }

    /// The next moment at which a limit may be reached.
    fn next(&self, now: Instant) -> Option<Instant> {
        let silent = self
            .limits
            .idle_timeout
            .map(|timeout| self.active + timeout);
        let aged = self
            .limits
            .session_lifetime
            .map(|lifetime| self.started + lifetime);
        [silent, aged]
            .into_iter()
            .flatten()
            .filter(|&at| at > now)
            .min()
    }
}

/// How long a session may go on after its client has ended its side. A tool that half-closes reads
/// its result meanwhile; a client that is gone would not be noticed otherwise.
pub(super) const LINGER: Duration = Duration::from_secs(30);

/// The timer that begins when the client has ended its side.
#[derive(Default)]
pub(super) struct Linger(Option<Pin<Box<Sleep>>>);

impl Linger {
    /// Polls the timer, which is due whenever the session was woken after the client's end. Ready
    /// [`LINGER`] after the first poll.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        // Out of tokio's budget it would not register, and nobody would ask it again.
        pin!(unconstrained(timer.as_mut())).poll(cx)
    }
}

fn has_passed(limit: Option<Duration>, since: Instant, now: Instant) -> bool {
    limit.is_some_and(|limit| now >= since + limit)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Polls once, as a session does when it is woken.
    async fn woken(ending: &mut Ending<'_, '_>, has_moved: bool, is_idle: bool) -> Option<End> {
        poll_fn(|cx| match ending.poll(cx, has_moved, is_idle) {
            Poll::Ready(end) => Poll::Ready(Some(end)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    fn limits(idle: u32, lifetime: u32) -> SessionLimits {
        let limit = |secs: u32| Some(SECOND * secs).filter(|limit| !limit.is_zero());
        SessionLimits { idle_timeout: limit(idle), session_lifetime: limit(lifetime), ..SessionLimits::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_last_byte() {
        let (stop, begun) = (Stop::default(), Instant::now());
        let changed = pin!(stop.changed());
        let limits = limits(10, 0);
        let mut ending = Ending::new(&stop, changed, &limits);
        advance(9 * SECOND).await;
        assert_eq!(woken(&mut ending, true, true).await, None);
        // It sleeps until then by itself: the paused clock jumps to its timer.
        assert_eq!(poll_fn(|cx| ending.poll(cx, false, true)).await, End::Idle);
        assert_eq!(begun.elapsed().as_secs(), 19);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_busy_is_not_silent_and_has_the_whole_timeout_again_behind_it() {
        let stop = Stop::default();
        let changed = pin!(stop.changed());
        let limits = limits(10, 0);
        let mut ending = Ending::new(&stop, changed, &limits);
        for _ in 0..5 {
            advance(7 * SECOND).await;
            assert_eq!(woken(&mut ending, false, false).await, None);
        }
        // What was held back has gone out: no byte was read, but it has only become idle now.
        advance(9 * SECOND).await;
        assert_eq!(woken(&mut ending, false, true).await, None);
        advance(9 * SECOND).await;
        assert_eq!(woken(&mut ending, false, true).await, None);
        advance(SECOND).await;
        assert_eq!(woken(&mut ending, false, true).await, Some(End::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lifetime_ends_at_the_first_idle_moment_behind_it() {
        let stop = Stop::default();
        let changed = pin!(stop.changed());
        let limits = limits(0, 10);
        let mut ending = Ending::new(&stop, changed, &limits);
        assert_eq!(woken(&mut ending, true, true).await, None);
        advance(11 * SECOND).await;
        assert_eq!(woken(&mut ending, false, false).await, None);
        advance(100 * SECOND).await;
        assert_eq!(woken(&mut ending, true, false).await, None);
        assert_eq!(woken(&mut ending, true, true).await, Some(End::Lifetime));
    }

    #[tokio::test(start_paused = true)]
    async fn both_limits_hold_side_by_side() {
        let (stop, begun) = (Stop::default(), Instant::now());
        let changed = pin!(stop.changed());
        let limits = limits(10, 25);
        let mut ending = Ending::new(&stop, changed, &limits);
        for _ in 0..2 {
            advance(9 * SECOND).await;
            assert_eq!(woken(&mut ending, true, true).await, None);
        }
        assert_eq!(poll_fn(|cx| ending.poll(cx, false, true)).await, End::Lifetime);
        assert_eq!(begun.elapsed().as_secs(), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_waits_for_an_idle_moment_but_not_for_ever() {
        let stop = Stop::default();
        let changed = pin!(stop.changed());
        let limits = SessionLimits::default();
        let mut ending = Ending::new(&stop, changed, &limits);
        assert_eq!(woken(&mut ending, false, false).await, None);
        let (end, ()) = tokio::join!(poll_fn(|cx| ending.poll(cx, false, false)), async {
            stop.give(Order::Drain);
            tokio::task::yield_now().await;
            stop.give(Order::DrainNow);
        });
        assert_eq!(end, End::Drain);

        let changed = pin!(stop.changed());
        let limits = SessionLimits::default();
        let mut another = Ending::new(&stop, changed, &limits);
        assert_eq!(woken(&mut another, false, false).await, Some(End::Drain), "it began too late to be told");
    }

    #[tokio::test]
    async fn an_idle_session_is_woken_by_a_shutdown() {
        let stop = Stop::default();
        let changed = pin!(stop.changed());
        let limits = SessionLimits::default();
        let mut ending = Ending::new(&stop, changed, &limits);
        let idle = poll_fn(|cx| ending.poll(cx, false, true));
        let (end, _) = tokio::join!(idle, async { stop.give(Order::Drain) });
        assert_eq!(end, End::Drain);
    }
}
