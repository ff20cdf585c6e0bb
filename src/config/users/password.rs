//! A user's `password`: a verifier, or a reference to one or to a password. Nothing here repeats the text: it may be a
//! password itself.

use std::io::ErrorKind;
use std::path::Path;

use thiserror::Error;

use crate::config::reader::{Value, read_file};
use crate::config::value::{self, Reference};
use crate::config::verifier::{self, BadVerifier, Verifier};
use crate::config::{NOT_YET_SUPPORTED, Password, StoredPassword};
use crate::secret::Secret;

/// What a reference led to proves nobody.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadPassword {
    /// Nothing at all, or a password that no client can send.
    #[error("refers to an empty password, or one with a NUL in it")]
    Empty,
    /// Meant as a verifier, but none.
    #[error("what it refers to: {0}")]
    Verifier(#[from] BadVerifier),
}

impl Password {
    /// What a reference led to: a verifier or a password, less the one newline that editors and `echo` leave behind.
    ///
    /// # Errors
    /// See [`BadPassword`].
    pub fn from_stored(text: &Secret) -> Result<Self, BadPassword> {
        let stored = without_newline(text.expose());
        if verifier::is_meant(stored) {
            return Ok(Self::Verifier(Verifier::parse(stored)?));
        }
        if stored.is_empty() || stored.contains('\0') {
            return Err(BadPassword::Empty);
        }
        Ok(Self::Plain(Secret::new(stored.to_owned())))
    }
}

/// The password, and where it was read.
pub(super) fn password(value: &Value<'_>) -> Option<StoredPassword> {
    if value.is_list() {
        value.fault("two passwords: not yet supported");
        return None;
    }
    let text = Secret::new(value.text()?);
    if verifier::is_meant(text.expose()) {
        let verifier = value.parse(|text| Verifier::parse(text).map_err(|why| why.to_string().into()))?;
        return Some(StoredPassword { password: Password::Verifier(verifier), from: None });
    }
    if text.expose().strip_prefix("md5").is_some_and(|hash| hash.len() == 32 && !hash.contains('.')) {
        value.fault("an MD5 hash will not do; make a SCRAM-SHA-256 verifier with hash-password");
        return None;
    }
    if text.expose().starts_with("ssm:") && text.expose().contains("{user}") {
        value.fault(format_args!("{{user}} is {NOT_YET_SUPPORTED}"));
        return None;
    }
    let is_bare = !text.expose().starts_with("file:");
    let from = value.place_of(value.parse(value::reference)?);
    let stored = match &from {
        Reference::Env(name) => value.variable(name)?,
        Reference::File(path) => from_file(value, path, is_bare)?,
        Reference::Remote(remote) => {
            return Some(StoredPassword { password: Password::Remote(remote.clone()), from: Some(from) });
        }
    };
    match Password::from_stored(&Secret::new(stored)) {
        Ok(password) => Some(StoredPassword { password, from: Some(from) }),
        Err(why) => {
            value.fault(why);
            None
        }
    }
}

fn from_file(value: &Value<'_>, path: &Path, is_bare: bool) -> Option<String> {
    match read_file(path) {
        Ok(text) => Some(text),
        Err(why) => {
            // The kind alone: the whole error may name the path.
            let kind = why.kind();
            let what = match kind {
                ErrorKind::NotFound | ErrorKind::InvalidFilename if is_bare => {
                    "no such file, and not a SCRAM-SHA-256 verifier"
                }
                _ => "cannot read the file",
            };
            value.fault(format_args!("{what} ({kind})"));
            None
        }
    }
}

/// Less the one newline that editors and `echo` leave behind.
pub(crate) fn without_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}
