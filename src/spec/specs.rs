//! All connections, and which of them a principal may open.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::asked::{self, Asked};
use super::catalog::{Catalog, only};
use super::error::SpecError;
use super::table::SpecTable;
use crate::client_auth::Principal;
use crate::config::{ConnId, ConnSpec};
use crate::limits::caps::SlotError;
use crate::wire::refusal::HINT_NAMES;

/// All specs by conn_id.
pub(crate) struct Specs {
    pub(super) file: Catalog,
    table: Option<SpecTable>,
    /// What server names that are conn_ids end in.
    sni_suffix: Option<String>,
}

/// Whether there is room for one more session, before it is known on which connection.
pub(crate) type HasRoom<'a> = &'a (dyn Fn() -> Result<(), SlotError> + Sync);

impl Specs {
    /// `table`: the second source, if there is one. `sni_suffix`: in lower case.
    pub(crate) fn new(
        file: BTreeMap<ConnId, Arc<ConnSpec>>,
        table: Option<SpecTable>,
        sni_suffix: Option<String>,
    ) -> Self {
        Self { file: Catalog::new(file), table, sni_suffix }
    }

    /// What a client asks for that came to the port of a connection, or under a TLS server name (in
    /// lower case), or has a conn_id behind its user's name.
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

    /// The connection that a client means, if its rights cover it. Names come first: the table is
    /// asked of none that the user could not open, nor of any that is the configuration's but for
    /// case, nor without end for names that nobody has, nor where the user has no room for a
    /// session (`has_room`). Cancel safe.
    ///
    /// # Errors
    /// [`SpecError::NotYours`]; of the table also `Full`, `Unread` and `Unusable`.
    pub(crate) async fn permitted(
        &self,
        principal: &Principal,
        asked: Asked<'_>,
        has_room: HasRoom<'_>,
    ) -> Result<Arc<ConnSpec>, SpecError> {
        let meant = self.meant(principal, asked, has_room).await?;
        meant.ok_or_else(|| SpecError::NotYours {
            asked: asked.name().to_owned(),
            // The configuration's own: what is in the table is not known.
            may_open: self
                .file
                .open_to(principal, HINT_NAMES)
                .into_iter()
                .map(ConnId::to_string)
                .collect(),
        })
    }

    /// The connection of this very name, if the principal may open it.
    async fn named(
        &self,
        principal: &Principal,
        name: &str,
        has_room: HasRoom<'_>,
    ) -> Result<Option<Arc<ConnSpec>>, SpecError> {
        match self.file.get(name) {
            Some(spec) => Ok(principal.holder.may_open(spec).then(|| Arc::clone(spec))),
            // Whoever writes the table shall not answer for a name that looks like one of the
            // file's.
            None if !self.file.but_for_case(name).is_empty() => Ok(None),
            None => self.of_table(principal, name, has_room).await,
        }
    }

    /// The table's item of this very name, if there is a table and the principal may open it.
    async fn of_table(
        &self,
        principal: &Principal,
        name: &str,
        has_room: HasRoom<'_>,
    ) -> Result<Option<Arc<ConnSpec>>, SpecError> {
        let (Some(table), Ok(conn_id)) = (&self.table, ConnId::new(name)) else { return Ok(None) };
        if !table.covers(&conn_id) || !principal.holder.rights.may_open(&conn_id) {
            return Ok(None);
        }
        has_room().map_err(SpecError::Full)?;
        let found = table.find(&principal.user, &conn_id).await?;
        Ok(found.filter(|spec| principal.holder.may_open(spec)))
    }

    /// The connection that is meant, if the principal may open it; as [`Specs::permitted`].
    pub(super) async fn meant(
        &self,
        principal: &Principal,
        asked: Asked<'_>,
        has_room: HasRoom<'_>,
    ) -> Result<Option<Arc<ConnSpec>>, SpecError> {
        match asked {
            // Ports are the configuration's own.
            Asked::Port(conn_id) => {
                let spec = self
                    .file
                    .get(conn_id.as_str())
                    .filter(|spec| principal.holder.may_open(spec));
                Ok(spec.map(Arc::clone))
            }
            Asked::ServerName(name) => self.by_server_name(principal, name, has_room).await,
            Asked::User(name) => self.named(principal, name, has_room).await,
            Asked::Database(name) => {
                let named = self.named(principal, name, has_room).await?;
                // One that the user may not open is as one that does not exist: behind either the
                // name may still be a database's.
                Ok(named.or_else(|| only(self.file.of_database(name), principal).map(Arc::clone)))
            }
        }
    }

    /// The file's first, without case; of several the one written so. Only a name that the file
    /// does not have in any case is asked of the table, in lower case.
    async fn by_server_name(
        &self,
        principal: &Principal,
        name: &str,
        has_room: HasRoom<'_>,
    ) -> Result<Option<Arc<ConnSpec>>, SpecError> {
        let of_file = self.file.but_for_case(name);
        if of_file.is_empty() {
            return self.of_table(principal, name, has_room).await;
        }
        let written_so = of_file
            .iter()
            .find(|spec| spec.id.as_str() == name && principal.holder.may_open(spec));
        Ok(written_so
            .or_else(|| only(of_file, principal))
            .map(Arc::clone))
    }
}

/// Refuses what is switched off.
///
/// # Errors
/// [`SpecError::Disabled`].
pub(crate) fn enabled(spec: &ConnSpec) -> Result<(), SpecError> {
    if spec.enabled { Ok(()) } else { Err(SpecError::Disabled(spec.id.as_str().to_owned())) }
}
