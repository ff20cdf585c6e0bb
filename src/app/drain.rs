//! The order in which a running proxy ends.

use std::time::Duration;

use tracing::{info, warn};

use super::App;
use crate::stop::Order;

/// How long sessions may take to end once they have been told to end at once.
const LAST_WAIT: Duration = Duration::from_secs(5);

impl App {
    /// Ends gracefully: accepts for `drain_delay` more and until nothing is queued, closes the
    /// listeners, lets go of sessions as they fall idle, and of all after `drain_timeout`. May be
    /// cut short by [`App::abort`].
    pub async fn drain(&self) {
        info!(sessions = self.counts().sessions, "draining");
        let drain_delay = self.acceptor.live.load().drain_delay;
        tokio::time::sleep(drain_delay).await;
        self.closing.cancel();
        self.acceptors.close();
        self.acceptors.wait().await;
        let sessions = &self.acceptor.shared.sessions;
        sessions.end_all(Order::Drain);
        self.acceptor.tasks.close();
        let drain_timeout = self.acceptor.live.load().drain_timeout;
        if tokio::time::timeout(drain_timeout, self.acceptor.tasks.wait())
            .await
            .is_err()
        {
            info!(event = "drain timeout", sessions = self.counts().sessions, "closing sessions that are still busy");
            sessions.end_all(Order::DrainNow);
            self.wait_at_last().await;
        }
        self.acceptor.shared.repeats.report_rest();
        info!("drained");
    }

    /// Ends every session now.
    pub async fn abort(&self) {
        self.closing.cancel();
        self.acceptor.shared.sessions.end_all(Order::DrainNow);
        self.acceptor.tasks.close();
        self.wait_at_last().await;
        self.acceptor.shared.repeats.report_rest();
    }

    /// Waits for sessions that have been told to end at once. Those that do not are left behind.
    async fn wait_at_last(&self) {
        if tokio::time::timeout(LAST_WAIT, self.acceptor.tasks.wait())
            .await
            .is_err()
        {
            warn!(event = "connections left", connections = self.acceptor.tasks.len(), "some connections did not end");
        }
    }
}
