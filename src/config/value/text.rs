//! Text itself: references, variables, names, and what was probably meant.

use std::path::PathBuf;

use super::{Parsed, is_parameter, secret_id};

/// Where a value is kept, when it is not in the file itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reference {
    /// `file:PATH` or a bare path.
    File(PathBuf),
    /// `env:NAME`
    Env(String),
    /// `ssm:NAME` or `secret:ID[#key]`
    Remote(Remote),
}

impl Reference {
    /// Whether it may lead to something else while we run: the environment of a process does not
    /// change under way.
    #[must_use]
    pub fn may_change(&self) -> bool {
        match self {
            Self::File(_) | Self::Remote(_) => true,
            Self::Env(_) => false,
        }
    }
}

/// What AWS keeps.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Remote {
    /// The name or ARN of an SSM parameter.
    Parameter(String),
    /// A secret of Secrets Manager.
    Secret {
        /// Name or ARN.
        id: String,
        /// Which member of its JSON object. `None`: the whole text.
        key: Option<String>,
    },
}

/// `file:PATH`, `env:NAME`, `ssm:NAME`, `secret:ID[#key]` or a bare path. Relative paths are left
/// as they are.
pub(crate) fn reference(text: &str) -> Parsed<Reference> {
    match text.split_once(':') {
        Some(("ssm", name)) if is_parameter(name) => Ok(Reference::Remote(Remote::Parameter(name.to_owned()))),
        Some(("ssm", _)) => Err("must name an SSM parameter behind the colon".into()),
        Some(("secret", secret)) => remote_secret(secret).map(Reference::Remote),
        Some(("file" | "env", "")) => Err("must name a file or a variable behind the colon".into()),
        Some(("file", path)) => Ok(Reference::File(path.into())),
        Some(("env", name)) => Ok(Reference::Env(name.to_owned())),
        _ if text.is_empty() => Err("must not be empty".into()),
        // Taken for a path it would be shown, and it may be a private key.
        _ if text.contains("-----BEGIN") || is_der(text) => Err("must refer to a PEM text, not be one".into()),
        _ if text.contains('\n') => Err("must be one line: a reference, not the text itself".into()),
        _ => Ok(Reference::File(text.into())),
    }
}

/// Whether a text looks like a certificate or a key that lost the lines around its base64, which
/// begins so in DER: no path is so long, and has nothing but these.
fn is_der(text: &str) -> bool {
    const SHORTEST_KEY: usize = 60;
    text.len() >= SHORTEST_KEY
        && text.starts_with('M')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
}

fn remote_secret(text: &str) -> Parsed<Remote> {
    const EXPECTED: &str = "must name a Secrets Manager secret behind the colon, and may have # and a key behind that";
    let (id, key) = match text.split_once('#') {
        Some((id, key)) => (id, Some(key)),
        None => (text, None),
    };
    let id = secret_id(id).map_err(|_why| EXPECTED)?;
    if key.is_some_and(|key| visible(key, 256).is_err()) {
        return Err(EXPECTED.into());
    }
    Ok(Remote::Secret { id, key: key.map(str::to_owned) })
}

