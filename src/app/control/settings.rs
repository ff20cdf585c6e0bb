//! The settings in force.

use std::collections::HashMap;

use crate::config::Config;
use crate::operations::SettingStatus;

/// Lists the settings that hold for the whole proxy, each with its default.
pub(super) fn all(config: &Config) -> Vec<SettingStatus> {
    let defaults: HashMap<_, _> = Config::defaults()
        .into_iter()
        .map(|shown| (shown.key, shown.value))
        .collect();
    let setting = |shown: crate::config::Shown| SettingStatus {
        key: shown.key.to_owned(),
        default: defaults.get(shown.key).cloned().unwrap_or_default(),
        reloads: shown.reloads(),
        at_restart: None,
        value: shown.value,
    };
    config.shown().into_iter().map(setting).collect()
}
