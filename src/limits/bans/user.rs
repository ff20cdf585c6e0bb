//! The name that failures are counted under.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::secret::SecretBytes;

/// A user name as it is counted, whether or not somebody has it. Two names are the same only if
/// their tags are: a name that nobody has must not share a count with one that somebody has, or a
/// ban of the first would tell of the second.
#[derive(Clone, Debug)]
pub(crate) struct CountedUser {
    /// An HMAC of the name under a key of the proxy's own.
    tag: SecretBytes<[u8; 32]>,
    /// The name in logs and lists, or a few digits of a hash where nobody has it.
    shown: Arc<str>,
}

impl CountedUser {
    /// Counts a name by its tag, and shows it as `shown`.
    pub(crate) fn new(tag: SecretBytes<[u8; 32]>, shown: &str) -> Self {
        Self { tag, shown: shown.into() }
    }

    /// The name for logs and lists.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }
}

impl PartialEq for CountedUser {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag
    }
}

impl Eq for CountedUser {}

impl Hash for CountedUser {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tag.hash(state);
    }
}