/// Puts environment variables in for `${NAME}`. One pass: what a variable holds is taken as it is.
pub(crate) fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Parsed<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let name = after.split_once('}').filter(|(name, _)| is_variable(name));
        let (name, behind) = name.ok_or("${ must be followed by the name of an environment variable and }")?;
        let value = env(name).ok_or_else(|| format!("environment variable {name} is not set"))?;
        out.push_str(before);
        out.push_str(&value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What may stand in a name that people read and type: 1–63 bytes, all visible but for blanks
/// within.
pub(crate) fn visible_name(text: &str) -> Parsed<()> {
    visible(text, 63)
}

/// Parts the user from the conn_id in a startup message (`USER~CONN_ID`): no user's name holds it.
pub(crate) const BEFORE_CONN_ID: char = '~';

/// A name of a user that can log in.
pub(crate) fn user_name(text: &str) -> Parsed<()> {
    visible_name(text)?;
    if text.contains(BEFORE_CONN_ID) {
        return Err(
            "the name of a user holds no \"~\": in a login it parts the user from a conn_id (USER~CONN_ID)".into()
        );
    }
    Ok(())
}

/// A text for people, such as `description`: at most 1,000 characters, and nothing that a terminal
/// or a page would obey. Whoever writes lava's table writes it, and others read it.
pub(crate) fn note(text: &str) -> Parsed<String> {
    const LONGEST: usize = 1000;
    let is_hidden = |c: char| c != '\n' && c != '\t' && (c.is_control() || is_formatting(c));
    if text.chars().count() <= LONGEST && !text.contains(is_hidden) {
        return Ok(text.to_owned());
    }
    Err(format!("must be at most {LONGEST} visible characters, in one line or more").into())
}

/// What shows nothing, or turns the direction of writing.
fn is_formatting(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// 1 to `longest` bytes, all visible but for blanks within.
pub(crate) fn visible(text: &str, longest: usize) -> Parsed<()> {
    // Controls, all blanks but the plain one, and what shows nothing or turns the direction of
    // writing.
    let hidden = |c: char| c.is_control() || (c.is_whitespace() && c != ' ') || is_formatting(c);
    if !(1..=longest).contains(&text.len()) {
        Err(format!("a name is 1 to {longest} bytes long").into())
    } else if text.contains(hidden) || text.trim() != text {
        Err("a name is made of visible characters, with no blanks at its ends".into())
    } else {
        Ok(())
    }
}

/// The candidate that was probably meant.
pub(crate) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let chars = name.chars().count();
    let within = (chars / 3).clamp(1, 2);
    // Each character more or less is an edit.
    let near = candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(chars) <= within);
    let scored = near.map(|candidate| (edits(name, candidate), candidate));
    scored
        .filter(|(edits, _)| *edits <= within)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, where two neighbours in the wrong order are one edit (optimal string
/// alignment).
fn edits(a: &str, b: &str) -> usize {
    #[cfg(test)]
    super::work::compared();
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let at = |row: &[usize], n: usize| row.get(n).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let left = at(&next, j) + 1;
            let mut least = left
                .min(at(&row, j + 1) + 1)
                .min(at(&row, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    at(&row, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        assert_eq!(reference("file:a b"), Ok(Reference::File("a b".into())));
        assert_eq!(reference("/etc/x"), Ok(Reference::File("/etc/x".into())));
        assert_eq!(reference("c:/x"), Ok(Reference::File("c:/x".into())));
        assert_eq!(reference("env:PW"), Ok(Reference::Env("PW".into())));
        let secret = |id: &str, key: Option<&str>| Remote::Secret { id: id.to_owned(), key: key.map(str::to_owned) };
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf";
        for (text, want) in [
            ("ssm:/a/b", Remote::Parameter("/a/b".to_owned())),
            ("secret:prod/x", secret("prod/x", None)),
            ("secret:prod/x#pass word", secret("prod/x", Some("pass word"))),
            (&format!("secret:{arn}#key"), secret(arn, Some("key"))),
        ] {
            assert_eq!(reference(text), Ok(Reference::Remote(want)));
        }
        let bare_key = format!("MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg{}", "x/Y+".repeat(9));
        assert_eq!(reference(&bare_key), Err("must refer to a PEM text, not be one".into()));
        for text in ["", "file:", "env:", "ssm:", "ssm:a b", "secret:", "secret:#k", "secret:x#", "secret:a b"] {
            assert!(reference(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn variables_are_put_in_once() {
        let env = |name: &str| match name {
            "A" => Some("x${B}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, want) in [("", ""), ("$A {A} $", "$A {A} $"), ("${A}", "x${B}"), ("1${A}2${EMPTY}3", "1x${B}23")] {
            assert_eq!(expand(text, &env).as_deref(), Ok(want));
        }
        assert!(
            expand("a${NOPE}", &env)
                .unwrap_err()
                .contains("NOPE is not set")
        );
        for text in ["${", "${}", "${A", "${1}", "${A B}", "${A-x}"] {
            assert!(expand(text, &env).unwrap_err().contains("must be followed"), "{text}");
        }
    }

    #[test]
    fn the_nearest_name_is_offered() {
        let keys = ["max_sessions", "max_handshakes", "host", "port"];
        for (name, want) in [
            ("max_session", Some("max_sessions")),
            ("hots", Some("host")),
            ("prot", Some("port")),
            ("hos", Some("host")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(name, keys), want, "{name}");
        }
    }

    #[test]
    fn notes_are_short_and_nothing_obeys_them() {
        for (text, ok) in [
            ("", true),
            ("Sales mart, für alle\nsecond line\t", true),
            ("\u{1b}[2J", false),
            ("a\0", false),
            ("a\u{202e}b", false),
            ("a\r\nb", false),
        ] {
            assert_eq!(note(text).is_ok(), ok, "{text:?}");
        }
        assert!(note(&"ü".repeat(1000)).is_ok() && note(&"ü".repeat(1001)).is_err());
    }

    #[test]
    fn visible_names() {
        for (text, ok) in [
            ("sales", true),
            ("Sales Mart 2", true),
            ("größe", true),
            ("", false),
            (" a", false),
            ("a ", false),
            ("a\tb", false),
            ("a\0", false),
            ("a\u{a0}b", false),
            ("a\u{202e}b", false),
        ] {
            assert_eq!(visible_name(text).is_ok(), ok, "{text:?}");
        }
        assert!(visible_name(&"n".repeat(63)).is_ok() && visible_name(&"n".repeat(64)).is_err());
    }
}
