//! Keys of sessions that have just ended: a request that comes with one is late, not a guess.
//!
//! Drivers send such requests by themselves: Go's database/sql cancels a context while it closes the connection.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::CancelKey;

/// How long an ended session's key is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Keys remembered; beyond, the oldest is forgotten. At some 100 bytes each they take 5 MB at most.
const MAX_KEYS: usize = 50_000;

/// The keys. Shared by all sessions and all cancel requests.
#[derive(Default)]
pub(super) struct EndedKeys(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    /// When each session ended, and its pid; oldest first.
    ends: VecDeque<(Instant, u32)>,
    /// The keys of each pid, in the same order.
    of_pid: HashMap<u32, VecDeque<CancelKey>>,
}

impl EndedKeys {
    /// Remembers the key of a session that ends now.
    pub(super) fn add(&self, key: CancelKey) {
        let mut memory = self.memory();
        if memory.ends.len() >= MAX_KEYS {
            memory.forget_oldest();
        }
        memory.ends.push_back((Instant::now(), key.pid));
        memory.of_pid.entry(key.pid).or_default().push_back(key);
    }

    /// Whether a session that has just ended had this key. Every key of the pid is compared, each in constant time.
    pub(super) fn has(&self, key: &CancelKey) -> bool {
        let memory = self.memory();
        let of_pid = memory.of_pid.get(&key.pid).into_iter().flatten();
        of_pid.fold(false, |found, ended| (ended == key) | found)
    }

    /// What is remembered now, without what is too long ago.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while memory.ends.front().is_some_and(|(at, _)| at.elapsed() >= REMEMBERED) {
            memory.forget_oldest();
        }
        memory
    }
}

impl Memory {
    fn forget_oldest(&mut self) {
        let Some((_, pid)) = self.ends.pop_front() else { return };
        let Some(of_pid) = self.of_pid.get_mut(&pid) else { return };
        of_pid.pop_front();
        if of_pid.is_empty() {
            self.of_pid.remove(&pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn key(pid: u32, secret: [u8; 4]) -> CancelKey {
        CancelKey { pid, secret: secret.into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_remembered_for_a_minute() {
        let ended = EndedKeys::default();
        ended.add(key(1, [1; 4]));
        advance(REMEMBERED / 2).await;
        ended.add(key(1, [2; 4]));
        assert!(ended.has(&key(1, [1; 4])) && ended.has(&key(1, [2; 4])));
        assert!(!ended.has(&key(1, [3; 4])) && !ended.has(&key(2, [1; 4])));
        advance(REMEMBERED / 2).await;
        assert!(!ended.has(&key(1, [1; 4])) && ended.has(&key(1, [2; 4])));
        advance(REMEMBERED / 2).await;
        let memory = ended.memory();
        assert!(memory.ends.is_empty() && memory.of_pid.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_keys_are_remembered() {
        let ended = EndedKeys::default();
        for pid in 0..=u32::try_from(MAX_KEYS).unwrap() {
            ended.add(key(pid, [0; 4]));
        }
        assert!(!ended.has(&key(0, [0; 4])) && ended.has(&key(1, [0; 4])));
        let memory = ended.memory();
        assert_eq!((memory.ends.len(), memory.of_pid.len()), (MAX_KEYS, MAX_KEYS));
    }
}
