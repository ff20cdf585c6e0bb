//! Text that must not be printed, and bytes that must not be guessed at.

use std::fmt;

use aws_lc_rs::constant_time;
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

/// A value that must not be printed: no `Display`, `Debug` shows only that it is there, and it is
/// wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The only way out; every call site is worth a reviewer's look.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// In constant time.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        same(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The JSON of a secret: its texts are wiped when it is dropped.
pub(crate) struct SecretJson(Value);

impl SecretJson {
    /// # Errors
    /// The text is not JSON. The error may quote it.
    pub(crate) fn parse(text: &Secret) -> serde_json::Result<Self> {
        serde_json::from_str(text.expose()).map(Self)
    }

    /// `None`: it is another kind of value.
    pub(crate) fn object(&self) -> Option<&Map<String, Value>> {
        self.0.as_object()
    }

    /// Takes a member out of the object, and wipes it.
    pub(crate) fn remove(&mut self, key: &str) {
        if let Some(removed) = self.0.as_object_mut().and_then(|object| object.remove(key)) {
            drop(Self(removed));
        }
    }
}

impl Drop for SecretJson {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Wipes the texts of a value, however deep: serde_json parses 128 levels at most.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(all) => all.iter_mut().for_each(wipe),
        Value::Object(all) => all.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether two byte strings are equal, found in a time that tells their length at most.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_the_same() {
        assert!(same(b"", b"") && same(b"ab", b"ab"));
        assert!(!same(b"ab", b"aB") && !same(b"ab", b"abc") && !same(b"", b"a"));
    }

    #[test]
    fn the_texts_of_a_json_are_wiped() {
        let text = Secret::new(r#"{"a":"one","b":["two",{"c":"three"}],"d":4}"#.into());
        let mut json = SecretJson::parse(&text).unwrap();
        assert_eq!(json.object().unwrap()["a"], "one");
        wipe(&mut json.0);
        assert_eq!(json.0.to_string(), r#"{"a":"","b":["",{"c":""}],"d":4}"#);
        json.remove("a");
        assert!(!json.object().unwrap().contains_key("a"));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "Secret(…)");
    }
}
