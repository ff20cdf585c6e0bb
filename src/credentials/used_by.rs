//! Which connections use a credential, so that operators see whose it is.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::login_key::LoginKey;
use super::logins::Logins;
use super::roles::SessionKey;
use crate::aws::StoredAt;
use crate::config::{ConnId, ConnSpec};

/// The connections that use each credential, at one moment.
pub(super) struct UsedBy {
    logins: HashMap<LoginKey, BTreeSet<ConnId>>,
    stored: HashMap<StoredAt, BTreeSet<ConnId>>,
    /// By the roles from the base identity on.
    roles: HashMap<Vec<String>, BTreeSet<ConnId>>,
}

impl UsedBy {
    /// Looks at the logins that connections were opened with, and at what these specs refer to.
    pub(super) fn new(logins: &Logins, specs: &[Arc<ConnSpec>]) -> Self {
        let mut used = Self { logins: HashMap::new(), stored: HashMap::new(), roles: HashMap::new() };
        logins
            .in_use
            .each(|conn_id, key| put(&mut used.logins, key.clone(), conn_id));
        for spec in specs {
            let home = logins.calls.home(spec.region.as_deref());
            let external_ids = spec
                .roles
                .hops
                .iter()
                .filter_map(|hop| hop.external_id.as_deref());
            for name in spec.login.parameter().into_iter().chain(external_ids) {
                put(&mut used.stored, StoredAt::parameter(name, home), &spec.id);
            }
            if let Some(id) = spec.login.secret_id() {
                put(&mut used.stored, StoredAt::secret(id, home), &spec.id);
            }
            let mut chain = Vec::new();
            for hop in &spec.roles.hops {
                chain.push(hop.role_arn.to_string());
                put(&mut used.roles, chain.clone(), &spec.id);
            }
        }
        used
    }

    /// The connections that use a login.
    pub(super) fn of_login(&self, key: &LoginKey) -> Vec<String> {
        names(self.logins.get(key))
    }

    /// The connections that use a stored value.
    pub(super) fn of_stored(&self, at: &StoredAt) -> Vec<String> {
        names(self.stored.get(at))
    }

    /// The connections that use a role session.
    pub(super) fn of_session(&self, key: &SessionKey) -> Vec<String> {
        names(self.roles.get(&key.roles()))
    }
}

fn put<K: Eq + std::hash::Hash>(map: &mut HashMap<K, BTreeSet<ConnId>>, key: K, conn_id: &ConnId) {
    map.entry(key).or_default().insert(conn_id.clone());
}

fn names(conn_ids: Option<&BTreeSet<ConnId>>) -> Vec<String> {
    conn_ids
        .into_iter()
        .flatten()
        .map(ConnId::to_string)
        .collect()
}
