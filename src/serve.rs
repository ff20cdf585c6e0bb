//! The `serve` command: runtimes, signals, and shutdown.

use std::sync::Arc;
use std::thread;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::app::{App, AppError, Origin};
use crate::aws::{self, Base};
use crate::clock::SystemClock;
use crate::config::{Config, Problems};
use crate::listener::Workers;
use crate::network::Network;
use crate::operations::{self, Channel, Operator, SharedOperations};
use crate::{bound, core_files, nofile, telemetry};

pub(crate) use crate::telemetry::last_words;

/// A variable of the environment.
pub(crate) type Env = fn(&str) -> Option<String>;

/// The configuration that the command line names, and the environment of the process.
pub(crate) struct CommandLine {
    /// The REF of the configuration.
    pub(crate) config: String,
    /// Reads the configuration.
    pub(crate) load: Box<dyn Fn() -> Result<Config, Problems> + Send + Sync>,
    /// The environment.
    pub(crate) env: Env,
}

impl Origin for CommandLine {
    fn load(&self) -> Result<Config, Problems> {
        let mut config = (self.load)()?;
        nofile::fit(&mut config.limits);
        Ok(config)
    }

    fn base<'a>(&'a self, config: &'a Config) -> LocalBoxFuture<'a, Base> {
        Base::from_environment(&config.aws, config.home_region(), &self.env).boxed_local()
    }
}

/// Runs the proxy until SIGTERM or SIGINT has drained it.
///
/// # Errors
/// The proxy did not start; see [`AppError`].
pub(crate) fn serve(mut config: Config, command_line: CommandLine) -> Result<(), AppError> {
    let _flush = telemetry::start(&config.log, (command_line.env)("RUST_LOG").as_deref()).map_err(AppError::Process)?;
    operations::log::config_warnings(&config.warnings);
    core_files::forbid();
    nofile::fit(&mut config.limits);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let workers = Pool::start(cores).map_err(AppError::Process)?;
    let control = runtime().map_err(AppError::Process)?;
    let served = control.block_on(run(config, command_line, workers.handles()));
    // A name look-up cannot be stopped, so it is not waited for.
    control.shutdown_background();
    workers.end();
    served
}

/// Starts the proxy on the control thread, and waits for its end.
async fn run(config: Config, command_line: CommandLine, workers: Vec<Handle>) -> Result<(), AppError> {
    // They are set up before anything is bound: an early signal must not be lost.
    let mut signals = Signals::new().map_err(AppError::Process)?;
    let hangup = signal(SignalKind::hangup()).map_err(AppError::Process)?;
    aws::require_roots()?;
    let base = command_line.base(&config).await;
    let reference = command_line.config.clone();
    let taken = bound::bind(&reference);
    let (network, origin) = (Network::default(), Arc::new(command_line));
    let starting = App::start_from(&network, Some(origin), config, base, Workers::new(workers), Arc::new(SystemClock));
    let app = tokio::select! {
        app = starting => app?,
        // The start may be waiting for values from AWS.
        signal = signals.next() => {
            info!(event = "stopped", signal, "stopped before anything was served");
            return Ok(());
        }
    };
    let _telling = AbortOnDropHandle::new(tokio::spawn(bound::tell(reference, taken, app.bound())));
    let _reloading = AbortOnDropHandle::new(tokio::spawn(reload_on(hangup, app.operations())));
    end(&app, &mut signals).await;
    app.close_admin().await;
    app.log_end();
    Ok(())
}

/// Waits until the process may end: an operator or a signal has asked for it, and all sessions have
/// ended.
async fn end(app: &App, signals: &mut Signals) {
    tokio::select! {
        // An operator's shutdown.
        () = app.over() => return,
        signal = signals.next() => {
            info!(signal, "shutting down");
            // What is asked for goes on without the future.
            drop(app.operations().shutdown(Operator::signal(signal)));
        }
    }
    tokio::select! {
        () = app.over() => {}
        signal = signals.next() => {
            info!(signal, "shutting down now");
            app.abort().await;
        }
    }
}

/// Reloads the configuration at each SIGHUP. Those that come during a reload make one more.
async fn reload_on(mut hangup: Signal, operations: SharedOperations) {
    while hangup.recv().await.is_some() {
        let by = Operator { name: "SIGHUP".to_owned(), from: None, channel: Channel::Signal };
        // A refusal is logged by the reload.
        let _logged = operations.reload(by).await;
    }
}

/// The signals that end the proxy: the first one drains its sessions, the second ends them. SIGINT
/// is Ctrl-C.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for a signal that ends the proxy, and gives its name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// A runtime for one thread.
fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// The worker threads, each with a single-threaded runtime. [`Pool::end`] ends and joins them.
struct Pool(Vec<(Handle, oneshot::Sender<()>, thread::JoinHandle<()>)>);

impl Pool {
    fn start(count: usize) -> std::io::Result<Self> {
        let mut pool = Vec::with_capacity(count);
        for number in 0..count {
            let runtime = runtime()?;
            let handle = runtime.handle().clone();
            let (end, ended) = oneshot::channel();
            let thread = thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || {
                    // A dropped sender ends the worker too.
                    let _ = runtime.block_on(ended);
                    runtime.shutdown_background();
                })?;
            pool.push((handle, end, thread));
        }
        Ok(Self(pool))
    }

    fn handles(&self) -> Vec<Handle> {
        self.0.iter().map(|(handle, ..)| handle.clone()).collect()
    }

    fn end(self) {
        for (_, end, thread) in self.0 {
            drop(end);
            // A worker that panicked has logged it.
            let _ = thread.join();
        }
    }
}
