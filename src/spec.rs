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
    #[error("connection {asked:?} does not exist or the user has no right to it")]
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
        let may_open = |conn_id: &str| principal.rights.connections.iter().any(|pattern| glob(pattern, conn_id));
        match self.0.values().find(|spec| spec.id.as_str() == database) {
            Some(spec) if may_open(database) => Ok(Arc::clone(spec)),
            _ => Err(SpecError::NotYours {
                asked: database.to_owned(),
                may_open: self.0.keys().map(|id| id.as_str().to_owned()).filter(|id| may_open(id)).collect(),
            }),
        }
    }
}

/// Refuses what is switched off.
///
/// # Errors
/// [`SpecError::Disabled`].
pub(crate) fn enabled(spec: &ConnSpec) -> Result<(), SpecError> {
    if spec.enabled { Ok(()) } else { Err(SpecError::Disabled(spec.id.as_str().to_owned())) }
}

/// Whether `pattern` covers all of `text`: `*` any run, `?` one character. Linear in pattern times text.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let pattern = pattern.chars().collect::<Vec<_>>();
    // After each character of `text`: which prefixes of the pattern match all of it so far.
    let mut matched = vec![false; pattern.len() + 1];
    let open_stars = |matched: &mut Vec<bool>| {
        for at in 0..pattern.len() {
            if matched.get(at) == Some(&true)
                && pattern.get(at) == Some(&'*')
                && let Some(next) = matched.get_mut(at + 1)
            {
                *next = true;
            }
        }
    };
    if let Some(first) = matched.first_mut() {
        *first = true;
    }
    open_stars(&mut matched);
    for character in text.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for (at, wanted) in pattern.iter().enumerate() {
            if matched.get(at) == Some(&true) {
                let to = if *wanted == '*' { at } else { at + 1 };
                if (*wanted == '*' || *wanted == '?' || *wanted == character)
                    && let Some(slot) = next.get_mut(to)
                {
                    *slot = true;
                }
            }
        }
        open_stars(&mut next);
        matched = next;
    }
    matched.last() == Some(&true)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("sales", "sales", true),
            ("sales", "sales2", false),
            ("*", "", true),
            ("*", "anything", true),
            ("fin-*", "fin-", true),
            ("fin-*", "fin-emea", true),
            ("fin-*", "xfin-emea", false),
            ("*-emea", "fin-emea", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("a**b", "ab", true),
            ("?", "ä", true),
            ("?", "", false),
            ("a?c", "abc", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
        assert!(!glob(&"*a".repeat(60), &"a".repeat(59)), "and in no time");
    }
}
