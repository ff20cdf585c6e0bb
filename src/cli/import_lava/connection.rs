//! Converts one spec to one `[connections.*]`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::json::Record;
use super::toml;
use crate::config::{self, ConnId, ItemValue, UnknownKeys};

/// A spec converted to TOML.
#[derive(Debug)]
pub(super) struct Converted {
    /// The TOML table; all of it is a comment if there are faults.
    pub(super) toml: String,
    /// The reasons why it would not load.
    pub(super) faults: Vec<String>,
}

/// Why a spec is left out of the output.
#[derive(Debug)]
pub(super) enum NotImported {
    /// The spec is for another kind of database, which the proxy does not serve.
    OtherType(String),
    /// The spec has no usable name or type.
    Unusable(String),
}

/// Fields that mean something to the proxy, in the order in which they are printed. With
/// [`WITHOUT_EFFECT`] and `conn_id` they are those that an item of the table may set
/// (`config::connection::item`): one that is missing here would be dropped.
const FIELDS: [&str; 17] = [
    "type",
    "description",
    "owner",
    "enabled",
    "host",
    "port",
    "database",
    "workgroup",
    "cluster_id",
    "region",
    "user",
    "password",
    "secret_id",
    "role_arn",
    "external_id",
    "tags",
    "password_duration",
];

/// Fields of lava's that mean nothing to the proxy.
const WITHOUT_EFFECT: [&str; 3] = ["ssl", "subtype", "preserve_case"];

/// Fields that lava does not use for provisioned clusters.
const NEW_FOR_CLUSTERS: [&str; 4] = ["region", "role_arn", "external_id", "tags"];

/// Fields that hold the name of a secret, and may hold the secret by mistake: a value that cannot
/// be a name is never printed.
const PRIVATE: [&str; 3] = ["password", "secret_id", "external_id"];

/// Fields for people, without which a connection is the same.
const FOR_PEOPLE: [&str; 2] = ["description", "owner"];

/// The number of characters of a text of unknown origin that are printed.
const MAX_SHOWN: usize = 63;

/// Converts a spec to TOML, and loads that to see whether it works.
///
/// # Errors
/// See [`NotImported`].
pub(super) fn convert(record: Record) -> Result<(ConnId, Converted), NotImported> {
    let Record { name, mut fields, .. } = record;
    let conn_id = conn_id(name, fields.remove("conn_id"))?;
    let kind = kind(&conn_id, fields.remove("type"))?;
    let mut draft = Draft::default();
    draft.comment_on_unprinted(&fields);
    fields.insert("type".to_owned(), ItemValue::Text(kind.clone()));
    let is_cluster = kind == "redshift";
    if is_cluster {
        for name in NEW_FOR_CLUSTERS
            .iter()
            .filter(|name| fields.contains_key(**name))
        {
            draft
                .comments
                .push(format!("{name}: lava does not use it for this type; the proxy does"));
        }
    } else if fields.contains_key("user") && !fields.contains_key("password") && !fields.contains_key("secret_id") {
        fields.remove("user");
        draft
            .comments
            .push("user: left out, since AWS answers with one".to_owned());
    }
    for name in FIELDS {
        // lava's rule, written out: in the configuration a missing one is true.
        let off = (name == "enabled").then_some(&ItemValue::Bool(false));
        match fields.get(name) {
            Some(ItemValue::Other("NULL")) => {
                draft
                    .comments
                    .push(format!("{name}: left out, since it is null"));
                draft
                    .lines
                    .extend(off.and_then(|off| FieldLine::new(name, off)));
            }
            Some(value) => draft.field(name, value),
            None => draft
                .lines
                .extend(off.and_then(|off| FieldLine::new(name, off))),
        }
    }
    draft.read_back();
    Ok((conn_id.clone(), draft.print(&conn_id)))
}

