//! The state that the operations answer from, and that tests change while the server runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::dynamodb::Table;
use super::identity::Caller;
use super::keys::{Key, Keys};
use super::options::{AwsOptions, Cluster, Parameter, RoleRule, SecretValue, Skew, WebIdentity, Workgroup};
use crate::logins::Logins;

/// Everything there is. Shared by all connections.
pub(super) struct World {
    pub(super) account: String,
    /// The first of the Regions.
    pub(super) region: String,
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

/// A secret's current version.
#[derive(Clone)]
pub(super) struct StoredSecret {
    pub(super) value: SecretValue,
    /// From 1; each put adds one.
    pub(super) version: u64,
    pub(super) created: SystemTime,
}

struct Tables {
    regions: BTreeSet<String>,
    parameters: BTreeMap<String, Stored>,
    roles: BTreeMap<String, RoleRule>,
    workgroups: BTreeMap<String, Workgroup>,
    clusters: BTreeMap<String, Cluster>,
    secrets: BTreeMap<String, StoredSecret>,
    dynamo: BTreeMap<String, Table>,
    web_identities: BTreeMap<String, WebIdentity>,
    keys: Keys,
    skew: Skew,
}

impl World {
    pub(super) fn new(options: AwsOptions, logins: Arc<Logins>) -> Self {
        let user = Caller::User { account: options.account.clone(), name: options.user };
        let modified = SystemTime::now();
        let stored = |parameter| Stored { parameter, version: 1, modified };
        let secret = |value| StoredSecret { value, version: 1, created: modified };
        let tables = Tables {
            regions: BTreeSet::from([options.region.clone()]),
            parameters: options
                .parameters
                .into_iter()
                .map(|(name, parameter)| (name, stored(parameter)))
                .collect(),
            roles: options.roles,
            workgroups: options.workgroups,
            clusters: options.clusters,
            secrets: options
                .secrets
                .into_iter()
                .map(|(name, value)| (name, secret(value)))
                .collect(),
            dynamo: BTreeMap::new(),
            web_identities: BTreeMap::new(),
            skew: Skew::None,
            keys: Keys::new(options.access_key_id, options.secret_access_key, user),
        };
        Self { account: options.account, region: options.region, logins, tables: Mutex::new(tables) }
    }

    /// The endpoint's time, by which signatures, keys and web identities are judged.
    pub(super) fn now(&self) -> SystemTime {
        self.by_its_clock(SystemTime::now())
    }

    /// A time of the machine's as the endpoint's clock has it.
    pub(super) fn by_its_clock(&self, time: SystemTime) -> SystemTime {
        match self.tables().skew {
            Skew::None => time,
            Skew::Ahead(by) => time + by,
            Skew::Behind(by) => time - by,
        }
    }

    pub(super) fn skew(&self, skew: Skew) {
        self.tables().skew = skew;
    }

    /// Whether requests may be signed for this Region.
    pub(super) fn serves(&self, region: &str) -> bool {
        self.tables().regions.contains(region)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<Stored> {
        self.tables().parameters.get(name).cloned()
    }

    /// The parameters whose names are accepted, in the order of their names.
    pub(super) fn parameters(&self, is_meant: impl Fn(&str) -> bool) -> Vec<(String, Stored)> {
        let tables = self.tables();
        let meant = tables.parameters.iter().filter(|(name, _)| is_meant(name));
        meant
            .map(|(name, stored)| (name.clone(), stored.clone()))
            .collect()
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

    pub(super) fn cluster(&self, name: &str) -> Option<Cluster> {
        self.tables().clusters.get(name).cloned()
    }

    /// All of them, in the order of their names.
    pub(super) fn clusters(&self) -> BTreeMap<String, Cluster> {
        self.tables().clusters.clone()
    }

    pub(super) fn put_cluster(&self, name: &str, cluster: Cluster) {
        self.tables().clusters.insert(name.to_owned(), cluster);
    }

    /// Makes a database user of the cluster, if it is there and the user is not.
    pub(super) fn create_user(&self, cluster: &str, user: &str) {
        if let Some(cluster) = self.tables().clusters.get_mut(cluster) {
            cluster.users.insert(user.to_owned());
        }
    }

    /// The first secret whose name is accepted, with its name.
    pub(super) fn secret(&self, is_meant: impl Fn(&str) -> bool) -> Option<(String, StoredSecret)> {
        let tables = self.tables();
        let (name, secret) = tables.secrets.iter().find(|(name, _)| is_meant(name))?;
        Some((name.clone(), secret.clone()))
    }

    pub(super) fn put_secret(&self, name: &str, value: SecretValue) {
        let mut tables = self.tables();
        let version = tables.secrets.get(name).map_or(1, |old| old.version + 1);
        tables
            .secrets
            .insert(name.to_owned(), StoredSecret { value, version, created: SystemTime::now() });
    }

    pub(super) fn remove_secret(&self, name: &str) {
        self.tables().secrets.remove(name);
    }

    /// Lets something be done with a DynamoDB table. `None`: there is no such table.
    pub(super) fn with_table<T>(&self, name: &str, action: impl FnOnce(&mut Table) -> T) -> Option<T> {
        self.tables().dynamo.get_mut(name).map(action)
    }

    pub(super) fn put_table(&self, name: &str) {
        self.tables()
            .dynamo
            .insert(name.to_owned(), Table::default());
    }

    pub(super) fn remove_table(&self, name: &str) {
        self.tables().dynamo.remove(name);
    }

    pub(super) fn web_identity(&self, token: &str) -> Option<WebIdentity> {
        self.tables().web_identities.get(token).cloned()
    }

    pub(super) fn put_web_identity(&self, token: &str, identity: WebIdentity) {
        self.tables()
            .web_identities
            .insert(token.to_owned(), identity);
    }

    /// Temporary keys for a new role session.
    pub(super) fn issue(&self, owner: Caller, life: Duration) -> (String, Key) {
        let now = self.now();
        self.tables().keys.issue(owner, now, life)
    }

    pub(super) fn replace_keys(&self, id: &str, secret: &str) {
        self.tables().keys.replace(id, secret);
    }

    pub(super) fn expire_sessions(&self) {
        let now = self.now();
        self.tables().keys.expire(now);
    }

    pub(super) fn put_region(&self, region: &str) {
        self.tables().regions.insert(region.to_owned());
    }

    pub(super) fn put_parameter(&self, name: &str, parameter: Parameter) {
        let mut tables = self.tables();
        let version = tables.parameters.get(name).map_or(1, |old| old.version + 1);
        tables
            .parameters
            .insert(name.to_owned(), Stored { parameter, version, modified: SystemTime::now() });
    }

    pub(super) fn remove_parameter(&self, name: &str) {
        self.tables().parameters.remove(name);
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
