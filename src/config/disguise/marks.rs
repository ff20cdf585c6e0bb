//! The marks by which verifiers, hashes and lines of user lists are known.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The beginning of a verifier.
pub(super) const PREFIX: &str = "SCRAM-SHA-256";

/// Whether the text begins as a SCRAM verifier of any hash does, even where nothing is left behind
/// that.
pub(super) fn is_scram(bare: &str) -> bool {
    bare.get(.."SCRAM-SHA-".len())
        .is_some_and(|start| start.eq_ignore_ascii_case("SCRAM-SHA-"))
}

/// Whether the text ends in `STOREDKEY:SERVERKEY`, no matter what is left ahead of it.
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

/// Length of a SHA-256 hash, and of its base64 text.
const KEY_BYTES: usize = 32;
const KEY_CHARS: usize = 44;

/// Whether the text is an MD5 hash of PostgreSQL's and PgBouncer's form.
pub(super) fn is_md5(bare: &str) -> bool {
    let hash = bare
        .get(..3)
        .filter(|start| start.eq_ignore_ascii_case("md5"))
        .and_then(|_| bare.get(3..));
    hash.is_some_and(|hash| hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether the text is a hash in the form of crypt(5) (`$ID$`), LDAP (`{SCHEME}`), or Django and
/// Werkzeug (`pbkdf2`).
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

/// Whether the text is a line of a user list, `"user" "secret"`. Where a shell has eaten the
/// quotes, the word behind the blank tells.
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
