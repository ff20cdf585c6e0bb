//! The steps of one connection, each proved before the next: the same for the command and for the console.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

use super::explain::{CheckError, Context, Explanation, explain};
use super::explain_aws;
use super::observed::{Event, Progress, Recorder};
use super::warehouse;
use crate::aws::Base;
use crate::clock::Clock;
use crate::config::{ConnSpec, Credentials, LoginIdentity, Right, User, Warehouse};
use crate::credentials::calls::Observer;
use crate::credentials::{DEFAULT_PORT, Logins, MintError, Opening, Owner};
use crate::upstream::Routes;

/// One thing that was proved, or not.
#[derive(Debug)]
pub(crate) struct Step {
    /// `config`, `user`, `base identity`, an operation of AWS's, `token file`, `DNS`, `TCP`, `TLS`, `login`.
    pub(crate) name: &'static str,
    /// What it was about; empty where its name says it.
    pub(crate) subject: String,
    pub(crate) took: Duration,
    /// What was found; may be empty.
    pub(crate) detail: String,
    /// `None`: proved.
    pub(crate) fault: Option<Explanation>,
}

/// Who is told of each step as it ends.
pub(crate) type Tell<'t> = &'t mut (dyn FnMut(Step) + Send);

/// What the steps are made with.
pub(crate) struct Settings<'a> {
    pub(crate) credentials: &'a Credentials,
    pub(crate) routes: &'a Routes,
    pub(crate) login_timeout: Duration,
    pub(crate) clock: &'a Arc<dyn Clock>,
    /// Where flights to AWS run.
    pub(crate) control: &'a Handle,
}

/// What is to be proved.
pub(crate) struct Wanted<'a> {
    pub(crate) spec: &'a Arc<ConnSpec>,
    /// A user's name, and who has it.
    pub(crate) user: Option<(&'a str, Option<&'a Arc<User>>)>,
    /// Not beyond TLS.
    pub(crate) no_login: bool,
}

/// A step failed, and was told.
#[derive(Debug)]
pub(crate) struct Failed;

impl Step {
    pub(super) fn new(name: &'static str, subject: impl Into<String>) -> Self {
        let (subject, detail) = (subject.into(), String::new());
        Self { name, subject, took: Duration::ZERO, detail, fault: None }
    }

    /// The same, since then.
    pub(super) fn since(self, began: Instant) -> Self {
        Self { took: began.elapsed(), ..self }
    }

