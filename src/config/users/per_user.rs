//! What `identity = "per-user"` asks of users: what is theirs must reach the warehouse, and stay theirs (product.md 5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::reader::Value;
use crate::config::{AnyUser, ConnId, ConnSpec, Holder, LoginIdentity, User, Warehouse, value};

type Users = BTreeMap<String, Arc<User>>;
type Connections = BTreeMap<ConnId, Arc<ConnSpec>>;

/// A session tag's value (STS API, `Tag`), in characters.
const MAX_ROLES_CHARS: usize = 256;

/// Told at the entries of users, and of connections.
pub(in crate::config) fn check(
    users: &Users,
    any: Option<&AnyUser>,
    user_entries: &[Value<'_>],
    connections: &Connections,
    connection_entries: &[Value<'_>],
) {
    let per_user: Vec<_> =
        connections.values().filter(|spec| spec.identity == LoginIdentity::PerUser).map(Arc::as_ref).collect();
    for entry in user_entries {
        if let Some(any) = any.filter(|_| entry.name == super::ANY) {
            check_any(entry, &Holder::any(&any.rights), connections);
        }
        let Some(user) = users.get(&entry.name) else { continue };
        let opened = per_user.iter().filter(|spec| user.may_open(&spec.id));
        check_user(entry, user, opened.copied());
    }
    check_shared_roles(users, &per_user, connection_entries);
}

/// Globs and groups give `users."*"` none of them, and may be meant for others; a name of its own is meant for it.
fn check_any(entry: &Value<'_>, any: &Holder, connections: &Connections) {
    let own =
        |id: &ConnId| any.rights.connections.iter().any(|right| right.group.is_none() && right.pattern == id.as_str());
    for spec in connections.values().filter(|spec| own(&spec.id) && !any.may_open(spec)) {
        entry.fault(format_args!(
            "connection \"{}\" has identity = \"per-user\": its users need entries of their own",
            spec.id
        ));
    }
}

fn check_user<'s>(entry: &Value<'_>, user: &User, opened: impl Iterator<Item = &'s ConnSpec>) {
    let db_user = user.db_user.as_ref().unwrap_or(&entry.name);
    let mut is_first = true;
    for spec in opened {
        let roles_chars = user.db_roles.join(":").chars().count();
        if std::mem::take(&mut is_first) && roles_chars > MAX_ROLES_CHARS {
            entry.fault(format_args!("its db_roles, joined by \":\", are longer than {MAX_ROLES_CHARS} characters"));
        }
        if spec.warehouse == Warehouse::Serverless {
            continue;
        }
        // Where db_user will not do, that has been told.
        if user.db_user.is_none()
            && let Err(why) = value::db_user(db_user)
        {
            let id = &spec.id;
            entry.fault(format_args!(
                "its name is to be a database user of connection \"{id}\", which {why}; or set db_user"
            ));
        } else if spec.deny_db_users.iter().any(|denied| denied.eq_ignore_ascii_case(db_user)) {
            let shown = db_user.escape_debug();
            entry.fault(format_args!("database user \"{shown}\" is in deny_db_users of connection \"{}\"", spec.id));
        }
    }
}

/// On Serverless one role is one `IAMR:` user, whoever logs in: whether the roles of one session show in another is not
/// documented. One fault for each role.
fn check_shared_roles(users: &Users, per_user: &[&ConnSpec], entries: &[Value<'_>]) {
    let mut by_role = BTreeMap::<&str, Vec<(&ConnSpec, &str, BTreeSet<&String>)>>::new();
    for spec in per_user.iter().filter(|spec| spec.warehouse == Warehouse::Serverless) {
        let Some(role) = spec.role_hops.last() else { continue };
        for (name, user) in users.iter().filter(|(_, user)| user.may_open(&spec.id)) {
            by_role.entry(&role.role_arn).or_default().push((spec, name, user.db_roles.iter().collect()));
        }
    }
    for (role, logins) in by_role {
        let strict = logins.iter().filter(|(spec, ..)| !spec.shared_user_roles);
        let clash = strict
            .flat_map(|one| logins.iter().map(move |other| (one, other)))
            .find(|((_, _, roles), (_, _, others))| roles != others);
        let Some(((spec, one, _), (_, other, _))) = clash else { continue };
        let Some(entry) = entries.iter().find(|entry| entry.name == spec.id.as_str()) else { continue };
        let [one, other] = [one, other].map(|name| name.escape_debug());
        entry.fault(format_args!(
            "users \"{one}\" and \"{other}\" have different db_roles, but {role} makes them one database user; \
             shared_user_roles = true accepts that"
        ));
    }
}
