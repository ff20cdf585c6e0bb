//! Why a connection is not opened, and how each cause is classed and told.

use std::sync::Arc;

use thiserror::Error;

use super::item::Flaw;
use crate::aws::AwsError;
use crate::config::ConnId;
use crate::fault::{Fault, Kind};
use crate::wire::refusal::Refusal;

/// Why a connection is not opened.
#[derive(Debug, Error)]
pub(crate) enum SpecError {
    /// There is no such connection, or the user has no right to it: the client reads the same of
    /// both. `may_open` is for the hint.
    #[error("connection {:?} does not exist or the user has no right to it", clip(asked))]
    NotYours { asked: String, may_open: Vec<ConnId> },
    /// The connection is switched off.
    #[error("connection {0} is disabled")]
    Disabled(ConnId),
    /// Lava's table could not be read, and no earlier item is known.
    #[error("connection {conn_id}: no spec")]
    Unread { conn_id: ConnId, source: Arc<AwsError> },
    /// The item in lava's table has a fault, or asks for more than its writer may have.
    #[error("connection {conn_id}: its item in {table} cannot be used")]
    Unusable { conn_id: ConnId, table: String, source: Flaw },
}

impl SpecError {
    /// The error of AWS that left the connection without a spec, if one did.
    pub(crate) fn of_aws(&self) -> Option<&AwsError> {
        match self {
            Self::Unread { source, .. } => Some(source),
            Self::NotYours { .. } | Self::Disabled(_) | Self::Unusable { .. } => None,
        }
    }

    /// The connection that the error is about, if the user's rights cover its name. Another name
    /// may be no connection's at all.
    pub(crate) fn conn_id(&self) -> Option<&ConnId> {
        match self {
            Self::Unread { conn_id, .. } | Self::Unusable { conn_id, .. } | Self::Disabled(conn_id) => Some(conn_id),
            Self::NotYours { .. } => None,
        }
    }
}

/// The beginning of a client's text, as long as a conn_id can be.
fn clip(asked: &str) -> String {
    asked.chars().take(63).collect()
}

impl Fault for SpecError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotYours { .. } | Self::Disabled(_) => Kind::Client,
            Self::Unread { source, .. } => source.kind(),
            Self::Unusable { .. } => Kind::Operator,
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::NotYours { asked, may_open } => {
                Refusal::not_yours(asked, &may_open.iter().map(ConnId::as_str).collect::<Vec<_>>())
            }
            Self::Disabled(conn_id) => Refusal::disabled(conn_id.as_str()),
            Self::Unread { conn_id, source } => source.refusal(conn_id.as_str()),
            Self::Unusable { conn_id, .. } => Refusal::not_available(conn_id.as_str()),
        })
    }
}
