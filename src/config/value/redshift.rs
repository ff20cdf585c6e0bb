//! Names in Redshift: databases, workgroups, clusters, database users and groups.

use super::Parsed;
use super::text::visible;

/// Reads a database's name by Redshift's rules: 1–127 bytes, of any letters and `$` too.
pub(crate) fn database(text: &str) -> Parsed<String> {
    match visible(text, 127) {
        Ok(()) => Ok(text.to_owned()),
        Err(_) => Err("must be 1 to 127 bytes of visible characters".into()),
    }
}

/// Reads a database's name by the narrower rules of GetCredentials and GetClusterCredentials.
pub(crate) fn iam_database(text: &str) -> Parsed<String> {
    let shape = (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.+@-".contains(&b));
    let expected = "must be 1 to 64 characters: a letter or _, then letters, digits and _ . + @ -";
    if shape { Ok(text.to_owned()) } else { Err(expected.into()) }
}

/// Reads a workgroup's name: 3–64 of `[a-z0-9-]` (Redshift Serverless API, `WorkgroupName`).
pub(crate) fn workgroup(text: &str) -> Parsed<String> {
    let shape = (3..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if shape { Ok(text.to_owned()) } else { Err("must be 3 to 64 of a-z, 0-9 and -".into()) }
}

/// Reads a cluster's identifier: 1–63 of `[a-z0-9-]`.
pub(crate) fn cluster_id(text: &str) -> Parsed<String> {
    let shape = (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if shape { Ok(text.to_owned()) } else { Err("must be 1 to 63 of a-z, 0-9 and -".into()) }
}

/// Reads a database user by lava's rules: 1–127 bytes, all visible.
pub(crate) fn warehouse_user(text: &str) -> Parsed<String> {
    visible(text, 127).map(|()| text.to_owned())
}

/// Reads the `DbUser` of a `per-user` login: `[a-z_][a-z0-9_.@-]{0,62}`.
pub(crate) fn db_user(text: &str) -> Parsed<String> {
    let shape = (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.@-".contains(&b));
    let expected = "must be 1 to 63 characters: a-z or _, then a-z, 0-9 and _ . @ -";
    if shape { Ok(text.to_owned()) } else { Err(expected.into()) }
}

/// Reads one of GetClusterCredentials' `DbGroups`: 1–64 characters, in lower case.
pub(crate) fn db_group(text: &str) -> Parsed<String> {
    let shape = text.chars().count() <= 64 && text.to_lowercase() == text && visible(text, 256).is_ok();
    if shape { Ok(text.to_owned()) } else { Err("must be 1 to 64 visible characters in lower case".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_and_workgroups() {
        for (text, ok) in [
            ("dev", true),
            ("_d.e+f@g-1", true),
            ("", false),
            ("1dev", false),
            ("a:b", false),
            ("a/b", false),
            ("é", false),
            (&"d".repeat(64), true),
            (&"d".repeat(65), false),
        ] {
            assert_eq!(iam_database(text).is_ok(), ok, "{text:?}");
        }
        for (text, ok) in
            [("sales$2024", true), ("größe", true), ("1dev", true), ("", false), ("a\0", false), (" a", false)]
        {
            assert_eq!(database(text).is_ok(), ok, "{text:?}");
        }
        assert!(database(&"d".repeat(127)).is_ok() && database(&"d".repeat(128)).is_err());
        for (text, ok) in [("abc", true), ("a-1", true), ("ab", false), ("Abc", false), ("a_b", false)] {
            assert_eq!(workgroup(text).is_ok(), ok, "{text:?}");
        }
        assert!(workgroup(&"w".repeat(64)).is_ok() && workgroup(&"w".repeat(65)).is_err());
    }

    #[test]
    fn clusters_database_users_and_groups() {
        for (text, ok) in [("c", true), ("cluster-1", true), ("", false), ("ClusterA", false), ("a_b", false)] {
            assert_eq!(cluster_id(text).is_ok(), ok, "{text:?}");
        }
        assert!(cluster_id(&"c".repeat(63)).is_ok() && cluster_id(&"c".repeat(64)).is_err());
        for (text, ok) in [("adam", true), ("Adam Smith", true), ("IAM:x", true), ("", false), ("a\n", false)] {
            assert_eq!(warehouse_user(text).is_ok(), ok, "{text:?}");
        }
        assert!(warehouse_user(&"u".repeat(127)).is_ok() && warehouse_user(&"u".repeat(128)).is_err());
        for (text, ok) in [
            ("adam", true),
            ("_a.b@c-1", true),
            ("Adam", false),
            ("1a", false),
            ("a:b", false),
            ("a b", false),
            ("", false),
        ] {
            assert_eq!(db_user(text).is_ok(), ok, "{text:?}");
        }
        assert!(db_user(&"u".repeat(63)).is_ok() && db_user(&"u".repeat(64)).is_err());
        for (text, ok) in [("readers", true), ("a b", true), ("Readers", false), ("", false), ("a\t", false)] {
            assert_eq!(db_group(text).is_ok(), ok, "{text:?}");
        }
        assert!(db_group(&"ü".repeat(64)).is_ok() && db_group(&"g".repeat(65)).is_err());
    }
}
