//! Which connection a client means.

use crate::config::ConnId;

/// How a client says which connection it wants. Of several ways, the first of these counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked<'a> {
    /// The client came to the connection's own port. Its `database` does not matter.
    Port(&'a ConnId),
    /// The client sent a TLS server name, and this stands before the suffix, in lower case. Its
    /// `database` does not matter.
    ServerName(&'a str),
    /// The client sent a user name of the form `USER~CONN_ID`. Its `database` does not matter.
    User(&'a str),
    /// The client sent only a `database`: a conn_id, or the name of a real database.
    Database(&'a str),
}

impl<'a> Asked<'a> {
    /// Takes the first way that applies. `label` is the part of the server name before the suffix,
    /// if the name ends in the suffix; `behind_user` is the conn_id in `USER~CONN_ID`.
    pub(super) fn new(
        port: Option<&'a ConnId>,
        label: Option<&'a str>,
        behind_user: Option<&'a str>,
        database: &'a str,
    ) -> Self {
        match (port, label, behind_user) {
            (Some(conn_id), _, _) => Self::Port(conn_id),
            (None, Some(label), _) => Self::ServerName(label),
            (None, None, Some(conn_id)) => Self::User(conn_id),
            (None, None, None) => Self::Database(database),
        }
    }

    /// The name that the client used for the connection.
    pub(crate) fn name(self) -> &'a str {
        match self {
            Self::Port(conn_id) => conn_id.as_str(),
            Self::ServerName(name) | Self::User(name) | Self::Database(name) => name,
        }
    }
}

/// The part of a server name before the suffix and its dot, both in lower case. A final dot only
/// says that the name is fully qualified (RFC 1034 section 3.1). `None`: the name does not end in
/// the suffix, or is the suffix alone.
pub(super) fn below<'n>(server_name: &'n str, suffix: &str) -> Option<&'n str> {
    let name = server_name.strip_suffix('.').unwrap_or(server_name);
    name.strip_suffix(suffix)?
        .strip_suffix('.')
        .filter(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_wins_over_a_server_name_a_user_and_a_database() {
        let port = ConnId::new("own").unwrap();
        for (is_own_port, label, behind_user, want) in [
            (true, Some("sni"), Some("user"), Asked::Port(&port)),
            (true, None, None, Asked::Port(&port)),
            (false, Some("sni"), Some("user"), Asked::ServerName("sni")),
            (false, None, Some("user"), Asked::User("user")),
            (false, None, Some(""), Asked::User("")),
            (false, None, None, Asked::Database("db")),
        ] {
            assert_eq!(Asked::new(is_own_port.then_some(&port), label, behind_user, "db"), want);
        }
    }

    #[test]
    fn a_server_name_below_the_suffix_gives_its_label() {
        for (server_name, want) in [
            ("sales.dw.example.com", Some("sales")),
            ("sales.dw.example.com.", Some("sales")),
            ("a.b.dw.example.com", Some("a.b")),
            ("dw.example.com", None),
            ("dw.example.com.", None),
            (".dw.example.com", None),
            ("salesdw.example.com", None),
            ("sales.example.com", None),
            ("sales.dw.example.com.org", None),
            ("sales.dw.example.com..", None),
        ] {
            assert_eq!(below(server_name, "dw.example.com"), want, "{server_name:?}");
        }
    }
}
