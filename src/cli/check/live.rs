//! `check` without `--offline`: proves connections on the live AWS and warehouse.

use std::io::{self, Write};
use std::sync::Arc;

use thiserror::Error;
use tokio::runtime::{Builder, Handle};

use super::listener;
use super::prove;
use super::report::{self, CheckedConnection};
use super::request::{AskedUser, CheckRequest, CheckSettings};
use super::step::CheckStep;
use crate::app::{self, AppError};
use crate::aws::{self, Base};
use crate::cli::args::CheckArgs;
use crate::cli::connection::{Connection, UnknownConnection};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::network::Network;
use crate::upstream::Routes;

/// Why the check could not be made.
#[derive(Debug, Error)]
pub(crate) enum LiveError {
    /// An argument names no connection.
    #[error(transparent)]
    Unknown(#[from] UnknownConnection),
    /// The runtime, AWS's roots or the ways to warehouses could not be set up.
    #[error(transparent)]
    App(#[from] AppError),
    /// Standard output cannot be written.
    #[error("cannot write what was found")]
    Output(#[from] io::Error),
}

/// How a check ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CheckOutcome {
    /// The check proved each step of each connection.
    Proved,
    /// A step failed, and was reported.
    Failed,
}

/// Proves the connections that the arguments name, and writes to `out`: each step as it ends, or
/// one JSON document at the end. `env` is the environment.
///
/// # Errors
/// See [`LiveError`]. A step that fails is no error.
pub(crate) fn live(
    config: &Config,
    args: &CheckArgs,
    env: &dyn Fn(&str) -> Option<String>,
    out: &mut (dyn Write + Send),
) -> Result<CheckOutcome, LiveError> {
    let chosen = Connection::chosen(config, &args.conn_ids)?;
    let routes = app::routes(config, &Network::default())?;
    aws::require_roots().map_err(AppError::from)?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(AppError::Process)?;
    let proved = runtime.block_on(async {
        let listener = CheckedConnection { conn_id: "listen.tls".to_owned(), steps: listener::run(config, env).await };
        let listener = Some(listener).filter(|listener| !listener.steps.is_empty());
        if let Some(listener) = listener.as_ref().filter(|_| !args.json) {
            writeln!(out, "{}", listener.conn_id)?;
            listener
                .steps
                .iter()
                .try_for_each(|step| writeln!(out, "{}", report::line(step)))?;
        }
        Ok((listener, prove(config, &chosen, &routes, args, env, out).await?))
    });
    // A name look-up cannot be stopped, so it is not waited for.
    runtime.shutdown_background();
    let (listener, proved): (Option<CheckedConnection>, _) = proved.map_err(|error: LiveError| error)?;
    let left_out = config.specs.as_ref().filter(|_| args.conn_ids.is_empty());
    if args.json {
        writeln!(out, "{:#}", report::document(&proved, listener.as_ref(), left_out))?;
    } else {
        if let Some(specs) = left_out {
            writeln!(out, "{}", report::left_out(specs))?;
        }
        writeln!(out, "{}", report::summary(listener.iter().chain(&proved)))?;
    }
    out.flush()?;
    let is_failed = listener
        .iter()
        .chain(&proved)
        .any(|proved| proved.failed_step().is_some());
    Ok(if is_failed { CheckOutcome::Failed } else { CheckOutcome::Proved })
}

/// Proves one connection after the other, and prints the steps of each, unless there will be JSON.
async fn prove(
    config: &Config,
    chosen: &[Connection<'_>],
    routes: &Routes,
    args: &CheckArgs,
    env: &dyn Fn(&str) -> Option<String>,
    out: &mut (dyn Write + Send),
) -> Result<Vec<CheckedConnection>, LiveError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = CheckSettings {
        credentials: &config.credentials,
        table_timeout: app::table_timeout(config),
        routes,
        login_timeout: config.upstream.login_timeout,
        clock: &clock,
        control: &Handle::current(),
    };
    let mut all = Vec::new();
    for connection in chosen {
        let conn_id = connection.conn_id().as_str().to_owned();
        let user = args.user.as_deref().map(|name| AskedUser::of(config, name));
        let request = CheckRequest { connection, user, no_login: args.no_login };
        let base = Base::from_environment(&config.aws, config.home_region(), env).await;
        let (mut steps, mut written) = (Vec::new(), Ok(()));
        if !args.json {
            writeln!(out, "{conn_id}")?;
        }
        let mut on_step = |step: CheckStep| {
            if !args.json && written.is_ok() {
                written = writeln!(out, "{}", report::line(&step)).and_then(|()| out.flush());
            }
            steps.push(step);
        };
        // The failed step is among them.
        let _told = prove::run(base, &settings, &request, &mut on_step).await;
        written?;
        all.push(CheckedConnection { conn_id, steps });
    }
    Ok(all)
}
