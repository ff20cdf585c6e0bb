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

/// What the listener asks of clients before they prove who they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entrance {
    pub(super) tls: TlsMode,
    /// For one of `listen.tls.client_ca`.
    pub(super) asks_for_certificates: bool,
}

/// All users, each entry already taken out of its table.
pub(super) fn users(
    entries: &[Value<'_>],
    known: &Known,
    groups: &Groups,
    entrance: Entrance,
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
        if let Some(user) = user(entry.table("users.*"), known, groups, entrance) {
            users.insert(entry.name.clone(), Arc::new(user));
        }
    }
    users
}

fn user(mut table: Table<'_>, known: &Known, groups: &Groups, entrance: Entrance) -> Option<User> {
    let enabled = table.take("enabled").and_then(|is| is.bool()).unwrap_or(true);
    let proof = proof(&mut table, entrance);
    let db_user = table.optional("db_user", value::db_user);
    let password_expires = table.take("password_expires").map_or(Some(None), |at| at.moment().map(Some));
    let rights = rights::union(&mut table, known, groups);
    table.finish();
    let (proof, method) = proof?;
    Some(User {
        enabled,
        proof,
        password_expires: password_expires?,
        method,
        connections: rights.connections,
        from: rights.from,
        max_sessions: rights.max_sessions,
        db_roles: rights.db_roles,
        db_user: db_user?,
    })
}

/// What proves the user, and how it is asked for: what goes with passwords has no meaning beside a certificate.
fn proof(table: &mut Table<'_>, entrance: Entrance) -> Option<(Proof, Method)> {
    let auth = table.take("auth");
    let is_certificate = auth.as_ref().and_then(|auth| auth.choice(&[("password", false), ("cert", true)]));
    if is_certificate == Some(true) {
        return certificate(table, auth.as_ref()?, entrance);
    }
    let methods = [("auto", Method::Auto), ("scram", Method::Scram), ("cleartext", Method::Cleartext)];
    let method = table.take("method").and_then(|method| method.choice(&methods)).unwrap_or(Method::Auto);
    if method == Method::Cleartext && entrance.tls == TlsMode::Disable {
        table.fault("method", "cleartext is only asked for inside TLS, and listen.tls.mode is disable");
    }
    let password = table.require("password").and_then(|value| password(&value));
    Some((Proof::Passwords(vec![password?]), method))
}

fn certificate(table: &mut Table<'_>, auth: &Value<'_>, entrance: Entrance) -> Option<(Proof, Method)> {
    if entrance.tls == TlsMode::Disable {
        auth.fault("certificates are only shown inside TLS, and listen.tls.mode is disable");
    } else if !entrance.asks_for_certificates {
        auth.fault("needs listen.tls.client_ca, the CA of clients' certificates");
    }
    for name in ["password", "password_expires", "method"] {
        if let Some(value) = table.take(name) {
            value.fault("has no meaning beside auth = \"cert\"");
        }
    }
    Some((Proof::Certificate, Method::Auto))
}
