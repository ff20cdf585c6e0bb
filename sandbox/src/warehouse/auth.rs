//! The password dialogue, server's side: asks in the way ordered, and accepts any password the book
//! holds for the user.

mod digest;
mod scram;

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::refusal::Refusal;
use crate::wire::{self, Message};

/// How the password is asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Authentication {
    /// Code 3: the password itself.
    #[default]
    Cleartext,
    /// Code 5, with a random salt.
    Md5,
    /// Code 10: SCRAM-SHA-256 without channel binding.
    Scram,
    /// Code 13: Redshift's SHA-256 digest.
    Digest,
}

/// Longest authentication message read, in bytes: AWS's passwords are a few hundred.
const MAX_ANSWER_BYTES: usize = 10_000;

/// Why a login ends.
#[derive(Debug)]
pub(super) enum Failure {
    /// The peer is gone, or does not speak the protocol: nothing is said to it.
    Gone(io::Error),
    /// The client gets this ErrorResponse.
    Refused(Vec<u8>),
    /// The client gets a TCP reset.
    Reset,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.encode())
    }
}

/// The connection and what the dialogue needs to know from outside.
pub(super) struct Dialogue<'a, S> {
    pub(super) stream: &'a mut S,
    pub(super) user: &'a str,
    /// The passwords that are good at the time of the call.
    pub(super) passwords: &'a (dyn Fn() -> Vec<String> + Sync),
    /// Called for every answer that arrives.
    pub(super) seen: &'a (dyn Fn() + Sync),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<'_, S> {
    /// Whether the client knows a good password. AuthenticationOk is the caller's to send.
    pub(super) async fn run(mut self, how: Authentication) -> Result<bool, Failure> {
        match how {
            Authentication::Cleartext => self.cleartext().await,
            Authentication::Md5 => self.md5().await,
            Authentication::Digest => digest::run(&mut self).await,
            Authentication::Scram => scram::run(&mut self).await,
        }
    }

    /// Code 14: asks for an identity provider's token, and believes none.
    pub(super) async fn token(mut self) -> Result<bool, Failure> {
        self.ask(14, &[]).await?;
        self.answer(b'i').await?;
        Ok(false)
    }

    async fn cleartext(&mut self) -> Result<bool, Failure> {
        self.ask(3, &[]).await?;
        let body = self.answer(b'p').await?;
        let given = terminated(&body)?;
        Ok((self.passwords)()
            .iter()
            .any(|password| password.as_bytes() == given))
    }

    async fn md5(&mut self) -> Result<bool, Failure> {
        let salt = random::<4>();
        self.ask(5, &salt).await?;
        let body = self.answer(b'p').await?;
        let given = terminated(&body)?;
        Ok((self.passwords)()
            .iter()
            .any(|password| md5(self.user, password, salt).as_bytes() == given))
    }

    async fn ask(&mut self, code: u32, data: &[u8]) -> io::Result<()> {
        self.stream
            .write_all(&wire::authentication(code, data))
            .await?;
        self.stream.flush().await
    }

    async fn answer(&mut self, expected: u8) -> Result<Vec<u8>, Failure> {
        let Message { kind, body } = wire::read_message(self.stream, MAX_ANSWER_BYTES).await?;
        if kind != expected {
            return Err(Refusal::protocol(format!("expected password response, got message type {kind}")).into());
        }
        (self.seen)();
        Ok(body)
    }
}

/// `md5` and the hexadecimal MD5 of the inner hash and the salt; the user name goes in with its
/// `IAMR:`.
fn md5(user: &str, password: &str, salt: [u8; 4]) -> String {
    postgres_protocol::authentication::md5_hash(user.as_bytes(), password.as_bytes(), salt)
}

/// A password message's body is one NUL-terminated string, of any bytes.
fn terminated(body: &[u8]) -> Result<&[u8], Refusal> {
    match body.split_last() {
        Some((0, password)) if !password.contains(&0) => Ok(password),
        _ => Err(Refusal::protocol("invalid password packet size")),
    }
}

/// Random bytes. Zeros where the system has no entropy source: this is a test rig, and TLS would
/// have failed before.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_takes_the_user_name_with_its_prefix() {
        let expected = "md5990c1f021c6514b93ad8e3c3a66921c8";
        assert_eq!(md5("IAMR:rs01", "MyTempPassw0rd!", [1, 2, 3, 4]), expected);
    }

    #[test]
    fn a_password_without_its_end_or_with_two_is_malformed() {
        assert_eq!(terminated(b"ab\0").unwrap(), b"ab");
        for body in [b"".as_slice(), b"ab", b"a\0b\0"] {
            terminated(body).unwrap_err();
        }
    }
}
