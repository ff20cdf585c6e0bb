//! The reload: another configuration is read, checked and built beside the one in force, and put in
//! its place as a whole; or it is refused as a whole.
//!
//! Owns the order of these steps, and which threads do them: the control runtime only waits and
//! swaps. What is built lives in [`parts`](crate::app::parts) and [`watched`](crate::app::watched).

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tracing::error;

use super::bound::BoundKeys;
use super::retired;
use crate::app::error::AppError;
use crate::app::origin::Origin;
use crate::app::parts::{self, Surroundings};
use crate::app::watched::{all as all_watched, forgive};
use crate::aws::{Observer, StoreReader};
use crate::blocking::{Lanes, Unfinished};
use crate::coalesce::Coalesced;
use crate::config::{Config, Material, Problem, Sources};
use crate::credentials::Logins;
use crate::fault::chain;
use crate::metrics::{Metrics, ReloadOutcome};
use crate::operations::{ReloadRefused, Reloaded, RestartKey, log};
use crate::references::{References, Watch};
use crate::secret::Secret;
use crate::session::revoked::revoke;
use crate::session::{Live, Shared};
use crate::startup::tls::ListenerPem;
use crate::telemetry;

/// The longest that a configuration may take to be read and built: a mount or AWS may hang.
const DEADLINE: Duration = Duration::from_secs(120);

/// The most threads of reloads: one that hangs beyond its deadline keeps its thread, and the next
/// reload has another.
const LOADS: usize = 4;

/// How long the files have to stay as they were read before they count as written to their end.
const SETTLED: Duration = Duration::from_millis(50);

/// How often files are read again that change while they are read.
const READS: usize = 20;

/// Reloads the configuration, one reload at a time. `App` holds it, and so does whoever may ask for
/// a reload.
pub(in crate::app) struct Reloader {
    /// `None`: the configuration came from nowhere that it could be read from again.
    origin: Option<Arc<dyn Origin>>,
    around: Surroundings,
    /// The parts that outlive every configuration.
    pub(super) shared: Arc<Shared>,
    /// The configuration in force.
    pub(super) live: Arc<ArcSwap<Live>>,
    /// The keys that took effect at the start.
    bound: BoundKeys,
    /// Reads what the configuration of now refers to. The lock is held for a look or a swap.
    reading: Mutex<Reading>,
    /// The files that the last load has read, be it refused or not. The lock is held for a copy.
    pub(super) sources: Mutex<Sources>,
    /// One reload goes on, and one more is waited for, which all who ask meanwhile share.
    reloads: Coalesced<Result<Reloaded, ReloadRefused>>,
    /// The threads of reloads. A load that hangs keeps its own.
    threads: Lanes<()>,
    /// Wakes those who wait for another configuration.
    pub(super) swapped: Notify,
}

/// The task that reads again what a configuration refers to.
struct Reading {
    references: References,
    watch: Arc<Watch>,
    _task: AbortOnDropHandle<()>,
}

/// A configuration that has been built and is not in force yet.
struct Built {
    live: Arc<Live>,
    references: References,
    watch: Arc<Watch>,
}

impl Reading {
    /// Begins to read. The receiver is told once everything has been read, or has failed, for the
    /// first time.
    fn start(around: &Surroundings, references: References, watch: Arc<Watch>) -> (Self, oneshot::Receiver<()>) {
        let (read, is_read) = oneshot::channel();
        let task = AbortOnDropHandle::new(around.control.spawn(Arc::clone(&watch).run(read)));
        (Self { references, watch, _task: task }, is_read)
    }
}

/// The first configuration, built and in force.
pub(in crate::app) struct Started {
    /// Reloads it.
    pub(in crate::app) reloader: Arc<Reloader>,
    /// Told once everything that it refers to has been read, or has failed, for the first time.
    pub(in crate::app) is_read: oneshot::Receiver<()>,
}

