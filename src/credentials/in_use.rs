//! Which logins each connection uses, so that they can be shown and fetched anew by its name.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

use super::login_key::LoginKey;
use crate::config::ConnId;

/// The most connections that are remembered. Lava's table may have any number.
const MAX_CONNECTIONS: usize = 10_000;

/// How many logins of one connection are remembered before those are looked for that are held no
/// more.
const FIRST_PRUNING: usize = 64;

/// While all places of connections are taken, every such many looks for one try to make room.
const PRUNE_EVERY: usize = 256;

/// The keys of the logins that each connection has been opened with. All sessions share it, as a
/// part of [`Logins`](super::Logins); a shard of its map is locked for a look-up or an insertion.
///
/// It is bounded by what the cache of logins holds: of one connection there are at most twice as
/// many keys as there were held ones when they were last looked through.
#[derive(Default)]
pub(super) struct InUse {
    by_connection: DashMap<ConnId, Keys>,
    /// Counts the connections for which there was no place.
    left_out: AtomicUsize,
}

struct Keys {
    of: HashSet<LoginKey>,
    /// At this number the keys are looked through.
    prune_at: usize,
}

impl InUse {
    /// Remembers that a connection uses a login. `is_held` says of a key whether the cache knows
    /// it. Beyond [`MAX_CONNECTIONS`] with such keys nothing is remembered.
    pub(super) fn note(&self, conn_id: &ConnId, key: &LoginKey, is_held: impl Fn(&LoginKey) -> bool) {
        match self.by_connection.get(conn_id) {
            Some(keys) if keys.of.contains(key) => return,
            Some(_) => {}
            None => {
                if self.by_connection.len() >= MAX_CONNECTIONS && !self.make_room(&is_held) {
                    return;
                }
            }
        }
        let mut keys = self
            .by_connection
            .entry(conn_id.clone())
            .or_insert_with(|| Keys { of: HashSet::new(), prune_at: FIRST_PRUNING });
        if keys.of.len() >= keys.prune_at {
            keys.of.retain(|key| is_held(key));
            keys.prune_at = (keys.of.len() * 2).max(FIRST_PRUNING);
        }
        keys.of.insert(key.clone());
    }

    /// Shows `look` each login that a connection has used. Others may read meanwhile.
    pub(super) fn each_of(&self, conn_id: &ConnId, look: impl FnMut(&LoginKey)) {
        if let Some(keys) = self.by_connection.get(conn_id) {
            keys.of.iter().for_each(look);
        }
    }

    /// Shows `see` each login that each connection has used.
    pub(super) fn each(&self, mut see: impl FnMut(&ConnId, &LoginKey)) {
        for entry in &self.by_connection {
            for key in &entry.value().of {
                see(entry.key(), key);
            }
        }
    }

    /// Forgets the logins that a connection has used, and returns them.
    pub(super) fn take(&self, conn_id: &ConnId) -> Vec<LoginKey> {
        let taken = self.by_connection.remove(conn_id);
        taken.map_or_else(Vec::new, |(_, keys)| keys.of.into_iter().collect())
    }

    /// Forgets connections without a login that is held, now and then. Returns whether there is a
    /// place.
    fn make_room(&self, is_held: impl Fn(&LoginKey) -> bool) -> bool {
        if self
            .left_out
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(PRUNE_EVERY)
        {
            self.by_connection
                .retain(|_, keys| keys.of.iter().any(&is_held));
        }
        self.by_connection.len() < MAX_CONNECTIONS
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::credentials::chain::Chain;
    use crate::credentials::login_key::LoginCall;

    fn key(number: usize) -> LoginKey {
        LoginKey {
            caller: Chain::from_base(Vec::new(), 1),
            region: None,
            call: LoginCall::Workgroup { workgroup: "wg".to_owned(), database: "dev".to_owned() },
            password_duration: Duration::from_secs(900),
            principal: Some(number.to_string()),
        }
    }

    fn id(number: usize) -> ConnId {
        ConnId::new(&format!("c{number}")).unwrap()
    }

    #[test]
    fn every_login_that_is_held_is_remembered_and_the_others_go() {
        let in_use = InUse::default();
        for number in 0..5_000 {
            in_use.note(&id(0), &key(number), |_| true);
        }
        let count = || {
            let mut count = 0;
            in_use.each_of(&id(0), |_| count += 1);
            count
        };
        assert_eq!(count(), 5_000);
        for number in 5_000..20_000 {
            in_use.note(&id(0), &key(number), |_| false);
        }
        assert!(count() < 5_000, "{}", count());
        assert!(!in_use.take(&id(0)).is_empty() && in_use.take(&id(0)).is_empty());
    }

    #[test]
    fn connections_without_a_login_that_is_held_make_room() {
        let in_use = InUse::default();
        for number in 0..=MAX_CONNECTIONS {
            in_use.note(&id(number), &key(number), |_| true);
        }
        assert_eq!(in_use.by_connection.len(), MAX_CONNECTIONS);
        let kept = key(7);
        for number in 0..PRUNE_EVERY {
            in_use.note(&id(MAX_CONNECTIONS + number), &key(0), |key| *key == kept);
        }
        assert!(in_use.by_connection.len() <= PRUNE_EVERY && !in_use.take(&id(7)).is_empty());
    }
}