    /// The same, with what was found.
    pub(super) fn found(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// The same, failed.
    pub(super) fn failed(self, error: &CheckError<'_>, context: &Context) -> Self {
        Self { fault: Some(explain(error, context)), ..self }
    }
}

/// Proves one connection; the first failure is the last step. Bounded by `credentials.timeout` for each look-up and
/// `upstream.login_timeout` for the rest. `base`: nobody else's, since its keys are to be found anew.
///
/// # Errors
/// A step failed; `tell` has it.
pub(crate) async fn run(
    base: Base,
    settings: &Settings<'_>,
    wanted: &Wanted<'_>,
    tell: Tell<'_>,
) -> Result<(), Failed> {
    let spec = wanted.spec;
    let (events, mut seen) = unbounded_channel();
    let recorder = Arc::new(Recorder { events, context: Mutex::new(context(spec)) });
    let watched_by: Arc<dyn Observer> = Arc::<Recorder>::clone(&recorder);
    // Caches of its own: what is already known elsewhere would prove nothing.
    let logins = Logins::new(base, settings.credentials, settings.clock, settings.control, Some(watched_by));
    {
        let mut context = recorder.context();
        (context.region, context.home) = logins.regions(spec);
    }
    tell(config(spec, &recorder.context()));
    let owner = user(wanted, &recorder.context(), tell)?;
    if spec.identity == LoginIdentity::PerUser {
        recorder.context().db_user = Some(owner.db_user.to_owned());
    }
    if needs_base(spec) {
        base_identity(&logins, spec, &mut seen, &recorder, tell).await?;
    }
    let opened = watched(logins.open(spec, owner), &mut seen, &recorder, tell).await;
    let (opening, mut progress) = opened.map_err(|(step, _error)| {
        tell(step);
        Failed
    })?;
    progress.minted(&minted(&opening, settings.clock.as_ref()));
    progress.end(tell);
    let context = {
        let mut context = recorder.context();
        context.host.clone_from(&opening.target.host);
        context.port = opening.target.port;
        context.database.clone_from(&opening.database);
        context.db_user = Some(opening.login.user.clone());
        context.clone()
    };
    warehouse::run(settings, wanted, &opening, &context, tell).await
}

/// Who calls. Where no role is assumed, sessions do without STS, and so does this.
async fn base_identity(
    logins: &Logins,
    spec: &ConnSpec,
    seen: &mut UnboundedReceiver<Event>,
    recorder: &Recorder,
    tell: Tell<'_>,
) -> Result<(), Failed> {
    match watched(logins.base_identity(spec), seen, recorder, tell).await {
        Ok((caller, mut progress)) => {
            let arn = caller.as_str();
            let account = arn.split(':').nth(4).unwrap_or_default();
            progress.found(format!("{arn}, account {account}, out of the SDK's credential chain"));
            progress.end(tell);
            recorder.context().base = Some(arn.to_owned());
            Ok(())
        }
        Err((step, error)) if spec.role_hops.is_empty() && explain_aws::is_unreachable(&error) => {
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

/// Waits for something of AWS's while its calls are told; the step that fails is not.
async fn watched<T>(
    asked: impl Future<Output = Result<T, Arc<MintError>>>,
    seen: &mut UnboundedReceiver<Event>,
    recorder: &Recorder,
    tell: Tell<'_>,
) -> Result<(T, Progress), (Step, Arc<MintError>)> {
    let (mut asked, mut progress) = (pin!(asked), Progress::default());
    let outcome = loop {
        tokio::select! {
            biased;
            Some(event) = seen.recv() => progress.take(event, tell),
            outcome = &mut asked => break outcome,
        }
    };
    while let Ok(event) = seen.try_recv() {
        progress.take(event, tell);
    }
    match outcome {
        Ok(found) => Ok((found, progress)),
        Err(error) => Err((progress.failed(error.root(), &recorder.context(), tell), error)),
    }
}

/// What the configuration says; it has been read, or there would be no spec.
fn config(spec: &ConnSpec, context: &Context) -> Step {
    let kind = match spec.warehouse {
        Warehouse::Serverless => "redshift-serverless",
        Warehouse::Provisioned => "redshift",
    };
    let region = context.region.as_deref().unwrap_or("not known yet");
    let disabled = if spec.enabled { "" } else { ", disabled: clients are refused" };
    Step::new("config", "").found(format!("{kind}, region {region}{disabled}"))
}

/// Whether the user may open it; who logs in.
fn user<'a>(wanted: &Wanted<'a>, context: &Context, tell: Tell<'_>) -> Result<Owner<'a>, Failed> {
    let step = |name: &str| Step::new("user", name);
    let mut fail = |step: Step, error: CheckError<'_>| {
        tell(step.failed(&error, context));
        Err(Failed)
    };
    let spec = wanted.spec;
    let Some((name, user)) = wanted.user else {
        if spec.identity == LoginIdentity::PerUser {
            return fail(step(""), CheckError::NeedsUser);
        }
        return Ok(Owner::default());
    };
    let Some(user) = user else { return fail(step(name), CheckError::UnknownUser(name)) };
    if !user.enabled {
        return fail(step(name), CheckError::DisabledUser(name));
    }
    let Some(right) = user.right_to(&spec.id) else { return fail(step(name), CheckError::NoRight(name)) };
    if !spec.enabled {
        return fail(step(name), CheckError::Disabled);
    }
    tell(step(name).found(rule(right)));
    Ok(Owner::new(name, user))
}

fn rule(right: &Right) -> String {
    match &right.group {
        Some(group) => format!("may open it, by {:?} of the group {group:?}", right.pattern),
        None => format!("may open it, by its own {:?}", right.pattern),
    }
}

/// Whether anything is asked of AWS in the base identity's name: a first hop by token is not.
fn needs_base(spec: &ConnSpec) -> bool {
    spec.web_identity_token_file.is_none()
        || spec.password.is_some()
        || spec.secret_id.is_some()
        || spec.role_hops.iter().any(|hop| hop.external_id.is_some())
}

fn minted(opening: &Opening, clock: &dyn Clock) -> String {
    let user = &opening.login.user;
    match opening.login.expires_at.map(|end| end.duration_since(clock.now()).unwrap_or_default()) {
        // As people count: 14 min 59.9 s are 15 min.
        Some(left) => format!("database user {user}, {} min to live", (left.as_secs() + 30) / 60),
        None => String::new(),
    }
}

fn context(spec: &Arc<ConnSpec>) -> Context {
    Context {
        spec: Arc::clone(spec),
        region: None,
        home: None,
        base: None,
        db_user: None,
        host: spec.host.clone().unwrap_or_default(),
        port: spec.port.unwrap_or(DEFAULT_PORT),
        database: spec.database.clone().unwrap_or_default(),
    }
}

impl Recorder {
    pub(super) fn context(&self) -> MutexGuard<'_, Context> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
