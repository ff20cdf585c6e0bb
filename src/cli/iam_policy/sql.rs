//! The SQL that has to be run in the warehouses before the first login.

use std::collections::{BTreeMap, BTreeSet};

/// The SQL by warehouse.
#[derive(Debug, Default)]
pub(super) struct Sql(BTreeMap<String, Script>);

#[derive(Debug, Default)]
struct Script {
    users: BTreeSet<String>,
    groups: BTreeSet<String>,
    grants: BTreeSet<String>,
}

/// How a database user comes to exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Created {
    /// The operator makes the user by CREATE USER.
    ByHand,
    /// GetClusterCredentials makes the user at its first login, with `AutoCreate`.
    AtLogin,
}

impl Sql {
    /// Adds a database user that logs in with IAM credentials, and so needs no password; its grants
    /// are in `database`.
    pub(super) fn user(&mut self, warehouse: &str, name: &str, database: &str, created: Created) {
        let script = self.0.entry(warehouse.to_owned()).or_default();
        let user = identifier(name);
        if created == Created::ByHand {
            script
                .users
                .insert(format!("CREATE USER {user} PASSWORD DISABLE;"));
        }
        let database = shown(database);
        script
            .grants
            .insert(format!("-- GRANT USAGE ON SCHEMA schema_name TO {user}; -- in database {database}"));
        script
            .grants
            .insert(format!("-- GRANT ROLE role_name TO {user};"));
    }

    /// Adds a group that a session joins, which has to exist.
    pub(super) fn group(&mut self, warehouse: &str, name: &str) {
        let script = self.0.entry(warehouse.to_owned()).or_default();
        script
            .groups
            .insert(format!("-- CREATE GROUP {};", identifier(name)));
    }

    /// Adds a role that a session tag brings, which has to exist.
    pub(super) fn role(&mut self, warehouse: &str, name: &str) {
        let script = self.0.entry(warehouse.to_owned()).or_default();
        script
            .groups
            .insert(format!("-- CREATE ROLE {};", identifier(name)));
    }

    /// The lines: for each warehouse a comment, the statements to run, then templates as comments.
    pub(super) fn lines(&self) -> Vec<String> {
        let scripts = self.0.iter().flat_map(|(warehouse, script)| {
            let lines = script
                .users
                .iter()
                .chain(&script.groups)
                .chain(&script.grants)
                .cloned();
            std::iter::once(format!("-- {}", shown(warehouse))).chain(lines)
        });
        scripts.collect()
    }
}

/// The name as an SQL identifier: bare where that is the same, else in quotes.
fn identifier(name: &str) -> String {
    let bare = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !RESERVED.contains(&name);
    if bare { name.to_owned() } else { format!("\"{}\"", shown(name).replace('"', "\"\"")) }
}

/// The name without control characters, so that it cannot break a line.
fn shown(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// Reserved words of Redshift that users and groups are likely to be named.
const RESERVED: [&str; 14] = [
    "all",
    "analyse",
    "analyze",
    "any",
    "backup",
    "current_user",
    "default",
    "group",
    "public",
    "session_user",
    "system",
    "table",
    "tag",
    "user",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for (name, want) in [
            ("adam", "adam"),
            ("IAMR:rs01", "\"IAMR:rs01\""),
            ("a\"b", "\"a\"\"b\""),
            ("user", "\"user\""),
            ("1st", "\"1st\""),
            ("a\n;DROP", "\"a?;DROP\""),
        ] {
            assert_eq!(identifier(name), want);
        }
    }

    #[test]
    fn each_user_is_created_once() {
        let mut sql = Sql::default();
        sql.user("workgroup a", "IAMR:r", "dev", Created::ByHand);
        sql.user("workgroup a", "IAMR:r", "prod", Created::ByHand);
        sql.user("workgroup a", "made", "prod", Created::AtLogin);
        let want = [
            "-- workgroup a",
            "CREATE USER \"IAMR:r\" PASSWORD DISABLE;",
            "-- GRANT ROLE role_name TO \"IAMR:r\";",
            "-- GRANT ROLE role_name TO made;",
            "-- GRANT USAGE ON SCHEMA schema_name TO \"IAMR:r\"; -- in database dev",
            "-- GRANT USAGE ON SCHEMA schema_name TO \"IAMR:r\"; -- in database prod",
            "-- GRANT USAGE ON SCHEMA schema_name TO made; -- in database prod",
        ];
        assert_eq!(sql.lines(), want);
    }
}
