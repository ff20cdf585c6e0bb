//! The marks by which texts are known that stand for a password: verifiers, hashes, lines of user
//! lists.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) const PREFIX: &str = "SCRAM-SHA-256";

/// Of any hash, and also where nothing is behind it any more.
pub(super) fn is_scram(bare: &str) -> bool {
    bare.get(.."SCRAM-SHA-".len())
        .is_some_and(|start| start.eq_ignore_ascii_case("SCRAM-SHA-"))
}

/// `STOREDKEY:SERVERKEY` at the end, whatever is left ahead of it.
pub(super) fn holds_keys(bare: &str) -> bool {
    let is_key = |text: &str| {
        STANDARD
            .decode(text)
            .is_ok_and(|key| key.len() == KEY_BYTES)
    };
    let Some((ahead, server)) = bare.rsplit_once(':') else { return false };
    let stored = ahead
        .len()
        .checked_sub(KEY_CHARS)
        .and_then(|at| ahead.get(at..));
    is_key(server) && stored.is_some_and(is_key)
}

/// SHA-256 yields as many, and base64 makes as many letters of them.
const KEY_BYTES: usize = 32;
const KEY_CHARS: usize = 44;

/// PostgreSQL's and PgBouncer's.
pub(super) fn is_md5(bare: &str) -> bool {
    let hash = bare
        .get(..3)
        .filter(|start| start.eq_ignore_ascii_case("md5"))
        .and_then(|_| bare.get(3..));
    hash.is_some_and(|hash| hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// crypt(5)'s `$ID$`, LDAP's `{SCHEME}`, Django's and Werkzeug's `pbkdf2`.
pub(super) fn is_crypt(bare: &str) -> bool {
    const SHORTEST: usize = 20;
    let ids = ["1", "2a", "2b", "2x", "2y", "5", "6", "7", "y", "gy", "argon2d", "argon2i", "argon2id", "scrypt"];
    let of_crypt = bare
        .strip_prefix('$')
        .and_then(|rest| rest.split_once('$'))
        .is_some_and(|(id, _)| ids.contains(&id));
    let starts = ["{SSHA", "{SHA", "{CRYPT}", "{BCRYPT}", "{ARGON2", "{PBKDF2", "pbkdf2_sha", "pbkdf2:sha"];
    bare.len() >= SHORTEST && (of_crypt || starts.iter().any(|start| bare.starts_with(start)))
}

/// `"user" "secret"`; where a shell has eaten the quotes, by what is behind the blank.
pub(super) fn is_user_list(text: &str) -> bool {
    let quoted = text
        .trim_start()
        .strip_prefix('"')
        .and_then(|rest| rest.split_once('"'));
    if quoted.is_some_and(|(_, rest)| rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('"')) {
        return true;
    }
    let mut words = text.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(_), Some(last), None) => is_scram(last) || is_md5(last),
        _ => false,
    }
}
