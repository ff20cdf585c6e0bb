//! Percent-encoding (RFC 3986, 2.1): for every part of every URL, since all but the unreserved
//! characters mean something to one tool or the other.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters that are encoded: all but letters, digits and `-._~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Percent-encodes a text, so that it may stand anywhere in a URL.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
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
            assert_eq!(encoded(text), want);
        }
    }
}
