//! Which connections there are, and which of them a principal may open.
//!
//! They come from the configuration and, with `[specs]`, from lava's table: [`table`] reads it,
//! [`item`] says what is in it. The configuration's win, also over a name that differs from theirs
//! by case alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

pub(crate) use self::asked::Asked;
use self::catalog::Catalog;
pub(crate) use self::item::{Flaw, Found, attributes};
pub(crate) use self::table::Table;
use crate::aws::AwsError;
use crate::client_auth::Principal;
use crate::config::{ConnId, ConnSpec};
use crate::fault::{Fault, Kind};
use crate::limits::caps::SlotError;
use crate::wire::refusal::{HINT_NAMES, Refusal};

mod asked;
mod catalog;
mod item;
mod strangers;
mod table;
#[cfg(test)]
mod tests;

/// All specs by conn_id.
pub(crate) struct Specs {
    file: Catalog,
    table: Option<Table>,
    /// What server names that are conn_ids end in.
    sni_suffix: Option<String>,
}

/// Why a connection is not opened.
#[derive(Debug, Error)]
pub(crate) enum SpecError {
    /// Unknown or not permitted: the client reads the same of both.
    #[error("connection {:?} does not exist or the user has no right to it", clip(asked))]
    NotYours { asked: String, may_open: Vec<String> },
    /// Switched off.
    #[error("connection {0} is disabled")]
    Disabled(String),
    /// The table could not be read.
    #[error("connection {conn_id}: no spec")]
    Unread { conn_id: String, source: Arc<AwsError> },
    /// No session could be opened on it, whatever its spec: it was not looked up.
    #[error(transparent)]
    Full(SlotError),
    /// The table's item will not do.
    #[error("connection {conn_id}: its item in {table} cannot be used")]
    Unusable { conn_id: String, table: String, source: Flaw },
}

/// Whether there is room for one more session, before it is known on which connection.
pub(crate) type HasRoom<'a> = &'a (dyn Fn() -> Result<(), SlotError> + Sync);

impl Specs {
    /// `table`: the second source, if there is one. `sni_suffix`: in lower case.
    pub(crate) fn new(file: BTreeMap<ConnId, Arc<ConnSpec>>, table: Option<Table>, sni_suffix: Option<String>) -> Self {
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
}

impl SpecError {
    /// Of a connection that the user may open, as far as names go: what is another's is not told as
    /// if it were one.
    pub(crate) fn conn_id(&self) -> Option<&str> {
        match self {
            Self::Unread { conn_id, .. } | Self::Unusable { conn_id, .. } | Self::Disabled(conn_id) => Some(conn_id),
            Self::NotYours { .. } | Self::Full(_) => None,
        }
    }
}

/// As much of a client's text as a conn_id can have.
fn clip(asked: &str) -> String {
    asked.chars().take(63).collect()
}

/// Refuses what is switched off.
///
/// # Errors
/// [`SpecError::Disabled`].
pub(crate) fn enabled(spec: &ConnSpec) -> Result<(), SpecError> {
    if spec.enabled { Ok(()) } else { Err(SpecError::Disabled(spec.id.as_str().to_owned())) }
}

impl Fault for SpecError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotYours { .. } | Self::Disabled(_) => Kind::Client,
            Self::Full(source) => source.kind(),
            Self::Unread { source, .. } => source.kind(),
            Self::Unusable { .. } => Kind::Operator,
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::NotYours { asked, may_open } => {
                Refusal::not_yours(asked, &may_open.iter().map(String::as_str).collect::<Vec<_>>())
            }
            Self::Disabled(conn_id) => Refusal::disabled(conn_id),
            Self::Full(source) => return source.refusal(),
            Self::Unread { conn_id, source } => source.refusal(conn_id),
            Self::Unusable { conn_id, .. } => Refusal::not_available(conn_id),
        })
    }
}
