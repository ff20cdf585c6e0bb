//! Users by their names, whichever entry gives them their rights.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::access::Right;
use super::user::{AnyProof, AnyUser, Proof, Rights, User};
use crate::config::connection::{ConnId, ConnSpec};

/// The entry of `[users]` that a name falls under.
#[derive(Clone, Debug)]
pub enum Holder {
    /// The name has an entry of its own.
    Own(Arc<User>),
    /// The name falls under `users."*"`.
    Any(Arc<AnyUser>),
}

impl Holder {
    /// The rights of the entry.
    #[must_use]
    pub fn rights(&self) -> &Rights {
        match self {
            Self::Own(user) => &user.rights,
            Self::Any(any) => &any.rights,
        }
    }

    /// Whether a certificate, rather than a password, proves the user.
    #[must_use]
    pub fn is_proved_by_certificate(&self) -> bool {
        match self {
            Self::Own(user) => matches!(user.proof, Proof::Certificate),
            Self::Any(any) => any.proof == AnyProof::Certificate,
        }
    }

    /// Whether the user may open the connection. Says nothing of `enabled`.
    #[must_use]
    pub fn may_open(&self, spec: &ConnSpec) -> bool {
        self.is_for(spec) && self.rights().may_open(&spec.id)
    }

    /// The first right that covers the connection. A login of the user's own takes an entry of the
    /// user's own.
    #[must_use]
    pub fn right_to(&self, spec: &ConnSpec) -> Option<Right<'_>> {
        self.rights()
            .right_to(&spec.id)
            .filter(|_| self.is_for(spec))
    }

    /// The first of these connections that the user may open, at most so many.
    pub(crate) fn first_of<'m>(
        &self,
        connections: &'m BTreeMap<ConnId, Arc<ConnSpec>>,
        most: usize,
    ) -> Vec<&'m ConnId> {
        self.rights()
            .connections
            .first_of(connections, most, |spec| self.is_for(spec))
    }

    /// Whether a right counts on this connection: `users."*"` opens no `per-user` connection.
    fn is_for(&self, spec: &ConnSpec) -> bool {
        match self {
            Self::Own(_) => true,
            Self::Any(_) => !spec.is_per_user(),
        }
    }
}
