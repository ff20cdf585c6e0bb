//! A side that does not acknowledge what was sent to it: whether it only reads slowly, which it
//! may, or is gone.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep};

use crate::network::Probes;
use crate::stream::outgoing::{Outgoing, is_shortage, outgoing};
use crate::stream::{KeepAlive, Leg, Stream};

/// Watches both sides while the kernel may hold bytes for them.
///
/// It begins when bytes are moved, and ends when neither side was heard for a while and the kernel
/// holds nothing: then TCP keepalive takes over. An idle session is not woken, and each time that
/// bytes are moved costs a few comparisons.
#[derive(Debug, Default)]
pub(super) struct Watch {
    period: Option<Box<Period>>,
    sides: [Side; 2],
    /// Read from the client and from the warehouse when this was last looked at. `None`: the
    /// session begins, and the last words of its login may be on their way.
    read: Option<[u64; 2]>,
}

/// What a poll tells of the session.
pub(super) struct Session<'l> {
    /// The client and the warehouse.
    pub(super) legs: [&'l Leg; 2],
    /// Read from each of them so far.
    pub(super) read: [u64; 2],
    /// Bytes for either wait with us.
    pub(super) is_held: bool,
}

/// The side that is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Gone {
    Client,
    Upstream,
}

/// From one look at the kernel to the next.
#[derive(Debug)]
struct Period {
    timer: Pin<Box<Sleep>>,
    /// Whom the timer wakes.
    waker: Waker,
    /// When bytes were first moved in this period.
    moved_at: Option<Instant>,
}

