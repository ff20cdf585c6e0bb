//! JSON for people: members stay in their order, and are indented by two.

use std::fmt;

/// A JSON value; an object keeps the order of its members.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Json {
    /// A JSON string, as yet unescaped.
    Text(String),
    /// A JSON array.
    List(Vec<Json>),
    /// A JSON object, its members in their order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Makes a JSON string.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Makes a JSON object of members in their order.
    pub(super) fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Object(
            members
                .into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect(),
        )
    }

    /// A list of strings.
    pub(super) fn list(texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    /// Writes one text by itself, several as a list: both mean the same to IAM.
    pub(super) fn one_or_list<'a>(texts: impl IntoIterator<Item = &'a String>) -> Self {
        let mut texts: Vec<_> = texts.into_iter().map(Self::text).collect();
        match (texts.pop(), texts.is_empty()) {
            (Some(only), true) => only,
            (last, _) => {
                texts.extend(last);
                Self::List(texts)
            }
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        match self {
            Self::Text(text) => quoted(f, text),
            Self::List(items) => enclosed(f, depth, ['[', ']'], items, |f, item| item.write(f, depth + 1)),
            Self::Object(members) => enclosed(f, depth, ['{', '}'], members, |f, (key, value)| {
                quoted(f, key)?;
                f.write_str(": ")?;
                value.write(f, depth + 1)
            }),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

fn enclosed<T>(
    f: &mut fmt::Formatter<'_>,
    depth: usize,
    [open, close]: [char; 2],
    items: &[T],
    each: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    write!(f, "{open}")?;
    for (at, item) in items.iter().enumerate() {
        write!(f, "{}\n{:2$}", if at == 0 { "" } else { "," }, "", (depth + 1) * 2)?;
        each(f, item)?;
    }
    if !items.is_empty() {
        write!(f, "\n{:1$}", "", depth * 2)?;
    }
    write!(f, "{close}")
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_json_is_parsed_to_the_same_value() {
        let odd = "a\"b\\c\nd\te\u{7f}\u{9f}ü\u{1}";
        let json = Json::object([
            ("z", Json::text(odd)),
            (odd, Json::list(["x", "y"])),
            ("none", Json::List(Vec::new())),
            ("empty", Json::Object(Vec::new())),
        ]);
        let read: serde_json::Value = serde_json::from_str(&json.to_string()).unwrap();
        assert_eq!(read["z"], odd);
        assert_eq!(read[odd], serde_json::json!(["x", "y"]));
        assert!(json.to_string().starts_with("{\n  \"z\": "), "the order is kept");
        assert_eq!(serde_json::to_string_pretty(&read["none"]).unwrap(), "[]");
    }

    #[test]
    fn one_text_stands_by_itself() {
        let texts = ["a".to_owned(), "b".to_owned()];
        assert_eq!(Json::one_or_list(&texts[..1]), Json::text("a"));
        assert_eq!(Json::one_or_list(&texts), Json::list(["a", "b"]));
    }
}
