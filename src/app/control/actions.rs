//! The actions of operators: each is logged, and the last ones are kept.

use std::collections::VecDeque;
use std::time::SystemTime;

use parking_lot::Mutex;

use crate::operations::{ActionStatus, Operator, log};

/// How many actions are kept.
const MOST: usize = 200;

/// Longest text of an action or its outcome that is kept, in characters.
const MAX_TEXT: usize = 1000;

/// The last actions of operators, the oldest first. All who ask for actions share it; the lock is
/// held while one is added, or while all are copied.
#[derive(Default)]
pub(in crate::app) struct Actions(Mutex<VecDeque<ActionStatus>>);

impl Actions {
    /// Logs an action, and keeps it in place of the oldest one.
    pub(super) fn record(&self, by: &Operator, action: String, outcome: String, at: SystemTime) {
        log::admin_action(by, &action, &outcome);
        let action =
            ActionStatus { at, by: cut(by.name.clone()), from: by.from, action: cut(action), outcome: cut(outcome) };
        let mut kept = self.0.lock();
        if kept.len() >= MOST {
            kept.pop_front();
        }
        kept.push_back(action);
    }

    /// The actions that are kept, the newest first.
    pub(super) fn newest_first(&self) -> Vec<ActionStatus> {
        self.0.lock().iter().rev().cloned().collect()
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::operations::Channel;

    #[test]
    fn the_last_actions_are_kept_and_long_texts_are_cut() {
        let (actions, now) = (Actions::default(), SystemClock.now());
        let by = Operator { name: "ops".to_owned(), from: None, channel: Channel::Console };
        for number in 0..=MOST {
            actions.record(&by, format!("KILL {number}"), "x".repeat(5000), now);
        }
        let kept = actions.newest_first();
        assert_eq!(kept.len(), MOST);
        assert_eq!((&*kept[0].action, &*kept[MOST - 1].action), ("KILL 200", "KILL 1"));
        assert_eq!(kept[0].outcome.chars().count(), MAX_TEXT + 1);
    }
}
