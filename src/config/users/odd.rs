//! Warns, once at start, of users and rights that are allowed but odd.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::user::{ANY, AnyProof, AnyUser, Password, Proof, User};
use crate::config::reader::Value;
use crate::secret::SecretBytes;

/// The keys of verifiers in this project's own README and sample, whose password is known to
/// everybody.
const PUBLISHED: [[u8; 32]; 1] = [[
    0x74, 0xac, 0x64, 0x7a, 0x2c, 0xba, 0x17, 0x45, 0x61, 0x08, 0xa0, 0x54, 0x91, 0xe4, 0x19, 0x88, 0x59, 0xc4, 0xf8,
    0x27, 0x02, 0xbf, 0x3d, 0xcb, 0xb4, 0x5b, 0x49, 0x8d, 0xbb, 0xdb, 0x5e, 0xda,
]];

/// Warns at the users' entries. `is_local`: clients come from this machine alone.
pub(in crate::config) fn warn(
    users: &BTreeMap<String, Arc<User>>,
    any: Option<&AnyUser>,
    entries: &[Value<'_>],
    is_local: bool,
) {
    let mut with_password = users
        .values()
        .filter(|user| matches!(user.proof, Proof::Passwords(_)));
    let is_by_certificate = any.is_some_and(|any| any.proof == AnyProof::Certificate);
    for entry in entries {
        if entry.name == ANY && is_by_certificate && with_password.next().is_some() {
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
            .any(|key| SecretBytes::new(*key) == verifier.stored_key),
        Password::Plain(_) | Password::Remote(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use crate::config::users::tests::told;

    const VERIFIER: &str = "SCRAM-SHA-256$4096:CMEcUGp3dB6cCe4FOUmUNA==$\
        dKxkeiy6F0VhCKBUkeQZiFnE+CcCvz3LtFtJjbvbXto=:PSi0TyRVYa2NZopqlhMxCHeq4Ea0cViSGg4BNGc3eiQ=";

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
}
