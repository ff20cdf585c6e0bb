//! The keys that take effect at a start alone: what is bound stays bound, and the log's format is
//! the process's.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Config;
use crate::operations::RestartKey;

/// The keys that took effect at the start, with the values of then. A key that was not given, and
/// has no default, is left out.
pub(super) struct BoundKeys(BTreeMap<String, String>);

impl BoundKeys {
    /// The keys of a configuration.
    pub(super) fn of(config: &Config) -> Self {
        let always = config
            .shown()
            .into_iter()
            .filter(|shown| !shown.reloads() && !shown.value.is_empty())
            .map(|shown| (shown.key.to_owned(), shown.value));
        let ports = config.connections.values().filter_map(|spec| {
            let address = spec.listen?.to_string();
            Some((format!("connections.{}.listen", spec.id), address))
        });
        Self(always.chain(ports).collect())
    }

    /// The keys that have another value in this configuration.
    pub(super) fn changed_in(&self, config: &Config) -> Vec<RestartKey> {
        let new = Self::of(config).0;
        let keys: BTreeSet<_> = self.0.keys().chain(new.keys()).collect();
        let shown = |value: Option<&String>| value.map_or("none", String::as_str).to_owned();
        keys.into_iter()
            .filter(|key| self.0.get(*key) != new.get(*key))
            .map(|key| RestartKey { key: key.clone(), old: shown(self.0.get(key)), new: shown(new.get(key)) })
            .collect()
    }
}
