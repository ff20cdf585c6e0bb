//! Logging: the destination and format of lines, and the libraries whose lines are held back.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use tracing::{Level, error, warn};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

pub(crate) use self::level::{AUDIT, level, reset_level, set_level};
use self::lines::{Flush, LogLines};
pub(crate) use self::repeats::{LineKind, Repeats, Verdict};
use self::stamp::Stamped;
use crate::config::{Log, LogFormat};

mod level;
mod lines;
mod repeats;
mod stamp;

/// The lines of the one log of the process, once it has started.
static LINES: OnceLock<LogLines> = OnceLock::new();

/// The longest time that [`last_words`] waits for a reader.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Sends all events, and panics, to stderr, from a thread of their own: see [`lines`]. `rust_log`
/// (RUST_LOG) wins over the configured level, until [`set_level`]. The returned value is to be
/// dropped at the end of the process: that writes the lines that still wait.
///
/// # Errors
/// Returned if the system gives no thread.
pub(crate) fn start(log: &Log, rust_log: Option<&str>) -> io::Result<Flush> {
    let (filter, level, ignored) = level::filter(log.level, rust_log.unwrap_or_default());
    let is_json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    let lines = LogLines::default();
    // The layer would write about its own errors to stderr itself.
    let layer = fmt::layer()
        .with_writer(lines.clone())
        .log_internal_errors(false);
    let layer = if is_json {
        let format = Stamped { inner: stamp::json(), is_json };
        layer
            .fmt_fields(JsonFields::new())
            .event_format(format)
            .boxed()
    } else {
        let format = Stamped { inner: stamp::text(io::stderr().is_terminal()), is_json };
        layer
            .fmt_fields(stamp::text_fields())
            .event_format(format)
            .boxed()
    };
    // A second start in one process (tests) keeps the first.
    if tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()
        .is_ok()
    {
        level.keep();
        let _ = LINES.set(lines.clone());
    }
    let repeats = Repeats::default();
    std::panic::set_hook(Box::new(move |panic| log_panic(panic, &repeats)));
    let flush = lines.write_to(io::stderr())?;
    for directive in ignored {
        warn!(event = "log directive ignored", directive = directive.as_str(), "RUST_LOG: no directive, ignored");
    }
    Ok(flush)
}

/// The number of log lines that were dropped since the start, since nobody read them in time.
pub(crate) fn lines_dropped() -> u64 {
    LINES.get().map_or(0, LogLines::dropped)
}

/// Logs a panic, for Rust's own hook writes to stderr on the thread that panics. A message that was
/// put together while the program ran is left out: it may quote a secret.
fn log_panic(panic: &PanicHookInfo<'_>, repeats: &Repeats) {
    const EVENT: &str = "internal error: a panic";
    let kind = LineKind { level: Level::ERROR, event: EVENT, class: "", client: None, conn_id: None, is_proven: false };
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
    error!(event = "panic", place, panic = message, backtrace, left_out, "{EVENT}");
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
