//! The check of one connection: each step is proved before the next, the first failure is the last.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc::unbounded_channel;

use super::context::Context;
use super::explain::{CheckError, explain, is_unreachable};
use super::observed::{CallFeed, CallRecorder};
use super::request::{CheckRequest, CheckSettings};
use super::step::{CheckStep, OnStep, StepFailed};
use super::{password, user, warehouse};
use crate::aws::{Arn, Base, Calls, Observer};
use crate::cli::connection::Connection;
use crate::clock::Clock;
use crate::config::{ConnId, ConnSpec, LoginFrom, SpecsTable};
use crate::credentials::{Logins, Opening};
use crate::spec::{Found, SpecTable};

/// Proves one connection, and reports each step. Each look-up takes `credentials.timeout` at most,
/// the rest `upstream.login_timeout`. `base` must not be shared with another check: its keys are to
/// be fetched anew.
///
/// # Errors
/// A step failed, and was reported.
pub(crate) async fn run(
    base: Base,
    settings: &CheckSettings<'_>,
    request: &CheckRequest<'_>,
    on_step: OnStep<'_>,
) -> Result<(), StepFailed> {
    let flight = settings.credentials.timeout;
    run_by(|observer| Calls::new(base, flight, Some(observer)), settings, request, on_step).await
}

/// Like [`run`], by calls that `calls` makes, which report to the observer that it is given.
///
/// # Errors
/// A step failed, and was reported.
pub(crate) async fn run_by(
    calls: impl FnOnce(Arc<dyn Observer>) -> Calls,
    settings: &CheckSettings<'_>,
    request: &CheckRequest<'_>,
    on_step: OnStep<'_>,
) -> Result<(), StepFailed> {
    let known = request.connection.spec();
    let (events, seen) = unbounded_channel();
    let context = Context::new(request.connection);
    let recorder = Arc::new(CallRecorder { events, context: Mutex::new(context) });
    let calls = calls(Arc::<CallRecorder>::clone(&recorder));
    let forward_proxy = calls.forward_proxy();
    recorder.context.lock().forward_proxy = forward_proxy.map(|(address, variable)| (address.to_owned(), variable));
    let mut feed = CallFeed { seen, recorder };
    // Caches of its own: what is already known elsewhere would prove nothing.
    let logins = Logins::over(calls, settings.credentials, settings.clock, settings.control);
    {
        let mut context = feed.context();
        (context.region, context.home) = logins.regions(known.map(|spec| &**spec));
        on_step(config(request.connection, &context));
    }
    let owner = user::prove_right(request, &feed.context(), on_step)?;
    if known.is_none_or(|spec| needs_base(spec)) || password::is_remote(request) {
        base_identity(&logins, known.map(|spec| &**spec), &mut feed, on_step).await?;
    }
    password::run(settings, request, &logins, &mut feed, on_step).await?;
    let spec = match request.connection {
        Connection::Configured(spec) => Arc::clone(spec),
        Connection::InTable(conn_id, specs) => {
            let times = (settings.credentials.negative_ttl, settings.table_timeout);
            let table =
                SpecTable::new(SpecsTable::clone(specs), logins.calls(), settings.clock, settings.control, times);
            let spec = item(&table, (conn_id, specs), &logins, &mut feed, on_step).await?;
            user::prove_enabled(request, &spec, &feed.context(), on_step)?;
            spec
        }
    };
    if spec.is_per_user() {
        feed.context().db_user = Some(owner.db_user.to_owned());
    }
    let (opening, mut calls) = feed.step(logins.open(&spec, owner), on_step).await?;
    calls.minted(&minted(&opening, settings.clock.as_ref()));
    calls.end(on_step);
    let context = {
        let mut context = feed.context();
        context.host.clone_from(&opening.addr.host);
        context.port = opening.addr.port;
        context.database.clone_from(&opening.database);
        context.db_user = Some(opening.login.user.clone());
        context.clone()
    };
    warehouse::run(settings, request, &opening, &context, on_step).await
}

/// Reads the spec of a connection that is in lava's table.
async fn item(
    table: &SpecTable,
    (conn_id, specs): (&ConnId, &SpecsTable),
    logins: &Logins,
    feed: &mut CallFeed,
    on_step: OnStep<'_>,
) -> Result<Arc<ConnSpec>, StepFailed> {
    let (found, mut calls) = feed.step(table.read(conn_id), on_step).await?;
    let error = match &*found {
        Found::Spec(spec) => {
            let mut context = feed.context();
            context.learn(spec);
            (context.region, context.home) = logins.regions(Some(spec));
            calls.found(kind(spec, &context));
            calls.end(on_step);
            return Ok(Arc::clone(spec));
        }
        Found::Missing { .. } => CheckError::NoItem(specs),
        Found::Unusable(flaw) => CheckError::BadItem(specs, flaw),
    };
    calls.unusable(explain(&error, &feed.context()), on_step);
    Err(StepFailed)
}

/// Asks STS who the base identity is. Sessions that assume no role do without STS, so that it need
/// not be reachable then, nor while the item is not read yet (`spec` is `None`).
async fn base_identity(
    logins: &Logins,
    spec: Option<&ConnSpec>,
    feed: &mut CallFeed,
    on_step: OnStep<'_>,
) -> Result<(), StepFailed> {
    match feed.wait(logins.base_identity(spec), on_step).await {
        Ok((caller, mut calls)) => {
            let arn = caller.as_str();
            let account = Arn::parse(arn).map_or("", |arn| arn.account);
            calls.found(format!("{arn}, account {account}, out of the SDK's credential chain"));
            calls.end(on_step);
            feed.context().base = Some(arn.to_owned());
            Ok(())
        }
        Err((step, error)) if spec.is_none_or(|spec| spec.roles.hops.is_empty()) && is_unreachable(&error) => {
            let why = step.failure.map(|why| why.what).unwrap_or_default();
            on_step(CheckStep { detail: format!("not known, and not needed here: {why}"), failure: None, ..step });
            Ok(())
        }
        Err((step, _error)) => {
            on_step(step);
            Err(StepFailed)
        }
    }
}

/// The step `config`: what the configuration says of the connection.
fn config(connection: &Connection<'_>, context: &Context) -> CheckStep {
    CheckStep::new("config", "").found(match connection {
        Connection::Configured(spec) => kind(spec, context),
        Connection::InTable(_, specs) => format!("out of table {}", specs.dynamodb_table),
    })
}

/// The kind of warehouse, its Region, and whether the connection is disabled.
fn kind(spec: &ConnSpec, context: &Context) -> String {
    let kind = spec.target.type_name();
    let region = context.region.as_deref().unwrap_or("not known yet");
    let disabled = if spec.enabled { "" } else { ", disabled: clients are refused" };
    format!("{kind}, region {region}{disabled}")
}

/// Whether any call is signed by the base identity: a first role by web identity token needs none.
fn needs_base(spec: &ConnSpec) -> bool {
    spec.roles.web_identity_token_file.is_none()
        || !matches!(spec.login, LoginFrom::Iam(_))
        || spec.roles.hops.iter().any(|hop| hop.external_id.is_some())
}

/// Tells what was found out of a database login that AWS made.
fn minted(opening: &Opening, clock: &dyn Clock) -> String {
    let user = &opening.login.user;
    match opening
        .login
        .expires_at
        .map(|end| end.duration_since(clock.now()).unwrap_or_default())
    {
        // As people count: 14 min 59.9 s are 15 min.
        Some(left) => format!("database user {user}, {} min to live", (left.as_secs() + 30) / 60),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
