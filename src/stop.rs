//! How a session is told to end.

use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// How soon a session has to end.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Phase {
    /// The session goes on.
    Serving,
    /// The session ends as soon as it is idle; a login is broken off.
    WhenIdle,
    /// The session ends at once.
    Now,
}

/// The phase of one session. Its registry entry holds it; whoever ends the session enters a phase,
/// and the session waits for it. Asking for the phase takes no lock: the session does each time it
/// moves bytes.
#[derive(Default)]
pub(crate) struct Stop {
    /// A [`Phase`], which never goes back.
    phase: AtomicU8,
    changed: Notify,
}

impl Stop {
    /// Enters a phase, unless it has come further already.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        self.changed.notify_waiters();
    }

    /// The phase that the session has come to. Takes no lock.
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::WhenIdle,
            _ => Phase::Now,
        }
    }

    /// Ready at the next change, counted from this call.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Waits until it has come to `phase`.
    pub(crate) async fn reached(&self, phase: Phase) {
        let mut changed = pin!(self.changed());
        while self.phase() < phase {
            changed.as_mut().await;
            changed.set(self.changed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_phase_is_heard_by_those_who_wait_for_it_or_an_earlier_one() {
        let stop = Stop::default();
        let mut idle = pin!(stop.reached(Phase::WhenIdle));
        let mut now = pin!(stop.reached(Phase::Now));
        assert!(futures_util::poll!(&mut idle).is_pending() && futures_util::poll!(&mut now).is_pending());
        stop.enter(Phase::WhenIdle);
        assert!(futures_util::poll!(&mut idle).is_ready() && futures_util::poll!(&mut now).is_pending());
        stop.enter(Phase::Now);
        stop.enter(Phase::WhenIdle);
        assert!(futures_util::poll!(&mut now).is_ready());
        assert_eq!(stop.phase(), Phase::Now, "it does not go back");
    }
}
