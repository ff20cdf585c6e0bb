//! The parts of a running proxy that the operations need, and what several of them do.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::actions::Actions;
use super::addresses::Listeners;
use super::checks::Checks;
use super::scrapes::Scrapes;
use crate::app::drain::{Asked, Drain};
use crate::app::pulse::Pulse;
use crate::app::reload::Reloader;
use crate::clock::Clock;
use crate::credentials::Logins;
use crate::operations::Operator;
use crate::session::{Live, Shared};

/// The parts of a running proxy that an operator's questions and actions need. `App`, the acceptor
/// and the admin addresses hold it.
#[derive(Clone)]
pub(crate) struct Control {
    /// The parts that outlive a configuration.
    pub(in crate::app) shared: Arc<Shared>,
    /// The current configuration.
    pub(in crate::app) live: Arc<ArcSwap<Live>>,
    /// Puts another configuration in its place.
    pub(super) reloader: Arc<Reloader>,
    /// When the process started.
    pub(in crate::app) started: SystemTime,
    /// The wall clock, for the times of answers.
    pub(in crate::app) clock: Arc<dyn Clock>,
    /// The last actions of operators.
    pub(in crate::app) actions: Arc<Actions>,
    /// The scrapes, which all who ask for metrics share.
    pub(super) scrapes: Arc<Scrapes>,
    /// The addresses that are bound.
    pub(in crate::app) listeners: Arc<Listeners>,
    /// The drain, and the end of the process.
    pub(in crate::app) drain: Arc<Drain>,
    /// The last tick of each runtime thread.
    pub(in crate::app) pulse: Arc<Pulse>,
    /// The connections that are being checked.
    pub(in crate::app) checks: Arc<Checks>,
    /// The runtime that flights to AWS run on.
    pub(in crate::app) runtime: Handle,
}

impl Control {
    /// The parts that an operator's questions and actions need. The process has just started.
    pub(in crate::app) fn new(
        shared: Arc<Shared>,
        reloader: Arc<Reloader>,
        clock: Arc<dyn Clock>,
        drain: Arc<Drain>,
        pulse: Arc<Pulse>,
    ) -> Self {
        let (live, started, runtime) = (Arc::clone(reloader.live()), clock.now(), Handle::current());
        let (actions, listeners, checks) = (Arc::default(), Arc::default(), Arc::default());
        let scrapes = Arc::new(Scrapes::new(&runtime));
        Self { shared, live, reloader, started, clock, actions, scrapes, listeners, drain, pulse, checks, runtime }
    }

    /// The wall clock's time at a moment that has passed.
    pub(super) fn wall(&self, at: Instant) -> SystemTime {
        let now = self.clock.now();
        now.checked_sub(at.elapsed()).unwrap_or(now)
    }

    /// Asks for a drain on an operator's behalf, which begins even if the future is dropped.
    pub(super) fn end_by(&self, by: &Operator, action: &str, what: Asked) -> BoxFuture<'_, ()> {
        let outcome = if self.drain.ask(what) { "begun" } else { "under way already" };
        self.record_action(by, action.to_owned(), outcome.to_owned());
        self.drain.drained().boxed()
    }

    /// The credentials that sessions use.
    pub(super) fn logins(&self) -> Arc<Logins> {
        Arc::clone(&self.live.load().logins)
    }

    /// Logs an action of an operator, and keeps it for `SHOW ACTIONS`.
    pub(in crate::app) fn record_action(&self, by: &Operator, action: String, outcome: String) {
        self.actions.record(by, action, outcome, self.clock.now());
    }
}
