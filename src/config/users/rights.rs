//! What users may open, from where, how often, and which database roles they have: their own, and their groups'.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::reader::{Table, Value};
use crate::config::value::{self, Parsed};
use crate::config::{Origin, Right, glob_matches};

/// Which connections there are, or may be.
pub(in crate::config) struct Known {
    /// Every name under `[connections]`, so that a fault there makes no second one here.
    pub(in crate::config) names: BTreeSet<String>,
    /// Globs of those that the table of `[specs]` may hold.
    pub(in crate::config) elsewhere: Vec<String>,
}

/// `[groups.*]` by name.
pub(in crate::config) type Groups = BTreeMap<String, Group>;

/// Rights to share.
#[derive(Debug, Default)]
pub(in crate::config) struct Group {
    connections: Vec<String>,
    from: Vec<Origin>,
    max_sessions: Option<usize>,
    db_roles: Vec<String>,
}

/// What a user has of its own and through groups.
pub(super) struct Rights {
    pub(super) connections: Vec<Right>,
    /// Every place named anywhere: a group that names none adds none.
    pub(super) from: Vec<Origin>,
    pub(super) max_sessions: Option<usize>,
    pub(super) db_roles: Vec<String>,
}

/// Each entry already taken out of its table. A group with a fault is there, with the rest of what it has.
pub(in crate::config) fn groups(entries: &[Value<'_>], known: &Known) -> Groups {
    let mut groups = Groups::new();
    for entry in entries {
        if let Err(message) = value::visible_name(&entry.name) {
            entry.fault(message);
        }
        let mut table = entry.table("groups.*");
        let group = own(&mut table, known);
        table.finish();
        groups.insert(entry.name.clone(), group);
    }
    groups
}

/// A user's own rights and roles, then those of its groups in the order of `groups`.
pub(super) fn union(table: &mut Table<'_>, known: &Known, groups: &Groups) -> Rights {
    let Group { connections, mut from, max_sessions, mut db_roles } = own(table, known);
    let mut connections: Vec<_> = connections.into_iter().map(|pattern| Right { pattern, group: None }).collect();
    let mut of_groups = None;
    let named = table.take("groups").and_then(|value| value.list()).unwrap_or_default();
    let mut seen = BTreeSet::new();
    for place in named {
        let Some(name) = place.text() else { continue };
        let Some(group) = groups.get(&name) else {
            place.fault(unknown("group", &name, groups.keys().map(String::as_str)));
            continue;
        };
        if !seen.insert(name.clone()) {
            continue;
        }
        connections.extend(
            group.connections.iter().map(|pattern| Right { pattern: pattern.clone(), group: Some(name.clone()) }),
        );
        from.extend(group.from.iter().cloned());
        of_groups = of_groups.max(group.max_sessions);
        db_roles.extend(group.db_roles.iter().cloned());
    }
    let mut once = BTreeSet::new();
    db_roles.retain(|role| once.insert(role.clone()));
    Rights { connections, from, max_sessions: max_sessions.or(of_groups), db_roles }
}

/// What the table of a user or of a group says itself.
fn own(table: &mut Table<'_>, known: &Known) -> Group {
    let opens = table.take("connections").and_then(|value| value.list()).unwrap_or_default();
    let opens = opens.iter().filter_map(|value| opened(value, known)).collect();
    Group {
        connections: opens,
        from: table.take("from").map(|from| from.texts(value::origin)).unwrap_or_default(),
        max_sessions: table.take("max_sessions").and_then(|count| count.count()),
        db_roles: table.take("db_roles").map(|roles| roles.texts(db_role)).unwrap_or_default(),
    }
}

/// One name or glob of `connections`.
fn opened(value: &Value<'_>, known: &Known) -> Option<String> {
    let pattern = value.text()?;
    let names = || known.names.iter().map(String::as_str);
    if names().any(|name| glob_matches(&pattern, name)) {
        return Some(pattern);
    }
    if pattern.contains(['*', '?']) {
        // Whether two globs have a name in common is not asked: the table is searched by names.
        if known.elsewhere.is_empty() {
            value.warn(format_args!("\"{}\" matches no connection", pattern.escape_debug()));
        }
        return Some(pattern);
    }
    if known.elsewhere.iter().any(|glob| glob_matches(glob, &pattern)) {
        return Some(pattern);
    }
    value.fault(unknown("connection", &pattern, names()));
    None
}

fn unknown<'c>(what: &str, name: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    let meant = value::nearest(name, candidates);
    let meant = meant.map(|name| format!("; did you mean \"{}\"?", name.escape_debug())).unwrap_or_default();
    format!("there is no {what} \"{}\"{meant}", name.escape_debug())
}

/// A database role as it can stand in the tag `RedshiftDbRoles`, where `:` parts them.
fn db_role(text: &str) -> Parsed<String> {
    value::visible(text, 127)?;
    if text.contains(':') {
        return Err("the name of a role holds no \":\", which parts roles in the session tag".into());
    }
    value::tag_value(text)
}
