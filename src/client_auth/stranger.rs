//! What stands for a name that nobody has.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};

/// The beginning of its hash: people type passwords there.
pub(super) fn alias(name: &str) -> String {
    let hash = digest(&SHA256, name.as_bytes());
    hash.as_ref()
        .iter()
        .take(4)
        .fold("unknown-".to_owned(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_a_hash() {
        assert_eq!(alias("abc"), "unknown-ba7816bf");
    }
}
