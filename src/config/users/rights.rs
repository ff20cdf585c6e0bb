//! Reads the rights of users, their own and their groups': what they may open, from where, how
//! often, and which database roles they have.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::access::{Access, RightList};
use super::patterns::Patterns;
use super::widened::{Pairs, Source, widened};
use crate::config::reader::{Table, Value};
use crate::config::value::{self, AllowedFrom, Glob, Parsed, WILDCARDS, glob_matches};

/// Most names without a connection for which the nearest one is looked for: a missing file makes
/// thousands of them.
const MAX_SUGGESTIONS: usize = 50;

/// The connections that there are, or may be.
pub(in crate::config) struct Known {
    /// Every name under `[connections]`, even one with a problem, which must not lead to a second
    /// one here.
    names: BTreeSet<String>,
    /// Globs of the conn_ids that the table of `[specs]` may hold.
    elsewhere: Vec<String>,
    /// Whether a glob matches one of the names, remembered since many users write the same.
    matched: RefCell<HashMap<String, bool>>,
    suggestions: Cell<usize>,
    /// Pairs of sources of rights of which one widens the other, that were already warned of.
    widened: RefCell<Pairs>,
}

impl Known {
    /// `elsewhere`: globs of the conn_ids that the table of `[specs]` may hold.
    pub(in crate::config) fn new(names: impl Iterator<Item = String>, elsewhere: Vec<String>) -> Self {
        let (matched, suggestions) = (RefCell::default(), Cell::new(0));
        Self { names: names.collect(), elsewhere, matched, suggestions, widened: RefCell::default() }
    }

    /// Whether a name or glob leads to one of the configuration's connections.
    fn has(&self, pattern: &str) -> bool {
        if !pattern.contains(WILDCARDS) {
            return self.names.contains(pattern);
        }
        if let Some(known) = self.matched.borrow().get(pattern) {
            return *known;
        }
        let glob = Glob::new(pattern);
        let mut within = self
            .names
            .range::<str, _>(glob.range())
            .take_while(|name| glob.may_match(name));
        let is_there = within.any(|name| glob.matches(name));
        self.matched
            .borrow_mut()
            .insert(pattern.to_owned(), is_there);
        is_there
    }

    /// The message about a name without a connection or group.
    fn nowhere<'c>(&self, what: &str, name: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
        let given = self.suggestions.replace(self.suggestions.get() + 1);
        let meant = if given < MAX_SUGGESTIONS { value::nearest(name, candidates) } else { None };
        let meant = meant
            .map(|name| format!("; did you mean \"{}\"?", name.escape_debug()))
            .unwrap_or_default();
        format!("there is no {what} \"{}\"{meant}", name.escape_debug())
    }
}

/// Lists of rights to share: those of `[groups.*]` by name, and those of users who wrote the same.
#[derive(Debug, Default)]
pub(in crate::config) struct Groups {
    by_name: BTreeMap<String, Group>,
    own: RefCell<HashMap<Vec<String>, Arc<RightList>>>,
}

#[derive(Debug)]
struct Group {
    rights: Arc<RightList>,
    said: Said,
}

/// The rights in the table of one user or group.
#[derive(Debug)]
struct Said {
    connections: Vec<String>,
    from: Vec<AllowedFrom>,
    max_sessions: Option<usize>,
    db_roles: Vec<String>,
}

/// The rights of a user, its own and its groups'.
pub(super) struct Union {
    /// The connections that the user may open.
    pub(super) connections: Access,
    /// The places that the user or a group names; a group that names none adds none.
    pub(super) from: Vec<AllowedFrom>,
    /// Most sessions of the user: its own cap, else the largest of its groups'.
    pub(super) max_sessions: Option<usize>,
    /// The database roles of the user and its groups, each once.
    pub(super) db_roles: Vec<String>,
}

