//! `[log]`

use crate::config::reader::Table;

/// The keys of `[log]`.
#[derive(Debug)]
pub struct Log {
    /// The format of the lines on stderr.
    pub format: LogFormat,
    /// The least severe level that is written; `RUST_LOG` wins over it.
    pub level: LogLevel,
}

/// `log.format`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// One JSON object a line.
    Json,
    /// Text for people.
    Text,
}

/// `log.level`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Reads `[log]`. A refused value is reported and replaced by its default, so that the rest is
/// checked too.
pub(in crate::config) fn log(mut table: Table<'_>) -> Log {
    let formats = [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)];
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    let format = table
        .take("format")
        .and_then(|format| format.choice(&formats))
        .unwrap_or(LogFormat::Auto);
    let level = table
        .take("level")
        .and_then(|level| level.choice(&levels))
        .unwrap_or(LogLevel::Info);
    table.finish();
    Log { format, level }
}
