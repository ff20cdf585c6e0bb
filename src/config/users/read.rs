//! Reads the keys of the entries of `[users]`, one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::password::{passwords, path};
use super::rights::{Groups, Known, union};
use super::user::{ANY, AnyProof, AnyUser, Method, Proof, Rights, User};
use crate::config::listen::{Entrance, TlsMode};
use crate::config::reader::{Table, Value, if_given};
use crate::config::value;

/// Reads all users, whose entries were already taken out of their table; apart from them, the entry
/// for any other name.
pub(in crate::config) fn users(
    entries: &[Value<'_>],
    known: &Known,
    groups: &Groups,
    entrance: Entrance,
) -> (BTreeMap<String, Arc<User>>, Option<AnyUser>) {
    let (mut users, mut any) = (BTreeMap::new(), None);
    for entry in entries {
        let mut table = entry.table("users.*");
        let auth = auth(&mut table, entrance);
        if entry.name == ANY {
            any = any_user(table, auth, known, groups, entrance.tls());
            continue;
        }
        if let Err(message) = value::user_name(&entry.name) {
            entry.report(message);
        }
        let proof = match auth {
            Some(Auth::Password) => table
                .require("password")
                .and_then(|value| passwords(&value, &entry.name)),
            Some(Auth::Certificate) => {
                without_password(&mut table);
                Some(Proof::Certificate)
            }
            None => {
                table.take("password");
                None
            }
        };
        let db_user = table.optional("db_user", value::db_user);
        let rights = rights(table, known, groups, entrance.tls());
        if let (Some(rights), Some(proof), Ok(db_user)) = (rights, proof, db_user) {
            users.insert(entry.name.clone(), Arc::new(User { rights, proof, db_user }));
        }
    }
    (users, any)
}

/// Reads `users."*"`. Its users cannot have logins of their own, and so no `db_user`.
fn any_user(mut table: Table<'_>, auth: Option<Auth>, known: &Known, groups: &Groups, tls: TlsMode) -> Option<AnyUser> {
    let proof = match auth {
        Some(Auth::Password) => {
            let path = table.require("password").and_then(|value| path(&value));
            path.map(|path| AnyProof::Passwords { path })
        }
        Some(Auth::Certificate) => {
            without_password(&mut table);
            Some(AnyProof::Certificate)
        }
        None => {
            table.take("password");
            None
        }
    };
    if let Some(db_user) = table.take("db_user") {
        db_user.report("is one user's: that user needs an entry of its own");
    }
    let rights = rights(table, known, groups, tls)?;
    Some(AnyUser { rights, proof: proof? })
}

/// Reads the keys that a user and `users."*"` have alike, and judges those left.
fn rights(mut table: Table<'_>, known: &Known, groups: &Groups, tls: TlsMode) -> Option<Rights> {
    let enabled = table
        .take("enabled")
        .and_then(|is| is.bool())
        .unwrap_or(true);
    let methods = [("auto", Method::Auto), ("scram", Method::Scram), ("cleartext", Method::Cleartext)];
    let method = table
        .take("method")
        .and_then(|method| method.choice(&methods))
        .unwrap_or(Method::Auto);
    if method == Method::Cleartext && tls == TlsMode::Disable {
        table.report("method", "cleartext is only asked for inside TLS, and listen.tls.mode is disable");
    }
    let password_expires = if_given(table.take("password_expires").as_ref(), Value::moment);
    let union = union(&mut table, known, groups);
    table.finish();
    Some(Rights {
        enabled,
        password_expires: password_expires.ok()?,
        method,
        connections: union.connections,
        from: union.from,
        max_sessions: union.max_sessions,
        db_roles: union.db_roles,
    })
}

/// The value of `users.*.auth`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Auth {
    Password,
    Certificate,
}

/// Reads `users.*.auth`. `None`: it was refused.
fn auth(table: &mut Table<'_>, entrance: Entrance) -> Option<Auth> {
    let Some(value) = table.take("auth") else { return Some(Auth::Password) };
    let auth = value.choice(&[("password", Auth::Password), ("cert", Auth::Certificate)])?;
    match auth {
        Auth::Certificate if entrance.tls() == TlsMode::Disable => {
            value.report("certificates are only shown inside TLS, and listen.tls.mode is disable");
        }
        Auth::Certificate if !entrance.asks_for_certificates => {
            value.report("needs listen.tls.client_ca, the CA of clients' certificates");
        }
        Auth::Certificate | Auth::Password => {}
    }
    Some(auth)
}

/// Reports keys about passwords, which have no meaning where a certificate proves the user.
fn without_password(table: &mut Table<'_>) {
    for name in ["password", "password_expires", "method"] {
        if let Some(value) = table.take(name) {
            value.report("has no meaning with auth = \"cert\"");
        }
    }
}
