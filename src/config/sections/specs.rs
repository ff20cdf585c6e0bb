//! `[specs]`: lava's table as a second source of connections, and the bounds on its writers.

use std::sync::Arc;
use std::time::Duration;

use crate::config::connection::Bounds;
use crate::config::reader::{Table, Value};
use crate::config::value::{self, Parsed};

/// `[specs]`: lava's own table as a second source of connections.
#[derive(Clone, Debug)]
pub struct SpecsTable {
    /// The name of the table.
    pub dynamodb_table: String,
    /// How long an item that was read is used without reading it again.
    pub refresh: Duration,
    /// The default of items without `password_duration`: `credentials.password_duration`.
    pub password_duration: Duration,
    /// The bounds on the writers of the table.
    pub bounds: Arc<Bounds>,
}

/// The default of `specs.hosts`: endpoints of Redshift, so that a password goes nowhere else.
const HOSTS: [&str; 4] = [
    "*.redshift-serverless.amazonaws.com",
    "*.redshift.amazonaws.com",
    "*.redshift-serverless.amazonaws.com.cn",
    "*.redshift.amazonaws.com.cn",
];

/// Reads `[specs]`. `None`: a problem was reported.
pub(in crate::config) fn specs(mut table: Table<'_>, password_duration: Duration) -> Option<SpecsTable> {
    let dynamodb_table = table
        .require("dynamodb_table")
        .and_then(|name| name.parse(value::dynamodb_table));
    let refresh = table.take("refresh");
    let refresh = refresh.map_or(Some(Duration::from_secs(60)), |refresh| refresh.duration(a_second));
    let conn_ids = table
        .require("conn_ids")
        .and_then(|globs| all(&globs, not_empty));
    let roles = table
        .require("roles")
        .and_then(|globs| all(&globs, role_glob));
    let prefix_place = table.require("parameter_prefix");
    let parameter_prefix = prefix_place
        .as_ref()
        .and_then(|prefix| prefix.parse(parameter_prefix));
    if let (Some(place), Some(prefix)) = (&prefix_place, &parameter_prefix)
        && !prefix.ends_with('/')
    {
        place.warn("does not end in /: it covers all names that begin so, not only those below it");
    }
    let hosts = table.take("hosts");
    let hosts = hosts.map_or_else(|| Some(HOSTS.map(str::to_owned).to_vec()), |globs| all(&globs, not_empty));
    let base_identity = table
        .take("base_identity")
        .map_or(Some(false), |lent| lent.bool());
    table.finish();
    let bounds = Bounds {
        conn_ids: conn_ids?,
        roles: roles?,
        parameter_prefix: parameter_prefix?,
        hosts: hosts?,
        base_identity: base_identity?,
    };
    Some(SpecsTable { dynamodb_table: dynamodb_table?, refresh: refresh?, password_duration, bounds: Arc::new(bounds) })
}

/// Reads a list of strings. `None`: one of them was refused.
fn all(place: &Value<'_>, parser: fn(&str) -> Parsed<String>) -> Option<Vec<String>> {
    let list = place.list()?;
    let good: Vec<_> = list
        .iter()
        .filter_map(|value| value.parse(parser))
        .collect();
    (good.len() == list.len()).then_some(good)
}

fn not_empty(glob: &str) -> Parsed<String> {
    if glob.is_empty() { Err("must not be empty".into()) } else { Ok(glob.to_owned()) }
}

fn role_glob(glob: &str) -> Parsed<String> {
    let shape = glob.starts_with("arn:");
    if shape { Ok(glob.to_owned()) } else { Err("must be ARNs of roles; * is any run of characters, ? one".into()) }
}

fn parameter_prefix(text: &str) -> Parsed<String> {
    let shape = text.starts_with('/')
        && text.len() <= 1011
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-/".contains(&b));
    let expected = "must begin with / and be made of letters, digits and _ . - /";
    if shape { Ok(text.to_owned()) } else { Err(expected.into()) }
}

/// Refuses less than a second, which would be a request for each login.
fn a_second(refresh: Duration) -> Parsed<Duration> {
    if refresh < Duration::from_secs(1) { Err("must be at least 1 s".into()) } else { Ok(refresh) }
}
