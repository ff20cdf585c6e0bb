//! `CHECK`: the steps of the command `check`, by the proxy's own identity and from where it runs.

use std::time::Duration;

use tokio::time::timeout;

use super::Control;
use crate::app::parts::table_timeout;
use crate::cli::check::prove;
use crate::cli::check::{CheckRequest, CheckSettings, CheckStep};
use crate::cli::connection::Connection;
use crate::config::ConnId;
use crate::operations::{ActionError, CheckedStep, Operator};

/// The most flights to AWS that a check makes one after the other: identity, item, secret, roles,
/// endpoint, login.
const FLIGHTS: u32 = 6;

/// A check under way. Its drop makes room for the next one of the same connection, and records the
/// action: also where whoever asked has left.
struct Checking<'c> {
    control: &'c Control,
    by: Operator,
    conn_id: &'c ConnId,
    outcome: String,
}

impl Drop for Checking<'_> {
    fn drop(&mut self) {
        self.control.checks.0.lock().remove(self.conn_id);
        let outcome = std::mem::take(&mut self.outcome);
        self.control
            .record_action(&self.by, format!("CHECK {}", self.conn_id), outcome);
    }
}

/// Proves the steps of a connection, up to the first that fails. Caches of the sessions are left
/// alone: what is already known would prove nothing.
///
/// # Errors
/// `NoSuchConnection`, `UnderWay`.
pub(super) async fn run(control: &Control, by: Operator, conn_id: &ConnId) -> Result<Vec<CheckedStep>, ActionError> {
    let live = control.live.load_full();
    let config = &live.config;
    let refuse = |by: &Operator, error: ActionError| {
        control.record_action(by, format!("CHECK {conn_id}"), error.to_string());
        error
    };
    let Ok(connection) = Connection::named(config, conn_id.as_str()) else {
        return Err(refuse(&by, ActionError::NoSuchConnection(conn_id.clone())));
    };
    if !control.checks.0.lock().insert(conn_id.clone()) {
        return Err(refuse(&by, ActionError::UnderWay(conn_id.clone())));
    }
    let mut checking = Checking { control, by, conn_id, outcome: "cut off".to_owned() };
    let settings = CheckSettings {
        credentials: &config.credentials,
        table_timeout: table_timeout(config),
        routes: &live.routes,
        login_timeout: config.upstream.login_timeout,
        clock: &control.clock,
        control: &control.runtime,
    };
    let request = CheckRequest { connection: &connection, user: None, no_login: false };
    let mut steps = Vec::new();
    let mut on_step = |step| steps.push(checked(step));
    let logins = control.logins();
    let flight = config.credentials.timeout;
    let proving =
        prove::run_by(|observer| logins.calls().observed_by(flight, observer), &settings, &request, &mut on_step);
    let most = flight * FLIGHTS + config.upstream.login_timeout;
    let proved = timeout(most, proving).await;
    if proved.is_err() {
        steps.push(late(most));
    }
    checking.outcome = match steps.iter().find(|step| !step.is_ok) {
        Some(failed) => format!("failed at {}", failed.step),
        None => "ok".to_owned(),
    };
    Ok(steps)
}

/// A step as operators are shown it.
fn checked(step: CheckStep) -> CheckedStep {
    let CheckStep { name, subject, took, detail, failure } = step;
    let separator = if subject.is_empty() { "" } else { " " };
    let is_ok = failure.is_none();
    let detail = match failure {
        Some(why) => format!("{}. Fix: {}", why.what, why.fix),
        None => detail,
    };
    CheckedStep { step: format!("{name}{separator}{subject}"), is_ok, took, detail }
}

/// The last step of a check that has taken too long.
fn late(took: Duration) -> CheckedStep {
    let detail = "the check has taken too long, and was stopped".to_owned();
    CheckedStep { step: "deadline".to_owned(), is_ok: false, took, detail }
}
