//! Values on the wire, in PostgreSQL's text and binary formats.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

use super::answer::{Kind, Value};
use super::text::harmless;

/// From the Unix epoch to PostgreSQL's, 2000-01-01, in microseconds.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// How a column's values are sent (protocol, "Formats and Format Codes").
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Format {
    /// 0: as text.
    #[default]
    Text,
    /// 1: in the type's binary form, as asyncpg and tokio-postgres want it.
    Binary,
}

impl Kind {
    /// The type's oid (pg_type.dat).
    pub(super) fn oid(self) -> u32 {
        match self {
            Self::Bool => 16,
            Self::Int8 => 20,
            Self::Text => 25,
            Self::Float8 => 701,
            Self::Timestamptz => 1184,
        }
    }

    /// The type's size in bytes; -1 if it varies.
    pub(super) fn size(self) -> i16 {
        match self {
            Self::Text => -1,
            Self::Bool => 1,
            Self::Int8 | Self::Float8 | Self::Timestamptz => 8,
        }
    }
}

impl Value {
    /// The value as bytes of a DataRow; `None` is NULL, and a value that is not of the column's
    /// type.
    pub(super) fn encode(&self, kind: Kind, format: Format) -> Option<Cow<'_, [u8]>> {
        let binary = format == Format::Binary;
        let bytes = match (kind, self) {
            (Kind::Text, Self::Text(text)) => return Some(bytes_of(harmless(text))),
            (Kind::Int8, Self::Int(number)) if binary => number.to_be_bytes().to_vec(),
            (Kind::Int8, Self::Int(number)) => number.to_string().into_bytes(),
            (Kind::Float8, Self::Float(number)) if binary => number.to_be_bytes().to_vec(),
            (Kind::Float8, Self::Float(number)) => float(*number).into_bytes(),
            (Kind::Bool, Self::Bool(is)) if binary => vec![u8::from(*is)],
            (Kind::Bool, Self::Bool(is)) => vec![if *is { b't' } else { b'f' }],
            (Kind::Timestamptz, Self::Time(time)) => {
                let micros = micros(*time);
                match binary {
                    true => micros.saturating_sub(POSTGRES_EPOCH).to_be_bytes().to_vec(),
                    false => timestamp(micros)?.into_bytes(),
                }
            }
            (Kind::Text | Kind::Int8 | Kind::Float8 | Kind::Bool | Kind::Timestamptz, value) => {
                debug_assert_eq!(*value, Self::Null, "a value of another type than its column's");
                return None;
            }
        };
        Some(Cow::Owned(bytes))
    }
}

fn bytes_of(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// The number in PostgreSQL's words.
fn float(number: f64) -> String {
    if number.is_infinite() {
        let sign = if number.is_sign_negative() { "-" } else { "" };
        return format!("{sign}Infinity");
    }
    number.to_string()
}

/// The time in microseconds since the Unix epoch, as far as they go.
fn micros(time: SystemTime) -> i64 {
    let most = |micros: u128| i64::try_from(micros).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => most(since.as_micros()),
        Err(before) => -most(before.duration().as_micros()),
    }
}

/// The time in ISO 8601 as PostgreSQL writes it, in UTC: `2026-11-30 16:42:45.5+00`. `None`: it is
/// beyond the year 9999.
fn timestamp(micros: i64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).ok()?;
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second, micro) = at.to_hms_micro();
    let month = u8::from(month);
    let mut text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    if micro > 0 {
        text.push_str(format!(".{micro:06}").trim_end_matches('0'));
    }
    text.push_str("+00");
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn values_are_written_as_postgresql_writes_them() {
        let at = |micros| UNIX_EPOCH + Duration::from_micros(micros);
        let text = |text: &str| Value::Text(text.to_owned());
        for (kind, value, as_text, as_binary) in [
            (Kind::Text, text("Zoë\x1b"), "Zoë\\u{1b}".as_bytes(), "Zoë\\u{1b}".as_bytes()),
            (Kind::Int8, Value::Int(-7), b"-7", &[255, 255, 255, 255, 255, 255, 255, 249]),
            (Kind::Float8, Value::Float(0.5), b"0.5", &[63, 224, 0, 0, 0, 0, 0, 0]),
            (Kind::Float8, Value::Float(f64::NEG_INFINITY), b"-Infinity", &[255, 240, 0, 0, 0, 0, 0, 0]),
            (Kind::Bool, Value::Bool(true), b"t", &[1]),
            (Kind::Bool, Value::Bool(false), b"f", &[0]),
            (Kind::Timestamptz, Value::Time(at(946_684_800_000_000)), b"2000-01-01 00:00:00+00", &[0; 8]),
            (
                Kind::Timestamptz,
                Value::Time(at(1_796_057_385_500_000)),
                b"2026-11-30 16:49:45.5+00",
                &849_372_585_500_000_i64.to_be_bytes(),
            ),
        ] {
            assert_eq!(value.encode(kind, Format::Text).as_deref(), Some(as_text), "{value:?}");
            assert_eq!(value.encode(kind, Format::Binary).as_deref(), Some(as_binary), "{value:?}");
        }
        for kind in [Kind::Text, Kind::Int8, Kind::Timestamptz] {
            assert_eq!(Value::Null.encode(kind, Format::Binary), None);
        }
    }
}
