//! `[users.*]`: who may log in, proven by what, to open which connections.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::keys::NOT_YET_SUPPORTED;
use super::reader::{Table, Value, read};
use super::value::{self, Reference};
use super::verifier::{self, Verifier};
use super::{Method, Password, Right, TlsMode, User};
use crate::secret::Secret;

/// All users, each entry already taken out of its table. `connections`: every name under `[connections]`, so that a fault there makes no second one here.
pub(super) fn users(
    entries: Vec<Value<'_>>,
    connections: &BTreeSet<String>,
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
        if let Some(user) = user(entry.table("users.*"), connections, tls) {
            users.insert(entry.name, Arc::new(user));
        }
    }
    users
}

fn user(mut table: Table<'_>, connections: &BTreeSet<String>, tls: TlsMode) -> Option<User> {
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
    let opens = table.take("connections");
    let opens = opens.and_then(|value| value.list()).unwrap_or_default();
    let opens: Vec<_> = opens
        .iter()
        .filter_map(|value| opened(value, connections))
        .map(|pattern| Right { pattern, group: None })
        .collect();
    table.finish();
    Some(User { enabled, password: password?, method, connections: opens, db_roles: Vec::new(), db_user: None })
}

/// One name or glob of `connections`.
fn opened(value: &Value<'_>, connections: &BTreeSet<String>) -> Option<String> {
    let pattern = value.text()?;
    let names = || connections.iter().map(String::as_str);
    if names().any(|name| value::glob_matches(&pattern, name)) {
        return Some(pattern);
    }
    let shown = pattern.escape_debug();
    if pattern.contains(['*', '?']) {
        value.warn(format_args!("\"{shown}\" matches no connection"));
        return Some(pattern);
    }
    let meant = value::nearest(&pattern, names());
    let meant = meant.map(|name| format!("; did you mean \"{}\"?", name.escape_debug())).unwrap_or_default();
    value.fault(format_args!("there is no connection \"{shown}\"{meant}"));
    None
}

/// A verifier, or a reference to a verifier or a password. Nothing here repeats the text: it may be a password.
fn password(value: &Value<'_>) -> Option<Password> {
    if value.is_list() {
        value.fault("two passwords: not yet supported");
        return None;
    }
    let text = Secret::new(value.text()?);
    if verifier::is_meant(text.expose()) {
        return value.parse(|text| Verifier::parse(text).map_err(|why| why.to_string().into())).map(Password::Verifier);
    }
    if text.expose().strip_prefix("md5").is_some_and(|hash| hash.len() == 32 && !hash.contains('.')) {
        value.fault("an MD5 hash will not do; make a SCRAM-SHA-256 verifier with hash-password");
        return None;
    }
    let stored = match value.parse(value::reference)? {
        Reference::Env(name) => value.variable(&name)?,
        Reference::File(path) => from_file(value, &path, "cannot read the file")?,
        Reference::Bare(path) => from_file(value, &path, "no such file, and not a SCRAM-SHA-256 verifier")?,
    };
    let stored = Secret::new(stored);
    let stored = without_newline(stored.expose());
    if verifier::is_meant(stored) {
        return match Verifier::parse(stored) {
            Ok(verifier) => Some(Password::Verifier(verifier)),
            Err(why) => {
                value.fault(format_args!("what it refers to: {why}"));
                None
            }
        };
    }
    if stored.is_empty() || stored.contains('\0') {
        value.fault("refers to an empty password, or one with a NUL in it");
        return None;
    }
    Some(Password::Plain(Secret::new(stored.to_owned())))
}

fn from_file(value: &Value<'_>, path: &Path, otherwise: &str) -> Option<String> {
    match read(&value.beside(path)) {
        Ok(text) => Some(text),
        Err(why) => {
            // The kind alone: the whole error may name the path.
            let kind = why.kind();
            let what = match kind {
                ErrorKind::NotFound | ErrorKind::InvalidFilename => otherwise,
                _ => "cannot read the file",
            };
            value.fault(format_args!("{what} ({kind})"));
            None
        }
    }
}

/// Less the one newline that editors and `echo` leave behind.
pub(crate) fn without_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}