impl Reloader {
    /// Puts the first configuration in force. `references` reads what it refers to, and `pem` has
    /// the texts of the listener's TLS.
    pub(in crate::app) fn start(
        origin: Option<Arc<dyn Origin>>,
        around: Surroundings,
        shared: Arc<Shared>,
        live: Live,
        references: References,
        pem: &ListenerPem,
    ) -> Started {
        count_connections(&shared.metrics, &live.config);
        let live = Arc::new(live);
        let watch = Watch::new(references.clone(), all_watched(pem, &live, &shared));
        let (reading, is_read) = Reading::start(&around, references, watch);
        let reloads = Coalesced::new(around.control.clone(), 0);
        let reloader = Self {
            origin,
            around,
            reloads,
            shared,
            bound: BoundKeys::of(&live.config),
            sources: Mutex::new(live.config.sources.clone()),
            live: Arc::new(ArcSwap::new(live)),
            reading: Mutex::new(reading),
            threads: Lanes::new("reload", LOADS, LOADS),
            swapped: Notify::new(),
        };
        Started { reloader: Arc::new(reloader), is_read }
    }

    /// The configuration in force.
    pub(in crate::app) fn live(&self) -> &Arc<ArcSwap<Live>> {
        &self.live
    }

    /// The keys that have another value in this configuration than the one that has been in force
    /// since the start.
    pub(in crate::app) fn needs_restart(&self, config: &Config) -> Vec<RestartKey> {
        self.bound.changed_in(config)
    }

    /// The values that are read again and again.
    pub(in crate::app) fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.reading.lock().watch)
    }

    /// Reads the configuration again, and puts it in force if nothing is wrong with it. One reload
    /// waits for another, and all who ask meanwhile share the next. Cancel safe: a reload that has
    /// begun goes on to its end.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration. Nothing has changed then.
    pub(in crate::app) async fn reload(self: &Arc<Self>) -> Result<Reloaded, ReloadRefused> {
        let reloader = Arc::clone(self);
        let reloading = self.reloads.run(move || async move {
            let outcome = reloader.reload_once().await;
            report(&reloader.shared, &outcome);
            outcome
        });
        reloading
            .await
            .unwrap_or_else(|| Err(refused("the reload was broken off")))
    }

    async fn reload_once(self: &Arc<Self>) -> Result<Reloaded, ReloadRefused> {
        let reloader = Arc::clone(self);
        let building = self.threads.run((), move || reloader.build());
        let built = match timeout(DEADLINE, building).await {
            Ok(Ok(built)) => built?,
            Ok(Err(unfinished)) => return Err(refused(&chain(&unfinished))),
            Err(_elapsed) => return Err(refused(&format!("not read within {} s", DEADLINE.as_secs()))),
        };
        Ok(self.swap(built).await)
    }

    /// Reads and builds a configuration, on a thread of its own.
    fn build(&self) -> Result<Built, ReloadRefused> {
        let Some(origin) = &self.origin else {
            return Err(refused("there is nowhere that the configuration could be read from again"));
        };
        let before = self.live.load_full();
        let config = Arc::new(self.load(&**origin)?);
        if let Some(lost) = lost_all(&before.config, &config) {
            return Err(refused(&format!("there are no {lost} any more: taken for a file that is not yet written")));
        }
        // Timers and sockets are the control runtime's, which goes on meanwhile.
        self.around
            .control
            .block_on(self.built_beside(&before, config, &**origin))
            .map_err(|error| refused(&error))
    }

    /// Loads the configuration, until none of its files changes meanwhile: then it is of one piece.
    fn load(&self, origin: &dyn Origin) -> Result<Config, ReloadRefused> {
        for _ in 0..READS {
            let loaded = origin.load();
            let sources = match &loaded {
                Ok(config) => &config.sources,
                Err(problems) => problems.sources(),
            };
            std::thread::sleep(SETTLED);
            let is_of_one_piece = sources.are_unchanged().map_err(|hangs| refused(&hangs))?;
            *self.sources.lock() = sources.clone();
            if is_of_one_piece {
                return loaded
                    .map_err(|problems| ReloadRefused { problems: problems.iter().map(Problem::to_string).collect() });
            }
        }
        Err(refused("the files of the configuration change all the time"))
    }

    /// Builds all that a configuration makes, and takes over from the one before what stays the
    /// same.
    async fn built_beside(&self, before: &Live, config: Arc<Config>, origin: &dyn Origin) -> Result<Built, String> {
        let logins = if has_same_base(before, &config) {
            Arc::clone(&before.logins)
        } else {
            let base = origin.base(&config).await;
            let Surroundings { clock, control, .. } = &self.around;
            let observer: Arc<dyn Observer> = Arc::<Metrics>::clone(&self.shared.metrics);
            Logins::new(base, &config.credentials, clock, control, Some(observer))
        };
        let timeout = config.credentials.timeout;
        let references = {
            // Calls of references have a gate of their own, so that logins do not queue behind
            // them.
            let store = StoreReader(Arc::new(logins.calls().with_own_gate(timeout)));
            self.reading
                .lock()
                .references
                .by_another(Arc::new(store), timeout)
        };
        let pem = pem(before, &config, &references).await?;
        let told = |error: AppError| chain(&error);
        let live = parts::live(config, &pem, logins, &self.shared, &self.around, Some(before)).await;
        let live = Arc::new(live.map_err(told)?);
        let watch = Watch::new(references.clone(), all_watched(&pem, &live, &self.shared));
        watch.follow(&self.watch());
        Ok(Built { live, references, watch })
    }

    /// Puts a configuration in force, and ends what it gives no right to.
    async fn swap(self: &Arc<Self>, built: Built) -> Reloaded {
        let Built { live, references, watch } = built;
        let config = Arc::clone(&live.config);
        live.logins.adopt(&config.credentials);
        if let (Some(table), Some(settings)) = (live.specs.table(), &config.specs) {
            table.adopt(settings.refresh, parts::table_times(&config));
        }
        let before = self.live.swap(Arc::clone(&live));
        telemetry::reset_level(config.log.level);
        let (reading, _is_read) = Reading::start(&self.around, references, watch);
        let Reading { watch: watch_before, .. } = std::mem::replace(&mut *self.reading.lock(), reading);
        self.swapped.notify_waiters();
        let (shared, old) = (Arc::clone(&self.shared), Arc::clone(&before));
        // All sessions, users and connections are looked at.
        let judging = self.threads.run_or_here((), move || {
            // First what must not be left out.
            let ended = revoke(&shared.sessions, &live);
            let renewed = live.accounts.renewed_since(&old.accounts);
            if !renewed.is_empty() {
                forgive(&live, &shared, &renewed);
            }
            count_connections(&shared.metrics, &live.config);
            Judged { ended, changed: changed(&live, &old, &renewed) }
        });
        let (Judged { ended, changed }, unjudged) = judged(judging.await);
        let hash_before = before.config.hash.clone();
        let retired = retired::drop_in_time(before, watch_before);
        self.around.control.spawn(retired);
        Reloaded {
            hash_before,
            hash: config.hash.clone(),
            changed,
            needs_restart: self.needs_restart(&config),
            ended,
            warnings: config.warnings.iter().cloned().chain(unjudged).collect(),
        }
    }
}

