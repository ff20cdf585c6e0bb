//! `reload`, `drain`, `shutdown`: tells the running proxy through its admin address, and prints
//! what came of it. The proxy is looked for where it says that it is bound, else where the
//! configuration says.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use super::bootstrap;
use super::http::{self, HttpAnswer};
use crate::address::reachable;
use crate::bound::Bound;
use crate::config::{Reach, Reference, usable_token};
use crate::secret::Secret;

/// The keys that are needed to ask a proxy that has told where it is bound.
pub(super) const NEEDED_OF_BOUND: &[&str] = &["admin.token"];

/// The keys that are needed to reach the admin address.
pub(super) const NEEDED: &[&str] = &["admin.address", "admin.token"];

/// The longest wait for the end of a reload, which may read values from AWS.
const RELOAD_PATIENCE: Duration = Duration::from_secs(300);

/// The longest wait for the next line about a drain; one comes every five seconds.
const LINE_PATIENCE: Duration = Duration::from_secs(60);

/// Why a command to the running proxy was not done.
#[derive(Debug, Error)]
pub(super) enum RunningError {
    /// The configuration has no admin address.
    #[error("admin.address is not set: this command goes through it")]
    NoAddress,
    /// The proxy that runs has no admin address.
    #[error("the running proxy has no admin.address: this command goes through it")]
    NoneBound,
    /// The configuration has no token.
    #[error("admin.token is not set: nothing is done without it")]
    NoToken,
    /// AWS keeps the token, and it cannot be read.
    #[error("admin.token cannot be read: {0}")]
    Token(String),
    /// There is no connection, or no answer.
    #[error("no running proxy answers at {address}")]
    Unreachable {
        /// The address that was asked.
        address: SocketAddr,
        /// The error of connecting, writing or reading.
        source: io::Error,
    },
    /// The proxy answered with a refusal.
    #[error("refused with {status}: {text}")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// The first line of the answer.
        text: String,
    },
    /// The proxy has another token than the configuration.
    #[error("the running proxy has another token: it reads admin.token again every two minutes")]
    OtherToken,
    /// The configuration was refused; all that is wrong with it has been printed.
    #[error("nothing has changed")]
    NotReloaded,
    /// The answer ended before the work was done.
    #[error("the answer broke off: the log of the proxy tells what came of it")]
    BrokenOff,
    /// What came of it could not be printed.
    #[error("cannot print")]
    Print(#[source] io::Error),
}

impl RunningError {
    /// Tells whether the error goes away only when the configuration is fixed.
    pub(super) fn is_configuration(&self) -> bool {
        matches!(self, Self::NoAddress | Self::NoToken)
    }
}

/// The admin address of the running proxy, and the token for it.
pub(super) struct Running {
    address: SocketAddr,
    token: Secret,
}

