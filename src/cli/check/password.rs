//! The check of a user's passwords: reads what they refer to, as serving does. While one cannot be
//! read, logins with it are refused as if it were wrong. Reports nothing of what was read.

use std::sync::Arc;

use tokio::time::Instant;

use super::explain::{CheckError, causes, explain};
use super::observed::CallFeed;
use super::request::{AskedUser, CheckRequest, CheckSettings};
use super::step::{CheckStep, OnStep, StepFailed};
use crate::aws::{AwsError, StoreReader};
use crate::config::{Holder, Password, Reference};
use crate::credentials::Logins;
use crate::references::{ReferenceError, References};
use crate::secret::Secret;

/// The references of the user's passwords, but for the environment, which was read with the
/// configuration.
fn of_entry<'a>(user: &'a AskedUser<'_>) -> impl Iterator<Item = &'a Reference> {
    let user = match &user.holder {
        Some(Holder::Own(user)) => Some(user),
        Some(Holder::Any(_)) | None => None,
    };
    user.into_iter()
        .flat_map(|user| user.proof.references())
        .filter(|from| from.may_change())
}

/// Reads each password of the user.
pub(super) async fn run(
    settings: &CheckSettings<'_>,
    request: &CheckRequest<'_>,
    logins: &Logins,
    feed: &mut CallFeed,
    on_step: OnStep<'_>,
) -> Result<(), StepFailed> {
    let Some(user) = &request.user else { return Ok(()) };
    let references = References::new(Arc::new(StoreReader(Arc::clone(logins.calls()))), settings.credentials.timeout);
    for from in of_entry(user) {
        one(&references, user.name, from, feed, on_step).await?;
    }
    match user.path {
        Some(path) => listed(&references, user.name, path, feed, on_step).await,
        None => Ok(()),
    }
}

/// Reads one password of a user's entry.
async fn one(
    references: &References,
    user: &str,
    from: &Reference,
    feed: &mut CallFeed,
    on_step: OnStep<'_>,
) -> Result<(), StepFailed> {
    let began = Instant::now();
    let asked = async { by_aws(Box::pin(references.read(from)).await) };
    let (read, mut calls) = feed.step(asked, on_step).await?;
    let found = read.or_words().and_then(|text| kind(&text));
    let found = found.map(|kind| format!("{kind}, of the user {user:?}"));
    let found = found.map_err(|why| explain(&CheckError::Password(user, why), &feed.context()));
    match (from, found) {
        (Reference::File(path), found) => {
            let step = CheckStep::new("password file", path.display().to_string()).since(began);
            let failed = found.is_err();
            on_step(match found {
                Ok(detail) => step.found(detail),
                Err(why) => CheckStep { failure: Some(why), ..step },
            });
            if failed { Err(StepFailed) } else { Ok(()) }
        }
        (Reference::Remote(_) | Reference::Env(_), Ok(detail)) => {
            calls.found(detail);
            calls.end(on_step);
            Ok(())
        }
        (Reference::Remote(_) | Reference::Env(_), Err(why)) => {
            calls.unusable(why, on_step);
            Err(StepFailed)
        }
    }
}

/// Finds the password of a user of `users."*"` in the listing of its path.
async fn listed(
    references: &References,
    user: &str,
    path: &str,
    feed: &mut CallFeed,
    on_step: OnStep<'_>,
) -> Result<(), StepFailed> {
    let asked = async { by_aws(Box::pin(references.list(path)).await) };
    let (read, mut calls) = feed.step(asked, on_step).await?;
    let found = read.or_words().and_then(|listing| {
        let text = listing
            .get(user)
            .ok_or_else(|| format!("there is no SecureString {path}/{user}"))?;
        Ok((kind(text)?, listing.len()))
    });
    match found {
        Ok((kind, users)) => {
            calls.found(format!("{kind}, of the user {user:?}, among {users}"));
            calls.end(on_step);
            Ok(())
        }
        Err(why) => {
            calls.unusable(explain(&CheckError::Listed { user, path, why }, &feed.context()), on_step);
            Err(StepFailed)
        }
    }
}

/// The outcome of a read of a password, or of a listing of passwords, where AWS did not fail.
enum PasswordRead<T> {
    /// The value was read.
    Value(T),
    /// A file, an environment variable or the form of a stored text kept the value from being read.
    Failed(ReferenceError),
}

impl<T> PasswordRead<T> {
    /// The value, or the words for the error with its causes.
    fn or_words(self) -> Result<T, String> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Failed(error) => Err(causes(&error)),
        }
    }
}

/// Tells errors of AWS, which are explained with their call, from the other errors.
fn by_aws<T>(read: Result<T, ReferenceError>) -> Result<PasswordRead<T>, Arc<AwsError>> {
    match read {
        Ok(value) => Ok(PasswordRead::Value(value)),
        Err(ReferenceError::Aws(error)) => Err(Arc::new(error)),
        Err(ReferenceError::Deadline(after)) => {
            Err(Arc::new(AwsError::Deadline { name: "the user's password".to_owned(), after }))
        }
        Err(error) => Ok(PasswordRead::Failed(error)),
    }
}

/// Tells what a stored text is: a password or a verifier.
fn kind(text: &Secret) -> Result<&'static str, String> {
    match Password::from_stored(text) {
        Ok(Password::Verifier(_)) => Ok("a verifier"),
        Ok(Password::Plain(_) | Password::Remote(_)) => Ok("a password"),
        Err(why) => Err(why.to_string()),
    }
}

/// Whether reading the user's passwords calls AWS.
pub(super) fn is_remote(request: &CheckRequest<'_>) -> bool {
    request
        .user
        .as_ref()
        .is_some_and(|user| user.path.is_some() || of_entry(user).any(|from| matches!(from, Reference::Remote(_))))
}
