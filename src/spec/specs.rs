//! All connections, and which of them a principal may open.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::asked::{self, Asked};
use super::catalog::{Catalog, only};
use super::error::SpecError;
use super::table::SpecTable;
use crate::client_auth::Principal;
use crate::config::{ConnId, ConnSpec};
use crate::wire::refusal::HINT_NAMES;

/// All connections, of the configuration file and of lava's table. `Live` holds it; only what is
/// known of lava's table changes.
pub(crate) struct Specs {
    /// The connections of the configuration file.
    pub(super) file: Catalog,
    table: Option<Arc<SpecTable>>,
    /// The suffix of TLS server names that begin with a conn_id, in lower case.
    sni_suffix: Option<String>,
}

/// A connection that a client means, as far as names alone tell.
pub(crate) enum Named {
    /// The configuration has the connection, and the principal may open it.
    Known(Arc<ConnSpec>),
    /// The configuration has no connection of this name, but lava's table may have it:
    /// [`Specs::look_up`] tells.
    InTable(LookUp),
}

/// A name that is to be looked up in lava's table. The principal's rights cover the name.
pub(crate) struct LookUp {
    conn_id: ConnId,
    /// The configuration's connection that is opened where the table has no item of this name: the
    /// client may have meant the real database.
    by_database: Option<Arc<ConnSpec>>,
}

impl Specs {
    /// Takes the configuration's connections, lava's table if there is one, and the suffix of
    /// server names in lower case.
    pub(crate) fn new(
        file: BTreeMap<ConnId, Arc<ConnSpec>>,
        table: Option<Arc<SpecTable>>,
        sni_suffix: Option<String>,
    ) -> Self {
        Self { file: Catalog::new(file), table, sni_suffix }
    }

    /// Lava's table, if the configuration has one.
    pub(crate) fn table(&self) -> Option<&Arc<SpecTable>> {
        self.table.as_ref()
    }