/// The outcome of a look at everything that another configuration concerns.
#[derive(Default)]
struct Judged {
    /// The number of sessions that were ended, since they have lost their right.
    ended: usize,
    /// The keys whose values are others than before.
    changed: Vec<String>,
}

/// The outcome of a judging, and a warning if it may not be whole. Either way a failure is logged.
fn judged(judged: Result<(Judged, Option<Unfinished>), Unfinished>) -> (Judged, Option<String>) {
    match judged {
        Ok((judged, None)) => (judged, None),
        Ok((judged, Some(failed))) => {
            let (error, ended) = (chain(&failed), judged.ended);
            error!(event = "sessions not judged", error, ended, "sessions were judged at the second try only");
            (judged, None)
        }
        Err(failed) => {
            let error = chain(&failed);
            error!(event = "sessions not judged", error, "sessions that have lost their right may live on");
            let warning = "sessions that have lost their right may live on, for they could not be judged \
                           (internal error): end them with KILL, or restart the proxy";
            (Judged::default(), Some(warning.to_owned()))
        }
    }
}

/// The keys of what has another value than before. `renewed` are the users with another password.
fn changed(live: &Live, before: &Live, renewed: &[String]) -> Vec<String> {
    let listener = live.tls.pem().changed_since(&before.tls.pem());
    let token = live.admin.is_renewed_since(&before.admin);
    let users = renewed
        .iter()
        .filter(|user| before.config.users.contains_key(*user))
        .map(|user| format!("users.{user}.password"));
    let upstream = live.config.upstream.ca != before.config.upstream.ca;
    let cas = live
        .config
        .connections
        .iter()
        .filter_map(|(conn_id, spec)| {
            let is_another = before.config.connections.get(conn_id)?.ca != spec.ca;
            is_another.then(|| format!("connections.{conn_id}.ca"))
        });
    let listener = listener.into_iter().map(str::to_owned);
    listener
        .chain(token.then(|| "admin.token".to_owned()))
        .chain(users)
        .chain(upstream.then(|| "upstream.ca".to_owned()))
        .chain(cas)
        .collect()
}

