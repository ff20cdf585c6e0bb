//! Everything that proxy.toml says, as one value.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::connection::{ConnId, ConnSpec};
use super::listen::Listen;
use super::sections::{Aws, Credentials, Limits, Log, SpecsTable, Upstream};
use super::users::{AnyUser, Holder, User};
use super::value::BEFORE_CONN_ID;

/// Everything proxy.toml says: every value typed, defaults applied, cross-checks done.
#[derive(Debug)]
pub struct Config {
    /// `[listen]`
    pub listen: Listen,
    /// `[log]`
    pub log: Log,
    /// `[aws]`
    pub aws: Aws,
    /// `[upstream]`
    pub upstream: Upstream,
    /// `[limits]`
    pub limits: Limits,
    /// `[credentials]`
    pub credentials: Credentials,
    /// `[connections.*]`
    pub connections: BTreeMap<ConnId, Arc<ConnSpec>>,
    /// `[specs]`; `None`: the file's own connections are all there are.
    pub specs: Option<SpecsTable>,
    /// `[users.*]` by name, each with an entry of its own.
    pub users: BTreeMap<String, Arc<User>>,
    /// `[users."*"]`: whoever has none. `None`: all other names are unknown.
    pub any_user: Option<Arc<AnyUser>>,
    /// What is odd but no problem, each as `FILE:LINE: KEY: what`; to be logged once at start.
    pub warnings: Vec<String>,
}

impl Config {
    /// Who has a name. Where `users."*"` has an SSM path, that is for AWS to say of other names.
    /// Nobody has a name with `~`.
    #[must_use]
    pub fn holder(&self, name: &str) -> Option<Holder> {
        match self.users.get(name) {
            Some(user) => Some(Holder::Own(Arc::clone(user))),
            None if name.contains(BEFORE_CONN_ID) => None,
            None => self.any_user.clone().map(Holder::Any),
        }
    }

    /// All holders by name; the last may be any other (`None`).
    pub fn holders(&self) -> impl Iterator<Item = (Option<&str>, Holder)> {
        let own = self
            .users
            .iter()
            .map(|(name, user)| (Some(name.as_str()), Holder::Own(Arc::clone(user))));
        own.chain(
            self.any_user
                .iter()
                .map(|any| (None, Holder::Any(Arc::clone(any)))),
        )
    }
}
