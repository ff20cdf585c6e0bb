//! Text that must not be printed, and bytes that must not be guessed at.

use std::fmt;
use std::hash::{Hash, Hasher};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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

/// Takes the same time wherever two texts of one length differ.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        are_equal(self.0.as_bytes(), other.0.as_bytes())
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
    /// Parses the text of a secret as JSON.
    ///
    /// # Errors
    /// The text is not JSON. The error may quote the secret: it is for no log and no client.
    pub(crate) fn parse(text: &Secret) -> serde_json::Result<Self> {
        serde_json::from_str(text.expose()).map(Self)
    }

    /// The members, if the secret is an object. `None`: it is another kind of value.
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

/// Bytes that must not be guessed: the keys of a verifier, a client's proof, the secret part of a
/// cancel key.
///
/// `==` takes the same time wherever two of one length differ. No method gives the bytes as a slice,
/// so the compiler refuses every other comparison of two of them; texts and messages made of them by
/// the methods below are for sending and storing, not for comparing. They are wiped when dropped,
/// and `Debug` shows only that they are there.
#[derive(Clone)]
pub struct SecretBytes<B: Zeroize = Box<[u8]>>(Zeroizing<B>);

impl<const N: usize> SecretBytes<[u8; N]> {
    /// Lets `write` fill the bytes in place, so that no copy is left elsewhere.
    pub(crate) fn fill(write: impl FnOnce(&mut [u8; N])) -> Self {
        let mut bytes = Zeroizing::new([0; N]);
        write(&mut bytes);
        Self(bytes)
    }
}

impl<B: Zeroize + AsRef<[u8]>> SecretBytes<B> {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: B) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Writes the bytes at the end of a message.
    pub(crate) fn append_to(&self, message: &mut Vec<u8>) {
        message.extend_from_slice(self.bytes());
    }

    /// Writes the bytes in base64, as PostgreSQL stores a verifier's keys.
    pub(crate) fn to_base64(&self) -> String {
        STANDARD.encode(self.bytes())
    }

    /// Makes them the key of an HMAC with SHA-256.
    pub(crate) fn to_hmac_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.bytes())
    }

    fn bytes(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl SecretBytes<[u8; 32]> {
    /// Hashes the bytes with SHA-256.
    pub(crate) fn sha256(&self) -> Self {
        Self::of(digest(&SHA256, self.bytes()).as_ref())
    }

    /// Takes the 32 bytes of a digest or an HMAC. Of another number the first 32 are taken, with
    /// zeros for those that are missing: SHA-256 yields 32, always.
    pub(crate) fn of(sum: &[u8]) -> Self {
        Self::fill(|bytes| bytes.iter_mut().zip(sum).for_each(|(to, from)| *to = *from))
    }
}

impl<const N: usize> SecretBytes<[u8; N]> {
    /// Combines each byte with that of the mask by exclusive or.
    pub(crate) fn xor(mut self, mask: &Self) -> Self {
        self.0
            .iter_mut()
            .zip(mask.bytes())
            .for_each(|(byte, mask)| *byte ^= mask);
        self
    }
}

impl<B: Zeroize + AsRef<[u8]>> PartialEq for SecretBytes<B> {
    fn eq(&self, other: &Self) -> bool {
        are_equal(self.bytes(), other.bytes())
    }
}

impl<B: Zeroize + AsRef<[u8]>> Eq for SecretBytes<B> {}

/// For a hash under a random key, such as that of a `HashMap`: its value tells nothing of the
/// bytes.
impl<B: Zeroize + AsRef<[u8]>> Hash for SecretBytes<B> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

impl<B: Zeroize> fmt::Debug for SecretBytes<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(…)")
    }
}

/// Compares in a time that tells no more than the two lengths.
fn are_equal(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(bytes: &[u8]) -> SecretBytes {
        SecretBytes::new(bytes.into())
    }

    #[test]
    fn equal_bytes_are_equal() {
        for (one, other, want) in [
            (&b""[..], &b""[..], true),
            (b"ab", b"ab", true),
            (b"ab", b"aB", false),
            (b"ab", b"abc", false),
            (b"", b"a", false),
        ] {
            assert_eq!(secret(one) == secret(other), want, "{one:?} {other:?}");
        }
        assert_eq!(SecretBytes::new([1, 6, 4]).xor(&SecretBytes::new([1, 3, 0])), SecretBytes::new([0, 5, 4]));
    }

    /// Supavisor #1032. Each trait would allow a comparison that stops at the first difference; if
    /// one of them were implemented, the call below it would be ambiguous, and this would not
    /// compile.
    #[test]
    fn secret_bytes_cannot_be_compared_in_variable_time() {
        macro_rules! assert_none_implemented {
            ($($trait:path),+) => {$({
                trait Ambiguous<Mark> {
                    fn is_none() -> bool {
                        true
                    }
                }
                impl<T> Ambiguous<()> for T {}
                struct Implemented;
                impl<T: $trait> Ambiguous<Implemented> for T {}
                assert!(<SecretBytes<[u8; 4]> as Ambiguous<_>>::is_none());
                assert!(<SecretBytes as Ambiguous<_>>::is_none());
            })+};
        }
        assert_none_implemented!(
            AsRef<[u8]>,
            std::borrow::Borrow<[u8]>,
            std::ops::Deref,
            PartialOrd,
            AsRef<[u8; 4]>,
            PartialEq<[u8]>,
            PartialEq<[u8; 4]>,
            PartialEq<Vec<u8>>,
            IntoIterator
        );
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
        assert_eq!(format!("{:?}", secret(b"hunter2")), "SecretBytes(…)");
    }
}
