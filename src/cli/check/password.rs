//! What the password of the user asked about refers to, read anew: while it cannot be read, the user's logins are
//! refused as if the password were wrong. Never tells what was read.

use std::sync::Arc;

use tokio::time::Instant;

use super::explain::{CheckError, explain};
use super::explain_aws;
use super::observed::Watch;
use super::steps::{Failed, Settings, Step, Tell, Wanted};
use crate::config::{Password, Reference};
use crate::credentials::{Logins, MintError, StoreReader};
use crate::references::{ReferenceError, References};
use crate::secret::Secret;

/// What the user's password refers to. The environment was read with the configuration.
fn reference<'a>(wanted: &Wanted<'a>) -> Option<(&'a str, &'a Reference)> {
    let (name, user) = wanted.user?;
    let from = user?.proof.references().next()?;
    (!matches!(from, Reference::Env(_))).then_some((name, from))
}

/// Reads it as serving does.
pub(super) async fn run(
    settings: &Settings<'_>,
    wanted: &Wanted<'_>,
    logins: &Logins,
    watch: &mut Watch,
    tell: Tell<'_>,
) -> Result<(), Failed> {
    let Some((user, from)) = reference(wanted) else { return Ok(()) };
    let references = References::new(Arc::new(StoreReader(Arc::clone(logins.calls()))), settings.credentials.timeout);
    let began = Instant::now();
    // What AWS says is told with its call.
    let asked = async {
        match Box::pin(references.read(from)).await {
            Err(ReferenceError::Aws(error)) => Err(Arc::new(error)),
            Err(ReferenceError::Deadline(after)) => {
                Err(Arc::new(MintError::Deadline { name: "the user's password".to_owned(), after }))
            }
            read => Ok(read),
        }
    };
    let (read, mut progress) = watch.step(asked, tell).await?;
    let found = read.map_err(|error| explain_aws::causes(&error)).and_then(|text| kind(&text));
    let found = found.map(|kind| format!("{kind}, of the user {user:?}"));
    let found = found.map_err(|why| explain(&CheckError::Password(user, why), &watch.context()));
    match (from, found) {
        (Reference::File(path), found) => {
            let step = Step::new("password file", path.display().to_string()).since(began);
            let failed = found.is_err();
            tell(match found {
                Ok(detail) => step.found(detail),
                Err(why) => Step { fault: Some(why), ..step },
            });
            if failed { Err(Failed) } else { Ok(()) }
        }
        (Reference::Remote(_) | Reference::Env(_), Ok(detail)) => {
            progress.found(detail);
            progress.end(tell);
            Ok(())
        }
        (Reference::Remote(_) | Reference::Env(_), Err(why)) => {
            progress.unusable(why, tell);
            Err(Failed)
        }
    }
}

/// What a text proves a client by.
fn kind(text: &Secret) -> Result<&'static str, String> {
    match Password::from_stored(text) {
        Ok(Password::Verifier(_)) => Ok("a verifier"),
        Ok(Password::Plain(_) | Password::Remote(_)) => Ok("a password"),
        Err(why) => Err(why.to_string()),
    }
}

/// Whether AWS is asked for it.
pub(super) fn is_remote(wanted: &Wanted<'_>) -> bool {
    matches!(reference(wanted), Some((_, Reference::Remote(_))))
}
