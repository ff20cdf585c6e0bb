//! One spec as one `[connections.*]`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::json::Record;
use super::toml;
use crate::config::{self, ConnId, ItemValue, UnknownKeys};

/// A spec as TOML.
#[derive(Debug)]
pub(super) struct Converted {
    /// Its table; all of it a comment where there are faults.
    pub(super) toml: String,
    /// What keeps it from loading.
    pub(super) faults: Vec<String>,
}

/// Why a spec is not shown at all.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is for another kind of database: no loss.
    OtherType(String),
    /// It has no name or no type that could be one.
    Unusable(String),
}

/// Fields that mean something to the proxy, in the order in which they are printed.
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

/// Names that somebody may have taken for the place of the secret itself: never shown when they
/// cannot be names.
const PRIVATE: [&str; 3] = ["password", "secret_id", "external_id"];

/// Fields for people, without which a connection is the same.
const FOR_PEOPLE: [&str; 2] = ["description", "owner"];

/// Longest part of a stranger's text that is repeated.
const MAX_SHOWN: usize = 63;

/// Turns a spec into TOML and reads that back.
///
/// # Errors
/// See [`Refused`].
pub(super) fn convert(record: Record) -> Result<(ConnId, Converted), Refused> {
    let Record { name, mut fields, .. } = record;
    let conn_id = conn_id(name, fields.remove("conn_id"))?;
    let kind = kind(&conn_id, fields.remove("type"))?;
    let mut draft = Draft::default();
    draft.strangers(&fields);
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
                draft.lines.extend(off.and_then(|off| Line::new(name, off)));
            }
            Some(value) => draft.field(name, value),
            None => draft.lines.extend(off.and_then(|off| Line::new(name, off))),
        }
    }
    draft.read_back();
    Ok((conn_id.clone(), draft.print(&conn_id)))
}

fn conn_id(name: Option<String>, field: Option<ItemValue>) -> Result<ConnId, Refused> {
    let unusable = |what: &str| Refused::Unusable(what.to_owned());
    let field = match field {
        Some(ItemValue::Text(text)) => Some(text),
        Some(_) => return Err(unusable("a spec's conn_id is no string")),
        None => None,
    };
    let id = match (name, field) {
        (Some(name), Some(field)) if name != field => {
            return Err(Refused::Unusable(format!("{}: its conn_id is another", shown(&name))));
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => return Err(unusable("a spec has no conn_id")),
    };
    ConnId::new(&id).map_err(|why| Refused::Unusable(format!("{}: {why}", shown(&id))))
}

/// One of the proxy's two types, in lower case as lava compares it.
fn kind(conn_id: &ConnId, field: Option<ItemValue>) -> Result<String, Refused> {
    let Some(ItemValue::Text(kind)) = field else {
        return Err(Refused::Unusable(format!("{conn_id}: its type is missing, or no string")));
    };
    let lower = kind.to_lowercase();
    match lower.as_str() {
        "redshift" | "redshift-serverless" => Ok(lower),
        _ => Err(Refused::OtherType(format!("{conn_id}: skipped, its type is {}", shown(&kind)))),
    }
}

/// A connection on its way to TOML.
#[derive(Default)]
struct Draft {
    /// For whoever reads the configuration.
    comments: Vec<String>,
    lines: Vec<Line>,
    /// Field and what is wrong with it.
    faults: Vec<(String, String)>,
}

struct Line {
    name: &'static str,
    text: String,
    /// Not to be read.
    is_comment: bool,
}

impl Line {
    /// `None`: TOML has nothing for it.
    fn new(name: &'static str, value: &ItemValue) -> Option<Self> {
        Some(Self { name, text: format!("{name} = {}", toml::value(value)?), is_comment: false })
    }
}

impl Draft {
    /// Says what becomes of the fields that are not printed.
    fn strangers(&mut self, fields: &BTreeMap<String, ItemValue>) {
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
        let Some(mut line) = Line::new(name, value) else {
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

    /// Loads it as the proxy would.
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

/// In any text of it, names included.
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

/// A stranger's text, as much of it as is worth repeating.
fn shown(text: &str) -> String {
    text.chars()
        .take(MAX_SHOWN)
        .collect::<String>()
        .escape_debug()
        .to_string()
}
