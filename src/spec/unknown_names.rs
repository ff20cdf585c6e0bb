//! Names that nobody has: a user may ask the table for so many a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// What one missing name costs its user.
const EACH: Duration = Duration::from_secs(3);

/// How many may be asked for at once.
const AT_ONCE: u32 = 20;

/// When each user will have paid for the names that turned out missing; users that owe nothing are
/// forgotten.
#[derive(Default)]
pub(super) struct UnknownNames(Mutex<HashMap<String, SystemTime>>);

impl UnknownNames {
    /// Whether a user may ask for no name that is not known to be there.
    pub(super) fn are_spent(&self, user: &str, now: SystemTime) -> bool {
        let owed = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(user)
            .copied();
        owed.and_then(|until| until.duration_since(now).ok())
            .is_some_and(|owed| owed > EACH * (AT_ONCE - 1))
    }

    /// A call of this user's found nothing. What many calls at once found missing is paid for in
    /// full.
    pub(super) fn charge(&self, user: &str, now: SystemTime) {
        let mut owed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        owed.retain(|_, until| *until > now);
        let until = owed.entry(user.to_owned()).or_insert(now);
        *until += EACH;
    }
}
