//! The whole configuration as one value.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::connection::{ConnId, ConnSpec};
use super::listen::Listen;
use super::sections::{Admin, Aws, Credentials, Limits, Log, SpecsTable, Upstream};
use super::sources::Sources;
use super::users::{AnyUser, Holder, User};
use super::value::BEFORE_CONN_ID;

/// The configuration as proxy.toml says it: every value typed, defaults applied, cross-checks done.
#[derive(Debug)]
pub struct Config {
    /// `include`: the patterns of the files that are read besides, as they are written.
    pub include: Vec<String>,
    /// The section `[listen]`.
    pub listen: Listen,
    /// The section `[admin]`.
    pub admin: Admin,
    /// The section `[log]`.
    pub log: Log,
    /// The section `[aws]`.
    pub aws: Aws,
    /// The section `[upstream]`.
    pub upstream: Upstream,
    /// The section `[limits]`.
    pub limits: Limits,
    /// The section `[credentials]`.
    pub credentials: Credentials,
    /// The connections of the file (`[connections.*]`), by name.
    pub connections: BTreeMap<ConnId, Arc<ConnSpec>>,
    /// `[specs]`. `None`: there are only the connections of the file.
    pub specs: Option<SpecsTable>,
    /// The users with entries of their own, by name.
    pub users: BTreeMap<String, Arc<User>>,
    /// `[users."*"]`: the users without an entry of their own. `None`: all other names are unknown.
    pub any_user: Option<Arc<AnyUser>>,
    /// Oddities that are no problems, each as `FILE:LINE: KEY: what`; to be logged once at start.
    pub warnings: Vec<String>,
    /// The first 12 hexadecimal digits of a SHA-256 over the texts of the file and of those that it
    /// includes, before variables are put in.
    pub hash: String,
    /// The files that were read, to notice when they change.
    pub sources: Sources,
}

impl Config {
    /// Finds the entry that a name falls under. Where `users."*"` has an SSM path, AWS says whether
    /// there is such a user. A name with `~` is nobody's.
    #[must_use]
    pub fn holder(&self, name: &str) -> Option<Holder> {
        match self.users.get(name) {
            Some(user) => Some(Holder::Own(Arc::clone(user))),
            None if name.contains(BEFORE_CONN_ID) => None,
            None => self.any_user.clone().map(Holder::Any),
        }
    }

    /// Iterates over all entries of users with their names; that of `users."*"` comes last and has
    /// none.
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
