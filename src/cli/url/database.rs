//! The name of the real database, where it leads to the connection as the conn_id does (docs/contract.md 4).

use crate::config::{Config, ConnSpec, Holder};

/// Why a connection is only reached by its conn_id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum NoDatabase {
    /// Its secret or lava's table says what it is.
    Unknown,
    /// It is a conn_id, of another connection or as `[specs]` would look it up.
    IsConnId(String),
    /// The user may open more than one connection to a database of that name; or nobody is known to have the right.
    Shared(String),
}

/// The real database of the connection, if that is the database of no other that each of these users may open.
pub(super) fn real<'a>(config: &Config, spec: Option<&'a ConnSpec>, users: &[Holder]) -> Result<&'a str, NoDatabase> {
    let (spec, database) = spec.and_then(|spec| Some((spec, spec.database.as_deref()?))).ok_or(NoDatabase::Unknown)?;
    if database == spec.id.as_str() {
        return Ok(database);
    }
    let tables = config.specs.iter().flat_map(|specs| &specs.bounds.conn_ids);
    let in_table = tables.into_iter().any(|glob| crate::config::glob_matches(glob, database));
    if in_table || config.connections.contains_key(database) {
        return Err(NoDatabase::IsConnId(database.to_owned()));
    }
    let same = || config.connections.values().filter(|other| other.database.as_deref() == Some(database));
    let only = |user: &Holder| same().filter(|other| user.may_open(other)).count() == 1;
    if users.is_empty() || !users.iter().all(only) {
        return Err(NoDatabase::Shared(database.to_owned()));
    }
    Ok(database)
}
