//! How a session is told to end, and why.

use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// How soon a session has to end.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Phase {
    /// The session goes on.
    Serving,
    /// The session ends as soon as it is idle, and a login is broken off; consoles go on.
    WhenIdle,
    /// Like [`Phase::WhenIdle`], for consoles too.
    ConsolesToo,
    /// The session ends at once.
    Now,
}

/// What a session is told: how soon it has to end, and why.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// The proxy drains: the session ends when it is idle, unless it is a console.
    Drain,
    /// The process ends, and nothing but consoles is left: these end when they are idle.
    DrainConsoles,
    /// The proxy waits no longer: the session ends at once.
    DrainNow,
    /// An operator ends the session at once.
    Kill,
    /// The session has lost its right, and ends at once.
    Revoke,
}

impl Order {
    const ALL: [Self; 5] = [Self::Drain, Self::DrainConsoles, Self::DrainNow, Self::Kill, Self::Revoke];

    /// How soon the session has to end.
    pub(crate) fn phase(self) -> Phase {
        match self {
            Self::Drain => Phase::WhenIdle,
            Self::DrainConsoles => Phase::ConsolesToo,
            Self::DrainNow | Self::Kill | Self::Revoke => Phase::Now,
        }
    }
}

/// The order that one session was given. Its registry entry holds it; whoever ends the session
/// gives an order, and the session waits for it. Asking for the order takes no lock: the session
/// does each time it moves bytes.
#[derive(Default)]
pub(crate) struct Stop {
    /// 0, or one more than the index of an [`Order`] in [`Order::ALL`].
    order: AtomicU8,
    changed: Notify,
}

impl Stop {
    /// Gives an order, and returns whether the session had to be told: an order that does not end
    /// it sooner than an earlier one changes nothing.
    pub(crate) fn give(&self, order: Order) -> bool {
        let is_sooner = |now: u8| Self::decode(now).is_none_or(|given| given.phase() < order.phase());
        let given = self
            .order
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| is_sooner(now).then_some(order as u8 + 1));
        if given.is_ok() {
            self.changed.notify_waiters();
        }
        given.is_ok()
    }

    /// The order that is in force. Takes no lock.
    pub(crate) fn order(&self) -> Option<Order> {
        Self::decode(self.order.load(Ordering::Acquire))
    }

    /// How soon the session has to end. Takes no lock.
    pub(crate) fn phase(&self) -> Phase {
        self.order().map_or(Phase::Serving, Order::phase)
    }

    /// Ready at the next change, counted from this call.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Waits for an order that ends the session as soon as `phase` says, or sooner, and returns it.
    pub(crate) async fn reached(&self, phase: Phase) -> Order {
        let mut changed = pin!(self.changed());
        loop {
            if let Some(order) = self.order().filter(|order| order.phase() >= phase) {
                return order;
            }
            changed.as_mut().await;
            changed.set(self.changed());
        }
    }

    fn decode(order: u8) -> Option<Order> {
        Order::ALL.get(usize::from(order.checked_sub(1)?)).copied()
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
        stop.give(Order::Drain);
        assert!(futures_util::poll!(&mut idle).is_ready() && futures_util::poll!(&mut now).is_pending());
        assert!(stop.give(Order::DrainNow));
        assert!(!stop.give(Order::Drain), "it does not go back");
        assert!(futures_util::poll!(&mut now).is_ready());
        assert_eq!(stop.phase(), Phase::Now);
    }

    #[test]
    fn the_first_order_to_end_at_once_is_the_reason() {
        let stop = Stop::default();
        assert_eq!((stop.order(), stop.phase()), (None, Phase::Serving));
        assert!(stop.give(Order::Drain) && stop.give(Order::DrainConsoles) && stop.give(Order::Kill));
        assert!(!stop.give(Order::Revoke) && !stop.give(Order::DrainNow));
        assert_eq!(stop.order(), Some(Order::Kill));
    }

    #[test]
    fn every_order_is_read_as_it_was_given() {
        for order in Order::ALL {
            let stop = Stop::default();
            stop.give(order);
            assert_eq!(stop.order(), Some(order));
        }
    }
}
