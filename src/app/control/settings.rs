//! The settings in force.

use std::collections::HashMap;

use crate::config::{Config, Shown};
use crate::operations::{RestartKey, SettingStatus};
use crate::telemetry;

/// Lists the settings that hold for the whole proxy, each with its default, and those of single
/// connections that wait for a restart. `needs_restart` has the keys of the file's that do.
pub(super) fn all(config: &Config, needs_restart: Vec<RestartKey>) -> Vec<SettingStatus> {
    let defaults: HashMap<_, _> = Config::defaults()
        .into_iter()
        .map(|shown| (shown.key, shown.value))
        .collect();
    let mut waiting: HashMap<_, _> = needs_restart
        .into_iter()
        .map(|waiting| (waiting.key, (waiting.old, waiting.new)))
        .collect();
    let cut = config.cut();
    let setting = |Shown { key, value }| {
        let of_file = cut.iter().find(|cut| cut.key == key);
        let of_file = of_file.map_or_else(|| value.clone(), |cut| cut.value.clone());
        let (value, at_restart) = match waiting.remove(key) {
            Some((in_force, at_restart)) => (in_force, Some(at_restart)),
            None => (in_force(key, value), None),
        };
        let in_file = (of_file != value).then_some(of_file);
        let reloads = Shown { key, value: String::new() }.reloads();
        let default = defaults.get(key).cloned().unwrap_or_default();
        SettingStatus { key: key.to_owned(), value, default, reloads, in_file, at_restart }
    };
    let mut settings: Vec<_> = config.shown().into_iter().map(setting).collect();
    let mut of_connections: Vec<_> = waiting
        .into_iter()
        .map(|(key, (value, new))| SettingStatus {
            key,
            value,
            default: String::new(),
            reloads: false,
            in_file: Some(new.clone()),
            at_restart: Some(new),
        })
        .collect();
    of_connections.sort_by(|one, other| one.key.cmp(&other.key));
    settings.append(&mut of_connections);
    settings
}

/// The value in force of a key that the file sets to this one: an operator may have set another
/// level of the log.
fn in_force(key: &str, value: String) -> String {
    match telemetry::level() {
        level if key == "log.level" && !level.is_empty() => level,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{UnknownKeys, parse};

    #[test]
    fn what_waits_for_a_restart_is_shown_beside_what_is_in_force() {
        let mut config = parse("", Path::new("p"), &|_| None, UnknownKeys::Refuse).unwrap();
        let key = |key: &str| RestartKey { key: key.to_owned(), old: "old".to_owned(), new: "new".to_owned() };
        config.limits.max_sessions = 9356;
        config.limits.cut.push(("limits.max_sessions", 10_000));
        let settings = all(&config, vec![key("listen.address"), key("connections.sales.listen")]);
        let of = |key: &str| settings.iter().find(|setting| setting.key == key).unwrap();
        for waiting in ["listen.address", "connections.sales.listen"] {
            let setting = of(waiting);
            assert_eq!((&*setting.value, setting.at_restart.as_deref()), ("old", Some("new")), "{waiting}");
            assert!(!setting.reloads);
        }
        let other = of("limits.max_sessions");
        assert_eq!((&*other.value, &*other.default, &other.at_restart), ("9356", "10000", &None));
        assert_eq!(other.in_file.as_deref(), Some("10000"), "cut to what the limit on open files allows");
        assert_eq!(of("limits.max_handshakes").in_file, None);
        assert!(other.reloads);
    }
}
