//! Which connection a client means.

use std::sync::Arc;

use super::{HasRoom, SpecError, Specs};
use crate::client_auth::Principal;
use crate::config::{ConnId, ConnSpec};

/// How a client says which connection it wants; the first that applies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked<'a> {
    /// By coming to the connection's own port. Its database may be any.
    Port(&'a ConnId),
    /// By a TLS server name, whose letters have no case: what stands before the suffix. Its database may be any.
    ServerName(&'a str),
    /// By `database`: a conn_id, or a real database.
    Database(&'a str),
}

impl<'a> Asked<'a> {
    /// `server_name` and `suffix` are in lower case. Another server name, or the suffix alone, says nothing.
    pub(super) fn new(
        port: Option<&'a ConnId>,
        server_name: Option<&'a str>,
        suffix: Option<&str>,
        database: &'a str,
    ) -> Self {
        let below = || server_name?.strip_suffix(suffix?)?.strip_suffix('.').filter(|name| !name.is_empty());
        match (port, below()) {
            (Some(conn_id), _) => Self::Port(conn_id),
            (None, Some(name)) => Self::ServerName(name),
            (None, None) => Self::Database(database),
        }
    }

    pub(super) fn name(self) -> &'a str {
        match self {
            Self::Port(conn_id) => conn_id.as_str(),
            Self::ServerName(name) | Self::Database(name) => name,
        }
    }
}

impl Specs {
    /// The connection that is meant, if the principal may open it; as [`Specs::permitted`].
    pub(super) async fn meant(
        &self,
        principal: &Principal,
        asked: Asked<'_>,
        has_room: HasRoom<'_>,
    ) -> Result<Option<Arc<ConnSpec>>, SpecError> {
        let named = self.named(principal, asked.name(), has_room).await?;
        Ok(named.or_else(|| match asked {
            Asked::Port(_) => None,
            Asked::ServerName(name) => self.only(principal, |spec| spec.id.as_str().eq_ignore_ascii_case(name)),
            // One that the user may not open is as one that does not exist: behind either the name may still be a database's.
            Asked::Database(name) => self.only(principal, |spec| spec.database.as_deref() == Some(name)),
        }))
    }

    /// The one connection of the configuration's that the principal may open and that is such. Of several the one that is
    /// not switched off.
    fn only(&self, principal: &Principal, is_such: impl Fn(&ConnSpec) -> bool) -> Option<Arc<ConnSpec>> {
        let such = || self.of_file(principal).filter(|spec| is_such(spec));
        single(such().filter(|spec| spec.enabled)).or_else(|| single(such())).map(Arc::clone)
    }
}

fn single<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    all.next().filter(|_| all.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_applies() {
        let port = ConnId::new("own").unwrap();
        let suffix = Some("dw.example.com");
        for (server_name, suffix, want) in [
            (None, suffix, Asked::Database("db")),
            (Some("sales.dw.example.com"), None, Asked::Database("db")),
            (Some("sales.dw.example.com"), suffix, Asked::ServerName("sales")),
            (Some("a.b.dw.example.com"), suffix, Asked::ServerName("a.b")),
            (Some("dw.example.com"), suffix, Asked::Database("db")),
            (Some(".dw.example.com"), suffix, Asked::Database("db")),
            (Some("salesdw.example.com"), suffix, Asked::Database("db")),
            (Some("sales.example.com"), suffix, Asked::Database("db")),
            (Some("sales.dw.example.com.org"), suffix, Asked::Database("db")),
        ] {
            assert_eq!(Asked::new(None, server_name, suffix, "db"), want, "{server_name:?}");
            assert_eq!(Asked::new(Some(&port), server_name, suffix, "db"), Asked::Port(&port));
        }
    }
}
