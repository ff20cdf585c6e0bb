//! Reads a user's `password`: a verifier, or a reference to one or to a password. No message
//! repeats the text, which may be a password itself.

use std::borrow::Cow;

use super::user::{Password, Proof, StoredPassword};
use crate::config::disguise::{self, BadPassword, Judged};
use crate::config::reader::Value;
use crate::config::value::{self, Parsed, Reference};
use crate::crypto::Verifier;
use crate::secret::Secret;

impl Password {
    /// Reads the text that a reference led to: a verifier or a password, without the one newline
    /// that editors and `echo` leave behind.
    ///
    /// # Errors
    /// See [`BadPassword`].
    pub fn from_stored(text: &Secret) -> Result<Self, BadPassword> {
        match disguise::judge(text.expose())? {
            Judged::Verifier(text) => Ok(Self::Verifier(Verifier::parse(text)?)),
            Judged::Plain(text) => Ok(Self::Plain(Secret::new(text.to_owned()))),
        }
    }
}

/// Most passwords that a user has at a time: the old one and the new one.
pub(crate) const MAX_PASSWORDS: usize = 2;

/// The placeholder of the user's name in a reference.
const USER: &str = "{user}";

/// The message where a bare path leads to no file.
const ABSENT: &str = "no such file, and not a SCRAM-SHA-256 verifier: a password itself never stands here; put in the verifier that \
                      hash-password makes of it, or where it is kept (file:, env:, ssm: or secret:)";

/// Reads one password, or two while rotating.
pub(super) fn passwords(value: &Value<'_>, user: &str) -> Option<Proof> {
    let values = if value.is_list() { value.list()? } else { vec![value.clone()] };
    if !(1..=MAX_PASSWORDS).contains(&values.len()) {
        value.report("must be one password, or two while rotating");
        return None;
    }
    let stored: Vec<_> = values.iter().map(|value| password(value, user)).collect();
    let stored = stored.into_iter().collect::<Option<Vec<_>>>()?;
    if let [
        StoredPassword { password: Password::Verifier(one), .. },
        StoredPassword { password: Password::Verifier(other), .. },
    ] = &stored[..]
        && (&one.salt, one.iterations) != (&other.salt, other.iterations)
    {
        // A client is told one salt and one count before it proves either.
        value.report(
            "the two verifiers must have the same salt and iterations: make the new one with hash-password --like OLD",
        );
        return None;
    }
    Some(Proof::Passwords(stored))
}

/// Reads the path below which each user of `users."*"` has a parameter of its own.
pub(super) fn path(value: &Value<'_>) -> Option<String> {
    const EXPECTED: &str = "must be \"ssm:/PATH/{user}\", a path below which each user has a parameter of its name";
    if value.is_list() {
        value.report(EXPECTED);
        return None;
    }
    value.parse(|text| {
        let path = text
            .strip_prefix("ssm:/")
            .and_then(|text| text.strip_suffix(USER)?.strip_suffix('/'));
        let path = path.filter(|path| !path.contains(USER) && path.split('/').all(|part| !part.is_empty()));
        let path = path
            .map(|path| format!("/{path}"))
            .filter(|path| value::is_parameter(path) && !path.contains(':'));
        path.ok_or_else(|| EXPECTED.into())
    })
}

/// Reads one password, and keeps where it is.
fn password(value: &Value<'_>, user: &str) -> Option<StoredPassword> {
    let text = Secret::new(value.text()?);
    match disguise::in_place(text.expose()) {
        None => {}
        Some(Ok(_)) => {
            let verifier = value.parse(|text| Verifier::parse(text).map_err(|why| why.to_string().into()))?;
            return Some(StoredPassword { password: Password::Verifier(verifier), from: None });
        }
        Some(Err(why)) => {
            value.report(why);
            return None;
        }
    }
    let is_bare = !text.expose().starts_with("file:");
    let from = value.anchored(value.parse(|text| value::reference(&named(text, user)?))?);
    let stored = match &from {
        Reference::Env(name) => value.variable(name)?,
        Reference::File(path) => value.secret_file(path, is_bare.then_some(ABSENT))?,
        Reference::Remote(remote) => {
            return Some(StoredPassword { password: Password::Remote(remote.clone()), from: Some(from) });
        }
    };
    match Password::from_stored(&Secret::new(stored)) {
        Ok(password) => Some(StoredPassword { password, from: Some(from) }),
        Err(why) => {
            value.report(why);
            None
        }
    }
}

/// Puts the user's name in place of `{user}`.
fn named<'t>(text: &'t str, user: &str) -> Parsed<Cow<'t, str>> {
    if !text.contains(USER) {
        return Ok(Cow::Borrowed(text));
    }
    let path = text
        .strip_suffix(USER)
        .filter(|path| path.starts_with("ssm:/") && path.ends_with('/'));
    match path {
        Some(path) if !path.contains(USER) && !user.contains(['/', ':']) => Ok(Cow::Owned(format!("{path}{user}"))),
        _ => Err("{user} may only be the last element of an ssm: path".into()),
    }
}
