//! The user that a tool logs in as, and what proves it.

use super::error::UrlError;
use crate::cli::connection::Connection;
use crate::config::{Config, Holder, value};

/// The text that stands for a user that is not known.
pub(super) const PLACEHOLDER: &str = "USER";

/// The user that a tool logs in as, as far as it is known.
pub(super) struct LoginUser<'a> {
    /// The user's name. `None`: it is not known.
    name: Option<&'a str>,
    /// The rights of that user; else of all who may open the connection.
    pub(super) may: Vec<Holder>,
}

/// Finds the user: the one named, who must have the right, or else the only one who has it.
pub(super) fn find<'a>(
    config: &'a Config,
    connection: &Connection<'_>,
    named: Option<&'a str>,
) -> Result<LoginUser<'a>, UrlError> {
    let may_open = |holder: &Holder| connection.right_of(holder).is_some();
    let Some(name) = named else {
        let may: Vec<_> = config
            .holders()
            .filter(|(_, holder)| holder.rights().enabled && may_open(holder))
            .collect();
        let name = if let [(name, _)] = &may[..] { *name } else { None };
        return Ok(LoginUser { name, may: may.into_iter().map(|(_, holder)| holder).collect() });
    };
    let Some(holder) = config.holder(name) else {
        let nearest = value::nearest(name, config.users.keys().map(String::as_str)).map(str::to_owned);
        return Err(UrlError::User { name: name.to_owned(), nearest });
    };
    if !may_open(&holder) {
        return Err(UrlError::NoRight { user: name.to_owned(), conn_id: connection.conn_id().as_str().to_owned() });
    }
    if !holder.rights().enabled {
        return Err(UrlError::DisabledUser(name.to_owned()));
    }
    Ok(LoginUser { name: Some(name), may: vec![holder] })
}

impl<'a> LoginUser<'a> {
    /// The user's name, or the placeholder.
    pub(super) fn name(&self) -> &'a str {
        self.name.unwrap_or(PLACEHOLDER)
    }

    /// Whether a password may be asked for; it may where no user is known.
    pub(super) fn takes_password(&self) -> bool {
        self.may.is_empty()
            || self
                .may
                .iter()
                .any(|holder| !holder.is_proved_by_certificate())
    }

    /// Whether a certificate may be asked for.
    pub(super) fn takes_certificate(&self) -> bool {
        self.may
            .iter()
            .any(|holder| holder.is_proved_by_certificate())
    }

    /// A note on how to put in the user's name, where it is not known.
    pub(super) fn note(&self, conn_id: &str) -> Option<String> {
        match (self.name, self.may.len()) {
            (Some(_), _) => None,
            (None, _)
                if self
                    .may
                    .iter()
                    .any(|holder| matches!(holder, Holder::Any(_))) =>
            {
                Some(format!("any name may open {conn_id:?} (users.\"*\"): put one for {PLACEHOLDER}, or give --user"))
            }
            (None, 0) => Some(format!("no user may open {conn_id:?}: {PLACEHOLDER} stands for one who may")),
            (None, count) => {
                Some(format!("{count} users may open {conn_id:?}: put one of them for {PLACEHOLDER}, or give --user"))
            }
        }
    }
}
