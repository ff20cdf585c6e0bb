//! An item of lava's table as a spec.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::read::{Origin, spec};
use super::{Bounds, ConnId, ConnSpec};
use crate::config::reader::Doc;
use crate::config::tree::{self, ItemValue, Place};
use crate::config::{Faults, UnknownKeys};

/// lava's documented fields, and the two that its code knows besides (connection-spec.md 2). A writer of the table may set
/// no others: most of the proxy's own would lead it elsewhere than the bounds allow.
const FIELDS: [&str; 21] = [
    "conn_id",
    "type",
    "enabled",
    "description",
    "owner",
    "host",
    "port",
    "database",
    "user",
    "password",
    "secret_id",
    "password_duration",
    "role_arn",
    "external_id",
    "workgroup",
    "cluster_id",
    "ssl",
    "subtype",
    "preserve_case",
    "tags",
    "region",
];

/// Reads an item by lava's rules: a missing `enabled` is false, nothing in it is a variable, a reference or a file. Its
/// bounds go with the spec; they are checked once its secret is merged.
///
/// # Errors
/// Everything that is wrong, at once, each with its attribute.
pub fn connection_from_item(
    source: &str,
    conn_id: &ConnId,
    item: &BTreeMap<String, ItemValue>,
    bounds: &Arc<Bounds>,
    password_duration: Duration,
) -> Result<ConnSpec, Faults> {
    let doc = Doc::new(Path::new(&format!("{source}: {conn_id}")), None, UnknownKeys::Refuse);
    let node = tree::from_item(item.iter().filter(|(name, value)| is_lavas(&doc, name, value)));
    let origin = Origin { enabled: false, password_duration, bounds: Some(bounds) };
    let spec = spec(Some(conn_id), doc.root(&node), &origin);
    let (faults, _warnings) = doc.told();
    spec.filter(|_| faults.is_empty()).ok_or(faults)
}

/// Whether a field is to be read; faults when it may not be there.
fn is_lavas(doc: &Doc<'_>, name: &str, value: &ItemValue) -> bool {
    let fault = |key: &str, message: &str| doc.fault(Place::WHOLE, &key.escape_debug().to_string(), message);
    if name.starts_with("x-") || name.starts_with("X-") {
        return false;
    }
    if !FIELDS.contains(&name) {
        fault(name, "is no field of lava's: only those, region and tags may be set here");
        return false;
    }
    match value {
        ItemValue::List(_) | ItemValue::Map(_) if name == "role_arn" => {
            fault(name, "must be a string here");
            return false;
        }
        ItemValue::Map(tags) if name == "tags" => {
            for key in tags.keys().filter(|key| is_redshifts(key)) {
                fault(&format!("tags.{key}"), "tags that begin with RedshiftDb may not be set here");
            }
        }
        _ => {}
    }
    true
}

/// Tags that give rights in the database; STS compares keys without case.
fn is_redshifts(key: &str) -> bool {
    key.to_lowercase().starts_with("redshiftdb")
}
