//! The steps of one connection, each proved before the next: the same for the command and for the
//! console.

use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::unbounded_channel;

use super::context::Context;
use super::explain::{CheckError, explain, is_unreachable};
use super::observed::{Recorder, Watch};
use super::request::{Settings, Wanted};
use super::step::{Failed, Step, Tell};
use super::{password, user, warehouse};
use crate::aws::{Arn, Base, Observer};
use crate::cli::connection::Connection;
use crate::clock::Clock;
use crate::config::{ConnId, ConnSpec, LoginFrom, SpecsTable};
use crate::credentials::{Logins, Opening};
use crate::spec::{Found, SpecTable};

/// Proves one connection; the first failure is the last step. Bounded by `credentials.timeout` for
/// each look-up and `upstream.login_timeout` for the rest. `base`: nobody else's, since its keys
/// are to be found anew.
///
/// # Errors
/// A step failed; `tell` has it.
pub(crate) async fn run(
    base: Base,
    settings: &Settings<'_>,
    wanted: &Wanted<'_>,
    tell: Tell<'_>,
) -> Result<(), Failed> {
    let known = wanted.connection.spec();
    let (events, seen) = unbounded_channel();
    let forward_proxy = base
        .forward_proxy()
        .map(|(address, variable)| (address.to_owned(), variable));
    let context = Context { forward_proxy, ..Context::new(wanted.connection) };
    let recorder = Arc::new(Recorder { events, context: Mutex::new(context) });
    let watched_by: Arc<dyn Observer> = Arc::<Recorder>::clone(&recorder);
    let mut watch = Watch { seen, recorder };
    // Caches of its own: what is already known elsewhere would prove nothing.
    let logins = Logins::new(base, settings.credentials, settings.clock, settings.control, Some(watched_by));
    {
        let mut context = watch.context();
        (context.region, context.home) = logins.regions(known.map(|spec| &**spec));
        tell(config(wanted.connection, &context));
    }
    let owner = user::may_open(wanted, &watch.context(), tell)?;
    if known.is_none_or(|spec| needs_base(spec)) || password::is_remote(wanted) {
        base_identity(&logins, known.map(|spec| &**spec), &mut watch, tell).await?;
    }
    password::run(settings, wanted, &logins, &mut watch, tell).await?;
    let spec = match wanted.connection {
        Connection::Configured(spec) => Arc::clone(spec),
        Connection::InTable(conn_id, specs) => {
            let times = (settings.credentials.negative_ttl, settings.table_timeout);
            let table =
                SpecTable::new(SpecsTable::clone(specs), logins.calls(), settings.clock, settings.control, times);
            let spec = item(&table, (conn_id, specs), &logins, &mut watch, tell).await?;
            user::is_let_in(wanted, &spec, &watch.context(), tell)?;
            spec
        }
    };
    if spec.is_per_user() {
        watch.context().db_user = Some(owner.db_user.to_owned());
    }
    let (opening, mut progress) = watch.step(logins.open(&spec, owner), tell).await?;
    progress.minted(&minted(&opening, settings.clock.as_ref()));
    progress.end(tell);
    let context = {
        let mut context = watch.context();
        context.host.clone_from(&opening.addr.host);
        context.port = opening.addr.port;
        context.database.clone_from(&opening.database);
        context.db_user = Some(opening.login.user.clone());
        context.clone()
    };
    warehouse::run(settings, wanted, &opening, &context, tell).await
}

/// The spec of a connection that is in lava's table.
async fn item(
    table: &SpecTable,
    (conn_id, specs): (&ConnId, &SpecsTable),
    logins: &Logins,
    watch: &mut Watch,
    tell: Tell<'_>,
) -> Result<Arc<ConnSpec>, Failed> {
    let (found, mut progress) = watch.step(table.read(conn_id), tell).await?;
    let error = match &*found {
        Found::Spec(spec) => {
            let mut context = watch.context();
            context.learn(spec);
            (context.region, context.home) = logins.regions(Some(spec));
            progress.found(kind(spec, &context));
            progress.end(tell);
            return Ok(Arc::clone(spec));
        }
        Found::Missing { .. } => CheckError::NoItem(specs),
        Found::Unusable(flaw) => CheckError::BadItem(specs, flaw),
    };
    progress.unusable(explain(&error, &watch.context()), tell);
    Err(Failed)
}

/// Who calls. Where no role is assumed, sessions do without STS, and so does this; where the item
/// is not read yet, it may be so. `spec`: as far as it is known.
async fn base_identity(
    logins: &Logins,
    spec: Option<&ConnSpec>,
    watch: &mut Watch,
    tell: Tell<'_>,
) -> Result<(), Failed> {
    match watch.wait(logins.base_identity(spec), tell).await {
        Ok((caller, mut progress)) => {
            let arn = caller.as_str();
            let account = Arn::parse(arn).map_or("", |arn| arn.account);
            progress.found(format!("{arn}, account {account}, out of the SDK's credential chain"));
            progress.end(tell);
            watch.context().base = Some(arn.to_owned());
            Ok(())
        }
        Err((step, error)) if spec.is_none_or(|spec| spec.roles.hops.is_empty()) && is_unreachable(&error) => {
            let why = step.fault.map(|why| why.what).unwrap_or_default();
            tell(Step { detail: format!("not known, and not needed here: {why}"), fault: None, ..step });
            Ok(())
        }
        Err((step, _error)) => {
            tell(step);
            Err(Failed)
        }
    }
}

/// What the configuration says; it has been read, or there would be no connection.
fn config(connection: &Connection<'_>, context: &Context) -> Step {
    Step::new("config", "").found(match connection {
        Connection::Configured(spec) => kind(spec, context),
        Connection::InTable(_, specs) => format!("out of table {}", specs.dynamodb_table),
    })
}

/// What a spec is, in a few words.
fn kind(spec: &ConnSpec, context: &Context) -> String {
    let kind = spec.target.type_name();
    let region = context.region.as_deref().unwrap_or("not known yet");
    let disabled = if spec.enabled { "" } else { ", disabled: clients are refused" };
    format!("{kind}, region {region}{disabled}")
}

/// Whether anything is asked of AWS in the base identity's name: a first hop by token is not.
fn needs_base(spec: &ConnSpec) -> bool {
    spec.roles.web_identity_token_file.is_none()
        || !matches!(spec.login, LoginFrom::Iam(_))
        || spec.roles.hops.iter().any(|hop| hop.external_id.is_some())
}

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
