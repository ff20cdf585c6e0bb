//! The state that the operations answer from, and that tests change while the server runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::identity::Caller;
use super::keys::{Key, Keys};
use super::options::{AwsOptions, Parameter, RoleRule, Workgroup};
use crate::logins::Logins;

/// Everything there is. Shared by all connections.
pub(super) struct World {
    pub(super) account: String,
    /// Shared with the warehouse, which honours what is minted here.
    pub(super) logins: Arc<Logins>,
    tables: Mutex<Tables>,
}

/// A parameter as SSM has it.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) parameter: Parameter,
    /// From 1; each put adds one.
    pub(super) version: u64,
    pub(super) modified: SystemTime,
}

struct Tables {
    regions: BTreeSet<String>,
    parameters: BTreeMap<String, Stored>,
    roles: BTreeMap<String, RoleRule>,
    workgroups: BTreeMap<String, Workgroup>,
    keys: Keys,
}

impl World {
    pub(super) fn new(options: AwsOptions, logins: Arc<Logins>) -> Self {
        let user = Caller::User { account: options.account.clone(), name: options.user };
        let modified = SystemTime::now();
        let stored = |parameter| Stored { parameter, version: 1, modified };
        let tables = Tables {
            regions: BTreeSet::from([options.region]),
            parameters: options.parameters.into_iter().map(|(name, parameter)| (name, stored(parameter))).collect(),
            roles: options.roles,
            workgroups: options.workgroups,
            keys: Keys::new(options.access_key_id, options.secret_access_key, user),
        };
        Self { account: options.account, logins, tables: Mutex::new(tables) }
    }

    /// Whether requests may be signed for this Region.
    pub(super) fn serves(&self, region: &str) -> bool {
        self.tables().regions.contains(region)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<Stored> {
        self.tables().parameters.get(name).cloned()
    }

    pub(super) fn role(&self, arn: &str) -> Option<RoleRule> {
        self.tables().roles.get(arn).cloned()
    }

    pub(super) fn workgroup(&self, name: &str) -> Option<Workgroup> {
        self.tables().workgroups.get(name).cloned()
    }

    pub(super) fn key(&self, id: &str) -> Option<Key> {
        self.tables().keys.find(id)
    }

    /// Temporary keys for a new role session.
    pub(super) fn issue(&self, owner: Caller, life: Duration) -> (String, Key) {
        self.tables().keys.issue(owner, SystemTime::now(), life)
    }

    pub(super) fn expire_sessions(&self) {
        self.tables().keys.expire(SystemTime::now());
    }

    pub(super) fn put_region(&self, region: &str) {
        self.tables().regions.insert(region.to_owned());
    }

    pub(super) fn put_parameter(&self, name: &str, parameter: Parameter) {
        let mut tables = self.tables();
        let version = tables.parameters.get(name).map_or(1, |old| old.version + 1);
        tables.parameters.insert(name.to_owned(), Stored { parameter, version, modified: SystemTime::now() });
    }

    pub(super) fn put_role(&self, arn: &str, rule: RoleRule) {
        self.tables().roles.insert(arn.to_owned(), rule);
    }

    pub(super) fn put_workgroup(&self, name: &str, workgroup: Workgroup) {
        self.tables().workgroups.insert(name.to_owned(), workgroup);
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl World {
    /// The default world with its own book of logins.
    pub(super) fn demo() -> Self {
        Self::new(AwsOptions::default(), Logins::new(None))
    }
}
