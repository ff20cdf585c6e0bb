//! `[users.*]`: who may log in, proven by what, to open which connections.

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::password::BadPassword;
use self::password::password;
pub(crate) use self::password::without_newline;
pub(super) use self::per_user::check as check_per_user;
pub(super) use self::rights::{Groups, Known, groups};
use super::keys::NOT_YET_SUPPORTED;
use super::reader::{Table, Value};
use super::value;
use super::{Method, Proof, TlsMode, User};

mod password;
mod per_user;
mod rights;

/// All users, each entry already taken out of its table.
pub(super) fn users(
    entries: &[Value<'_>],
    known: &Known,
    groups: &Groups,
    tls: TlsMode,
) -> BTreeMap<String, Arc<User>> {
    let mut users = BTreeMap::new();
    for entry in entries {
        if entry.name == "*" {
            entry.fault(NOT_YET_SUPPORTED);
            continue;
        }
        if let Err(message) = value::visible_name(&entry.name) {
            entry.fault(message);
        }
        if let Some(user) = user(entry.table("users.*"), known, groups, tls) {
            users.insert(entry.name.clone(), Arc::new(user));
        }
    }
    users
}

fn user(mut table: Table<'_>, known: &Known, groups: &Groups, tls: TlsMode) -> Option<User> {
    let enabled = table.take("enabled").and_then(|is| is.bool()).unwrap_or(true);
    if let Some(auth) = table.take("auth") {
        auth.parse(|text| match text {
            "password" => Ok(()),
            "cert" => Err(NOT_YET_SUPPORTED.into()),
            _ => Err("must be \"password\" or \"cert\"".into()),
        });
    }
    let methods = [("auto", Method::Auto), ("scram", Method::Scram), ("cleartext", Method::Cleartext)];
    let method = table.take("method").and_then(|method| method.choice(&methods)).unwrap_or(Method::Auto);
    if method == Method::Cleartext && tls == TlsMode::Disable {
        table.fault("method", "cleartext is only asked for inside TLS, and listen.tls.mode is disable");
    }
    let password = table.require("password").and_then(|value| password(&value));
    let db_user = table.optional("db_user", value::db_user);
    let password_expires = table.take("password_expires").map_or(Some(None), |at| at.moment().map(Some));
    let rights = rights::union(&mut table, known, groups);
    table.finish();
    Some(User {
        enabled,
        proof: Proof::Passwords(vec![password?]),
        password_expires: password_expires?,
        method,
        connections: rights.connections,
        from: rights.from,
        max_sessions: rights.max_sessions,
        db_roles: rights.db_roles,
        db_user: db_user?,
    })
}
