//! Which logins each connection uses, so that they can be shown and fetched anew by its name.

use std::collections::HashSet;

use dashmap::DashMap;

use super::login_key::LoginKey;
use crate::config::ConnId;

/// The most connections that are remembered. Lava's table may have any number.
const MAX_CONNECTIONS: usize = 10_000;

/// The most logins that are remembered of one connection: `per-user` logins are one for each user.
const MAX_KEYS: usize = 1_000;

/// The keys of the logins that each connection has been opened with. All sessions share it, as a
/// part of [`Logins`](super::Logins); a shard of its map is locked for a look-up or an insertion.
#[derive(Default)]
pub(super) struct InUse {
    by_connection: DashMap<ConnId, HashSet<LoginKey>>,
}

impl InUse {
    /// Remembers that a connection uses a login. What is beyond the bounds is not remembered.
    pub(super) fn note(&self, conn_id: &ConnId, key: &LoginKey) {
        if let Some(keys) = self.by_connection.get(conn_id) {
            if keys.contains(key) || keys.len() >= MAX_KEYS {
                return;
            }
        } else if self.by_connection.len() >= MAX_CONNECTIONS {
            return;
        }
        self.by_connection
            .entry(conn_id.clone())
            .or_default()
            .insert(key.clone());
    }

    /// Gives `see` each login that each connection uses.
    pub(super) fn each(&self, mut see: impl FnMut(&ConnId, &LoginKey)) {
        for entry in &self.by_connection {
            for key in entry.value() {
                see(entry.key(), key);
            }
        }
    }

    /// Gives `keep` each login that a connection uses, and forgets those that it does not keep.
    pub(super) fn retain(&self, conn_id: &ConnId, mut keep: impl FnMut(&LoginKey) -> bool) {
        self.by_connection.remove_if_mut(conn_id, |_, keys| {
            keys.retain(|key| keep(key));
            keys.is_empty()
        });
    }
}
