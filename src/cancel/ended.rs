//! Keys of sessions that have just ended: a request that comes with one is late, not a guess.
//!
//! Drivers send such requests by themselves: Go's database/sql cancels a context while it closes
//! the connection.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::wire::cancel_key::CancelKey;

/// How long an ended session's key is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Keys remembered; beyond, the oldest is forgotten. At some 50 bytes each they take 1 MB at most.
const MAX_KEYS: usize = 16_000;

/// The fingerprints of keys whose sessions ended within the last minute. One is shared by all
/// sessions and all cancel requests; its lock is held for one look-up or insertion.
///
/// A fingerprint is the key under a hash whose own key is random to this process: it takes no more
/// memory for a long secret, and how long a look-up takes says nothing about a secret. Two keys
/// with one fingerprint would only let one wrong guess in 2^50 go uncounted.
#[derive(Default)]
pub(super) struct EndedKeys {
    hash: RandomState,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// The time at which each session ended, with its key's fingerprint; oldest first.
    ends: VecDeque<(Instant, u64)>,
    fingerprints: HashSet<u64>,
}

impl EndedKeys {
    /// Remembers the key of a session that ends now.
    pub(super) fn add(&self, key: &CancelKey) {
        let fingerprint = self.fingerprint(key);
        let mut memory = self.memory();
        if memory.ends.len() >= MAX_KEYS {
            memory.forget_oldest();
        }
        memory.ends.push_back((Instant::now(), fingerprint));
        memory.fingerprints.insert(fingerprint);
    }

    /// Whether a session that has just ended had this key.
    pub(super) fn has(&self, key: &CancelKey) -> bool {
        let fingerprint = self.fingerprint(key);
        self.memory().fingerprints.contains(&fingerprint)
    }

    fn fingerprint(&self, key: &CancelKey) -> u64 {
        self.hash.hash_one(key)
    }

    /// The memory, without the keys of sessions that ended too long ago.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        let mut memory = self.memory.lock();
        while memory
            .ends
            .front()
            .is_some_and(|(at, _)| at.elapsed() >= REMEMBERED)
        {
            memory.forget_oldest();
        }
        memory
    }
}

impl Memory {
    fn forget_oldest(&mut self) {
        if let Some((_, fingerprint)) = self.ends.pop_front() {
            self.fingerprints.remove(&fingerprint);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn key(pid: u32, secret: [u8; 4]) -> CancelKey {
        CancelKey::new(pid, &secret)
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_remembered_for_a_minute() {
        let ended = EndedKeys::default();
        ended.add(&key(1, [1; 4]));
        advance(REMEMBERED / 2).await;
        ended.add(&key(1, [2; 4]));
        assert!(ended.has(&key(1, [1; 4])) && ended.has(&key(1, [2; 4])));
        assert!(!ended.has(&key(1, [3; 4])) && !ended.has(&key(2, [1; 4])));
        advance(REMEMBERED / 2).await;
        assert!(!ended.has(&key(1, [1; 4])) && ended.has(&key(1, [2; 4])));
        advance(REMEMBERED / 2).await;
        let memory = ended.memory();
        assert!(memory.ends.is_empty() && memory.fingerprints.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_keys_are_remembered() {
        let ended = EndedKeys::default();
        for pid in 0..=u32::try_from(MAX_KEYS).unwrap() {
            ended.add(&key(pid, [0; 4]));
        }
        assert!(!ended.has(&key(0, [0; 4])) && ended.has(&key(1, [0; 4])));
        let memory = ended.memory();
        assert_eq!((memory.ends.len(), memory.fingerprints.len()), (MAX_KEYS, MAX_KEYS));
    }
}
