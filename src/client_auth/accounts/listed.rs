//! `users."*"` by an SSM path: a user has a parameter of its name there. A name is looked up here,
//! never at AWS.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tracing::warn;

use super::derive::{AccountsError, Derivations};
use crate::client_auth::verifiers::Verifiers;
use crate::config::{AnyUser, BEFORE_CONN_ID, Password};
use crate::references::Listing;
use crate::secret::Secret;

/// Longest name that is looked up, in bytes; PostgreSQL's own bound (NAMEDATALEN).
const MAX_NAME: usize = 63;

/// The users that have a parameter below the path, as it was listed last.
pub(super) struct Listed {
    /// The entry of the configuration that all of them share.
    pub(super) any: Arc<AnyUser>,
    /// A listing replaces the whole map. `None`: the path has not been read yet.
    by_name: ArcSwapOption<HashMap<String, Parameter>>,
}

/// The parameter of one user.
#[derive(Clone)]
struct Parameter {
    text: Secret,
    /// The verifiers of the last text that was a usable password. `None`: none was so far.
    verifiers: Option<Arc<Verifiers>>,
}

/// The outcome of a look-up of a name.
pub(super) enum Lookup {
    /// The listing has no parameter of this name.
    NotListed,
    /// The parameter has never held a usable password: nothing can prove the user.
    Unusable,
    /// The parameter's password has these verifiers.
    Usable(Arc<Verifiers>),
}

impl Listed {
    /// Starts with the users that an earlier configuration has found below the same path, or else
    /// with nobody, until [`Listed::renew`].
    pub(super) fn new(any: Arc<AnyUser>, before: Option<&Self>) -> Self {
        let same = before.filter(|before| before.any.proof == any.proof);
        let by_name = same.and_then(|same| same.by_name.load_full());
        Self { any, by_name: ArcSwapOption::new(by_name) }
    }

    /// Looks a name up in the last listing.
    pub(super) fn find(&self, name: &str) -> Lookup {
        if !may_be_a_name(name) {
            return Lookup::NotListed;
        }
        match self.now().get(name).map(|parameter| &parameter.verifiers) {
            None => Lookup::NotListed,
            Some(None) => Lookup::Unusable,
            Some(Some(verifiers)) => Lookup::Usable(Arc::clone(verifiers)),
        }
    }

    /// Whether the path has been read since the proxy started.
    pub(super) fn is_read(&self) -> bool {
        self.by_name.load().is_some()
    }

    /// The verifiers of the users of these names that have any.
    pub(super) fn verifiers(&self, is_meant: impl Fn(&str) -> bool) -> Vec<Arc<Verifiers>> {
        let now = self.now();
        let meant = now.iter().filter(|(name, _)| is_meant(name));
        meant
            .filter_map(|(_, parameter)| parameter.verifiers.clone())
            .collect()
    }

    /// Replaces the users by those of a new listing, and gives back the names that have another
    /// password than before, or are new. A text that has not changed is not hashed again; one that
    /// is no usable password leaves the last good one.
    pub(super) async fn renew(
        &self,
        listing: Listing,
        derivations: &Derivations,
    ) -> Result<Vec<String>, AccountsError> {
        let before = self.now();
        let (mut by_name, mut renewed) = (HashMap::new(), Vec::new());
        for (name, text) in listing.into_iter().filter(|(name, _)| may_be_a_name(name)) {
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
                    warn!(event = "password unusable", user = name.as_str(), %why, "its password cannot be used: the last good one stays");
                    before.get(&name).and_then(|known| known.verifiers.clone())
                }
            };
            by_name.insert(name, Parameter { text, verifiers });
        }
        self.by_name.store(Some(Arc::new(by_name)));
        Ok(renewed)
    }

    fn now(&self) -> Arc<HashMap<String, Parameter>> {
        self.by_name.load_full().unwrap_or_default()
    }
}

/// Whether a text can be both the last element of a parameter's name and the name of a user.
fn may_be_a_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && !name.contains(|c: char| c == '/' || c == BEFORE_CONN_ID || c.is_control())
}
