//! Percent-encoding (RFC 3986, 2.1): for every part of every URL, since all but the unreserved
//! characters mean something to one tool or the other.

use std::fmt::Write;

/// A text of which only letters, digits and `-._~` stand for themselves.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Whether encoding changes nothing.
pub(super) fn is_plain_text(text: &str) -> bool {
    text.bytes().all(is_plain)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stand_for_themselves() {
        for (text, want) in [
            ("sales-1.x_y~z", "sales-1.x_y~z"),
            ("a b+c", "a%20b%2Bc"),
            ("@:/?#[]%&=;'\"\\", "%40%3A%2F%3F%23%5B%5D%25%26%3D%3B%27%22%5C"),
            ("größe", "gr%C3%B6%C3%9Fe"),
        ] {
            assert_eq!((encoded(text).as_str(), is_plain_text(text)), (want, text == want));
        }
    }
}
