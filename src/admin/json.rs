//! JSON, written straight into its text: of thousands of sessions no tree is built.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

/// A value that has a JSON text. Times are RFC 3339 in UTC, durations are seconds.
pub(super) trait ToJson {
    /// Appends the text.
    fn write(&self, out: &mut String);

    /// The text, as a document with a newline at its end.
    fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out.push('\n');
        out
    }
}

/// Writes the members of an object.
pub(super) struct Members<'o> {
    out: &'o mut String,
    is_first: bool,
}

impl<'o> Members<'o> {
    /// Opens an object.
    pub(super) fn of(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, is_first: true }
    }

    /// Appends a member.
    pub(super) fn add(&mut self, name: &str, value: &(impl ToJson + ?Sized)) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(',');
        }
        name.write(self.out);
        self.out.push(':');
        value.write(self.out);
    }

    /// Closes the object.
    pub(super) fn end(self) {
        self.out.push('}');
    }
}

/// Makes the fields of a type the members of an object. All of them have to be listed, so that a new
/// one is looked at before it is shown. `=> "name"` gives a member another name.
macro_rules! object {
    ($type:ty { $($field:ident $(=> $name:literal)?),+ $(,)? }) => {
        impl ToJson for $type {
            fn write(&self, out: &mut String) {
                let Self { $($field),+ } = self;
                let mut members = $crate::admin::json::Members::of(out);
                $(members.add($crate::admin::json::name!($field $($name)?), $field);)+
                members.end();
            }
        }
    };
}

/// The name of a member.
macro_rules! name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}

pub(super) use {name, object};

impl ToJson for str {
    fn write(&self, out: &mut String) {
        out.push('"');
        for c in self.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                // Also what terminals obey, and what turns the direction of a text around.
                c if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}') => {
                    // All of them are in the basic plane. Writing to a string cannot fail.
                    let _infallible = write!(out, "\\u{:04x}", u32::from(c));
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

impl ToJson for String {
    fn write(&self, out: &mut String) {
        self.as_str().write(out);
    }
}

impl ToJson for bool {
    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }
}

impl ToJson for u64 {
    fn write(&self, out: &mut String) {
        let _infallible = write!(out, "{self}");
    }
}

impl ToJson for u32 {
    fn write(&self, out: &mut String) {
        u64::from(*self).write(out);
    }
}

impl ToJson for u16 {
    fn write(&self, out: &mut String) {
        u64::from(*self).write(out);
    }
}

impl ToJson for usize {
    fn write(&self, out: &mut String) {
        (*self as u64).write(out);
    }
}

impl ToJson for Duration {
    fn write(&self, out: &mut String) {
        self.as_secs().write(out);
        if self.subsec_millis() > 0 {
            let _infallible = write!(out, ".{:03}", self.subsec_millis());
        }
    }
}

impl ToJson for SystemTime {
    fn write(&self, out: &mut String) {
        let at = OffsetDateTime::from(*self);
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, second, milli) = at.to_hms_milli();
        let _infallible =
            write!(out, "\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z\"");
    }
}

impl ToJson for IpAddr {
    fn write(&self, out: &mut String) {
        let _infallible = write!(out, "\"{self}\"");
    }
}

impl ToJson for SocketAddr {
    fn write(&self, out: &mut String) {
        let _infallible = write!(out, "\"{self}\"");
    }
}

impl<T: ToJson + ?Sized> ToJson for &T {
    fn write(&self, out: &mut String) {
        (**self).write(out);
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn write(&self, out: &mut String) {
        match self {
            Some(value) => value.write(out),
            None => out.push_str("null"),
        }
    }
}

impl<T: ToJson> ToJson for [T] {
    fn write(&self, out: &mut String) {
        out.push('[');
        for (number, value) in self.iter().enumerate() {
            if number > 0 {
                out.push(',');
            }
            value.write(out);
        }
        out.push(']');
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn write(&self, out: &mut String) {
        self.as_slice().write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing {
        name: String,
        left: Duration,
        all: Vec<u32>,
        none: Option<IpAddr>,
    }

    object!(Thing { name, left => "left_seconds", all, none });

    #[test]
    fn texts_hold_no_control_characters() {
        let hostile = "a\"b\\c\n\u{1b}[2J\u{9b}31m\u{7f}\0\u{202e}x\u{2066}€😀\u{feff}";
        let text = hostile.to_json();
        let body = text.trim_end_matches('\n');
        assert!(
            !body
                .chars()
                .any(|c| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c)),
            "{body:?}"
        );
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), hostile);
    }

    #[test]
    fn objects_have_their_fields() {
        let thing = Thing { name: "x".to_owned(), left: Duration::from_millis(1_050), all: vec![1, 2], none: None };
        assert_eq!(thing.to_json(), "{\"name\":\"x\",\"left_seconds\":1.050,\"all\":[1,2],\"none\":null}\n");
    }

    #[test]
    fn times_are_rfc_3339() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_000_000_007);
        assert_eq!(at.to_json(), "\"2026-11-18T11:06:40.007Z\"\n");
        assert_eq!(SystemTime::UNIX_EPOCH.to_json(), "\"1970-01-01T00:00:00.000Z\"\n");
        assert_eq!(Duration::from_secs(7).to_json(), "7\n");
    }
}
