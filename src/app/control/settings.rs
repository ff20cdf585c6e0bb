//! The settings in force.

use std::collections::HashMap;

use crate::config::{Config, Shown};
use crate::operations::SettingStatus;
use crate::telemetry;

/// Lists the settings that hold for the whole proxy, each with its default.
pub(super) fn all(config: &Config) -> Vec<SettingStatus> {
    let defaults: HashMap<_, _> = Config::defaults()
        .into_iter()
        .map(|shown| (shown.key, shown.value))
        .collect();
    let setting = |shown: Shown| {
        let level = Some(telemetry::level()).filter(|level| shown.key == "log.level" && !level.is_empty());
        SettingStatus {
            key: shown.key.to_owned(),
            default: defaults.get(shown.key).cloned().unwrap_or_default(),
            reloads: shown.reloads(),
            at_restart: None,
            // An operator may have set another level.
            value: level.unwrap_or(shown.value),
        }
    };
    config.shown().into_iter().map(setting).collect()
}
