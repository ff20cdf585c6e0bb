//! The keys that take effect at a start alone: what is bound stays bound, and the log's format is
//! the process's.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Config, LogFormat};
use crate::operations::RestartKey;

/// The keys that took effect at the start, with the values of then. A key that was not given, and
/// has no default, is left out.
pub(super) struct BoundKeys(BTreeMap<String, String>);

impl BoundKeys {
    /// The keys of a configuration.
    pub(super) fn of(config: &Config) -> Self {
        let addresses: Vec<_> = config
            .listen
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect();
        let format = match config.log.format {
            LogFormat::Auto => "auto",
            LogFormat::Json => "json",
            LogFormat::Text => "text",
        };
        let always = [
            ("listen.address", Some(addresses.join(", "))),
            ("listen.reuse_port", Some(config.listen.reuse_port.to_string())),
            ("admin.address", config.admin.address.map(|address| address.to_string())),
            (
                "admin.health_address",
                config
                    .admin
                    .health_address
                    .map(|address| address.to_string()),
            ),
            ("log.format", Some(format.to_owned())),
        ];
        let always = always
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)));
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