/// Whether AWS is called by the same identity, at the same places, and in a Region that is known if
/// one is needed.
fn has_same_base(before: &Live, config: &Config) -> bool {
    let is_region_known = before.logins.regions(None).0.is_some();
    before.config.aws == config.aws && (is_region_known || before.config.home_region() == config.home_region())
}

/// The texts of the listener's TLS. Those that AWS keeps are taken over, where they come from the
/// same places as before, and else are read once.
async fn pem(before: &Live, config: &Config, references: &References) -> Result<ListenerPem, String> {
    let known = before.tls.pem();
    let old = &before.config.listen;
    let is_same = |old: &Material, new: &Material| old.from == new.from;
    let identity = config.listen.identity.as_ref();
    let identity = old.identity.as_ref().zip(identity).zip(known.identity);
    // A chain and its key belong together.
    let identity = identity.filter(|((old, new), _)| is_same(&old.cert, &new.cert) && is_same(&old.key, &new.key));
    let clients = old.clients.as_ref().zip(config.listen.clients.as_ref());
    let ca = clients.filter(|(old, new)| is_same(&old.ca, &new.ca));
    let ca = ca.and_then(|_| known.clients.as_ref().map(|clients| &clients.ca));
    let crl = clients.and_then(|(old, new)| old.crl.as_ref().zip(new.crl.as_ref()));
    let crl = crl.filter(|(old, new)| is_same(old, new));
    let crl = crl.and_then(|_| known.clients.as_ref()?.crl.as_ref());
    ListenerPem::read(&config.listen, async |key: &'static str, material: &Material| -> Result<Secret, String> {
        let of_before = match key {
            "listen.tls.cert" => identity.as_ref().map(|(_, pem)| &pem.cert),
            "listen.tls.key" => identity.as_ref().map(|(_, pem)| &pem.key),
            "listen.tls.client_ca" => ca,
            _ => crl,
        };
        match material.text.as_ref().or(of_before) {
            Some(text) => Ok(text.clone()),
            None => references
                .read(&material.from)
                .await
                .map_err(|error| format!("{key}: {}", chain(&error))),
        }
    })
    .await
}

/// What a configuration has none of any more, so that nobody could log in and every session would
/// end: as of a file that is cut off between two tables.
fn lost_all(before: &Config, now: &Config) -> Option<&'static str> {
    let has_users = |config: &Config| !config.users.is_empty() || config.any_user.is_some();
    let has_connections = |config: &Config| !config.connections.is_empty() || config.specs.is_some();
    if has_users(before) && !has_users(now) {
        return Some("users");
    }
    (has_connections(before) && !has_connections(now)).then_some("connections")
}

fn refused(problem: &str) -> ReloadRefused {
    ReloadRefused { problems: vec![problem.to_owned()] }
}

/// Tells the metrics which connections there are from now on.
fn count_connections(metrics: &Metrics, config: &Config) {
    let connections = config.connections.values();
    metrics.configured(connections.map(|spec| (&spec.id, spec.max_sessions)));
}

/// Tells the log and the metrics what has come of a reload.
fn report(shared: &Shared, outcome: &Result<Reloaded, ReloadRefused>) {
    let metrics = &shared.metrics;
    match outcome {
        Ok(reloaded) => {
            metrics.reloads.count(ReloadOutcome::Ok);
            log::config_changed(reloaded);
        }
        Err(refused) => {
            metrics.reloads.count(ReloadOutcome::Error);
            log::reload_refused(refused);
        }
    }
}
