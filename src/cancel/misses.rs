//! Guesses at cancel keys: requests with the pid of a live session and a wrong key, counted by
//! address and pid.
//!
//! A request whose pid no session has cannot hit anything, and one whose session has just ended is
//! late: neither is a miss. A driver that is confused misses now and then; beyond the limit
//! somebody guesses, and the operator is told. The limit refuses nobody: a right key is served from
//! any address, whatever others behind the same address have sent.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::address::{is_in, neighbourhood};

/// Misses of one address at one pid within a minute that may be a mistake.
const PER_MINUTE: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);

/// Pairs of address and pid whose misses are remembered; beyond, the memory is emptied rather than
/// let grow.
const MAX_PAIRS: usize = 10_000;

/// The misses of each address at each pid within a minute. All cancel requests share one; its lock
/// is held for one look-up or insertion.
#[derive(Default)]
pub(super) struct Misses {
    /// When the minute of a pair began, and how many misses it has had.
    counts: Mutex<HashMap<(IpAddr, u32), (Instant, u32)>>,
}

/// How a miss is judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Miss {
    /// It may be a mistake.
    Counted,
    /// So many are no mistake any more.
    TooMany,
}

impl Misses {
    /// Counts a miss of this address at this pid, unless it is of a network in `exempt`
    /// (`limits.ban_exempt`).
    pub(super) fn count(&self, exempt: &[IpNet], from: IpAddr, pid: u32) -> Miss {
        if is_in(from, exempt) {
            return Miss::Counted;
        }
        if self.next_of((neighbourhood(from), pid)) > PER_MINUTE { Miss::TooMany } else { Miss::Counted }
    }

    /// Counts a miss of this pair, and says how many there have been within its minute.
    fn next_of(&self, pair: (IpAddr, u32)) -> u32 {
        let mut counts = self.counts.lock();
        if counts.len() >= MAX_PAIRS {
            counts.retain(|_, (since, _)| since.elapsed() < MINUTE);
        }
        if counts.len() >= MAX_PAIRS {
            counts.clear();
        }
        let (since, count) = counts.entry(pair).or_insert_with(|| (Instant::now(), 0));
        if since.elapsed() >= MINUTE {
            (*since, *count) = (Instant::now(), 0);
        }
        *count = count.saturating_add(1);
        *count
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn twenty_misses_a_minute_of_one_address_at_one_pid_may_be_mistakes() {
        let (misses, exempt) = (Misses::default(), ["10.9.0.0/16".parse().unwrap()]);
        let count = |from: &str, pid| misses.count(&exempt, ip(from), pid);
        for _ in 0..PER_MINUTE {
            assert_eq!(count("2001:db8::1", 7), Miss::Counted);
        }
        assert_eq!(count("2001:db8::2", 7), Miss::TooMany, "a /64 is one address");
        assert_eq!(count("2001:db8::1", 8), Miss::Counted, "another session");
        assert_eq!(count("10.0.0.1", 7), Miss::Counted);
        advance(MINUTE).await;
        assert_eq!(count("2001:db8::1", 7), Miss::Counted);
        for _ in 0..10 * PER_MINUTE {
            assert_eq!(count("::ffff:10.9.0.1", 7), Miss::Counted, "exempt");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_pairs_are_remembered() {
        let misses = Misses::default();
        for n in 0..u32::try_from(MAX_PAIRS + 10).unwrap() {
            misses.count(&[], ip("10.0.0.1"), n);
        }
        assert!(misses.counts.lock().len() <= MAX_PAIRS);
    }
}
