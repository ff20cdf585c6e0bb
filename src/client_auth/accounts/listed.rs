//! `users."*"` by an SSM path: whoever has a parameter there. A name is looked up here, never at
//! AWS.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tracing::warn;

use super::derive::{AccountsError, Derivations};
use crate::client_auth::verifiers::Verifiers;
use crate::config::{BEFORE_CONN_ID, Password, User};
use crate::secret::Secret;

/// Longest name that is looked up, in bytes; PostgreSQL's own bound (NAMEDATALEN).
const MAX_NAME: usize = 63;

pub(super) struct Listed {
    /// What all of them may do.
    pub(super) rights: Arc<User>,
    /// `None`: the path has not been read yet.
    by_name: RwLock<Option<Arc<HashMap<String, Parameter>>>>,
}

/// One of them.
#[derive(Clone)]
struct Parameter {
    text: Secret,
    /// `None`: no text that was read so far will do.
    verifiers: Option<Arc<Verifiers>>,
}

impl Listed {
    /// Nobody, until [`Listed::renew`].
    pub(super) fn new(rights: Arc<User>) -> Self {
        Self { rights, by_name: RwLock::default() }
    }

    /// `None`: it has no parameter. `Some(None)`: it has one, but nothing can prove it.
    pub(super) fn find(&self, name: &str) -> Option<Option<Arc<Verifiers>>> {
        may_be_a_name(name)
            .then(|| {
                self.now()
                    .get(name)
                    .map(|parameter| parameter.verifiers.clone())
            })
            .flatten()
    }

    /// Whether the path has been read since we began.
    pub(super) fn is_read(&self) -> bool {
        self.by_name
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Arc<Verifiers>> + use<> {
        let all: Vec<_> = self
            .now()
            .values()
            .filter_map(|parameter| parameter.verifiers.clone())
            .collect();
        all.into_iter()
    }

    /// Takes a listing's place. What is as it was is not hashed again; what will not do leaves the
    /// last good one. Gives back the names that have another password than before, or are new.
    pub(super) async fn renew(
        &self,
        listing: impl Iterator<Item = (String, Secret)>,
        derivations: &Derivations,
    ) -> Result<Vec<String>, AccountsError> {
        let before = self.now();
        let (mut by_name, mut renewed) = (HashMap::new(), Vec::new());
        for (name, text) in listing.filter(|(name, _)| may_be_a_name(name)) {
            let known = before.get(&name).filter(|known| known.text == text);
            let verifiers = match (known, Password::from_stored(&text)) {
                (Some(known), _) => known.verifiers.clone(),
                (None, Ok(password)) => {
                    renewed.push(name.clone());
                    derivations
                        .verifiers(&name, &[password])
                        .await?
                        .map(Arc::new)
                }
                (None, Err(why)) => {
                    warn!(user = name.as_str(), %why, "its password cannot be used: the last good one stays");
                    before.get(&name).and_then(|known| known.verifiers.clone())
                }
            };
            by_name.insert(name, Parameter { text, verifiers });
        }
        *self.by_name.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(by_name));
        Ok(renewed)
    }

    fn now(&self) -> Arc<HashMap<String, Parameter>> {
        self.by_name
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .unwrap_or_default()
    }
}

/// What can be the last element of a parameter's name, and a user's.
fn may_be_a_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && !name.contains(|c: char| c == '/' || c == BEFORE_CONN_ID || c.is_control())
}