impl Running {
    /// Finds the running proxy. `bound` are its addresses, if it has told them.
    ///
    /// # Errors
    /// `NoAddress`, `NoneBound`, `NoToken` and `Token` of [`RunningError`].
    pub(super) fn find(
        reach: &Reach,
        bound: Option<Bound>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, RunningError> {
        let address = match bound {
            Some(bound) => bound.admin.ok_or(RunningError::NoneBound)?,
            None => reachable(reach.admin.address.ok_or(RunningError::NoAddress)?),
        };
        let token = reach.admin.token.as_ref().ok_or(RunningError::NoToken)?;
        let text = match (&token.text, &token.from) {
            (Some(text), _) => text.clone(),
            (None, Reference::Remote(remote)) => {
                bootstrap::fetch_by(remote, &reach.aws, env).map_err(RunningError::Token)?
            }
            (None, Reference::File(_) | Reference::Env(_)) => return Err(RunningError::NoToken),
        };
        let token = usable_token(text.expose()).map_err(|why| RunningError::Token(why.to_string()))?;
        Ok(Self { address, token: Secret::new(token.to_owned()) })
    }

    /// Lets the proxy read its configuration again. What came of it goes to `out`, and all that is
    /// wrong with the configuration to `err`.
    ///
    /// # Errors
    /// See [`RunningError`].
    pub(super) fn reload(&self, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), RunningError> {
        let answer = self.post("/reload", RELOAD_PATIENCE)?;
        let status = answer.status;
        if status != 200 && status != 422 {
            return Err(refused(answer));
        }
        let text = answer.text().map_err(|_cut| RunningError::BrokenOff)?;
        let told: Value = serde_json::from_str(&text).map_err(|_cut| RunningError::BrokenOff)?;
        if status == 422 {
            print(err, texts(&told, "problems"))?;
            return Err(RunningError::NotReloaded);
        }
        print(out, reloaded(&told).into_iter())?;
        print(err, texts(&told, "warnings").map(|warning| format!("warning: {warning}")))
    }

    /// Lets the proxy drain (`/drain`), and end (`/shutdown`): prints how far it has come until no
    /// session is left.
    ///
    /// # Errors
    /// See [`RunningError`].
    pub(super) fn drain(&self, path: &str, out: &mut dyn Write) -> Result<(), RunningError> {
        let mut answer = self.post(path, LINE_PATIENCE)?;
        if answer.status != 200 {
            return Err(refused(answer));
        }
        while let Some(line) = answer.line().map_err(|_cut| RunningError::BrokenOff)? {
            print(out, std::iter::once(line.clone()))?;
            if line == "drained" {
                return Ok(());
            }
        }
        Err(RunningError::BrokenOff)
    }

    fn post(&self, path: &str, patience: Duration) -> Result<HttpAnswer, RunningError> {
        let address = self.address;
        http::request(address, "POST", path, Some(&self.token), patience)
            .map_err(|source| RunningError::Unreachable { address, source })
    }
}

/// The error that a refusal stands for.
fn refused(mut answer: HttpAnswer) -> RunningError {
    let status = answer.status;
    if status == 401 {
        return RunningError::OtherToken;
    }
    let text = answer.line().ok().flatten().unwrap_or_default();
    RunningError::Refused { status, text: printable(&text) }
}

/// The lines about a reload that was done.
fn reloaded(told: &Value) -> Vec<String> {
    let text = |of: &Value, name: &str| {
        of.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut lines =
        vec![format!("reloaded: configuration {}, before {}", text(told, "hash"), text(told, "hash_before"))];
    lines.extend(texts(told, "changed").map(|key| format!("a new value: {key}")));
    let needs_restart = told.get("needs_restart").and_then(Value::as_array);
    lines.extend(needs_restart.into_iter().flatten().map(|key| {
        format!(
            "needs a restart: {}: {} in force, {} in the file",
            text(key, "key"),
            text(key, "old"),
            text(key, "new")
        )
    }));
    let ended = told
        .get("ended")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    if ended > 0 {
        let (sessions, have) = if ended == 1 { ("session", "has") } else { ("sessions", "have") };
        lines.push(format!("ended {ended} {sessions} that {have} lost the right to be here"));
    }
    lines
}

fn texts<'v>(told: &'v Value, name: &str) -> impl Iterator<Item = String> + 'v {
    let all = told.get(name).and_then(Value::as_array);
    all.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
}

/// Prints lines at once.
fn print(to: &mut dyn Write, lines: impl Iterator<Item = String>) -> Result<(), RunningError> {
    for line in lines {
        writeln!(to, "{}", printable(&line)).map_err(RunningError::Print)?;
    }
    to.flush().map_err(RunningError::Print)
}

/// The text without what a terminal obeys.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_is_told_in_lines() {
        let told = serde_json::json!({
            "hash_before": "aaaa", "hash": "bbbb", "ended": 3, "warnings": ["p:1: k: odd"],
            "changed": ["listen.tls", "users.ann.password"],
            "needs_restart": [{ "key": "listen.address", "old": "127.0.0.1:1", "new": "127.0.0.1:\u{1b}2" }],
        });
        let mut out = Vec::new();
        print(&mut out, reloaded(&told).into_iter()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "reloaded: configuration bbbb, before aaaa\n\
             a new value: listen.tls\n\
             a new value: users.ann.password\n\
             needs a restart: listen.address: 127.0.0.1:1 in force, 127.0.0.1:\u{fffd}2 in the file\n\
             ended 3 sessions that have lost the right to be here\n"
        );
        assert_eq!(texts(&told, "warnings").collect::<Vec<_>>(), ["p:1: k: odd"]);
        assert_eq!(reloaded(&serde_json::json!([])).len(), 1, "whatever answers");
    }
}
