//! What a text looks like that should be a password: the one judgement of all that is kept in
//! variables, files, SSM and Secrets Manager. A verifier that a shell has eaten half of, or the
//! hash out of another pooler's file, is never taken for a plain password: who has the hash would
//! be in, and who has the password would not. Nothing here repeats the text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::crypto::verifier::BadVerifier;
use crate::secret::{Secret, SecretJson};

/// Why a text is neither a password nor a verifier.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadPassword {
    /// Nothing at all, or a password that no client can send.
    #[error("refers to an empty password, or one with a NUL in it")]
    Empty,
    /// Meant as a verifier, and of its form, but a part of it will not do.
    #[error("what it refers to: {0}")]
    Verifier(#[from] BadVerifier),
    /// `SCRAM-SHA-2564096:…`
    #[error(
        "a SCRAM verifier that has lost its $ signs: a shell or Compose took them for variables (put it in single quotes, \
         or write $$ in a Compose file)"
    )]
    NoDollars,
    /// `SCRAM-SHA-256$$4096:…`
    #[error("a SCRAM verifier with $$ for each $: whatever was to undo the doubling has not done so")]
    DoubleDollars,
    /// `SCRAM-SHA-256\$4096:…`
    #[error("a SCRAM verifier with a backslash in it: store it without")]
    Backslash,
    /// `"SCRAM-SHA-256$4096:…"`
    #[error("a SCRAM verifier in quotes: store it without")]
    Quotes,
    /// `scram-sha-256$4096:…`
    #[error("a SCRAM verifier in lower case: it begins with SCRAM-SHA-256, and case counts in all of it")]
    Case,
    /// `…:STOREDKEY:SERVERKEY`, or blanks ahead of it.
    #[error("a part of a SCRAM verifier, or one with something ahead of it: store it whole and alone")]
    Part,
    /// `md5` and 32 hexadecimal digits.
    #[error("an MD5 hash will not do; make a SCRAM-SHA-256 verifier with hash-password")]
    Md5,
    /// `$2b$…`, `$6$…`, `{SSHA}…`
    #[error("a hash of crypt, bcrypt or their like will not do; make a SCRAM-SHA-256 verifier with hash-password")]
    Crypt,
    /// `"ann" "SCRAM-SHA-256$…"`
    #[error("a line of a PgBouncer user list will not do; store what is in its second pair of quotes alone")]
    UserList,
    /// A certificate or a key.
    #[error("PEM will not do: this is to be a password or a verifier")]
    Pem,
    /// A document out of Secrets Manager.
    #[error("a whole JSON object will not do: name the member that holds the password (secret:ID#KEY)")]
    Json,
    /// Some editors on Windows write one.
    #[error("begins with a byte order mark (BOM): save it as UTF-8 without one")]
    ByteOrderMark,
    /// A newline in the middle.
    #[error("has more than one line, which no client sends; if it is meant so, store a verifier of hash-password's")]
    Lines,
    /// A blank or a tab at an end.
    #[error("has blanks at its ends; store it without, or, if they are meant, a verifier of hash-password's")]
    Blanks,
    /// `\n` as two characters.
    #[error("ends in \\n as two characters; store it without, or, if they are meant, a verifier of hash-password's")]
    EscapedNewline,
}

/// A text as what it is.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Judged<'t> {
    /// Has the form of a verifier: whether it is one, [`crate::crypto::Verifier::parse`] says.
    Verifier(&'t str),
    /// A password.
    Plain(&'t str),
}

/// Judges what a reference led to, less the one newline that editors and `echo` leave behind.
///
/// # Errors
/// See [`BadPassword`].
pub(crate) fn judge(text: &str) -> Result<Judged<'_>, BadPassword> {
    let text = without_newline(text);
    if text.is_empty() || text.contains('\0') {
        return Err(BadPassword::Empty);
    }
    if let Some(disguised) = disguised(text) {
        return disguised;
    }
    if text.starts_with('\u{feff}') {
        return Err(BadPassword::ByteOrderMark);
    }
    if text.contains(['\n', '\r']) {
        return Err(BadPassword::Lines);
    }
    if text.trim() != text {
        return Err(BadPassword::Blanks);
    }
    if text.ends_with("\\n") {
        return Err(BadPassword::EscapedNewline);
    }
    Ok(Judged::Plain(text))
}

