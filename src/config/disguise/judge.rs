//! Tells passwords and verifiers from other texts.

use super::flaw::BadPassword;
use super::marks::{PREFIX, holds_keys, is_crypt, is_md5, is_scram, is_user_list};
use crate::crypto::verifier::BadVerifier;
use crate::secret::{Secret, SecretJson};

/// A text that was accepted.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Judged<'t> {
    /// The text has the form of a verifier; [`crate::crypto::Verifier::parse`] says whether it is
    /// one.
    Verifier(&'t str),
    /// The text is a password.
    Plain(&'t str),
}

/// Judges the text that a reference led to, without the one newline that editors and `echo` leave
/// behind.
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

/// Judges a text that is not a password, wherever it stands. `None`: it may be a password.
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

/// Judges a text that stands in the configuration file itself, where a reference may stand too.
/// `None`: it may be a reference.
pub(crate) fn in_place(text: &str) -> Option<Result<Judged<'_>, BadPassword>> {
    match disguised(text)? {
        // A file may be called so; and what refers to it says more about PEM.
        _ if is_scram(text) && !text.contains(['$', '=']) => None,
        Err(BadPassword::Pem | BadPassword::Json) => None,
        judged => Some(judged),
    }
}

/// Cuts off the one newline that editors and `echo` leave behind.
pub(crate) fn without_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// Judges a text that begins as a verifier does, with nothing around it.
fn scram(text: &str) -> Result<Judged<'_>, BadPassword> {
    match text.matches('$').count() {
        _ if text.contains("$$") => Err(BadPassword::DoubleDollars),
        0 | 1 if !text.starts_with("SCRAM-SHA-256$") => Err(BadPassword::NoDollars),
        _ => Ok(Judged::Verifier(text)),
    }
}

/// Finds out what has been done to a verifier.
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
