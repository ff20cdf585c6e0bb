//! Who has a name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::access::Right;
use super::user::User;
use crate::config::connection::{ConnId, ConnSpec};

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
        self.is_for(spec) && self.rights.may_open(&spec.id)
    }

    /// The first right that covers the connection. A login of the user's own takes an entry of the
    /// user's own.
    #[must_use]
    pub fn right_to(&self, spec: &ConnSpec) -> Option<Right<'_>> {
        self.rights.right_to(&spec.id).filter(|_| self.is_for(spec))
    }

    /// The first of these connections that it may open, at most so many.
    pub(crate) fn first_of<'m>(
        &self,
        connections: &'m BTreeMap<ConnId, Arc<ConnSpec>>,
        most: usize,
    ) -> Vec<&'m ConnId> {
        self.rights
            .connections
            .first_of(connections, most, |spec| self.is_for(spec))
    }

    /// Whether a right counts there.
    fn is_for(&self, spec: &ConnSpec) -> bool {
        self.has_entry || !spec.is_per_user()
    }
}
