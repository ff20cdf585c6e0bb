//! The level of the log: that of the start, and that of an operator until the next reload.

use std::sync::OnceLock;

use parking_lot::Mutex;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{Directive, EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::reload;

use crate::config::LogLevel;

/// The target of the events that tell what operators do: they are written at every level, so that
/// whoever sets the level cannot hide what is done next.
pub(crate) const AUDIT: &str = "redshift_iam_proxy::audit";

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

/// The level of the one log of the process, once it has started.
static LEVEL: OnceLock<Control> = OnceLock::new();

/// The means to change the level while the process runs.
struct Control {
    /// The directives of RUST_LOG that are valid, as they are written. Empty: there are none.
    rust_log: String,
    /// Puts another filter in force.
    replace: Box<dyn Fn(EnvFilter) + Send + Sync>,
    /// The directives in force. The lock is held while they are replaced, so that they are those of
    /// the filter.
    shown: Mutex<String>,
}

/// The filter of a log that starts, and the means to change it: [`Starting::keep`] makes that of
/// the process.
pub(super) struct Starting(Control);

/// The filter that lets lines of `level` through, or those that RUST_LOG asks for: it wins. Those
/// of [`AUDIT`] pass whatever either says. The directives of RUST_LOG that are invalid are returned
/// too, for the parser would write about them to stderr itself, which may be full.
pub(super) fn filter<S>(level: LogLevel, rust_log: &str) -> (impl Filter<S> + use<S>, Starting, Vec<String>)
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let directives = rust_log
        .split(',')
        .filter(|directive| !directive.is_empty());
    let (valid, ignored): (Vec<_>, Vec<_>) = directives.partition(|directive| directive.parse::<Directive>().is_ok());
    let rust_log = valid.join(",");
    let (wanted, shown) = wanted(level, &rust_log);
    let (wanted, handle) = reload::Layer::new(wanted);
    let replace = Box::new(move |filter| drop(handle.reload(filter)));
    let control = Control { rust_log, replace, shown: Mutex::new(shown) };
    let shown = filter_fn(|metadata: &Metadata<'_>| is_shown(metadata.target(), *metadata.level()));
    // The hint keeps what is below the level as cheap as it is without this.
    let is_audit = filter_fn(|metadata: &Metadata<'_>| metadata.target() == AUDIT && *metadata.level() <= Level::INFO)
        .with_max_level_hint(LevelFilter::INFO);
    (wanted.or(is_audit).and(shown), Starting(control), ignored.into_iter().map(str::to_owned).collect())
}

impl Starting {
    /// Makes this the log whose level [`set_level`] changes, unless there is one.
    pub(super) fn keep(self) {
        let _ = LEVEL.set(self.0);
    }
}

/// Sets the level of the log, whatever RUST_LOG says, until [`reset_level`]. It does nothing where
/// no log was started.
pub(crate) fn set_level(level: LogLevel) {
    if let Some(control) = LEVEL.get() {
        control.put(wanted(level, ""));
    }
}

/// Sets the level of the log to that of a start with this configuration: RUST_LOG wins again.
pub(crate) fn reset_level(configured: LogLevel) {
    if let Some(control) = LEVEL.get() {
        control.put(wanted(configured, &control.rust_log));
    }
}

/// The level in force, or the directives of RUST_LOG. Empty where no log was started.
pub(crate) fn level() -> String {
    LEVEL
        .get()
        .map(|control| control.shown.lock().clone())
        .unwrap_or_default()
}

impl Control {
    fn put(&self, (filter, directives): (EnvFilter, String)) {
        let mut shown = self.shown.lock();
        (self.replace)(filter);
        *shown = directives;
    }
}

/// The filter for a level, with directives that refine it, and what to call it.
fn wanted(level: LogLevel, directives: &str) -> (EnvFilter, String) {
    let (default, name) = match level {
        LogLevel::Error => (LevelFilter::ERROR, "error"),
        LogLevel::Warn => (LevelFilter::WARN, "warn"),
        LogLevel::Info => (LevelFilter::INFO, "info"),
        LogLevel::Debug => (LevelFilter::DEBUG, "debug"),
        LogLevel::Trace => (LevelFilter::TRACE, "trace"),
    };
    let filter = EnvFilter::builder()
        .with_default_directive(default.into())
        .parse_lossy(directives);
    (filter, if directives.is_empty() { name.to_owned() } else { format!("RUST_LOG={directives}") })
}

fn is_shown(target: &str, level: Level) -> bool {
    let of = |targets: &[&str]| targets.iter().any(|prefix| target.starts_with(prefix));
    !of(SILENT) && (level <= QUIET_LEVEL || !of(QUIET))
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{Layer, Registry};

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

    /// The levels of which lines are written: of our own, and of a library that prints requests.
    fn written() -> (Vec<&'static str>, bool) {
        let mut own = Vec::new();
        macro_rules! level {
            ($level:ident) => {
                if tracing::enabled!(target: "redshift_iam_proxy::session", Level::$level) {
                    own.push(stringify!($level));
                }
            };
        }
        level!(ERROR);
        level!(WARN);
        level!(INFO);
        level!(DEBUG);
        level!(TRACE);
        assert!(tracing::enabled!(target: AUDIT, Level::INFO), "what operators do is written at every level");
        (own, tracing::enabled!(target: "hyper::proto", Level::DEBUG))
    }

    #[test]
    fn a_level_that_was_set_lasts_until_it_is_reset_and_never_lifts_a_library() {
        for (rust_log, at_start, shown) in [
            ("", &["ERROR", "WARN"][..], "warn"),
            ("redshift_iam_proxy=info,=?!", &["ERROR", "WARN", "INFO"], "RUST_LOG=redshift_iam_proxy=info"),
        ] {
            let (filter, Starting(control), ignored) = filter::<Registry>(LogLevel::Warn, rust_log);
            assert_eq!(ignored.len(), usize::from(!rust_log.is_empty()), "{ignored:?}");
            let log = tracing_subscriber::registry().with(tracing_subscriber::fmt::layer().with_filter(filter));
            with_default(log, || {
                assert_eq!(written(), (at_start.to_vec(), false), "{rust_log}");
                assert_eq!(*control.shown.lock(), shown);
                control.put(wanted(LogLevel::Trace, ""));
                assert_eq!(written(), (vec!["ERROR", "WARN", "INFO", "DEBUG", "TRACE"], false));
                assert_eq!(*control.shown.lock(), "trace");
                control.put(wanted(LogLevel::Error, ""));
                assert_eq!(written(), (vec!["ERROR"], false));
                control.put(wanted(LogLevel::Warn, &control.rust_log));
                assert_eq!(written(), (at_start.to_vec(), false));
                assert_eq!(*control.shown.lock(), shown);
            });
        }
    }
}
