//! What operators are shown of the credentials that are held or being fetched: never a secret, nor
//! a role's external id, but for where they are kept.

use std::time::SystemTime;

use super::login_key::{LoginCall, LoginKey};
use super::logins::Logins;
use crate::aws::StoredAt;
use crate::cache::Snapshot;
use crate::fault::chain;

/// One credential that is held, being fetched, or was refused a short while ago.
pub(crate) struct CredentialState {
    /// Where it comes from: `serverless`, `provisioned`, `parameter`, `secret` or `role`.
    pub(crate) origin: &'static str,
    /// What it is for: a workgroup, a cluster or a role; or the name of the stored value.
    pub(crate) name: String,
    /// The database user; of a role session, the user that it belongs to. Empty: none is known, or
    /// all users share it.
    pub(crate) user: String,
    /// When it expires. `None`: never, or nothing is held.
    pub(crate) expires: Option<SystemTime>,
    /// Whether a value is held.
    pub(crate) is_held: bool,
    /// Whether it is being fetched.
    pub(crate) is_in_flight: bool,
    /// How many logins wait for it.
    pub(crate) waiters: usize,
    /// The error of the last fetch, with its causes. `None`: it brought a value.
    pub(crate) last_error: Option<String>,
}

impl Logins {
    /// The credentials of all kinds, by origin, name and user.
    pub(crate) fn states(&self) -> Vec<CredentialState> {
        let minted = self.minted.snapshots().into_iter().map(|(key, snapshot)| {
            let held = snapshot.value.as_ref().map(|login| login.user.clone());
            state(origin(&key.call), key.call.call().on, held.unwrap_or_else(|| asked_for(&key)), &snapshot)
        });
        let stored = self.stored.snapshots().into_iter().map(|(at, snapshot)| {
            let origin = match &at {
                StoredAt::Parameter { .. } => "parameter",
                StoredAt::Secret { .. } => "secret",
            };
            state(origin, at.call().on, String::new(), &snapshot)
        });
        let roles = self
            .sessions
            .snapshots()
            .into_iter()
            .map(|(key, snapshot)| {
                state("role", key.role_arn().to_owned(), key.owner().unwrap_or_default().to_owned(), &snapshot)
            });
        let mut all: Vec<_> = minted.chain(stored).chain(roles).collect();
        all.sort_by(|one, other| (one.origin, &one.name, &one.user).cmp(&(other.origin, &other.name, &other.user)));
        all
    }
}

fn state<V, E: std::error::Error>(
    origin: &'static str,
    name: String,
    user: String,
    snapshot: &Snapshot<V, E>,
) -> CredentialState {
    CredentialState {
        origin,
        name,
        user,
        expires: snapshot.expires_at,
        is_held: snapshot.value.is_some(),
        is_in_flight: snapshot.is_in_flight,
        waiters: snapshot.waiters,
        last_error: snapshot.last_error.as_ref().map(|error| chain(&**error)),
    }
}

fn origin(call: &LoginCall) -> &'static str {
    match call {
        LoginCall::Workgroup { .. } => "serverless",
        LoginCall::Cluster { .. } | LoginCall::ClusterByIam { .. } => "provisioned",
    }
}

/// The user that a login is asked for, as far as the call says; AWS names that of a workgroup.
fn asked_for(key: &LoginKey) -> String {
    match &key.call {
        LoginCall::Cluster { user, .. } => user.clone(),
        LoginCall::Workgroup { .. } | LoginCall::ClusterByIam { .. } => key.principal.clone().unwrap_or_default(),
    }
}
