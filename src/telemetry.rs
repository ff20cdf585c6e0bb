//! Logging: where lines go, how they look, and what is never in them.

use std::io::IsTerminal;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{Log, LogFormat, LogLevel};

/// Libraries that print requests, tokens and headers below this level. No setting lifts it.
const QUIET: &[&str] = &["aws_", "hyper", "h2", "rustls", "tokio_rustls"];
const QUIET_LEVEL: Level = Level::INFO;

/// Modules of the SDK that print what they read, at any level (aws-config 1.13, aws-runtime 1.10): a profile's roles whole,
/// external ids included (`profile`, `sts`), lines of the key file and all its bytes where it is not UTF-8 (`env_config`),
/// and the dump of any error on the way to credentials, with the variable or answer that would not do (the rest). What goes
/// wrong there comes back as the error of the call.
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

/// Sends all events to stderr. `rust_log` (RUST_LOG) wins over the configured level.
pub(crate) fn start(log: &Log, rust_log: Option<&str>) {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let wanted = EnvFilter::builder().with_default_directive(level.into()).parse_lossy(rust_log.unwrap_or_default());
    let filter = wanted.and(filter_fn(|metadata| is_shown(metadata.target(), *metadata.level())));
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if json {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).boxed()
    };
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
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
