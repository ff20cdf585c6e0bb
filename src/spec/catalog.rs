//! The configuration's connections, with indices by name, by name in lower case and by real
//! database, so that a login does not look at all of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::client_auth::Principal;
use crate::config::{ConnId, ConnSpec};

/// The configuration's connections and their indices. It never changes once it is built.
pub(super) struct Catalog {
    by_id: BTreeMap<ConnId, Arc<ConnSpec>>,
    /// The connections by their names in lower case; seldom more than one has the same.
    by_folded_id: HashMap<Box<str>, Vec<Arc<ConnSpec>>>,
    /// The connections by their real databases. A database that only a secret names is not here.
    by_database: HashMap<Box<str>, Vec<Arc<ConnSpec>>>,
}

impl Catalog {
    /// Builds the indices over the connections.
    pub(super) fn new(by_id: BTreeMap<ConnId, Arc<ConnSpec>>) -> Self {
        let (mut by_folded_id, mut by_database) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for spec in by_id.values() {
            by_folded_id
                .entry(folded(spec.id.as_str()))
                .or_default()
                .push(Arc::clone(spec));
            if let Some(database) = &spec.database {
                by_database
                    .entry(database.as_str().into())
                    .or_default()
                    .push(Arc::clone(spec));
            }
        }
        Self { by_id, by_folded_id, by_database }
    }

    /// The connection of exactly this name.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<ConnSpec>> {
        self.by_id.get(name)
    }

    /// The connections of this name in any case.
    pub(super) fn in_any_case(&self, name: &str) -> &[Arc<ConnSpec>] {
        self.by_folded_id
            .get(&folded(name))
            .map_or(&[], Vec::as_slice)
    }

    /// The connections with this real database. Case counts, as it does when PostgreSQL and
    /// Redshift look a database up at login.
    pub(super) fn of_database(&self, name: &str) -> &[Arc<ConnSpec>] {
        self.by_database.get(name).map_or(&[], Vec::as_slice)
    }

    /// The first `most` connections, by name, that the principal may open.
    pub(super) fn open_to(&self, principal: &Principal, most: usize) -> Vec<&ConnId> {
        principal.holder.first_of(&self.by_id, most)
    }
}

/// The only one of these connections that the principal may open; if there are several, the only
/// one that is enabled, for nobody means one that lets nobody in. `None`: there is no such one. The
/// search stops at the second enabled one.
pub(super) fn only<'s>(specs: &'s [Arc<ConnSpec>], principal: &Principal) -> Option<&'s Arc<ConnSpec>> {
    let (mut enabled, mut disabled) = (None, Vec::new());
    for spec in specs.iter().filter(|spec| principal.holder.may_open(spec)) {
        if !spec.enabled {
            disabled.push(spec);
        } else if enabled.replace(spec).is_some() {
            return None;
        }
    }
    enabled.or(if let [one] = disabled[..] { Some(one) } else { None })
}

/// A name in lower case: names that differ in case alone have the same.
fn folded(name: &str) -> Box<str> {
    name.to_lowercase().into_boxed_str()
}
