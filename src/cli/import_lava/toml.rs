//! Writes values as TOML, each on one line. The `toml` crate would print hidden characters and
//! spread some values over lines.

use std::fmt::Write;

use crate::config::ItemValue;

/// The name as a TOML key.
pub(super) fn key(name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if bare { name.to_owned() } else { text(name) }
}

/// The value as TOML. `None`: it holds something that TOML has no form for.
pub(super) fn value(of: &ItemValue) -> Option<String> {
    Some(match of {
        ItemValue::Text(of) => text(of),
        ItemValue::Number(of) => number(of),
        ItemValue::Bool(is) => is.to_string(),
        ItemValue::List(list) => format!(
            "[{}]",
            list.iter()
                .map(value)
                .collect::<Option<Vec<_>>>()?
                .join(", ")
        ),
        ItemValue::Map(map) if map.is_empty() => "{}".to_owned(),
        ItemValue::Map(map) => {
            let pairs = map
                .iter()
                .map(|(name, of)| Some(format!("{} = {}", key(name), value(of)?)));
            format!("{{ {} }}", pairs.collect::<Option<Vec<_>>>()?.join(", "))
        }
        ItemValue::Other(_) => return None,
    })
}

/// The text as a basic string. Characters that a terminal or an editor would not show are escaped.
fn text(of: &str) -> String {
    let mut out = String::from('"');
    for c in of.chars() {
        let is_plain = c == ' ' || !(c.is_control() || c.is_whitespace() || is_hidden(c));
        // Writing to a string does not fail.
        let _infallible = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            _ if is_plain => write!(out, "{c}"),
            _ => write!(out, "\\U{:08X}", u32::from(c)),
        };
    }
    out.push('"');
    out
}

/// Whether the character is invisible, or turns the direction of writing.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The number as TOML writes it, else as text: settings that take a number also take text, or
/// refuse it with a message of their own.
fn number(of: &str) -> String {
    let is_whole = |part: &str| {
        part.parse::<i64>()
            .is_ok_and(|number| number.to_string() == part)
    };
    let is_fraction = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let is_toml = match of.split_once('.') {
        Some((whole, fraction)) => is_whole(whole) && is_fraction(fraction),
        None => is_whole(of),
    };
    if is_toml { of.to_owned() } else { text(of) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_keys_come_back_as_they_were() {
        for odd in ["", "plain", "a b", "\"\\", "\u{1b}[2J\n\r\t\u{202e}\u{7f}\u{2028}", "größe $ {", "a.b", "'''"] {
            let written = format!("{} = {}", key(odd), value(&ItemValue::Text(odd.to_owned())).unwrap());
            assert!(!written.contains(|c: char| c.is_control()), "{written:?}");
            let table: ::toml::Table = written.parse().unwrap();
            assert_eq!(table[odd].as_str(), Some(odd));
        }
    }

    #[test]
    fn numbers_are_numbers_where_they_can_be() {
        for (of, want) in [
            ("5439", "5439"),
            ("-1", "-1"),
            ("0.5", "0.5"),
            ("007", "\"007\""),
            ("1E+3", "\"1E+3\""),
            ("1.", "\"1.\""),
            (".5", "\".5\""),
            ("99999999999999999999", "\"99999999999999999999\""),
        ] {
            assert_eq!(number(of), want);
            format!("n = {want}").parse::<::toml::Table>().unwrap();
        }
    }
}
