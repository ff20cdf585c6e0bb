//! Sessions on connections of lava's table: they end when their item is deleted, disabled, or moved
//! out of the bounds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::sleep;
use tracing::info;

use super::reloader::Reloader;
use crate::config::ConnId;
use crate::session::Live;
use crate::session::revoked::{holder_on, permission};
use crate::spec::Permission;
use crate::stop::Order;

/// The most items that are read at once.
const AT_ONCE: usize = 4;

/// From one look to the next, where there is no table.
const NO_TABLE: Duration = Duration::from_secs(3600);

impl Reloader {
    /// Ends the sessions of the table's connections that are gone, within `specs.refresh`. Only the
    /// items of connections that have sessions are read, twice in that time. Never ends.
    pub(in crate::app) async fn look_after_table_sessions(self: Arc<Self>) {
        loop {
            let swapped = self.swapped.notified();
            let live = self.live.load_full();
            // Half of the time for an item that was just read, the other half until the next look.
            let half = live.config.specs.as_ref().map(|specs| specs.refresh / 2);
            let look = async {
                if let Some(half) = half {
                    self.end_gone(&live, half).await;
                }
                sleep(half.unwrap_or(NO_TABLE)).await;
            };
            // A look that another configuration overtakes has no say over the rights of that.
            tokio::select! {
                () = look => {}
                () = swapped => {}
            }
        }
    }

    async fn end_gone(&self, live: &Arc<Live>, max_age: Duration) {
        let sessions = &self.shared.sessions;
        let in_table: BTreeSet<_> = sessions
            .list()
            .iter()
            .map(|entry| entry.facts())
            .filter(|facts| permission(live, facts) == Permission::InTable)
            .filter_map(|facts| facts.conn_id)
            .collect();
        stream::iter(in_table)
            .for_each_concurrent(AT_ONCE, |conn_id| self.end_if_gone(live, conn_id, max_age))
            .await;
    }

    /// Reads one item. One that cannot be read ends no session, nor does one by which a session's
    /// right no longer goes.
    async fn end_if_gone(&self, live: &Arc<Live>, conn_id: ConnId, max_age: Duration) {
        let Some(Ok(found)) = live.specs.read_again(&conn_id, max_age).await else { return };
        let ended = self.shared.sessions.end_where(Order::Revoke, |facts| {
            holder_on(live, facts, &conn_id).is_some_and(|holder| found.permission(&holder) == Permission::Lost)
                && permission(live, facts) == Permission::InTable
                && Arc::ptr_eq(&self.live.load(), live)
        });
        if ended > 0 {
            info!(
                event = "sessions revoked",
                conn_id = conn_id.as_str(),
                sessions = ended,
                "ended sessions of an item that is gone or disabled"
            );
        }
    }
}
