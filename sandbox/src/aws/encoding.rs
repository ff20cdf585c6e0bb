//! Percent-encoding (RFC 3986, as SigV4 narrows it) and the escaping of XML text.

use std::fmt::Write;

/// Encodes every byte but the unreserved characters of RFC 3986 and those in `keep`.
pub(super) fn percent_encode(bytes: &[u8], keep: &[u8]) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || keep.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Undoes percent-encoding; what is not a valid escape stays as it is.
pub(super) fn percent_decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escape = match (byte, tail) {
            (b'%', [high, low, after @ ..]) => hex(*high)
                .zip(hex(*low))
                .map(|(high, low)| (high * 16 + low, after)),
            _ => None,
        };
        let (value, after) = escape.unwrap_or((byte, tail));
        decoded.push(value);
        rest = after;
    }
    decoded
}

/// The pairs of an `application/x-www-form-urlencoded` text. Bytes that are not UTF-8 are replaced.
pub(super) fn form_pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let decode = |part: &str| String::from_utf8_lossy(&percent_decode(&part.replace('+', " "))).into_owned();
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(move |pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
}

/// Escapes what may not stand in XML text, and leaves out the control characters that may not stand
/// in XML at all.
pub(super) fn xml_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(character),
            character if character.is_control() => {}
            character => escaped.push(character),
        }
    }
    escaped
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let pairs: Vec<_> = form_pairs("Action=Assume+Role&Arn=a%3Ab%2fc&empty=&flag&bad=%zz%2").collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let wanted = [
            pair("Action", "Assume Role"),
            pair("Arn", "a:b/c"),
            pair("empty", ""),
            pair("flag", ""),
            pair("bad", "%zz%2"),
        ];
        assert_eq!(pairs, wanted);
    }

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(percent_encode("a-_.~/ ü".as_bytes(), b""), "a-_.~%2F%20%C3%BC");
        assert_eq!(percent_encode(b"/a b", b"/"), "/a%20b");
    }

    #[test]
    fn xml_text_cannot_open_an_element() {
        assert_eq!(xml_escape("<a b=\"1\">&\u{0}"), "&lt;a b=&quot;1&quot;&gt;&amp;");
    }
}
