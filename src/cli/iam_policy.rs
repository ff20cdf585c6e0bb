//! `iam-policy`: prints the least IAM policies that the configuration needs, from the configuration
//! alone.
//!
//! Owns which identity calls which operation on what for each connection, and how that is written
//! as policies. A value that only AWS or the operator knows is a placeholder in capitals, explained
//! in `notes`. Calls nothing.

use std::fmt;
use std::sync::Arc;

pub(super) use self::principal::permission_set;
pub use self::principal::{BadPrincipal, IamPrincipal};
use super::connection::{UnknownConnection, chosen};
use crate::config::Config;
use json::Json;
use needs::Needs;
use warehouse::ClusterLogins;

mod json;
mod kms;
mod needs;
mod policy;
mod principal;
mod roles;
mod scope;
mod sql;
mod stored;
mod table;
mod warehouse;

/// The output of `iam-policy`: one JSON object.
///
/// `proxy` is the policy of the proxy's own identity; `roles` has `permissions` and `trust` of each
/// role, by its ARN; `sql` is to be run in the warehouses; `notes` explains each placeholder and
/// each wildcard. Its `Display` is the text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document(Json);

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Makes the policies for the connections of these names; for all of them, and `[specs]`, when
/// `conn_ids` is empty. `principal` is the proxy's own identity, if `--principal` gives it.
///
/// # Errors
/// `UnknownConnection`: the configuration has no connection of that name.
pub fn document(
    config: &Config,
    conn_ids: &[String],
    principal: Option<&IamPrincipal>,
) -> Result<Document, UnknownConnection> {
    let specs: Vec<_> = chosen(config, conn_ids)?
        .into_iter()
        .map(Arc::clone)
        .collect();
    let mut needs = Needs::new(config, principal);
    let mut logins = ClusterLogins::default();
    stored::read(&mut needs, &specs);
    for spec in specs.iter().filter(|spec| !warehouse::needs_no_role(spec)) {
        let caller = roles::chain(&mut needs, spec);
        warehouse::login(&mut needs, &mut logins, spec, &caller);
    }
    logins.allow(&mut needs);
    if let Some(specs) = config.specs.as_ref().filter(|_| conn_ids.is_empty()) {
        table::table(&mut needs, specs);
    }
    Ok(Document(needs.json()))
}
