//! One side of a session as the kernel sees it: whether it has acknowledged the bytes sent to it.

use std::time::Duration;

use tokio::time::Instant;

use crate::network::Probes;
use crate::stream::outgoing::{Outgoing, is_shortage, outgoing};
use crate::stream::{KeepAlive, Leg, Stream};

/// The memory of one side between looks at the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Side {
    /// Since when there may be bytes that the side has not acknowledged. `None`: there are none.
    unacknowledged: Option<Instant>,
    /// The last look found window probes unanswered.
    is_suspect: bool,
    /// The kernel does not answer our questions, and judges by TCP_USER_TIMEOUT instead.
    is_blind: bool,
}

/// The result of a look at one side.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum State {
    /// The side has acknowledged all bytes that it was sent.
    Settled,
    /// The side is to be looked at again after this time.
    Waiting(Duration),
    Gone,
}

impl Side {
    /// Notes that the side has sent something. Whether it has acknowledged all is asked when it is
    /// silent.
    pub(super) fn heard(&mut self, interval: Duration) -> State {
        self.unacknowledged = None;
        self.is_suspect = false;
        State::Waiting(interval)
    }

    /// Asks the kernel at the end of a period, in which bytes were first moved at `since`.
    pub(super) fn ask(&mut self, leg: &Leg, (since, now): (Instant, Instant), keepalive: KeepAlive) -> State {
        let Some(socket) = leg.socket() else { return State::Settled };
        match outgoing(socket) {
            Ok(seen) => {
                if std::mem::take(&mut self.is_blind) {
                    // A socket that takes no options is closed, which the next read or write tells.
                    let _ = keepalive.judge_by_kernel(socket, false);
                }
                self.judge(seen, (since, now), keepalive.probes)
            }
            // The error says nothing about the peer.
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

    /// Judges whether the peer is gone: it has sent nothing for the whole time, though there was
    /// something to acknowledge. Behind a shut window that takes two probes at two looks: a single
    /// one may have been lost, and the latest may be on its way.
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
    fn acknowledged_bytes_do_not_count_later() {
        let (begun, mut side) = (Instant::now(), Side::default());
        let seen = Outgoing { bytes: 1, probes: None, silence: 90 * SECOND };
        let mut judge =
            |seen, since, at| side.judge(seen, (begun + since * SECOND, begun + at * SECOND), Probes::default());
        assert_eq!(judge(seen, 0, 10), waiting(10));
        assert_eq!(judge(Outgoing { bytes: 0, ..seen }, 0, 20), State::Settled);
        assert_eq!(judge(seen, 100, 110), waiting(10));
    }
}