impl Watch {
    /// To be asked whenever the session was woken. Ready when a side is gone.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, session: &Session<'_>, keepalive: KeepAlive) -> Poll<Gone> {
        if keepalive.idle.is_none() {
            return Poll::Pending;
        }
        let has_moved = self.read != Some(session.read);
        let (mut period, is_new) = match self.period.take() {
            Some(period) => (period, false),
            None if has_moved || session.is_held => {
                self.read = Some(session.read);
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
            let before = self.read.replace(session.read).unwrap_or_default();
            let now = Instant::now();
            let since = period.moved_at.take().unwrap_or(now);
            match self.look(session, before, (since, now), keepalive) {
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

    /// Looks at the sides that were not heard in the period that is over: what they were read from
    /// `before` it.
    fn look(
        &mut self,
        session: &Session<'_>,
        before: [u64; 2],
        period: (Instant, Instant),
        keepalive: KeepAlive,
    ) -> Look {
        let interval = keepalive.probes.interval;
        let mut again = session.is_held.then_some(interval);
        let heard = session
            .read
            .into_iter()
            .zip(before)
            .map(|(now, before)| now != before);
        let names = [Gone::Client, Gone::Upstream];
        for (((side, leg), was_heard), name) in self
            .sides
            .iter_mut()
            .zip(session.legs)
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

/// What a look at both sides says.
enum Look {
    Again(Duration),
    /// All is acknowledged.
    Settled,
    Gone(Gone),
}

impl Period {
    fn begin(cx: &Context<'_>, probes: Probes) -> Self {
        Self { timer: Box::pin(sleep(probes.interval)), waker: cx.waker().clone(), moved_at: Some(Instant::now()) }
    }
}

/// What is known of one side.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    /// Since when there may be bytes that it has not acknowledged.
    unacknowledged: Option<Instant>,
    /// The last look found window probes unanswered.
    is_suspect: bool,
    /// The kernel does not answer, and judges by TCP_USER_TIMEOUT instead.
    is_blind: bool,
}

#[derive(Debug, Eq, PartialEq)]
enum State {
    Settled,
    /// To be looked at again after so long.
    Waiting(Duration),
    Gone,
}

impl Side {
    /// It has sent something. Whether it has acknowledged all is asked when it is silent.
    fn heard(&mut self, interval: Duration) -> State {
        self.unacknowledged = None;
        self.is_suspect = false;
        State::Waiting(interval)
    }

    /// Asks the kernel at the end of a period, in which bytes were first moved at `since`.
    fn ask(&mut self, leg: &Leg, (since, now): (Instant, Instant), keepalive: KeepAlive) -> State {
        let Some(socket) = leg.socket() else { return State::Settled };
        match outgoing(socket) {
            Ok(seen) => {
                if std::mem::take(&mut self.is_blind) {
                    // A socket that takes no options is closed, which the next read or write tells.
                    let _ = keepalive.judge_by_kernel(socket, false);
                }
                self.judge(seen, (since, now), keepalive.probes)
            }
            // It says nothing of the peer.
            Err(error) if self.unacknowledged.is_some() || is_shortage(&error) => {
                State::Waiting(keepalive.probes.interval)
            }
            Err(_) => {
                if !self.is_blind {
                    // As above.
                    self.is_blind = keepalive.judge_by_kernel(socket, true).is_ok();
                }
                State::Settled
            }
        }
    }

    /// A peer is gone that has said nothing for the whole time, though there was something to
    /// acknowledge. Behind a shut window that takes two probes at two looks: a single one may have
    /// been lost, and the latest may be on its way.
    fn judge(&mut self, seen: Outgoing, (since, now): (Instant, Instant), probes: Probes) -> State {
        let was_suspect = std::mem::take(&mut self.is_suspect);
        if seen.bytes == 0 {
            self.unacknowledged = None;
            return State::Settled;
        }
        let since = *self.unacknowledged.get_or_insert(since);
        let silence = seen.silence.min(now.saturating_duration_since(since));
        self.is_suspect = seen.probes.is_some_and(|unanswered| unanswered >= 2);
        let left = probes.unacknowledged.saturating_sub(silence);
        match seen.probes {
            _ if !left.is_zero() => State::Waiting(left.min(probes.interval)),
            Some(_) if !(was_suspect && self.is_suspect) => State::Waiting(probes.interval),
            Some(_) | None => State::Gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Looks at a peer that was sent something at 0 s: at each second of these, so many unanswered
    /// probes (`None`: the window is open) and so many seconds of silence.
    fn looks(looks: &[(u32, Option<u8>, u32)]) -> Vec<State> {
        let (begun, mut side) = (Instant::now(), Side::default());
        let judged = looks.iter().map(|&(at, probes, silence)| {
            let seen = Outgoing { bytes: 1, probes, silence: silence * SECOND };
            side.judge(seen, (begun, begun + at * SECOND), Probes::default())
        });
        judged.collect()
    }

    fn waiting(seconds: u32) -> State {
        State::Waiting(seconds * SECOND)
    }

    #[test]
    fn bytes_that_nobody_acknowledges_for_60_s_end_it_and_the_silence_before_does_not_count() {
        let seen = looks(&[(10, None, 500), (50, None, 540), (57, None, 547), (60, None, 550)]);
        assert_eq!(seen, [waiting(10), waiting(10), waiting(3), State::Gone]);
    }

    #[test]
    fn a_peer_that_acknowledges_is_there_however_long_bytes_wait_for_it() {
        assert_eq!(
            looks(&[(50, None, 1), (600, Some(0), 55), (900, Some(1), 30)]),
            [waiting(10), waiting(5), waiting(10)]
        );
    }

    #[test]
    fn one_lost_window_probe_does_not_end_it_and_two_do_when_the_second_had_time() {
        // Probes 120 s apart: the one at 700 s is lost, that at 820 s is answered.
        assert_eq!(
            looks(&[(690, Some(0), 110), (770, Some(1), 190), (821, Some(2), 241), (831, Some(0), 10)]),
            [waiting(10), waiting(10), waiting(10), waiting(10)]
        );
        assert_eq!(
            looks(&[(770, Some(1), 190), (821, Some(2), 241), (831, Some(2), 251)]),
            [waiting(10), waiting(10), State::Gone]
        );
    }

    #[test]
    fn what_is_acknowledged_is_forgotten() {
        let (begun, mut side) = (Instant::now(), Side::default());
        let seen = Outgoing { bytes: 1, probes: None, silence: 90 * SECOND };
        let mut judge =
            |seen, since, at| side.judge(seen, (begun + since * SECOND, begun + at * SECOND), Probes::default());
        assert_eq!(judge(seen, 0, 10), waiting(10));
        assert_eq!(judge(Outgoing { bytes: 0, ..seen }, 0, 20), State::Settled);
        assert_eq!(judge(seen, 100, 110), waiting(10));
    }
}
