//! `hash-password`: reads or makes a password, and prints its verifier.
//!
//! Owns how a password is asked for and made; [`crate::crypto`] knows what a verifier is.

use std::io::{self, IsTerminal, Read, Write};

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use crate::config::without_newline;
use crate::crypto::Verifier;
use crate::crypto::verifier::{ITERATIONS, SALT_BYTES};
use crate::secret::Secret;

/// A run of `hash-password`.
#[derive(Debug)]
pub(crate) struct HashPassword {
    /// Whether a random password is made instead of asking for one.
    pub(crate) generate: bool,
    /// A verifier whose salt and rounds are used again: while a password is rotated, a user's two
    /// verifiers need the same.
    pub(crate) like: Option<Verifier>,
}

impl HashPassword {
    /// Asks for the password on the terminal, or reads stdin where that is none. The verifier goes
    /// to `out`, a generated password to `err`.
    ///
    /// # Errors
    /// See [`HashError`]. Nothing was written to `out`, unless writing is what failed.
    pub(crate) fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), HashError> {
        let stdin = io::stdin();
        let password = if self.generate {
            generate()?
        } else if stdin.is_terminal() {
            let ask = |prompt| rpassword::prompt_password(prompt).map(Secret::new);
            agreed(&ask("Password: ")?, &ask("Again: ")?)?
        } else {
            let mut bytes = Zeroizing::new(Vec::new());
            let read = stdin
                .lock()
                .take(MAX_INPUT_BYTES + 1)
                .read_to_end(&mut bytes)?;
            if u64::try_from(read).is_ok_and(|read| read > MAX_INPUT_BYTES) {
                return Err(HashError::TooLong);
            }
            piped(&bytes)?
        };
        let verifier = self.verifier(&password)?;
        if self.generate {
            writeln!(err, "{}", password.expose())?;
        }
        writeln!(out, "{verifier}")?;
        Ok(())
    }

    fn verifier(&self, password: &Secret) -> Result<Verifier, HashError> {
        if password.expose().is_empty() {
            return Err(HashError::Empty);
        }
        if let Some(like) = &self.like {
            return Ok(Verifier::derive(password, &like.salt, like.iterations));
        }
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt).map_err(|_unspecified| HashError::Random)?;
        Ok(Verifier::derive(password, &salt, ITERATIONS))
    }
}

/// Why a verifier could not be made or printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashError {
    /// The password that was typed or piped is empty.
    #[error("an empty password is refused")]
    Empty,
    /// The password and its repetition on the terminal are not the same.
    #[error("the two passwords differ")]
    Differ,
    /// The password is not UTF-8, or holds a NUL: no client could send it.
    #[error("a password is UTF-8 text without NUL")]
    NotText,
    /// The password is longer than the longest that a client can send.
    #[error("a password of more than 9990 bytes is refused: no client could send it")]
    TooLong,
    /// The system gave no randomness for a salt or a password.
    #[error("the system gave no random bytes")]
    Random,
    /// Reading the terminal or stdin, or writing the result, failed.
    #[error("cannot read the password or write the verifier")]
    Io(#[from] io::Error),
}

/// The longest password that is read, in bytes. PostgreSQL's own limit on password messages is near
/// it; a wrong file in the pipe ends here.
const MAX_INPUT_BYTES: u64 = 9_990;

/// The length of a generated password: about 190 bits.
const GENERATED_CHARS: usize = 32;

/// The characters of a generated password: none needs quoting in a shell, a URL or an INI file.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Makes a random password.
fn generate() -> Result<Secret, HashError> {
    let mut password = String::with_capacity(GENERATED_CHARS);
    while password.len() < GENERATED_CHARS {
        let mut bytes = Zeroizing::new([0; GENERATED_CHARS]);
        rand::fill(bytes.as_mut()).map_err(|_unspecified| HashError::Random)?;
        // Six bits each; the two values without a letter are drawn again, so that all letters stay
        // as likely.
        let letters = bytes
            .iter()
            .filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
        password.extend(
            letters
                .take(GENERATED_CHARS - password.len())
                .map(|letter| char::from(*letter)),
        );
    }
    Ok(Secret::new(password))
}

/// The password, if it was typed the same twice.
fn agreed(first: &Secret, second: &Secret) -> Result<Secret, HashError> {
    if first == second { text(first.expose()) } else { Err(HashError::Differ) }
}

/// The password in what was piped, without one newline at its end.
fn piped(bytes: &[u8]) -> Result<Secret, HashError> {
    text(without_newline(std::str::from_utf8(bytes).map_err(|_why| HashError::NotText)?))
}

/// The text as a password, if a client could send it.
fn text(password: &str) -> Result<Secret, HashError> {
    match password {
        "" => Err(HashError::Empty),
        text if text.contains('\0') => Err(HashError::NotText),
        text => Ok(Secret::new(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn piped_passwords_lose_one_newline() {
        for (bytes, want) in
            [("pw", "pw"), ("pw\n", "pw"), ("pw\r\n", "pw"), ("pw\n\n", "pw\n"), (" pw ", " pw "), ("p\nw", "p\nw")]
        {
            assert_eq!(piped(bytes.as_bytes()).unwrap().expose(), want);
        }
        assert!(matches!(piped(b""), Err(HashError::Empty)));
        assert!(matches!(piped(b"\n"), Err(HashError::Empty)));
        assert!(matches!(piped(b"a\0b"), Err(HashError::NotText)));
        assert!(matches!(piped(b"\xff"), Err(HashError::NotText)));
    }

    #[test]
    fn typed_passwords_must_agree() {
        assert_eq!(agreed(&secret("pw"), &secret("pw")).unwrap().expose(), "pw");
        assert!(matches!(agreed(&secret("pw"), &secret("pW")), Err(HashError::Differ)));
        assert!(matches!(agreed(&secret(""), &secret("")), Err(HashError::Empty)));
    }

    #[test]
    fn generated_passwords_are_long_and_not_the_same() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_eq!(one.expose().len(), GENERATED_CHARS);
        assert!(one.expose().bytes().all(|b| ALPHABET.contains(&b)));
        assert!(one != other);
    }

    #[test]
    fn salt_and_rounds_are_fresh_or_those_of_like() {
        let fresh = HashPassword { generate: false, like: None };
        let (one, other) = (fresh.verifier(&secret("pw")).unwrap(), fresh.verifier(&secret("pw")).unwrap());
        assert_eq!((one.iterations, one.salt.len()), (4096, 16));
        assert_ne!(one.salt, other.salt);
        assert!(one.matches(&secret("pw")) && !one.matches(&secret("pW")));

        let base = Verifier::derive(&secret("old"), b"salt", 7);
        let like = HashPassword { generate: false, like: Some(base) }
            .verifier(&secret("new"))
            .unwrap();
        assert_eq!((like.iterations, like.salt.as_slice()), (7, b"salt".as_slice()));
        assert!(like.matches(&secret("new")));
        assert!(matches!(fresh.verifier(&secret("")), Err(HashError::Empty)));
    }
}