fn conn_id(name: Option<String>, field: Option<ItemValue>) -> Result<ConnId, NotImported> {
    let unusable = |what: &str| NotImported::Unusable(what.to_owned());
    let field = match field {
        Some(ItemValue::Text(text)) => Some(text),
        Some(_) => return Err(unusable("a spec's conn_id is no string")),
        None => None,
    };
    let id = match (name, field) {
        (Some(name), Some(field)) if name != field => {
            return Err(NotImported::Unusable(format!("{}: its conn_id is another", shown(&name))));
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => return Err(unusable("a spec has no conn_id")),
    };
    ConnId::new(&id).map_err(|why| NotImported::Unusable(format!("{}: {why}", shown(&id))))
}

/// Reads one of the proxy's two types, in lower case as lava compares it.
fn kind(conn_id: &ConnId, field: Option<ItemValue>) -> Result<String, NotImported> {
    let Some(ItemValue::Text(kind)) = field else {
        return Err(NotImported::Unusable(format!("{conn_id}: its type is missing, or no string")));
    };
    let lower = kind.to_lowercase();
    match lower.as_str() {
        "redshift" | "redshift-serverless" => Ok(lower),
        _ => Err(NotImported::OtherType(format!("{conn_id}: skipped, its type is {}", shown(&kind)))),
    }
}

/// A connection that is being converted.
#[derive(Default)]
struct Draft {
    /// Comments for the readers of the configuration.
    comments: Vec<String>,
    lines: Vec<FieldLine>,
    /// The fields that are wrong, and why.
    faults: Vec<(String, String)>,
}

struct FieldLine {
    name: &'static str,
    text: String,
    /// Whether the line is printed as a comment.
    is_comment: bool,
}

impl FieldLine {
    /// A line for a field. `None`: TOML has no form for the value.
    fn new(name: &'static str, value: &ItemValue) -> Option<Self> {
        Some(Self { name, text: format!("{name} = {}", toml::value(value)?), is_comment: false })
    }
}

impl Draft {
    /// Comments on the fields that are not printed.
    fn comment_on_unprinted(&mut self, fields: &BTreeMap<String, ItemValue>) {
        if matches!(fields.get("ssl"), Some(ItemValue::Bool(false))) {
            self.comments
                .push("ssl = false: ignored, TLS to the warehouse is always on and verified".to_owned());
        }
        if matches!(fields.get("subtype"), Some(ItemValue::Text(subtype)) if subtype == "pygresql") {
            self.comments
                .push("subtype = \"pygresql\": ignored; lava itself fails with it".to_owned());
        }
        let names = |wanted: &dyn Fn(&str) -> bool| {
            fields
                .keys()
                .filter(|name| wanted(name))
                .map(|name| shown(name))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let is_ignored = |name: &str| name.starts_with("x-") || name.starts_with("X-");
        let is_known = |name: &str| FIELDS.contains(&name) || WITHOUT_EFFECT.contains(&name);
        let without_effect = names(&|name| WITHOUT_EFFECT.contains(&name));
        if !without_effect.is_empty() {
            self.comments
                .push(format!("left out, without effect here: {without_effect}"));
        }
        let unknown = names(&|name| !is_known(name) && !is_ignored(name));
        if !unknown.is_empty() {
            self.comments
                .push(format!("left out, no fields of lava's: {unknown}"));
        }
    }

    fn field(&mut self, name: &'static str, value: &ItemValue) {
        let Some(mut line) = FieldLine::new(name, value) else {
            return self
                .faults
                .push((name.to_owned(), "is of a type that no field has".to_owned()));
        };
        if holds_variable(value) {
            let what = "holds ${, which the configuration would take for a variable";
            if FOR_PEOPLE.contains(&name) {
                line.is_comment = true;
                self.comments
                    .push(format!("{name}: left out, since it {what}"));
            } else {
                self.faults.push((name.to_owned(), what.to_owned()));
            }
        }
        self.lines.push(line);
    }

    /// Loads the connection as the proxy would, and takes over warnings and problems.
    fn read_back(&mut self) {
        // Under a name of its own, whose length in keys is known.
        const TABLE: &str = "connections.c";
        let live = self
            .lines
            .iter()
            .filter(|line| !line.is_comment && !self.is_faulty(line.name));
        let body = live
            .map(|line| format!("{}\n", line.text))
            .collect::<String>();
        let inside = |key: &str| {
            key.strip_prefix(TABLE)
                .map(|key| key.trim_start_matches('.').to_owned())
        };
        match config::parse(&format!("[{TABLE}]\n{body}"), Path::new(""), &|_| None, UnknownKeys::Refuse) {
            Ok(config) => {
                let warnings = config
                    .warnings
                    .iter()
                    .filter_map(|warning| inside(warning.split_once(": ")?.1));
                self.comments.extend(warnings);
            }
            Err(faults) => {
                let told = faults
                    .iter()
                    .map(|fault| (inside(&fault.key), fault.message.clone()));
                self.faults
                    .extend(told.map(|(key, message)| (key.unwrap_or_default(), message)));
            }
        }
    }

    fn is_faulty(&self, name: &str) -> bool {
        self.faults
            .iter()
            .any(|(key, _)| key.split('.').next() == Some(name))
    }

    fn print(self, conn_id: &ConnId) -> Converted {
        let faults = self
            .faults
            .iter()
            .map(|(key, what)| format!("{key}: {what}"))
            .collect::<Vec<_>>();
        let mut toml = String::new();
        // Writing to a string does not fail.
        if !faults.is_empty() {
            let _infallible = writeln!(toml, "# Not imported until this is fixed:");
        }
        for comment in faults.iter().chain(&self.comments) {
            let _infallible = writeln!(toml, "# {comment}");
        }
        let off = if faults.is_empty() { "" } else { "# " };
        let _infallible = writeln!(toml, "{off}[connections.{}]", toml::key(conn_id.as_str()));
        for line in &self.lines {
            let off = if line.is_comment { "# " } else { off };
            let _infallible = if PRIVATE.contains(&line.name) && self.is_faulty(line.name) {
                writeln!(toml, "{off}{} = (not repeated)", line.name)
            } else {
                writeln!(toml, "{off}{}", line.text)
            };
        }
        Converted { toml, faults }
    }
}

/// Whether a text in the value, names included, holds a `${`.
fn holds_variable(value: &ItemValue) -> bool {
    match value {
        ItemValue::Text(text) => text.contains("${"),
        ItemValue::List(list) => list.iter().any(holds_variable),
        ItemValue::Map(map) => map
            .iter()
            .any(|(name, value)| name.contains("${") || holds_variable(value)),
        ItemValue::Number(_) | ItemValue::Bool(_) | ItemValue::Other(_) => false,
    }
}

/// A text of unknown origin as it may be printed: its beginning, escaped.
fn shown(text: &str) -> String {
    text.chars()
        .take(MAX_SHOWN)
        .collect::<String>()
        .escape_debug()
        .to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::connection::ITEM_FIELDS;

    /// A field that `serve` reads in an item and that is dropped here would be lost by an import: a
    /// connection that was closed by it would come out open.
    #[test]
    fn the_fields_are_those_that_an_item_may_set() {
        // The name of the table that is printed.
        let converted = FIELDS.into_iter().chain(WITHOUT_EFFECT).chain(["conn_id"]);
        assert_eq!(converted.collect::<BTreeSet<_>>(), BTreeSet::from(ITEM_FIELDS));
    }
}
