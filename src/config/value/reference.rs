//! References to values that are not kept in the file itself.

use std::fmt;
use std::path::PathBuf;

use super::Parsed;
use super::stored_name::{is_parameter, secret_id};
use super::text::visible;

/// The place of a value that is not in the file itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reference {
    /// The value is in a file (`file:PATH` or a bare path).
    File(PathBuf),
    /// The value is in an environment variable (`env:NAME`).
    Env(String),
    /// The value is kept at AWS (`ssm:NAME` or `secret:ID[#key]`).
    Remote(Remote),
}

impl Reference {
    /// Whether the reference may lead to another value while we run: only the environment of a
    /// process stays as it is.
    #[must_use]
    pub fn may_change(&self) -> bool {
        match self {
            Self::File(_) | Self::Remote(_) => true,
            Self::Env(_) => false,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::Remote(Remote::Parameter(name)) => write!(f, "ssm:{name}"),
            Self::Remote(Remote::Secret { id, key: None }) => write!(f, "secret:{id}"),
            Self::Remote(Remote::Secret { id, key: Some(key) }) => write!(f, "secret:{id}#{key}"),
        }
    }
}

/// A value that AWS keeps.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Remote {
    /// The name or ARN of an SSM parameter.
    Parameter(String),
    /// A secret of Secrets Manager.
    Secret {
        /// The name or ARN of the secret.
        id: String,
        /// The member of its JSON object. `None`: the whole text.
        key: Option<String>,
    },
}

/// Reads `file:PATH`, `env:NAME`, `ssm:NAME`, `secret:ID[#key]` or a bare path. Relative paths are
/// left as they are.
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

/// Whether a text looks like a certificate or a key that has lost the lines around its base64. DER
/// in base64 begins with `M`, and no path is so long and made of base64's characters alone.
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
}