/// A text that is something else than a password, wherever it stands. `None`: it may be a password.
pub(crate) fn disguised(text: &str) -> Option<Result<Judged<'_>, BadPassword>> {
    let wrapping = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | '\u{feff}');
    let bare = text.trim_matches(wrapping);
    if text.contains("-----BEGIN ") || text.contains("-----END ") {
        return Some(Err(BadPassword::Pem));
    }
    if is_user_list(text) {
        return Some(Err(BadPassword::UserList));
    }
    if is_scram(bare) {
        return Some(if text.starts_with(PREFIX) && !text.contains(wrapping) {
            scram(text)
        } else {
            Err(spoilt(text))
        });
    }
    if holds_keys(bare) {
        return Some(Err(BadPassword::Part));
    }
    if is_md5(bare) {
        return Some(Err(BadPassword::Md5));
    }
    if is_crypt(bare) {
        return Some(Err(BadPassword::Crypt));
    }
    let parsed = |text: &str| SecretJson::parse(&Secret::new(text.to_owned()));
    let is_object = |text: &str| parsed(text).is_ok_and(|json| json.object().is_some());
    (text.trim_start().starts_with('{') && is_object(text)).then_some(Err(BadPassword::Json))
}

/// Judges the text that stands in the file itself, where a reference may stand too. `None`: it may
/// well be one.
pub(crate) fn in_place(text: &str) -> Option<Result<Judged<'_>, BadPassword>> {
    match disguised(text)? {
        // A file may be called so; and what refers to it says more about PEM.
        _ if is_scram(text) && !text.contains(['$', '=']) => None,
        Err(BadPassword::Pem | BadPassword::Json) => None,
        judged => Some(judged),
    }
}

/// Judges a warehouse's password, less the one newline that editors and `echo` leave behind. The
/// warehouse wants the password itself: whatever stands for one is told, by what it is.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn warehouse_password(text: &str) -> Result<&str, &'static str> {
    Err(match judge(text) {
        Ok(Judged::Plain(text)) => return Ok(text),
        Err(BadPassword::Empty) if without_newline(text).is_empty() => "the parameter holds no password",
        Err(BadPassword::Empty) => "the parameter's password holds a NUL",
        Ok(Judged::Verifier(_)) | Err(_) => match of_a_secret(text) {
            Err(what) => what,
            Ok(()) => "the parameter's password has a byte order mark, blanks or more lines than one: store it without",
        },
    })
}

/// Judges the password of a warehouse that a secret's JSON holds: it is exact, and may be anything
/// but what stands for a password.
///
/// # Errors
/// What it is.
pub(crate) fn of_a_secret(text: &str) -> Result<(), &'static str> {
    Err(match disguised(text) {
        None => return Ok(()),
        Some(Err(BadPassword::Md5 | BadPassword::Crypt)) => {
            "what is stored as the password is a hash: the warehouse wants the password itself"
        }
        Some(Err(BadPassword::Pem)) => "what is stored as the password is PEM",
        Some(Err(BadPassword::Json)) => "what is stored as the password is a JSON object: secret_id reads those",
        Some(Err(BadPassword::UserList)) => "what is stored as the password is a line of a PgBouncer user list",
        Some(_) => {
            "what is stored as the password is a SCRAM verifier or a part of one: the warehouse wants the password itself"
        }
    })
}

/// Less the one newline that editors and `echo` leave behind.
pub(crate) fn without_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

const PREFIX: &str = "SCRAM-SHA-256";

/// Of any hash, and also where nothing is behind it any more.
fn is_scram(bare: &str) -> bool {
    bare.get(.."SCRAM-SHA-".len())
        .is_some_and(|start| start.eq_ignore_ascii_case("SCRAM-SHA-"))
}

/// One that begins as it should, with nothing around it.
fn scram(text: &str) -> Result<Judged<'_>, BadPassword> {
    match text.matches('$').count() {
        _ if text.contains("$$") => Err(BadPassword::DoubleDollars),
        0 | 1 if !text.starts_with("SCRAM-SHA-256$") => Err(BadPassword::NoDollars),
        _ => Ok(Judged::Verifier(text)),
    }
}

