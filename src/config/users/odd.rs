//! What is odd about users and their rights, but allowed: warned of once, at start.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::reader::Value;
use crate::config::{AnyUser, Origin, Password, Proof, User};

/// The keys of verifiers that stand in this project's own README and sample: their password, too,
/// is known to everybody.
const PUBLISHED: [[u8; 32]; 1] = [[
    0x74, 0xac, 0x64, 0x7a, 0x2c, 0xba, 0x17, 0x45, 0x61, 0x08, 0xa0, 0x54, 0x91, 0xe4, 0x19, 0x88, 0x59, 0xc4, 0xf8,
    0x27, 0x02, 0xbf, 0x3d, 0xcb, 0xb4, 0x5b, 0x49, 0x8d, 0xbb, 0xdb, 0x5e, 0xda,
]];

/// Told at the entries. `is_local`: clients come from this machine alone.
pub(in crate::config) fn warn(
    users: &BTreeMap<String, Arc<User>>,
    any: Option<&AnyUser>,
    entries: &[Value<'_>],
    is_local: bool,
) {
    let mut with_password = users
        .values()
        .filter(|user| matches!(user.proof, Proof::Passwords(_)));
    let is_by_certificate = any.is_some_and(|any| any.path.is_none());
    for entry in entries {
        if entry.name == super::ANY && is_by_certificate && with_password.next().is_some() {
            entry.warn(
                "any name is asked for a certificate but those that have a password: everybody can find out which names those are",
            );
        }
        let Some(user) = users.get(&entry.name) else { continue };
        if !is_local && has_published(user) {
            entry.warn(
                "its password is the one of the README, which everybody knows, and clients may come from elsewhere",
            );
        }
    }
}

fn has_published(user: &User) -> bool {
    let Proof::Passwords(passwords) = &user.proof else { return false };
    passwords.iter().any(|stored| match &stored.password {
        Password::Verifier(verifier) => PUBLISHED
            .iter()
            .any(|key| crate::secret::same(key, &verifier.stored_key)),
        Password::Plain(_) | Password::Remote(_) => false,
    })
}

/// What one source of rights, the user's entry or a group, says: its name, whether it opens
/// anything, and from where.
pub(super) struct Source<'a> {
    pub(super) name: String,
    pub(super) opens: bool,
    pub(super) from: &'a [Origin],
}

/// The first source whose connections may be opened from where it does not say, since another's
/// `from` is added to it: both names. A source that names no place opens its connections to the
/// others' places only.
pub(super) fn widened(sources: &[Source<'_>]) -> Option<(String, String)> {
    sources
        .iter()
        .filter(|source| source.opens && !source.from.is_empty())
        .find_map(|source| {
            let is_new = |origin: &Origin| !source.from.iter().any(|own| covers(own, origin));
            let other = sources.iter().find(|other| other.from.iter().any(is_new))?;
            Some((source.name.clone(), other.name.clone()))
        })
}

fn covers(own: &Origin, other: &Origin) -> bool {
    match (own, other) {
        (Origin::Network(own), Origin::Network(other)) => own.contains(other),
        (own, other) => own == other,
    }
}

/// Pairs that were told already: thousands of users may be in the same two groups.
pub(in crate::config) type Pairs = BTreeSet<(String, String)>;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{UnknownKeys, parse};

    const VERIFIER: &str = "SCRAM-SHA-256$4096:CMEcUGp3dB6cCe4FOUmUNA==$\
        dKxkeiy6F0VhCKBUkeQZiFnE+CcCvz3LtFtJjbvbXto=:PSi0TyRVYa2NZopqlhMxCHeq4Ea0cViSGg4BNGc3eiQ=";

    fn warnings(text: &str) -> Vec<String> {
        let env = |name: &str| (name == "PW").then(|| "env-password".to_owned());
        let connection = "[connections.x]\ntype = \"redshift-serverless\"\nworkgroup = \"abc\"\ndatabase = \"dev\"\n";
        let config = parse(&format!("{text}\n{connection}"), Path::new("p"), &env, UnknownKeys::Refuse);
        config.unwrap_or_else(|faults| panic!("{faults}")).warnings
    }

    fn told(text: &str, part: &str) -> usize {
        warnings(text)
            .iter()
            .filter(|warning| warning.contains(part))
            .count()
    }

    #[test]
    fn the_password_of_the_readme_is_known_to_everybody() {
        let user = format!("[users.u]\npassword = \"{VERIFIER}\"\nconnections = [\"x\"]");
        let prefer = "[listen]\naddress = \"0.0.0.0:1\"\n[listen.tls]\nmode = \"disable\"\n";
        assert_eq!(told(&user, "README"), 0, "on loopback it is what the README says");
        assert_eq!(told(&format!("{prefer}{user}"), "users.u: its password is the one of the README"), 1);
        assert_eq!(told(&format!("{prefer}{}", user.replace(VERIFIER, "env:PW")), "README"), 0);
        for text in [include_str!("../../../README.md"), include_str!("../../../proxy.toml")] {
            for line in text
                .lines()
                .filter(|line| line.contains("\"SCRAM-SHA-256$4096:") && !line.contains('…'))
            {
                assert!(line.contains(VERIFIER), "add its key to PUBLISHED: {line}");
            }
        }
    }

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
