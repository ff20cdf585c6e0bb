//! `SHOW CONFIG`, and `SHOW LOG_LEVEL`.

use crate::console::answer::{Kind, Value};
use crate::console::show::Table;
use crate::operations::SettingStatus;

/// The settings of the whole proxy, in PgBouncer's columns, and the value that waits for a restart.
pub(super) const CONFIG: Table<SettingStatus> = Table(&[
    ("key", Kind::Text, |setting| Value::text(&setting.key)),
    ("value", Kind::Text, |setting| Value::text(&setting.value)),
    ("default", Kind::Text, |setting| Value::text(&setting.default)),
    ("changeable", Kind::Text, |setting| Value::text(if setting.reloads { "yes" } else { "no" })),
    ("at_restart", Kind::Text, |setting| Value::text_or_null(setting.at_restart.as_ref())),
    ("in_file", Kind::Text, |setting| Value::text_or_null(setting.in_file.as_ref())),
]);

/// The level of the log, which SET changes.
pub(super) const LOG_LEVEL: Table<String> = Table(&[("log_level", Kind::Text, |level| Value::text(level))]);

/// The level in force, out of all settings.
pub(super) fn log_level(settings: Vec<SettingStatus>) -> String {
    let mut settings = settings.into_iter();
    let level = settings.find(|setting| setting.key == "log.level");
    level.map(|level| level.value).unwrap_or_default()
}
