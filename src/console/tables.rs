//! The tables of all consoles: made one at a time, away from the threads that relay, and bounded in
//! bytes until they are sent.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::answer::Rows;
use super::command::Show;
use super::error::ConsoleError;
use super::show::show;
use crate::blocking::{Lanes, Unfinished};
use crate::operations::SharedOperations;

/// The most bytes of all tables that consoles are yet to be sent, unless there is one alone: the
/// sessions of a large proxy are 10 MB.
const MAX_BYTES: usize = 64 << 20;

/// The state that all consoles share. Every session holds it through `Shared`.
pub(crate) struct Tables {
    /// One table is made at a time, so that consoles take one processor at most; of one user one at
    /// a time waits for that, so that the others come next.
    turns: Lanes<Arc<str>>,
    /// The lock is held for one look at the sums, or one change of them.
    held: Arc<Mutex<Held>>,
}

/// The bytes of the tables that are yet to be sent.
#[derive(Default)]
struct Held {
    all: usize,
    by_user: HashMap<Arc<str>, usize>,
}

/// The room of one table. Dropping it makes room for others.
pub(super) struct Room {
    held: Arc<Mutex<Held>>,
    user: Arc<str>,
    bytes: usize,
}

impl Default for Tables {
    fn default() -> Self {
        Self { turns: Lanes::new("console", 1, 1), held: Arc::default() }
    }
}

impl Tables {
    /// Makes a table for a user, when it is its turn. Cancel safe: one that has begun goes on.
    ///
    /// # Errors
    /// See [`Unfinished`].
    pub(super) async fn make(
        &self,
        user: &Arc<str>,
        what: &Show,
        operations: &SharedOperations,
    ) -> Result<Rows, Unfinished> {
        let (what, operations) = (what.clone(), Arc::clone(operations));
        let making = move || show(&what, &*operations);
        self.turns.run(Arc::clone(user), making).await
    }

    /// Takes a user's turn, so that no table is made meanwhile.
    #[cfg(test)]
    pub(super) async fn turn(&self, user: &str) -> crate::blocking::Turn<Arc<str>> {
        self.turns.turn(user.into()).await
    }

    /// Takes room for a user's table. Each user may take half of what the others leave, so that
    /// there is always room for another user.
    ///
    /// # Errors
    /// `54000`: there is no room before the user has read, or closed, another table.
    pub(super) fn hold(&self, user: &Arc<str>, rows: &Rows) -> Result<Room, ConsoleError> {
        let mut held = self.held.lock();
        let own = held.by_user.get(user).copied().unwrap_or(0);
        let others = held.all.saturating_sub(own);
        if held.all > 0 && own + rows.bytes > MAX_BYTES.saturating_sub(others) / 2 {
            let error = ConsoleError::too_much("too many tables of consoles are yet to be read");
            return Err(error.hint("Read those that were asked for, or close their portals."));
        }
        held.all += rows.bytes;
        *held.by_user.entry(Arc::clone(user)).or_default() += rows.bytes;
        Ok(Room { held: Arc::clone(&self.held), user: Arc::clone(user), bytes: rows.bytes })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut held = self.held.lock();
        held.all = held.all.saturating_sub(self.bytes);
        if let Some(own) = held.by_user.get_mut(&self.user) {
            *own = own.saturating_sub(self.bytes);
            if *own == 0 {
                held.by_user.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_leaves_room_for_another_and_a_table_alone_has_all() {
        let tables = Tables::default();
        let [ann, bob]: [Arc<str>; 2] = ["ann".into(), "bob".into()];
        let hold = |user, bytes| tables.hold(user, &Rows { bytes, ..Rows::new(Vec::new(), Vec::new()) });
        drop(hold(&ann, 10 * MAX_BYTES).unwrap());
        let quarter = MAX_BYTES / 4;
        let of_ann = [hold(&ann, quarter).unwrap(), hold(&ann, quarter).unwrap()];
        assert_eq!(hold(&ann, 1).err().unwrap().sqlstate(), "54000");
        let of_bob = hold(&bob, quarter).unwrap();
        assert_eq!(hold(&bob, 1).err().unwrap().sqlstate(), "54000");
        drop(of_ann);
        drop(hold(&bob, quarter / 2).unwrap());
        drop(of_bob);
        let held = tables.held.lock();
        assert_eq!((held.all, held.by_user.len()), (0, 0));
    }
}
