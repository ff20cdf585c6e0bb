//! Session ids, which join a user's report, the refusal and the log.

use std::fmt;

const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 12;

/// The id of a session: twelve characters of `[0-9a-z]`, 62 bits, so that ids do not repeat in a
/// log.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SessionId([u8; LENGTH]);

impl SessionId {
    /// Makes a new id. It is a name, not a secret.
    pub(crate) fn random() -> Self {
        let mut id = [0; LENGTH];
        // Without randomness the ids repeat; the sessions work.
        let _ = aws_lc_rs::rand::fill(&mut id);
        Self(id.map(|byte| {
            ALPHABET
                .get(usize::from(byte) % ALPHABET.len())
                .copied()
                .unwrap_or(b'0')
        }))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_a_fixed_length_and_alphabet() {
        for _ in 0..1000 {
            let id = SessionId::random().to_string();
            assert!(id.len() == LENGTH && id.bytes().all(|byte| ALPHABET.contains(&byte)), "{id}");
        }
    }
}
