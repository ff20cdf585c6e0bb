//! Who logs in, and what proves it.

use super::UrlError;
use crate::config::{Config, ConnId, LoginIdentity, Proof, User, value};

/// What stands for a user that is not known.
pub(super) const PLACEHOLDER: &str = "USER";

/// Who logs in, as far as it is known.
pub(super) struct Who<'a> {
    name: Option<&'a str>,
    /// The one of that name; else everyone who may open the connection.
    pub(super) may: Vec<&'a User>,
    /// Any name may.
    any: bool,
}

/// The user named, who has to have the right; without a name the only one who has it.
pub(super) fn who<'a>(config: &'a Config, conn_id: &ConnId, named: Option<&'a str>) -> Result<Who<'a>, UrlError> {
    let is_per_user = config.connections.get(conn_id).is_some_and(|spec| spec.identity == LoginIdentity::PerUser);
    let Some(name) = named else {
        let may = |user: &User| user.enabled && user.may_open(conn_id);
        let own: Vec<_> = config.users.iter().filter(|(_, user)| may(user)).collect();
        let any = config.any_user.as_ref().map(|any| any.rights.as_ref()).filter(|any| may(any) && !is_per_user);
        let name = match (&own[..], any) {
            ([(name, _)], None) => Some(name.as_str()),
            _ => None,
        };
        let may = own.into_iter().map(|(_, user)| user.as_ref()).chain(any).collect();
        return Ok(Who { name, may, any: any.is_some() });
    };
    let user = match (config.users.get(name), &config.any_user) {
        (Some(user), _) => user,
        (None, Some(any)) => &any.rights,
        (None, None) => {
            let nearest = value::nearest(name, config.users.keys().map(String::as_str)).map(str::to_owned);
            return Err(UrlError::User { name: name.to_owned(), nearest });
        }
    };
    if !user.may_open(conn_id) || (is_per_user && !config.users.contains_key(name)) {
        return Err(UrlError::NoRight { user: name.to_owned(), conn_id: conn_id.as_str().to_owned() });
    }
    if !user.enabled {
        return Err(UrlError::DisabledUser(name.to_owned()));
    }
    Ok(Who { name: Some(name), may: vec![user.as_ref()], any: false })
}

impl<'a> Who<'a> {
    pub(super) fn name(&self) -> &'a str {
        self.name.unwrap_or(PLACEHOLDER)
    }

    /// Whether any of them is asked for a password; so it is as well where nobody is known.
    pub(super) fn takes_password(&self) -> bool {
        self.may.is_empty() || self.may.iter().any(|user| matches!(user.proof, Proof::Passwords(_)))
    }

    pub(super) fn takes_certificate(&self) -> bool {
        self.may.iter().any(|user| matches!(user.proof, Proof::Certificate))
    }

    pub(super) fn note(&self, conn_id: &str) -> Option<String> {
        match (self.name, self.may.len()) {
            (Some(_), _) => None,
            (None, _) if self.any => {
                Some(format!("any name may open {conn_id:?} (users.\"*\"): put one for {PLACEHOLDER}, or give --user"))
            }
            (None, 0) => Some(format!("no user may open {conn_id:?}: {PLACEHOLDER} stands for one who may")),
            (None, count) => {
                Some(format!("{count} users may open {conn_id:?}: put one of them for {PLACEHOLDER}, or give --user"))
            }
        }
    }
}
