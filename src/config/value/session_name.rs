//! The name of a user's own role session, which CloudTrail shows.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};

/// Makes a `RoleSessionName` of a client's user: word characters and `=,.@-` stay, the rest becomes
/// `.` (as lava cleans). `-` and 8 hexadecimal digits of the name's SHA-256 follow where that
/// changed the name or it was not 2–64 long. A name that ends like one with a hash gets one too,
/// since else it could be chosen to be another user's.
pub(crate) fn session_name(user: &str) -> String {
    const LONGEST: usize = 64;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_=,.@-".contains(c);
    let mut name: String = user
        .chars()
        .map(|c| if is_allowed(c) { c } else { '.' })
        .collect();
    if name == user && (2..=LONGEST).contains(&name.len()) && !ends_in_a_hash(&name) {
        return name;
    }
    name.truncate(LONGEST - MARK);
    let hash = digest(&SHA256, user.as_bytes());
    hash.as_ref()
        .iter()
        .take(4)
        .fold(name + "-", |mut name, byte| {
            // Writing to a String cannot fail.
            let _ = write!(name, "{byte:02x}");
            name
        })
}

/// Length of `-` and 8 hexadecimal digits.
const MARK: usize = 9;

fn ends_in_a_hash(name: &str) -> bool {
    let mark = name
        .len()
        .checked_sub(MARK)
        .and_then(|at| name.get(at..))
        .and_then(|mark| mark.strip_prefix('-'));
    mark.is_some_and(|hash| hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_after_its_user_and_no_other() {
        for (user, want) in [
            ("ann", "ann"),
            ("ann_1=,.@-", "ann_1=,.@-"),
            ("ab", "ab"),
            ("a", "a-ca978112"),
            ("a+b", "a.b-300273da"),
            ("ann lee", "ann.lee-e4959174"),
            ("é", ".-4a99557e"),
            ("bob-1A2B3C4D", "bob-1A2B3C4D"),
            ("bob-1a2b3c4", "bob-1a2b3c4"),
        ] {
            assert_eq!(session_name(user), want);
        }
        assert_eq!(session_name(&"x".repeat(64)), "x".repeat(64));
        let long = session_name(&"x".repeat(65));
        assert_eq!((long.len(), &long[..55]), (64, &*"x".repeat(55)));
        assert_ne!(session_name("a b"), session_name("a.b"));
        assert_ne!(session_name("a b"), session_name("a/b"));
    }

    #[test]
    fn two_users_never_have_the_same_session_name() {
        for user in ["a+b", "a", "é", &"x".repeat(65), "bob-1a2b3c4d"] {
            let theirs = session_name(user);
            assert_ne!(session_name(&theirs), theirs, "{user}");
            assert!(ends_in_a_hash(&theirs), "{user}");
        }
    }
}
