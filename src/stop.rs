//! How a session is told to end, and why.

use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// How soon a session has to end.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Phase {
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

/// Marks that [`Order::DrainNow`] was given, maybe behind another order that ends the session at
/// once.
const CUT_SHORT: u8 = 0x80;

/// The order that one session was given. Its registry entry holds it; whoever ends the session
/// gives an order, and the session waits for it. Asking for the order takes no lock: the session
/// does each time it moves bytes.
#[derive(Default)]
pub(crate) struct Stop {
    /// 0, or one more than the index of an [`Order`] in [`Order::ALL`]; and perhaps [`CUT_SHORT`].
    order: AtomicU8,
    changed: Notify,
}

impl Stop {
    /// Gives an order, and returns whether the session had to be told: an order that does not end
    /// it sooner than an earlier one changes nothing, but for [`Order::DrainNow`], which cuts the
    /// end of a session short that an earlier order has begun.
    pub(crate) fn give(&self, order: Order) -> bool {
        let is_sooner = |now: u8| Self::decode(now).is_none_or(|given| given.phase() < order.phase());
        let cut = if order == Order::DrainNow { CUT_SHORT } else { 0 };
        let given = self
            .order
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
                let next = if is_sooner(now) { (order as u8 + 1) | (now & CUT_SHORT) } else { now } | cut;
                (next != now).then_some(next)
            });
        if given.is_ok() {
            self.changed.notify_waiters();
        }
        given.is_ok_and(is_sooner)
    }

    /// The order that is in force. Takes no lock.
    pub(crate) fn order(&self) -> Option<Order> {
        Self::decode(self.order.load(Ordering::Acquire))
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

    /// Waits until the proxy waits no longer for the session to end, whatever its reason.
    pub(crate) async fn cut_short(&self) {
        let mut changed = pin!(self.changed());
        while self.order.load(Ordering::Acquire) & CUT_SHORT == 0 {
            changed.as_mut().await;
            changed.set(self.changed());
        }
    }

    fn decode(order: u8) -> Option<Order> {
        let index = (order & !CUT_SHORT).checked_sub(1)?;
        Order::ALL.get(usize::from(index)).copied()
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
        assert_eq!(stop.order(), Some(Order::DrainNow));
    }

    #[test]
    fn the_first_order_to_end_at_once_is_the_reason() {
        let stop = Stop::default();
        assert_eq!(stop.order(), None);
        assert!(stop.give(Order::Drain) && stop.give(Order::DrainConsoles) && stop.give(Order::Kill));
        assert!(!stop.give(Order::Revoke) && !stop.give(Order::DrainNow));
        assert_eq!(stop.order(), Some(Order::Kill));
    }

    #[tokio::test]
    async fn an_end_that_takes_long_is_cut_short_by_the_end_of_all_and_keeps_its_reason() {
        let stop = Stop::default();
        let mut cut_short = pin!(stop.cut_short());
        assert!(stop.give(Order::Kill) && futures_util::poll!(&mut cut_short).is_pending());
        assert!(!stop.give(Order::DrainNow), "it ends already");
        assert!(futures_util::poll!(&mut cut_short).is_ready());
        assert_eq!(stop.order(), Some(Order::Kill));
        let another = Stop::default();
        another.give(Order::DrainNow);
        assert!(futures_util::poll!(&mut pin!(another.cut_short())).is_ready());
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
