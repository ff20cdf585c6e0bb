//! Reads an item of lava's table as a connection.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::bounds::Bounds;
use super::id::ConnId;
use super::read::{Defaults, spec};
use super::spec::ConnSpec;
use crate::config::keys::UnknownKeys;
use crate::config::problem::Problems;
use crate::config::reader::{Doc, Table, dotted};
use crate::config::tree::{self, ItemValue, Location};

/// The keys that an item may set: lava's documented fields, and the two that its code knows besides
/// (docs/protocol/connection-spec.md 2). A writer of the table may set no others: most of the
/// proxy's own would lead it elsewhere than the bounds allow, and lava's checker refuses items with
/// fields that it does not know. `import-lava` has the same keys in an order of its own.
pub(crate) const FIELDS: [&str; 21] = [
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

/// Reads an item by lava's rules: what is missing means what it means to lava (`enabled`: false),
/// and nothing in it is a variable, a reference or a file. Its bounds go with the spec; they are
/// checked once its secret is merged.
///
/// # Errors
/// Everything that is wrong, at once, each with its attribute.
pub fn connection_from_item(
    source: &str,
    conn_id: &ConnId,
    item: &BTreeMap<String, ItemValue>,
    bounds: &Arc<Bounds>,
    password_duration: Duration,
) -> Result<ConnSpec, Problems> {
    let doc = Doc::new(Path::new(&format!("{source}: {conn_id}")), Path::new(""), None, UnknownKeys::Refuse);
    let unknown = item
        .keys()
        .filter(|name| !FIELDS.contains(&name.as_str()) && !is_ignored(name));
    for name in unknown.take(MAX_REPORTED) {
        doc.report(
            Location::WHOLE,
            &dotted("", name),
            "is no field of lava's: only those, region and tags may be set here",
        );
    }
    let node = tree::from_item(
        item.iter()
            .filter(|(name, value)| is_lavas(&doc, name, value)),
    );
    let defaults = Defaults { enabled: false, password_duration, bounds: Some(bounds) };
    let spec = spec(Some(conn_id), Table::root(&doc, &node), &defaults);
    let (problems, _warnings) = doc.reported();
    spec.filter(|_| problems.is_empty()).ok_or(problems)
}

/// At most so many unknown fields are reported, so that the writers of the table cannot fill the
/// log.
const MAX_REPORTED: usize = 10;

/// Whether a field is one that lava ignores by its name.
fn is_ignored(name: &str) -> bool {
    name.starts_with("x-") || name.starts_with("X-")
}

/// Whether a field is to be read; reports a problem when it may not be so here.
fn is_lavas(doc: &Doc<'_>, name: &str, value: &ItemValue) -> bool {
    match value {
        ItemValue::List(_) | ItemValue::Map(_) if name == "role_arn" => {
            doc.report(Location::WHOLE, name, "must be a string here");
            return false;
        }
        ItemValue::Map(tags) if name == "tags" => {
            if let Some(key) = tags.keys().find(|key| !is_plain(key)) {
                let why = "the keys of tags are ASCII here, without blanks at their ends";
                doc.report(Location::WHOLE, &dotted("tags", key), why);
            } else if let Some(key) = tags.keys().find(|key| is_redshifts(key)) {
                let why = "tags that begin with RedshiftDb may not be set here";
                doc.report(Location::WHOLE, &dotted("tags", key), why);
            }
        }
        _ => {}
    }
    FIELDS.contains(&name)
}

/// Whether a tag's key is compared in one way only. We do not know how AWS folds other letters, and
/// trims.
fn is_plain(key: &str) -> bool {
    key.is_ascii() && key.trim_ascii() == key
}

/// Whether a tag gives rights in the database. STS compares keys without regard to case.
fn is_redshifts(key: &str) -> bool {
    key.to_ascii_lowercase().starts_with("redshiftdb")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoginAs, LoginFrom, RoleHop, Target, Workgroup};

    fn text(text: &str) -> ItemValue {
        ItemValue::Text(text.to_owned())
    }

    /// The example of docs/protocol/connection-spec.md 8, as DynamoDB has it.
    fn item() -> BTreeMap<String, ItemValue> {
        [
            ("conn_id", text("bi-analytics")),
            ("type", text("redshift-serverless")),
            ("enabled", ItemValue::Bool(true)),
            ("description", text("BI read-only")),
            ("owner", text("data-platform@example.com")),
            ("host", text("analytics.123456789012.ap-southeast-2.redshift-serverless.amazonaws.com")),
            ("port", ItemValue::Number("5439".to_owned())),
            ("database", text("dev")),
            ("role_arn", text("arn:aws:iam::123456789012:role/rs01")),
            ("external_id", text("/lava/prod/rs01/external-id")),
            ("password_duration", text("1h")),
            ("ssl", ItemValue::Bool(true)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn bounds() -> Arc<Bounds> {
        let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Arc::new(Bounds {
            conn_ids: list(&["bi-*"]),
            roles: list(&["arn:aws:iam::123456789012:role/rs*"]),
            parameter_prefix: "/lava/prod/".to_owned(),
            hosts: list(&["*.redshift-serverless.amazonaws.com"]),
            base_identity: true,
        })
    }

    fn read(item: &BTreeMap<String, ItemValue>) -> Result<ConnSpec, String> {
        let id = ConnId::new("bi-analytics").unwrap();
        let read = connection_from_item("lava.prod.connections", &id, item, &bounds(), Duration::from_secs(900));
        read.map_err(|problems| problems.to_string())
    }

    fn with(changes: &[(&str, ItemValue)]) -> Result<ConnSpec, String> {
        let changes = changes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        read(&item().into_iter().chain(changes).collect())
    }

    fn without(name: &str) -> Result<ConnSpec, String> {
        let mut item = item();
        item.remove(name).unwrap();
        read(&item)
    }

    #[test]
    fn an_item_of_lavas_is_a_spec() {
        let spec = read(&item()).unwrap();
        assert_eq!((spec.id.as_str(), spec.enabled), ("bi-analytics", true));
        assert_eq!((spec.port, spec.database.as_deref()), (Some(5439), Some("dev")));
        let workgroup = Workgroup { name: Some("analytics".to_owned()), shared_user_roles: false };
        assert_eq!((spec.target, spec.region.as_deref()), (Target::Workgroup(workgroup), Some("ap-southeast-2")));
        let hop = RoleHop {
            role_arn: "arn:aws:iam::123456789012:role/rs01".to_owned(),
            external_id: Some("/lava/prod/rs01/external-id".to_owned()),
        };
        assert_eq!((spec.roles.hops, spec.password_duration), (vec![hop], Duration::from_secs(3600)));
        assert_eq!((spec.login, spec.max_sessions), (LoginFrom::Iam(LoginAs::Shared { user: None }), 1900));
        assert_eq!(spec.bounds, Some(bounds()));
        assert_eq!(spec.owner.as_deref(), Some("data-platform@example.com"));
    }

    #[test]
    fn lavas_rules_hold_for_its_items() {
        assert!(!without("enabled").unwrap().enabled, "missing is false");
        assert_eq!(without("port").unwrap().port, None);
        assert_eq!(without("password_duration").unwrap().password_duration, Duration::from_secs(900));
        assert_eq!(with(&[("port", text("5440"))]).unwrap().port, Some(5440));
        let upper = with(&[("type", text("Redshift-Serverless"))]).unwrap();
        assert_eq!(upper.target.type_name(), "redshift-serverless");
        let number = |text: &str| ItemValue::Number(text.to_owned());
        for (value, secs) in
            [(number("1200"), 1200), (text("1200"), 1200), (number("1200.5"), 1200), (text(" 20 m "), 1200)]
        {
            assert_eq!(
                with(&[("password_duration", value)])
                    .unwrap()
                    .password_duration,
                Duration::from_secs(secs)
            );
        }
        let x = ("x-proxy", ItemValue::Map(BTreeMap::from([("a".to_owned(), ItemValue::Other("NULL"))])));
        assert_eq!(with(&[x.clone(), ("X-b", ItemValue::Other("B"))]), read(&item()));
        let tags = ItemValue::Map(BTreeMap::from([("team".to_owned(), text("bi"))]));
        let spec = with(&[("tags", tags), ("region", text("eu-west-1"))]).unwrap();
        assert_eq!((spec.roles.tags.len(), spec.region.as_deref()), (1, Some("eu-west-1")));
    }

    #[test]
    fn nothing_in_an_item_is_a_variable_or_a_file() {
        assert_eq!(
            with(&[("description", text("${HOME}"))])
                .unwrap()
                .description
                .as_deref(),
            Some("${HOME}")
        );
        assert_eq!(
            with(&[("description", text("file:/etc/passwd"))])
                .unwrap()
                .description
                .as_deref(),
            Some("file:/etc/passwd")
        );
    }

    #[test]
    fn an_item_with_a_problem_is_refused() {
        let map = |key: &str, value: ItemValue| ItemValue::Map(BTreeMap::from([(key.to_owned(), value)]));
        for (name, value, want) in [
            ("conn_id", text("other"), "conn_id: must be the name of the connection, or left out"),
            ("type", text("postgres"), "type: must be \"redshift-serverless\" or \"redshift\""),
            ("enabled", text("true"), "enabled: must be true or false, not string"),
            ("enabled", ItemValue::Number("1".to_owned()), "enabled: must be true or false, not integer"),
            ("host", text("a b"), "host: must be a DNS name"),
            ("host", text("h:5439/dev"), "host: must be a host name alone: of HOST:PORT/DATABASE only"),
            ("host", ItemValue::Other("NULL"), "host: must be a string, not NULL"),
            ("port", ItemValue::Number("5439.5".to_owned()), "port: must be a number, not float"),
            ("password_duration", text("2h"), "password_duration: 7200 s is out of range: AWS grants 900 to 3600 s"),
            ("password_duration", text(""), "password_duration: must be a duration"),
            (
                "role_arn",
                ItemValue::List(vec![text("arn:aws:iam::123456789012:role/rs01")]),
                "role_arn: must be a string here",
            ),
            ("role_arn", map("role_arn", text("x")), "role_arn: must be a string here"),
            ("cluster_id", text("c"), "cluster_id: is a key of the type redshift alone"),
            (
                "tags",
                map("redshiftDBroles", text("a")),
                "tags.redshiftDBroles: tags that begin with RedshiftDb may not be set",
            ),
            (
                "tags",
                map("RedshiftDbUser", text("a")),
                "tags.RedshiftDbUser: tags that begin with RedshiftDb may not be set",
            ),
            (
                "tags",
                map("\u{a0}RedshiftDbRoles", text("r")),
                "tags.\"\\u{a0}RedshiftDbRoles\": the keys of tags are ASCII",
            ),
            ("tags", map("Red\u{17f}hiftDbRoles", text("r")), "tags.\"RedſhiftDbRoles\": the keys of tags are ASCII"),
            ("tags", map(" RedshiftDbRoles", text("r")), "tags.\" RedshiftDbRoles\": the keys of tags are ASCII"),
            ("tags", map("team ", text("r")), "tags.\"team \": the keys of tags are ASCII here, without blanks"),
            ("tags", map("a", ItemValue::Bool(true)), "tags.a: must be a string, not boolean"),
            ("tags", text("a"), "tags: must be a table, not string"),
            ("web_identity_token_file", text("/etc/passwd"), "web_identity_token_file: is no field of lava's"),
            ("tls_server_name", text("h"), "tls_server_name: is no field of lava's"),
            ("ca", text("system"), "ca: is no field of lava's"),
            ("listen", text("127.0.0.1:5440"), "listen: is no field of lava's"),
            ("identity", text("per-user"), "identity: is no field of lava's"),
            ("auto_create", ItemValue::Bool(true), "auto_create: is no field of lava's"),
            ("max_sessions", ItemValue::Number("1".to_owned()), "max_sessions: is no field of lava's"),
            ("application_name", text("{user}"), "application_name: is no field of lava's"),
            ("startup_parameters", map("set", text("x")), "startup_parameters: is no field of lava's"),
            ("future\u{1b}", text("a"), "\"future\\u{1b}\": is no field of lava's"),
        ] {
            let told = with(&[(name, value)]).unwrap_err();
            let want = format!("lava.prod.connections: bi-analytics: {want}");
            assert!(told.starts_with(&want) && told.lines().count() == 1, "{name}\n{told}");
        }
        assert_eq!(without("database").unwrap_err(), "lava.prod.connections: bi-analytics: database: required");
        assert_eq!(read(&BTreeMap::new()).unwrap_err().lines().count(), 3);
    }

    #[test]
    fn an_item_does_not_fill_the_log() {
        let mut item = item();
        item.extend((0..1000).map(|n| (format!("{n}{}", "y".repeat(60_000)), text("a"))));
        let told = read(&item).unwrap_err();
        assert!(told.lines().count() == 10 && told.len() < 5000, "{}", told.len());
    }

    #[test]
    fn a_password_in_an_item_is_in_no_message() {
        for (name, value) in [("password", "planted"), ("external_id", "planted+"), ("secret_id", "planted planted")] {
            let told = with(&[("user", text("u")), (name, text(value))]).unwrap_err();
            assert!(!told.contains("planted"), "{told}");
        }
    }
}
