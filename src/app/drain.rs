//! The drain of a running proxy, and the end of its process: the order in which it lets go.
//!
//! [`Drain`] is a small state machine. Others say what they ask for, in whatever order, and one
//! task goes through the stages; each stage is entered once.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::operations::{DrainProgress, DrainState};
use crate::session::{Live, Shared};
use crate::stop::Order;

/// How long sessions may take to end once they have been told to end at once.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// The time from one line in the log about the sessions that are left to the next.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// What has been asked for. It never goes back, and each includes those before it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Asked {
    /// Clients are to be served.
    Nothing,
    /// All sessions are to end, and the process is to stay.
    Drain,
    /// The process is to end when the sessions have ended.
    Shutdown,
    /// The process is to end now.
    Abort,
}

/// How far the drain has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Stage {
    /// Clients are served.
    Serving,
    /// Readiness is off, and clients are still served, until `until`.
    Delaying { until: Instant },
    /// New clients are refused, and sessions end as they fall idle; all of them at `until`.
    Draining { until: Instant },
    /// No session is left but consoles.
    Drained,
    /// The process may end.
    Over,
}

/// The drain. `App` and the operations hold it, and so does its one task.
pub(super) struct Drain {
    shared: Arc<Shared>,
    live: Arc<ArcSwap<Live>>,
    /// Tells the acceptors to stop, once it is cancelled.
    closing: CancellationToken,
    acceptors: TaskTracker,
    /// The tasks of all connections.
    connections: TaskTracker,
    asked: watch::Sender<Asked>,
    stage: watch::Sender<Stage>,
}

impl Drain {
    /// A drain of the connections that have tasks in `connections`, which nobody has asked for yet.
    pub(super) fn new(shared: Arc<Shared>, live: Arc<ArcSwap<Live>>, connections: TaskTracker) -> Self {
        Self {
            shared,
            live,
            closing: CancellationToken::new(),
            acceptors: TaskTracker::new(),
            connections,
            asked: watch::Sender::new(Asked::Nothing),
            stage: watch::Sender::new(Stage::Serving),
        }
    }

    /// Runs an acceptor, which stops once the token that it is given is cancelled.
    pub(super) fn run_acceptor<F>(&self, accept: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.acceptors.spawn(accept(self.closing.clone()));
    }

    /// Asks for something, and returns whether it goes further than all that was asked before.
    pub(super) fn ask(&self, what: Asked) -> bool {
        self.asked.send_if_modified(|asked| {
            let is_news = *asked < what;
            *asked = what.max(*asked);
            is_news
        })
    }

    /// Waits until no session is left but consoles.
    pub(super) async fn drained(&self) {
        self.reached(|stage| stage >= Stage::Drained).await;
    }

    /// Waits until the process may end.
    pub(super) async fn over(&self) {
        self.reached(|stage| stage == Stage::Over).await;
    }

    /// How far the drain has come. Walks all sessions.
    pub(super) fn progress(&self) -> DrainProgress {
        let (state, left) = match self.stage() {
            Stage::Serving => (DrainState::Serving, None),
            Stage::Delaying { until } => (DrainState::Delaying, Some(until + self.live.load().drain_timeout)),
            Stage::Draining { until } => (DrainState::Draining, Some(until)),
            Stage::Drained | Stage::Over => (DrainState::Drained, None),
        };
        let left = left.map(|until| until.saturating_duration_since(Instant::now()));
        let (sessions, busy) = self.shared.sessions.count_busy();
        DrainProgress { state, sessions, busy, left }
    }

    /// Whether new clients are welcome.
    ///
    /// # Errors
    /// The reason why not, in one line.
    pub(super) fn readiness(&self) -> Result<(), String> {
        match self.stage() {
            Stage::Serving => Ok(()),
            Stage::Delaying { .. } => {
                Err("draining: clients are served for a little longer (limits.drain_delay)".to_owned())
            }
            Stage::Draining { .. } => Err("draining: new clients are refused".to_owned()),
            Stage::Drained | Stage::Over => Err("drained: no client is served".to_owned()),
        }
    }

