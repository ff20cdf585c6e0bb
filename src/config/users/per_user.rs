//! Checks what `identity = "per-user"` needs of users: names and roles must reach the warehouse
//! unchanged, and must not be another user's (docs/contract.md 5).
//!
//! No check looks at each user for each connection, since there may be thousands of both.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::holder::Holder;
use super::shared_roles::{self, Users, Workgroups};
use super::user::{ANY, AnyUser, User};
use crate::config::connection::{Cluster, ConnId, ConnSpec, Target};
use crate::config::reader::Value;
use crate::config::value;

type Connections = BTreeMap<ConnId, Arc<ConnSpec>>;
/// Clusters by the names of their connections.
type Clusters<'s> = BTreeMap<&'s str, &'s Cluster>;

/// Longest value of a session tag (STS API, `Tag`), in characters.
const MAX_ROLES_CHARS: usize = 256;

/// Most connections that are named when a user's name is wrong for them.
const MAX_REPORTED: usize = 10;

/// Reports problems at the entries of users and of connections.
pub(in crate::config) fn check(
    users: &Users,
    any: Option<&Arc<AnyUser>>,
    user_entries: &[Value<'_>],
    connections: &Connections,
    connection_entries: &[Value<'_>],
) {
    let (mut workgroups, mut clusters) = (Workgroups::new(), Clusters::new());
    for spec in connections.values().filter(|spec| spec.is_per_user()) {
        match &spec.target {
            Target::Workgroup(workgroup) => {
                workgroups.insert(spec.id.as_str(), (spec, workgroup));
            }
            Target::Cluster(cluster) => {
                clusters.insert(spec.id.as_str(), cluster);
            }
        }
    }
    let denied = clusters
        .values()
        .flat_map(|cluster| &cluster.deny_db_users)
        .map(|name| name.to_ascii_lowercase());
    let denied: HashSet<_> = denied.collect();
    // What AWS sees of a user is the name of its session: two users must never have the same.
    let mut sessions = BTreeMap::<String, &str>::new();
    for entry in user_entries {
        if let Some(any) = any.filter(|_| entry.name == ANY) {
            check_any(entry, &Holder::Any(Arc::clone(any)), connections);
        }
        let Some(user) = users.get(&entry.name) else { continue };
        check_roles(entry, user, &workgroups, &clusters);
        let db_user = user.db_user.as_ref().unwrap_or(&entry.name);
        if value::db_user(db_user).is_err() || denied.contains(&db_user.to_ascii_lowercase()) {
            check_db_user(entry, user, db_user, &clusters);
        }
        if workgroups.is_empty() {
            continue;
        }
        let opens = |user: &User| {
            !user
                .rights
                .connections
                .first_of(&workgroups, 1, |_| true)
                .is_empty()
        };
        // Only of two that meet is it asked whether they have sessions: all others would cost a
        // search each.
        if let Some(other) = sessions.insert(value::session_name(&entry.name), &entry.name)
            && opens(user)
            && users.get(other).is_some_and(|other| opens(other))
        {
            entry.report(format_args!(
                "its role session would have the same name as that of user \"{}\": one of the two needs another name",
                other.escape_debug()
            ));
        }
    }
    shared_roles::check(users, &workgroups, connection_entries);
}

/// Reports a `per-user` connection that `users."*"` names. Globs and groups give it no right to
/// one, but they may be meant for others.
fn check_any(entry: &Value<'_>, any: &Holder, connections: &Connections) {
    let own = |id: &ConnId| any.rights().connections.names(id.as_str());
    for spec in connections
        .values()
        .filter(|spec| own(&spec.id) && !any.may_open(spec))
    {
        entry.report(format_args!(
            "connection \"{}\" has identity = \"per-user\": its users need entries of their own",
            spec.id
        ));
    }
}

fn check_roles(entry: &Value<'_>, user: &User, workgroups: &Workgroups<'_>, clusters: &Clusters<'_>) {
    let roles_chars = user.rights.db_roles.join(":").chars().count();
    let opens_any = || {
        let opens = &user.rights.connections;
        !opens.first_of(workgroups, 1, |_| true).is_empty() || !opens.first_of(clusters, 1, |_| true).is_empty()
    };
    if roles_chars > MAX_ROLES_CHARS && opens_any() {
        entry.report(format_args!("its db_roles, joined by \":\", are longer than {MAX_ROLES_CHARS} characters"));
    }
}

/// Reports a user whose name is unfit for some cluster, once for each of those that it may open.
fn check_db_user(entry: &Value<'_>, user: &User, db_user: &str, clusters: &Clusters<'_>) {
    // Where db_user will not do, that was reported already.
    let is_no_name = user
        .db_user
        .is_none()
        .then(|| value::db_user(db_user).err())
        .flatten();
    let denies = |cluster: &Cluster| {
        cluster
            .deny_db_users
            .iter()
            .any(|denied| denied.eq_ignore_ascii_case(db_user))
    };
    let wrong = user
        .rights
        .connections
        .first_of(clusters, MAX_REPORTED + 1, |cluster| is_no_name.is_some() || denies(cluster));
    for id in wrong.iter().take(MAX_REPORTED) {
        match &is_no_name {
            Some(why) => entry.report(format_args!(
                "its name is to be a database user of connection \"{id}\", which {why}; or set db_user"
            )),
            None => entry.report(format_args!(
                "database user \"{}\" is in deny_db_users of connection \"{id}\"",
                db_user.escape_debug()
            )),
        }
    }
    if wrong.len() > MAX_REPORTED {
        entry.report("the same is wrong with more of its connections");
    }
}
