//! The configuration's connections: found by name, by name whatever its case, and by real database,
//! without a look at all of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::client_auth::Principal;
use crate::config::{ConnId, ConnSpec};

/// The configuration's connections, and their indices.
pub(super) struct Catalog {
    by_id: BTreeMap<ConnId, Arc<ConnSpec>>,
    /// By their names in lower case; seldom more than one.
    by_folded_id: HashMap<Box<str>, Vec<Arc<ConnSpec>>>,
    /// By their real databases. What a secret says is not known here.
    by_database: HashMap<Box<str>, Vec<Arc<ConnSpec>>>,
}

impl Catalog {
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

    /// The connection of this very name.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<ConnSpec>> {
        self.by_id.get(name)
    }

    /// Those of this name, whatever the case of its letters.
    pub(super) fn but_for_case(&self, name: &str) -> &[Arc<ConnSpec>] {
        self.by_folded_id
            .get(&folded(name))
            .map_or(&[], Vec::as_slice)
    }

    /// Those of this real database. Case counts, as it does where PostgreSQL and Redshift look a
    /// database up at login.
    pub(super) fn of_database(&self, name: &str) -> &[Arc<ConnSpec>] {
        self.by_database.get(name).map_or(&[], Vec::as_slice)
    }

    /// The first of those that the principal may open, by name.
    pub(super) fn open_to(&self, principal: &Principal, most: usize) -> Vec<&ConnId> {
        principal.holder.first_of(&self.by_id, most)
    }
}

/// The one of these that the principal may open; of several the one that is not switched off. One
/// pass, which ends where there is no such one.
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

/// What names are in common that differ by the case of their letters.
fn folded(name: &str) -> Box<str> {
    name.to_lowercase().into_boxed_str()
}
