//! `SHOW CONFIG`

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
]);
