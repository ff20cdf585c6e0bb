//! What every line of the log has, whatever wrote it: the version of the schema and the name of the
//! event, and no character that a terminal obeys.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The version of the names and meanings of events and fields. An event or a field that is added
/// leaves it as it is.
const SCHEMA: u32 = 1;

/// The target of our own lines, and the name of the event of all others.
const OWN: &str = "redshift_iam_proxy";
const LIBRARY: &str = "library";

/// The field that names an event whose message is not its name.
const EVENT: &str = "event";

/// The format of a line: that of `inner`, with `schema` and `event`.
///
/// The name of an event is its field `event`; where it has none, its message. Lines of libraries
/// are events of the name `library`.
pub(super) struct Stamped<F> {
    /// The format of the rest of the line.
    pub(super) inner: F,
    /// Whether the line is a JSON object. Else it is text.
    pub(super) is_json: bool,
}

impl<S, N, F> FormatEvent<S, N> for Stamped<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.inner
            .format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end_matches('\n');
        let name = name(event);
        if self.is_json {
            let Some(rest) = line.strip_prefix('{') else { return Err(fmt::Error) };
            write!(writer, "{{\"schema\":{SCHEMA},")?;
            if let Some(name) = name {
                let name = serde_json::to_string(&name).map_err(|_unwritable| fmt::Error)?;
                write!(InJson(&mut writer), "\"event\":{name},")?;
            }
            // What has to be escaped stands inside a string.
            InJson(&mut writer).write_str(rest)?;
        } else {
            writer.write_str(line)?;
            if let Some(name) = name {
                write!(InText(&mut writer), " event={name:?}")?;
            }
            write!(writer, " schema={SCHEMA}")?;
        }
        writeln!(writer)
    }
}

/// The name of an event. `None`: the line has it already, as a field.
fn name(event: &Event<'_>) -> Option<String> {
    let metadata = event.metadata();
    if metadata.fields().field(EVENT).is_some() {
        return None;
    }
    if !metadata.target().starts_with(OWN) {
        return Some(LIBRARY.to_owned());
    }
    let mut message = Message::default();
    event.record(&mut message);
    Some(message.0)
}

/// The message of an event.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// The format of fields in text: `name=value`, the message without its name, and nothing that a
/// terminal obeys. A value that is a `str` is quoted and escaped as Rust does.
pub(super) fn text_fields() -> impl for<'a> FormatFields<'a> + 'static {
    TextFields
}

struct TextFields;

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = TextVisitor { writer, is_first: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }

    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &tracing::span::Record<'_>) -> fmt::Result {
        if !current.fields.is_empty() {
            current.fields.push(' ');
        }
        self.format_fields(current.as_writer(), fields)
    }
}

struct TextVisitor<'w> {
    writer: Writer<'w>,
    is_first: bool,
    result: fmt::Result,
}

impl Visit for TextVisitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let gap = if std::mem::replace(&mut self.is_first, false) { "" } else { " " };
        let mut to = InText(&mut self.writer);
        let written = match field.name() {
            "message" => write!(to, "{gap}{value:?}"),
            name => write!(to, "{gap}{name}={value:?}"),
        };
        self.result = self.result.and(written);
    }
}

/// Whether a terminal or a viewer obeys this character rather than shows it: the control characters
/// of C0 and C1, and those that turn the direction of text or end a line.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes text with escapes as Rust has them.
struct InText<'a, W>(&'a mut W);

impl<W: Write> Write for InText<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escaped(self.0, text, |to, c| write!(to, "{}", c.escape_default()))
    }
}

/// Writes JSON with escapes as JSON has them.
struct InJson<'a, W>(&'a mut W);

impl<W: Write> Write for InJson<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escaped(self.0, text, |to, c| write!(to, "\\u{:04x}", u32::from(c)))
    }
}

/// Writes text, with `escape` for each character that is obeyed.
fn escaped<W: Write>(to: &mut W, text: &str, escape: impl Fn(&mut W, char) -> fmt::Result) -> fmt::Result {
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_obeyed(*c)) {
        let (shown, behind) = rest.split_at(at);
        to.write_str(shown)?;
        escape(to, c)?;
        rest = behind.strip_prefix(c).unwrap_or_default();
    }
    to.write_str(rest)
}

/// The format of the rest of a line of text.
pub(super) fn text(is_terminal: bool) -> format::Format {
    format::format().with_ansi(is_terminal)
}

/// The format of the rest of a line of JSON.
pub(super) fn json() -> format::Format<format::Json> {
    format::format()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing::subscriber::with_default;
    use tracing::{info, info_span};
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::fmt::format::JsonFields;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{Layer, Registry, fmt};

    use super::*;

    /// Characters that end a line, that a terminal obeys, and that end a string.
    const HOSTILE: &str = "a\r\nb\u{1b}[2J\u{7f}\u{9b}31m\u{202e}\u{2028}\u{2066}\" x=\"y\\";

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Written {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// The lines that `log` makes, in this format.
    fn lines(is_json: bool, log: impl FnOnce()) -> Vec<String> {
        let written = Written::default();
        let layer = fmt::layer().with_writer(written.clone());
        let layer: Box<dyn Layer<Registry> + Send + Sync> = if is_json {
            let format = Stamped { inner: json(), is_json };
            Box::new(layer.fmt_fields(JsonFields::new()).event_format(format))
        } else {
            let format = Stamped { inner: text(false), is_json };
            Box::new(layer.fmt_fields(text_fields()).event_format(format))
        };
        with_default(tracing_subscriber::registry().with(layer), log);
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(written.ends_with('\n'));
        written.lines().map(str::to_owned).collect()
    }

    fn log_three() {
        info!(user = "ann", number = 7, "session started");
        info!(event = "clock skew", "this clock is {} s off", 300);
        info!(target: "aws_config", "a library");
    }

    #[test]
    fn every_line_has_an_event_and_a_schema_in_json() {
        let lines: Vec<Value> = lines(true, log_three)
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let names: Vec<_> = lines
            .iter()
            .map(|line| line["event"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["session started", "clock skew", "library"]);
        assert!(lines.iter().all(|line| line["schema"] == 1));
        assert_eq!((&lines[0]["number"], &lines[1]["message"]), (&7.into(), &"this clock is 300 s off".into()));
    }

    #[test]
    fn every_line_has_an_event_and_a_schema_in_text() {
        let lines = lines(false, log_three);
        assert!(lines[0].ends_with(r#"session started user="ann" number=7 event="session started" schema=1"#));
        assert!(lines[1].ends_with(r#"this clock is 300 s off event="clock skew" schema=1"#), "{}", lines[1]);
        assert!(lines[2].ends_with(r#"a library event="library" schema=1"#), "{}", lines[2]);
    }

    /// As a field, as a value that is displayed, in a message and in a span.
    fn log_hostile() {
        let _span = info_span!("session", id = HOSTILE, shown = %HOSTILE).entered();
        info!(user = HOSTILE, shown = %HOSTILE, "{HOSTILE}");
        info!(event = HOSTILE, "x");
    }

    #[test]
    fn nothing_is_obeyed_in_either_format() {
        for is_json in [true, false] {
            let lines = lines(is_json, log_hostile);
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert!(!lines.iter().any(|line| line.contains(is_obeyed)), "{lines:?}");
            if is_json {
                let line: Value = serde_json::from_str(&lines[0]).unwrap();
                for text in [&line["user"], &line["shown"], &line["message"], &line["event"], &line["span"]["id"]] {
                    assert_eq!(text, HOSTILE);
                }
            }
        }
    }
}
