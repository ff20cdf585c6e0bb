//! How often a user may ask lava's table for names that are not there.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

/// The time that a user pays for one look-up of an unknown name.
const EACH: Duration = Duration::from_secs(3);

/// The number of unknown names that a user may look up at once.
const AT_ONCE: u32 = 20;

/// Each user's debt for look-ups of unknown names: the time at which it will be paid. The table of
/// one [`SpecTable`](super::SpecTable) holds it for all sessions. Its lock guards the whole map for
/// a few steps; users without debt are forgotten.
#[derive(Default)]
pub(super) struct UnknownNames(Mutex<HashMap<String, SystemTime>>);

impl UnknownNames {
    /// Whether this user has used up its look-ups of unknown names for now.
    pub(super) fn is_over_quota(&self, user: &str, now: SystemTime) -> bool {
        let paid_at = self.0.lock().get(user).copied();
        paid_at
            .and_then(|paid_at| paid_at.duration_since(now).ok())
            .is_some_and(|owed| owed > EACH * (AT_ONCE - 1))
    }

    /// Charges a user for one look-up that found nothing. Each of many look-ups at once is charged
    /// in full.
    pub(super) fn charge(&self, user: &str, now: SystemTime) {
        let mut owed = self.0.lock();
        owed.retain(|_, paid_at| *paid_at > now);
        let paid_at = owed.entry(user.to_owned()).or_insert(now);
        *paid_at += EACH;
    }
}
