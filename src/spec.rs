//! Which connections there are, and which of them a principal may open.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use crate::client_auth::Principal;
use crate::config::{ConnId, ConnSpec};
use crate::fault::{Fault, Kind};
use crate::wire::refusal::Refusal;

/// All specs by conn_id.
pub(crate) struct Specs(BTreeMap<ConnId, Arc<ConnSpec>>);

/// Why a connection is not opened.
#[derive(Debug, Error)]
pub(crate) enum SpecError {
    /// Unknown or not permitted: the client reads the same of both.
    #[error("connection {:?} does not exist or the user has no right to it", clip(asked))]
    NotYours { asked: String, may_open: Vec<String> },
    /// Switched off.
    #[error("connection {0} is disabled")]
    Disabled(String),
}

impl Specs {
    pub(crate) fn new(specs: BTreeMap<ConnId, Arc<ConnSpec>>) -> Self {
        Self(specs)
    }

    /// The connection that a client means by `database`, if its rights cover it. Names only: nothing is looked up.
    ///
    /// # Errors
    /// [`SpecError::NotYours`].
    pub(crate) fn permitted(&self, principal: &Principal, database: &str) -> Result<Arc<ConnSpec>, SpecError> {
        let rights = &principal.rights;
        match self.0.get(database) {
            Some(spec) if rights.may_open(&spec.id) => Ok(Arc::clone(spec)),
            _ => Err(SpecError::NotYours {
                asked: database.to_owned(),
                may_open: self.0.keys().filter(|id| rights.may_open(id)).map(ToString::to_string).collect(),
            }),
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
        Kind::Client
    }

    fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::NotYours { asked, may_open } => {
                Refusal::not_yours(asked, &may_open.iter().map(String::as_str).collect::<Vec<_>>())
            }
            Self::Disabled(conn_id) => Refusal::disabled(conn_id),
        })
    }
}