/// What has been done to a verifier.
fn spoilt(text: &str) -> BadPassword {
    if text.contains('\\') {
        BadPassword::Backslash
    } else if text.contains(['"', '\'']) {
        BadPassword::Quotes
    } else if text.starts_with('\u{feff}') {
        BadPassword::ByteOrderMark
    } else if text.contains(char::is_whitespace) {
        BadPassword::Blanks
    } else if text
        .get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
    {
        BadPassword::Case
    } else {
        BadPassword::Verifier(BadVerifier::Shape)
    }
}

/// `STOREDKEY:SERVERKEY` at the end, whatever is left ahead of it.
fn holds_keys(bare: &str) -> bool {
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
fn is_md5(bare: &str) -> bool {
    let hash = bare
        .get(..3)
        .filter(|start| start.eq_ignore_ascii_case("md5"))
        .and_then(|_| bare.get(3..));
    hash.is_some_and(|hash| hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// crypt(5)'s `$ID$`, LDAP's `{SCHEME}`, Django's and Werkzeug's `pbkdf2`.
fn is_crypt(bare: &str) -> bool {
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
fn is_user_list(text: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Verifier;

    fn verifier() -> String {
        Verifier::derive(&Secret::new("pencil".to_owned()), b"0123456789abcdef", 4096).to_string()
    }

    #[test]
    fn passwords_are_taken_as_they_are_less_one_newline() {
        for (text, want) in [
            ("pw", "pw"),
            ("pw\n", "pw"),
            ("pw\r\n", "pw"),
            ("p w", "p w"),
            ("pässwörd €", "pässwörd €"),
            (r#"pl+nt/ed=pa%ss "w\rd-7f3a'"#, r#"pl+nt/ed=pa%ss "w\rd-7f3a'"#),
            ("\"quoted\"", "\"quoted\""),
            ("{braces}", "{braces}"),
            ("{\"a\"", "{\"a\""),
            ("[1]", "[1]"),
            ("$6$short", "$6$short"),
            ("md5", "md5"),
            ("md5sum-of-nothing", "md5sum-of-nothing"),
            ("a:b", "a:b"),
            ("$ecret$$", "$ecret$$"),
            ("\"a\"b\"", "\"a\"b\""),
        ] {
            assert_eq!(judge(text), Ok(Judged::Plain(want)), "{text:?}");
        }
    }

    #[test]
    fn a_verifier_is_one_or_what_was_done_to_it_is_named() {
        let good = verifier();
        assert_eq!(judge(&format!("{good}\n")), Ok(Judged::Verifier(&good)));
        for (text, want) in [
            // A shell, where $4 and $KEY are variables; Compose, where they are too.
            (good.replace("$4", ""), BadPassword::NoDollars),
            (good.replace('$', ""), BadPassword::NoDollars),
            (good.replace("$4096", ""), BadPassword::NoDollars),
            ("SCRAM-SHA-256".to_owned(), BadPassword::NoDollars),
            ("SCRAM-SHA-256:".to_owned(), BadPassword::NoDollars),
            (good.replace("SCRAM-SHA-256", "SCRAM-SHA-1"), BadPassword::Verifier(BadVerifier::Shape)),
            (good.replace('$', "$$"), BadPassword::DoubleDollars),
            (good.replace('$', "\\$"), BadPassword::Backslash),
            (format!("\\{good}"), BadPassword::Backslash),
            (format!("{good}\\n"), BadPassword::Backslash),
            (format!("'{good}'"), BadPassword::Quotes),
            (format!("\"{good}\""), BadPassword::Quotes),
            (format!("\"{good}"), BadPassword::Quotes),
            (format!("\"{}\"", good.replace('$', "")), BadPassword::Quotes),
            (format!(" {good}"), BadPassword::Blanks),
            (format!("{good} "), BadPassword::Blanks),
            (format!("{good}\n\n"), BadPassword::Blanks),
            (format!("\u{feff}{good}"), BadPassword::ByteOrderMark),
            (good.replacen("SCRAM-SHA-256", "scram-sha-256", 1), BadPassword::Case),
            (good.replacen("SCRAM-SHA-256$", "", 1), BadPassword::Part),
            (good.rsplit_once('$').unwrap().1.to_owned(), BadPassword::Part),
            (format!("password={good}"), BadPassword::Part),
        ] {
            assert_eq!(judge(&text), Err(want), "{text:?}");
        }
        for text in [&good[..good.len() - 9], "SCRAM-SHA-256$", "SCRAM-SHA-256$4096:c2FsdA=="] {
            assert_eq!(judge(text), Ok(Judged::Verifier(text)), "half of one, which parsing refuses");
            assert!(Verifier::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hashes_lists_and_documents_are_no_passwords() {
        let (good, md5) = (verifier(), "md50123456789abcdef0123456789ABCDEF");
        let list = |user: &str, secret: &str| format!("\"{user}\" \"{secret}\"\n");
        for (text, want) in [
            (md5.to_owned(), BadPassword::Md5),
            (md5.to_uppercase(), BadPassword::Md5),
            (format!("\"{md5}\""), BadPassword::Md5),
            (format!(" {md5}\n"), BadPassword::Md5),
            (list("ann", md5), BadPassword::UserList),
            (list("ann", &good), BadPassword::UserList),
            (list("ann", "plain"), BadPassword::UserList),
            (list("ann", md5) + &list("bob", md5), BadPassword::UserList),
            (format!("ann {md5}"), BadPassword::UserList),
            (format!("ann {good}"), BadPassword::UserList),
            ("$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234".to_owned(), BadPassword::Crypt),
            ("$6$saltsalt$abcdefghijklmnop".to_owned(), BadPassword::Crypt),
            ("$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA".to_owned(), BadPassword::Crypt),
            ("{SSHA}abcdefghijklmnopqrstuvwxyz".to_owned(), BadPassword::Crypt),
            ("-----BEGIN PRIVATE KEY-----\nAAAA".to_owned(), BadPassword::Pem),
            ("AAAA\\n-----END PRIVATE KEY-----".to_owned(), BadPassword::Pem),
            (r#"{"username":"u","password":"p"}"#.to_owned(), BadPassword::Json),
            ("{\n}\n".to_owned(), BadPassword::Json),
        ] {
            assert_eq!(judge(&text), Err(want), "{text:?}");
        }
    }

    #[test]
    fn a_warehouse_wants_the_password_itself() {
        for text in ["pw", "pw\n", "pw\r\n"] {
            assert_eq!(warehouse_password(text), Ok("pw"));
        }
        let good = verifier();
        for (text, want) in [
            (good.as_str(), "SCRAM verifier"),
            (&good.replace('$', ""), "SCRAM verifier"),
            ("md50123456789abcdef0123456789abcdef", "hash"),
            ("{\"password\":\"p\"}", "secret_id reads those"),
            ("\"u\" \"p\"", "user list"),
            ("-----BEGIN PRIVATE KEY-----", "PEM"),
            ("\n", "holds no password"),
            ("a\0", "holds a NUL"),
            (" pw", "blanks"),
            ("\u{feff}pw", "byte order mark"),
            ("p\nw", "more lines than one"),
        ] {
            assert!(warehouse_password(text).unwrap_err().contains(want), "{text:?}");
        }
        assert!(of_a_secret(" exactly\nthis ").is_ok() && of_a_secret(&good).is_err());
    }

    #[test]
    fn a_reference_may_stand_where_a_verifier_may() {
        for text in ["file:pw", "SCRAM-SHA-256.txt", "scram-sha-256", "/etc/x", "env:PW", "{user}"] {
            assert_eq!(in_place(text), None, "{text}");
        }
        let good = verifier();
        assert_eq!(in_place(&good), Some(Ok(Judged::Verifier(&good))));
        assert_eq!(in_place(&format!("'{good}'")), Some(Err(BadPassword::Quotes)));
        assert_eq!(in_place(&good.replace('$', "")), Some(Err(BadPassword::NoDollars)));
        assert_eq!(in_place("md50123456789abcdef0123456789abcdef"), Some(Err(BadPassword::Md5)));
    }

    #[test]
    fn what_no_client_types_is_no_password() {
        for (text, want) in [
            ("", BadPassword::Empty),
            ("\n", BadPassword::Empty),
            ("a\0", BadPassword::Empty),
            ("\u{feff}pw", BadPassword::ByteOrderMark),
            ("pw\n\n", BadPassword::Lines),
            ("p\nw", BadPassword::Lines),
            (" pw", BadPassword::Blanks),
            ("pw\t", BadPassword::Blanks),
            ("pw\u{a0}", BadPassword::Blanks),
            ("pw\\n", BadPassword::EscapedNewline),
        ] {
            assert_eq!(judge(text), Err(want), "{text:?}");
        }
    }
}
