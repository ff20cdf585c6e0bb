//! Logging: the destination and format of lines, and the libraries whose lines are held back.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::{Level, error, warn};
use tracing_subscriber::filter::{Directive, EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use self::lines::{Flush, LogLines};
pub(crate) use self::repeats::{LineKind, Repeats, Verdict};
use crate::config::{Log, LogFormat, LogLevel};

mod lines;
mod repeats;

/// Libraries that print requests, tokens and headers below this level. No setting lifts it.
const QUIET: &[&str] = &["aws_", "hyper", "h2", "rustls", "tokio_rustls"];
const QUIET_LEVEL: Level = Level::INFO;

/// Modules of the SDK that print what they read, at any level (aws-config 1.13, aws-runtime 1.10):
/// a profile's roles whole, external ids included (`profile`, `sts`), lines of the key file and all
/// its bytes where it is not UTF-8 (`env_config`), and the dump of any error on the way to
/// credentials, with the variable or answer that would not do (the rest). What goes wrong there
/// comes back as the error of the call.
const SILENT: &[&str] = &[
    "aws_config::ecs",
    "aws_config::environment",
    "aws_config::imds",
    "aws_config::json_credentials",
    "aws_config::meta",
    "aws_config::profile",
    "aws_config::provider_config",
    "aws_config::sts",
    "aws_config::web_identity_token",
    "aws_runtime::env_config",
];

/// The longest time that [`last_words`] waits for a reader.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Sends all events, and panics, to stderr, from a thread of their own: see [`lines`]. `rust_log`
/// (RUST_LOG) wins over the configured level. The returned value is to be dropped at the end of the
/// process: that writes the lines that still wait.
///
/// # Errors
/// Returned if the system gives no thread.
pub(crate) fn start(log: &Log, rust_log: Option<&str>) -> io::Result<Flush> {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // Invalid directives are sorted out here: the parser would write about them to stderr itself,
    // which may be full.
    let directives = rust_log
        .unwrap_or_default()
        .split(',')
        .filter(|directive| !directive.is_empty());
    let (directives, ignored): (Vec<_>, Vec<_>) =
        directives.partition(|directive| directive.parse::<Directive>().is_ok());
    let wanted = EnvFilter::builder()
        .with_default_directive(level.into())
        .parse_lossy(directives.join(","));
    let filter = wanted.and(filter_fn(|metadata| is_shown(metadata.target(), *metadata.level())));
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    let lines = LogLines::default();
    // The layer would write about its own errors to stderr itself.
    let layer = fmt::layer()
        .with_writer(lines.clone())
        .log_internal_errors(false);
    let layer = if json {
        layer
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .boxed()
    } else {
        layer.with_ansi(io::stderr().is_terminal()).boxed()
    };
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
    let repeats = Repeats::default();
    std::panic::set_hook(Box::new(move |panic| log_panic(panic, &repeats)));
    let flush = lines.write_to(io::stderr())?;
    for directive in ignored {
        warn!(directive, "RUST_LOG: no directive, ignored");
    }
    Ok(flush)
}

/// Logs a panic, for Rust's own hook writes to stderr on the thread that panics. A message that was
/// put together while the program ran is left out: it may quote a secret.
fn log_panic(panic: &PanicHookInfo<'_>, repeats: &Repeats) {
    const EVENT: &str = "internal error: a panic";
    let kind = LineKind { level: Level::ERROR, event: EVENT, class: "", client: None, conn_id: None };
    let Verdict::Write(left_out) = repeats.judge(kind) else { return };
    let place = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    let message = panic
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or_default();
    // RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    error!(place, panic = message, backtrace, left_out, "{EVENT}");
}

/// Writes a message for people to stderr as the process ends. If nobody reads, it gives up after
/// [`LAST_WORDS`], and the exit code has to do.
pub(crate) fn last_words(message: String) {
    let (writing, written) = channel::<()>();
    // A thread, for a write to a pipe that is full cannot be stopped; it ends with the process.
    let _ = thread::Builder::new().spawn(move || {
        let _unread = writeln!(io::stderr(), "{message}");
        drop(writing);
    });
    let _ = written.recv_timeout(LAST_WORDS);
}

fn is_shown(target: &str, level: Level) -> bool {
    let of = |targets: &[&str]| targets.iter().any(|prefix| target.starts_with(prefix));
    !of(SILENT) && (level <= QUIET_LEVEL || !of(QUIET))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_that_print_requests_stay_at_info() {
        for target in ["aws_smithy_runtime::client", "aws_config", "hyper::proto", "hyper_util", "h2", "rustls::check"]
        {
            assert!(is_shown(target, Level::INFO), "{target}");
            assert!(!is_shown(target, Level::DEBUG) && !is_shown(target, Level::TRACE), "{target}");
        }
        assert!(is_shown("redshift_iam_proxy::session", Level::TRACE));
        for target in [
            "aws_config::profile::credentials",
            "aws_config::meta::credentials::chain",
            "aws_runtime::env_config::source",
        ] {
            assert!(!is_shown(target, Level::ERROR), "{target}");
        }
    }
}
