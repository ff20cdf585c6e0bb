//! Finds places of one group from which another group's connections may be opened, which may not be
//! meant.

use std::collections::BTreeSet;

use crate::config::value::AllowedFrom;

/// A source of rights: the user's entry, or a group.
pub(super) struct Source<'a> {
    /// The source, as messages call it.
    pub(super) name: String,
    /// Whether it has a right to any connection.
    pub(super) opens: bool,
    /// The places that it names.
    pub(super) from: &'a [AllowedFrom],
}

/// Finds the first source whose connections may be opened from elsewhere than it says, since
/// another source's `from` is added to it, and names both. A source that names no place is only
/// opened from the others' places.
pub(super) fn widened(sources: &[Source<'_>]) -> Option<(String, String)> {
    sources
        .iter()
        .filter(|source| source.opens && !source.from.is_empty())
        .find_map(|source| {
            let is_new = |allowed: &AllowedFrom| !source.from.iter().any(|own| covers(own, allowed));
            let other = sources.iter().find(|other| other.from.iter().any(is_new))?;
            Some((source.name.clone(), other.name.clone()))
        })
}

fn covers(own: &AllowedFrom, other: &AllowedFrom) -> bool {
    match (own, other) {
        (AllowedFrom::Network(own), AllowedFrom::Network(other)) => own.contains(other),
        (own, other) => own == other,
    }
}

/// Pairs of sources that were already warned of: thousands of users may be in the same two groups.
pub(in crate::config) type Pairs = BTreeSet<(String, String)>;

#[cfg(test)]
mod tests {
    use crate::config::users::tests::{told, warnings};

    #[test]
    fn another_groups_networks_open_a_groups_connections() {
        let groups = |a: &str, b: &str| {
            format!(
                "[groups.a]\nconnections = [\"x\"]\n{a}\n[groups.b]\n{b}\n\
                 [users.u]\npassword = \"env:PW\"\ngroups = [\"a\", \"b\"]\n\
                 [users.v]\npassword = \"env:PW\"\ngroups = [\"a\", \"b\"]\n"
            )
        };
        let part = "opens may be opened from where group";
        for (a, b, want) in [
            ("from = [\"10.1.0.0/16\"]", "from = [\"10.2.0.0/16\"]", 1),
            ("from = [\"10.1.0.0/16\"]", "from = [\"10.2.0.0/16\"]\nconnections = [\"x\"]", 1),
            ("from = [\"10.0.0.0/8\"]", "from = [\"10.2.0.0/16\"]", 0),
            ("from = [\"10.1.0.0/16\"]", "from = [\"vpce-0123456789abcdef0\"]", 1),
            ("from = [\"10.1.0.0/16\"]", "", 0),
            ("", "from = [\"10.2.0.0/16\"]", 0),
            ("", "", 0),
        ] {
            assert_eq!(told(&groups(a, b), part), want, "{a} {b}: {:?}", warnings(&groups(a, b)));
        }
    }
}
