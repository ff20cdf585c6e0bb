//! Who has a name.

use std::sync::Arc;

use crate::config::{ConnSpec, LoginIdentity, Right, User};

/// Who has a name, and with it what rights.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Its own, or those of `users."*"`.
    pub rights: Arc<User>,
    /// Whether it has an entry of its own.
    pub has_entry: bool,
}

impl Holder {
    /// One with an entry of its own.
    #[must_use]
    pub fn own(rights: &Arc<User>) -> Self {
        Self { rights: Arc::clone(rights), has_entry: true }
    }

    /// One of `users."*"`.
    #[must_use]
    pub fn any(rights: &Arc<User>) -> Self {
        Self { rights: Arc::clone(rights), has_entry: false }
    }

    /// Whether it may open the connection. Says nothing of `enabled`.
    #[must_use]
    pub fn may_open(&self, spec: &ConnSpec) -> bool {
        self.right_to(spec).is_some()
    }

    /// The first right that covers the connection. A login of the user's own takes an entry of the user's own.
    #[must_use]
    pub fn right_to(&self, spec: &ConnSpec) -> Option<&Right> {
        self.rights.right_to(&spec.id).filter(|_| self.has_entry || spec.identity == LoginIdentity::Shared)
    }
}
