//! What most users have in common: an unknown user is answered like them, so as not to stand out.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;

use crate::client_auth::verifiers::Verifiers;
use crate::crypto::verifier::{ITERATIONS, SALT_BYTES};

/// The facts that the verifiers of all users have in common. It is  counted anew whenever verifiers
/// change, and read by every login without a lock.
pub(super) struct Usual {
    /// The iteration count that most verifiers have; PostgreSQL's own where there are no users.
    iterations: AtomicU32,
    /// Whether there are names of which no password has been read yet: some user's, or the path of
    /// `users."*"`.
    is_any_unread: AtomicBool,
    /// Held from the look at the users to the change of both values, so that the last to look is
    /// the last to change them.
    counting: Mutex<()>,
}

/// The facts that a look at all users has found.
pub(super) struct Seen {
    /// Whether there are names of which no password has been read yet.
    pub(super) is_any_unread: bool,
    /// The iteration count of each user's verifiers.
    pub(super) iterations: Vec<u32>,
}

impl Usual {
    /// Starts as if nothing had been read.
    pub(super) fn new() -> Self {
        Self {
            iterations: AtomicU32::new(ITERATIONS),
            is_any_unread: AtomicBool::new(true),
            counting: Mutex::default(),
        }
    }

    /// The iteration count that most verifiers have, which an unknown user is shown too.
    pub(super) fn iterations(&self) -> u32 {
        self.iterations.load(Ordering::Relaxed)
    }

    /// Whether there are names of which no password has been read yet, so that an unknown name may
    /// be one of theirs.
    pub(super) fn is_any_unread(&self) -> bool {
        self.is_any_unread.load(Ordering::Relaxed)
    }

    /// Counts anew what `look` finds.
    pub(super) fn recount(&self, look: impl FnOnce() -> Seen) {
        let _turn = self.counting.lock();
        let seen = look();
        self.is_any_unread
            .store(seen.is_any_unread, Ordering::Relaxed);
        let mut times_of = HashMap::<u32, usize>::new();
        for iterations in seen.iterations {
            *times_of.entry(iterations).or_default() += 1;
        }
        // Of two that are as frequent the smaller: the logins of unknown users cost as much.
        let usual = times_of
            .into_iter()
            .max_by_key(|&(iterations, times)| (times, Reverse(iterations)));
        self.iterations
            .store(usual.map_or(ITERATIONS, |(iterations, _)| iterations), Ordering::Relaxed);
    }

    /// Says what in a user's verifiers tells it from an unknown user, if anything.
    pub(super) fn oddity(&self, verifiers: &Verifiers) -> Option<&'static str> {
        if verifiers.iterations != self.iterations() {
            Some("its verifier has another iteration count than most")
        } else if verifiers.salt.len() != SALT_BYTES {
            Some("its verifier has a salt of another length than 16 bytes")
        } else {
            None
        }
    }
}
