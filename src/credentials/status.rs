//! What operators are shown of the credentials that are held or being fetched: never a secret, nor
//! a role's external id, but for where they are kept.

use std::sync::Arc;
use std::time::SystemTime;

use super::login_key::{LoginCall, LoginKey};
use super::logins::Logins;
use super::used_by::UsedBy;
use crate::aws::StoredAt;
use crate::cache::Snapshot;
use crate::config::ConnSpec;
use crate::fault::chain;

/// One credential that is held, being fetched, or was refused a short while ago.
#[derive(Clone, Debug)]
pub(crate) struct CredentialStatus {
    /// Where it comes from: `serverless`, `provisioned`, `parameter`, `secret` or `role`.
    pub(crate) origin: &'static str,
    /// What it is for: a workgroup, a cluster or a role; or the name of the stored value.
    pub(crate) name: String,
    /// The database user; of a role session, the user that it belongs to. Empty: none is known, or
    /// all users share it.
    pub(crate) user: String,
    /// The connections that use it.
    pub(crate) conn_ids: Vec<String>,
    /// The role that it is fetched under. Empty: the base identity fetches it.
    pub(crate) role: String,
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
    /// The credentials of all kinds, by origin, name and user. `specs` are the connections that are
    /// known.
    pub(crate) fn states(&self, specs: &[Arc<ConnSpec>]) -> Vec<CredentialStatus> {
        let used_by = UsedBy::new(self, specs);
        let minted = self.minted.snapshots().into_iter().map(|(key, snapshot)| {
            let held = snapshot.value.as_ref().map(|login| login.user.clone());
            let user = held.unwrap_or_else(|| asked_for(&key));
            let role = key.caller.hops.last().map(|hop| hop.role_arn.as_str());
            let whose = (used_by.of_login(&key), role);
            state(origin(&key.call), (key.call.call().on, user), whose, &snapshot)
        });
        let stored = self.stored.snapshots().into_iter().map(|(at, snapshot)| {
            let origin = match &at {
                StoredAt::Parameter { .. } => "parameter",
                StoredAt::Secret { .. } => "secret",
            };
            let whose = (used_by.of_stored(&at), None);
            state(origin, (at.call().on, String::new()), whose, &snapshot)
        });
        let roles = self
            .sessions
            .snapshots()
            .into_iter()
            .map(|(key, snapshot)| {
                let (name, user) = (key.role_arn().to_owned(), key.owner().unwrap_or_default().to_owned());
                state("role", (name, user), (used_by.of_session(&key), key.caller()), &snapshot)
            });
        let mut all: Vec<_> = minted.chain(stored).chain(roles).collect();
        all.sort_by(|one, other| (one.origin, &one.name, &one.user).cmp(&(other.origin, &other.name, &other.user)));
        all
    }
}

fn state<V, E: std::error::Error>(
    origin: &'static str,
    (name, user): (String, String),
    (conn_ids, role): (Vec<String>, Option<&str>),
    snapshot: &Snapshot<V, E>,
) -> CredentialStatus {
    CredentialStatus {
        origin,
        name,
        user,
        conn_ids,
        role: role.unwrap_or_default().to_owned(),
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