/// Reads `[groups.*]`, whose entries were already taken out of their table. A group with a problem
/// keeps the rest of its rights.
pub(in crate::config) fn groups(entries: &[Value<'_>], known: &Known) -> Groups {
    let mut groups = Groups::default();
    for entry in entries {
        if let Err(message) = value::visible_name(&entry.name) {
            entry.report(message);
        }
        let mut table = entry.table("groups.*");
        let said = said(&mut table, known);
        table.finish();
        let group = Some(entry.name.as_str().into());
        let rights = Arc::new(RightList { group, patterns: Patterns::new(&said.connections) });
        groups
            .by_name
            .insert(entry.name.clone(), Group { rights, said });
    }
    groups
}

impl Groups {
    /// The shared list of a user's own rights.
    fn own(&self, connections: Vec<String>) -> Arc<RightList> {
        let mut own = self.own.borrow_mut();
        let rights = own.entry(connections).or_insert_with_key(|connections| {
            Arc::new(RightList { group: None, patterns: Patterns::new(connections) })
        });
        Arc::clone(rights)
    }
}

/// Adds up a user's own rights and roles, then those of its groups in the order of `groups`.
pub(super) fn union(table: &mut Table<'_>, known: &Known, groups: &Groups) -> Union {
    let Said { connections, mut from, max_sessions, mut db_roles } = said(table, known);
    let own_from = from.clone();
    let mut sources = vec![Source { name: "the user".to_owned(), opens: !connections.is_empty(), from: &own_from }];
    let mut lists = vec![groups.own(connections)];
    let mut of_groups = None;
    let named = table
        .take("groups")
        .and_then(|value| value.list())
        .unwrap_or_default();
    let mut seen = BTreeSet::new();
    for place in named {
        let Some(name) = place.text() else { continue };
        let Some(Group { rights, said }) = groups.by_name.get(&name) else {
            place.report(known.nowhere("group", &name, groups.by_name.keys().map(String::as_str)));
            continue;
        };
        if !seen.insert(name.clone()) {
            continue;
        }
        sources.push(Source { name: format!("group {name}"), opens: !said.connections.is_empty(), from: &said.from });
        lists.push(Arc::clone(rights));
        from.extend(said.from.iter().cloned());
        of_groups = of_groups.max(said.max_sessions);
        db_roles.extend(said.db_roles.iter().cloned());
    }
    if let Some((narrow, wide)) = widened(&sources)
        && known
            .widened
            .borrow_mut()
            .insert((narrow.clone(), wide.clone()))
    {
        table.warn(
            "from",
            format_args!(
                "what {narrow} opens may be opened from where {wide} says, too: the places of all are added up"
            ),
        );
    }
    let mut once = BTreeSet::new();
    db_roles.retain(|role| once.insert(role.clone()));
    Union { connections: Access::new(lists), from, max_sessions: max_sessions.or(of_groups), db_roles }
}

fn said(table: &mut Table<'_>, known: &Known) -> Said {
    let opens = table
        .take("connections")
        .and_then(|value| value.list())
        .unwrap_or_default();
    let opens = opens
        .iter()
        .filter_map(|value| opened(value, known))
        .collect();
    Said {
        connections: opens,
        from: table
            .take("from")
            .map(|from| from.texts(value::allowed_from))
            .unwrap_or_default(),
        max_sessions: table.take("max_sessions").and_then(|count| count.count()),
        db_roles: table
            .take("db_roles")
            .map(|roles| roles.texts(db_role))
            .unwrap_or_default(),
    }
}

/// Reads one name or glob of `connections`.
fn opened(value: &Value<'_>, known: &Known) -> Option<String> {
    let pattern = value.text()?;
    if known.has(&pattern) {
        return Some(pattern);
    }
    if pattern.contains(WILDCARDS) {
        // Whether two globs have a name in common is not asked: the table is searched by names.
        if known.elsewhere.is_empty() {
            value.warn(format_args!("\"{}\" matches no connection", pattern.escape_debug()));
        }
        return Some(pattern);
    }
    if known
        .elsewhere
        .iter()
        .any(|glob| glob_matches(glob, &pattern))
    {
        return Some(pattern);
    }
    value.report(known.nowhere("connection", &pattern, known.names.iter().map(String::as_str)));
    None
}

/// Checks a database role, which goes into the tag `RedshiftDbRoles`, where `:` separates roles.
fn db_role(text: &str) -> Parsed<String> {
    value::visible(text, 127)?;
    if text.contains(':') {
        return Err("the name of a role holds no \":\", which parts roles in the session tag".into());
    }
    value::tag_value(text)
}