    /// Finds out how a client names the connection that it wants: by its port, by a TLS server name
    /// (in lower case), by a conn_id behind its user's name, or by its database.
    pub(crate) fn asked<'a>(
        &self,
        port: Option<&'a ConnId>,
        server_name: Option<&'a str>,
        behind_user: Option<&'a str>,
        database: &'a str,
    ) -> Asked<'a> {
        let suffix = self.sni_suffix.as_deref();
        let label = server_name
            .zip(suffix)
            .and_then(|(name, suffix)| asked::below(name, suffix));
        Asked::new(port, label, behind_user, database)
    }

    /// The connection that a client means, if its rights cover the name. Only names are compared:
    /// lava's table is not asked here, and never for a name that the user could not open, nor for
    /// one that differs from a name of the configuration's by case alone.
    ///
    /// # Errors
    /// [`SpecError::NotYours`].
    pub(crate) fn named(&self, principal: &Principal, asked: Asked<'_>) -> Result<Named, SpecError> {
        let named = match asked {
            // Only the configuration's connections have ports.
            Asked::Port(conn_id) => self
                .file
                .get(conn_id.as_str())
                .filter(|spec| principal.holder.may_open(spec))
                .map(|spec| Named::Known(Arc::clone(spec))),
            Asked::ServerName(name) => self.by_server_name(principal, name),
            Asked::User(name) => self.by_name(principal, name),
            Asked::Database(name) => self.by_name_or_database(principal, name),
        };
        named.ok_or_else(|| self.not_yours(principal, asked.name()))
    }

    /// Reads the spec of a name from lava's table. A user that has asked for too many unknown names
    /// is answered without a call. Cancel safe.
    ///
    /// # Errors
    /// `NotYours`, `Unread` and `Unusable` of [`SpecError`].
    pub(crate) async fn look_up(&self, principal: &Principal, look_up: LookUp) -> Result<Arc<ConnSpec>, SpecError> {
        let LookUp { conn_id, by_database } = look_up;
        let found = match &self.table {
            Some(table) => table.find(&principal.user, &conn_id).await?,
            None => None,
        };
        found
            .filter(|spec| principal.holder.may_open(spec))
            .or(by_database)
            .ok_or_else(|| self.not_yours(principal, conn_id.as_str()))
    }

    /// The connections of lava's table that are held, in no order.
    pub(crate) fn held(&self) -> Vec<Arc<ConnSpec>> {
        self.table
            .as_ref()
            .map(|table| table.held())
            .unwrap_or_default()
    }

    /// Whether there is a connection of this name, or lava's table may have one.
    pub(crate) fn may_have(&self, conn_id: &ConnId) -> bool {
        let name = conn_id.as_str();
        let of_table = || {
            self.file.in_any_case(name).is_empty()
                && self
                    .table
                    .as_ref()
                    .is_some_and(|table| table.covers(conn_id))
        };
        self.file.get(name).is_some() || of_table()
    }

    /// The connection of exactly this name.
    fn by_name(&self, principal: &Principal, name: &str) -> Option<Named> {
        match self.file.get(name) {
            Some(spec) => principal
                .holder
                .may_open(spec)
                .then(|| Named::Known(Arc::clone(spec))),
            // An item of the table must not pass for a connection of the configuration's that has
            // nearly the same name.
            None if !self.file.in_any_case(name).is_empty() => None,
            None => self.in_table(principal, name),
        }
    }

    /// The connection of exactly this name, or else the one with this real database. A connection
    /// that the user may not open counts like one that does not exist: the name may still be a
    /// database's.
    fn by_name_or_database(&self, principal: &Principal, name: &str) -> Option<Named> {
        let by_database = || only(self.file.of_database(name), principal).map(Arc::clone);
        match self.by_name(principal, name) {
            Some(Named::InTable(look_up)) => Some(Named::InTable(LookUp { by_database: by_database(), ..look_up })),
            Some(known) => Some(known),
            None => by_database().map(Named::Known),
        }
    }

    /// The connection of a name in lower case: the configuration's first, whatever the case of its
    /// letters; of several, the one in lower case. Only a name that the configuration does not have
    /// in any case may be the table's.
    fn by_server_name(&self, principal: &Principal, name: &str) -> Option<Named> {
        let of_file = self.file.in_any_case(name);
        if of_file.is_empty() {
            return self.in_table(principal, name);
        }
        let in_lower_case = of_file
            .iter()
            .find(|spec| spec.id.as_str() == name && principal.holder.may_open(spec));
        in_lower_case
            .or_else(|| only(of_file, principal))
            .map(|spec| Named::Known(Arc::clone(spec)))
    }

    /// The look-up of this name, if there is a table that may have it and the principal may open
    /// it.
    fn in_table(&self, principal: &Principal, name: &str) -> Option<Named> {
        let conn_id = ConnId::new(name).ok()?;
        let is_covered = self.table.as_ref()?.covers(&conn_id) && principal.holder.rights().may_open(&conn_id);
        is_covered.then_some(Named::InTable(LookUp { conn_id, by_database: None }))
    }

    /// The error for a name that the principal may not open, or that does not exist. Its hint lists
    /// connections of the configuration only: what lava's table holds is not known.
    fn not_yours(&self, principal: &Principal, asked: &str) -> SpecError {
        let may_open = self.file.open_to(principal, HINT_NAMES);
        SpecError::NotYours { asked: asked.to_owned(), may_open: may_open.into_iter().cloned().collect() }
    }
}

/// Refuses a connection that is switched off (`enabled = false`), which [`ConnSpec::enabled`]
/// tells. Sessions ask this; `check`, `check --offline` and `url` read the field themselves, each
/// with a message of its own, so that a new reason to refuse a connection has to be told there too
/// (CONTRIBUTING.md, "step by step").
///
/// # Errors
/// [`SpecError::Disabled`].
pub(crate) fn check_enabled(spec: &ConnSpec) -> Result<(), SpecError> {
    if spec.enabled { Ok(()) } else { Err(SpecError::Disabled(spec.id.clone())) }
}