    /// Goes through the stages as they are asked for. The one task of the drain runs this.
    pub(super) async fn run(&self) {
        self.asked(Asked::Drain).await;
        let sessions = &self.shared.sessions;
        let Live { drain_delay, .. } = **self.live.load();
        let until = Instant::now() + drain_delay;
        self.enter(Stage::Delaying { until });
        info!(sessions = sessions.count(), drain_delay_ms = millis(drain_delay), "draining");
        let delayed = async {
            tokio::select! {
                () = sleep_until(until) => {}
                () = self.report() => {}
            }
        };
        self.unless_aborted(delayed).await;
        if *self.asked.borrow() >= Asked::Shutdown {
            self.close().await;
        }
        sessions.end_all(Order::Drain);
        let Live { drain_timeout, .. } = **self.live.load();
        let until = Instant::now() + drain_timeout;
        self.enter(Stage::Draining { until });
        let ended = async {
            tokio::select! {
                () = sessions.all_ended() => {}
                () = self.report() => {}
            }
        };
        if timeout_at(until, self.unless_aborted(ended))
            .await
            .ok()
            .flatten()
            .is_none()
        {
            let (sessions, busy) = sessions.count_busy();
            info!(event = "drain timeout", sessions, busy, "closing sessions that are still busy");
            self.shared.sessions.end_drained(Order::DrainNow);
            let _ = timeout(LAST_WAIT, self.shared.sessions.all_ended()).await;
        }
        self.enter(Stage::Drained);
        let stays = *self.asked.borrow() < Asked::Shutdown;
        info!(stays, "drained");
        self.asked(Asked::Shutdown).await;
        self.close().await;
        self.let_go_of_the_rest().await;
        self.enter(Stage::Over);
    }

    /// Closes the listeners, once all connections that are queued have been accepted.
    async fn close(&self) {
        self.closing.cancel();
        self.acceptors.close();
        self.acceptors.wait().await;
    }

    /// Ends consoles, and waits for clients that are being refused. Connections that do not end are
    /// left behind.
    async fn let_go_of_the_rest(&self) {
        let (sessions, connections) = (&self.shared.sessions, &self.connections);
        sessions.end_all(Order::DrainConsoles);
        connections.close();
        let ended = timeout(LAST_WAIT, self.unless_aborted(connections.wait())).await;
        if ended.ok().flatten().is_none() {
            sessions.end_all(Order::DrainNow);
            if timeout(LAST_WAIT, connections.wait()).await.is_err() {
                warn!(event = "connections left", connections = connections.len(), "some connections did not end");
            }
        }
        self.shared.repeats.report_rest();
    }

    /// Logs how many sessions are left, again and again.
    async fn report(&self) {
        let mut beat = interval(REPORT_EVERY);
        beat.tick().await;
        loop {
            beat.tick().await;
            let DrainProgress { sessions, busy, left, .. } = self.progress();
            info!(sessions, busy, left_ms = left.map(millis), "still draining");
        }
    }

    /// The stage that the drain is in. Whoever has asked for a drain sees that it has begun, even if
    /// its task has not run yet.
    fn stage(&self) -> Stage {
        let stage = *self.stage.borrow();
        let is_asked_for = *self.asked.borrow() > Asked::Nothing;
        match stage {
            Stage::Serving if is_asked_for => Stage::Delaying { until: Instant::now() + self.live.load().drain_delay },
            stage => stage,
        }
    }

    fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// Waits until this, or more, is asked for.
    async fn asked(&self, what: Asked) {
        let _ = self
            .asked
            .subscribe()
            .wait_for(|asked| *asked >= what)
            .await;
    }

    async fn reached(&self, is_there: impl Fn(Stage) -> bool) {
        let _ = self
            .stage
            .subscribe()
            .wait_for(|stage| is_there(*stage))
            .await;
    }

    /// Does a step. `None`: the process is to end now.
    async fn unless_aborted<T>(&self, step: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = step => Some(done),
            () = self.asked(Asked::Abort) => None,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
