//! The `serve` command: runtimes, signals, and shutdown.

use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::app::{App, AppError};
use crate::aws::{self, Base};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::listener::Workers;
use crate::{core_files, nofile, operations, telemetry};

pub(crate) use crate::telemetry::last_words;

/// Runs the proxy until SIGTERM or SIGINT has drained it.
///
/// # Errors
/// The proxy did not start; see [`AppError`].
pub(crate) fn serve(mut config: Config, env: &dyn Fn(&str) -> Option<String>) -> Result<(), AppError> {
    let _flush = telemetry::start(&config.log, env("RUST_LOG").as_deref()).map_err(AppError::Process)?;
    operations::log::config_warnings(&config.warnings);
    core_files::forbid();
    nofile::fit(&mut config.limits);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let workers = Pool::start(cores).map_err(AppError::Process)?;
    let control = runtime().map_err(AppError::Process)?;
    let served = control.block_on(run(config, env, workers.handles()));
    // A name look-up cannot be stopped, so it is not waited for.
    control.shutdown_background();
    workers.end();
    served
}

/// Starts the proxy on the control thread, and waits for its end.
async fn run(config: Config, env: &dyn Fn(&str) -> Option<String>, workers: Vec<Handle>) -> Result<(), AppError> {
    // They are set up before anything is bound: an early signal must not be lost.
    let mut signals = Signals::new().map_err(AppError::Process)?;
    aws::require_roots()?;
    let base = Base::from_environment(&config.aws, config.home_region(), env).await;
    let app = tokio::select! {
        app = App::start(config, base, Workers::new(workers), Arc::new(SystemClock)) => app?,
        // The start may be waiting for values from AWS.
        signal = signals.next() => {
            info!(event = "stopped", signal, "stopped before anything was served");
            return Ok(());
        }
    };
    let signal = signals.next().await;
    info!(signal, "shutting down");
    tokio::select! {
        () = app.drain() => {}
        signal = signals.next() => {
            info!(signal, "shutting down now");
            app.abort().await;
        }
    }
    Ok(())
}

/// The signals that end the proxy: the first one drains its sessions, the second ends them. SIGINT
/// is Ctrl-C. SIGHUP is only logged.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal that ends the proxy, and gives its name.
    async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => warn!("SIGHUP: reload is not yet supported; the configuration stays"),
            }
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
