//! Answering the warehouse's authentication requests: cleartext, MD5, SCRAM-SHA-256, Redshift's
//! digest.
//!
//! All run inside verified TLS only, so that cleartext reaches nobody but the warehouse. Codes:
//! PostgreSQL protocol, "Message Formats", AuthenticationXXX; 13 and what AWS's drivers make of 10:
//! docs/protocol/redshift-wire.md 4.1.

use pgwire::messages::Message;
use pgwire::messages::startup::{SASLInitialResponse, SASLResponse};
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use zeroize::Zeroizing;

use super::digest::{DigestRequest, md5};
use super::error::UpstreamError;
use super::scram;
use crate::credentials::DbLogin;
use crate::wire::{self, take_cstr};

/// Bytes of the nonce that we add to a digest; as AWS's ODBC driver does.
const NONCE_BYTES: usize = 16;

/// The answers of one login to the authentication requests of the warehouse.
pub(super) struct Authentication<'a> {
    /// The warehouse's host: SCRAM proofs are computed in a queue for each host.
    host: &'a str,
    login: &'a DbLogin,
    state: State,
}

/// An encoded message, wiped when dropped: it may hold the password.
type SecretMessage = Zeroizing<Vec<u8>>;

enum State {
    /// No request has come.
    Start,
    /// A password went out in some form; only AuthenticationOk can follow.
    Answered,
    /// SCRAM: our first message is out.
    ScramFirst(Box<ScramSha256>),
    /// SCRAM: our proof is out, the server owes its own.
    ScramFinal(Box<ScramSha256>),
    /// The warehouse has sent AuthenticationOk.
    Ok,
}

impl<'a> Authentication<'a> {
    /// Begins the dialogue of a login at this host.
    pub(super) fn new(host: &'a str, login: &'a DbLogin) -> Self {
        Self { host, login, state: State::Start }
    }

    /// Whether AuthenticationOk has come.
    pub(super) fn is_ok(&self) -> bool {
        matches!(self.state, State::Ok)
    }

    /// Takes the body of an `R` message and returns the answer to send, if one is owed.
    pub(super) async fn answer(&mut self, body: &[u8]) -> Result<Option<SecretMessage>, UpstreamError> {
        const SHORT: UpstreamError = UpstreamError::Protocol("truncated authentication request");
        let (code, data) = body.split_at_checked(4).ok_or(SHORT)?;
        let (state, answer) = match (wire::peek_u32(code, 0), std::mem::replace(&mut self.state, State::Start)) {
            (0, State::Start | State::Answered) if data.is_empty() => (State::Ok, None),
            (3, State::Start) if data.is_empty() => {
                (State::Answered, Some(Self::password(self.login.password.expose())))
            }
            (5, State::Start) => {
                let salt = data.try_into().map_err(|_length| SHORT)?;
                (State::Answered, Some(Self::password(&md5(&self.login.user, &self.login.password, salt))))
            }
            (10, State::Start) => self.scram_first(data)?,
            (11, State::ScramFirst(scram)) => scram_final(self.host, scram, data).await?,
            (12, State::ScramFinal(mut scram)) => {
                // The server's own proof: one that does not know the password cannot go on.
                scram
                    .finish(data)
                    .map_err(|_proof| UpstreamError::Protocol("SCRAM: the server's proof is wrong"))?;
                (State::Answered, None)
            }
            (13, State::Start) => {
                let mut nonce = [0; NONCE_BYTES];
                aws_lc_rs::rand::fill(&mut nonce)
                    .map_err(|aws_lc_rs::error::Unspecified| UpstreamError::Protocol("no randomness"))?;
                let answer = DigestRequest::parse(data)?.answer(&self.login.password, &nonce);
                (State::Answered, Some(Zeroizing::new(answer)))
            }
            (14, State::Start) => {
                return Err(UpstreamError::Authentication("14 (identity provider token)".into()));
            }
            (code, State::Start) => return Err(UpstreamError::Authentication(code.to_string())),
            _ => return Err(UpstreamError::Protocol("an authentication request out of order")),
        };
        self.state = state;
        Ok(answer)
    }

    /// Encodes a PasswordMessage, of its final size from the start: a buffer that grows would leave
    /// a copy behind.
    fn password(text: &str) -> SecretMessage {
        let length = u32::try_from(4 + text.len() + 1).unwrap_or_default();
        let mut message = Zeroizing::new(Vec::with_capacity(1 + 4 + text.len() + 1));
        message.push(b'p');
        message.extend(length.to_be_bytes());
        message.extend(text.as_bytes());
        message.push(0);
        message
    }

    /// Answers request 10, which is SASL only where it lists SCRAM-SHA-256: some servers use it for
    /// GSS.
    fn scram_first(&self, mut mechanisms: &[u8]) -> Result<(State, Option<SecretMessage>), UpstreamError> {
        let mut offered = false;
        while let Some(name) = take_cstr(&mut mechanisms)
            && !name.is_empty()
        {
            offered |= name == SCRAM_SHA_256;
        }
        if !offered {
            return Err(UpstreamError::Authentication("10 without SCRAM-SHA-256".into()));
        }
        let scram = ScramSha256::new(self.login.password.expose().as_bytes(), ChannelBinding::unsupported());
        let first = SASLInitialResponse::new(SCRAM_SHA_256.into(), Some(scram.message().to_vec().into()));
        Ok((State::ScramFirst(Box::new(scram)), Some(encoded(&first))))
    }
}

fn encoded(message: &impl Message) -> SecretMessage {
    Zeroizing::new(wire::encode(message).to_vec())
}

async fn scram_final(
    host: &str,
    scram: Box<ScramSha256>,
    challenge: &[u8],
) -> Result<(State, Option<SecretMessage>), UpstreamError> {
    let scram = scram::prove(host, scram, challenge).await?;
    let response = encoded(&SASLResponse::new(scram.message().to_vec().into()));
    Ok((State::ScramFinal(scram), Some(response)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn login() -> DbLogin {
        DbLogin { user: "IAMR:rs01".into(), password: Secret::new("MyTempPassw0rd!".into()), expires_at: None }
    }

    /// docs/protocol/redshift-wire.md 4.3, codes 5 and 3.
    #[tokio::test]
    async fn the_password_vectors() {
        let login = login();
        let answer = Authentication::new("warehouse", &login)
            .answer(b"\0\0\0\x05\x01\x02\x03\x04")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(answer[..], b"p\0\0\0\x28md5990c1f021c6514b93ad8e3c3a66921c8\0"[..]);
        let answer = Authentication::new("warehouse", &login)
            .answer(b"\0\0\0\x03")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(answer[..], b"p\0\0\0\x14MyTempPassw0rd!\0"[..]);
    }

    #[tokio::test]
    async fn malformed_and_unsupported_requests_are_not_answered() {
        let login = login();
        for body in [
            &b""[..],
            b"\0\0\0",
            b"\0\0\0\x05\x01\x02\x03",
            b"\0\0\0\x05\x01\x02\x03\x04\x05",
            b"\0\0\0\x02",
            b"\0\0\0\x07",
            b"\0\0\0\x0a",
            b"\0\0\0\x0aGSSAPI\0\0",
            b"\0\0\0\x0b",
            b"\0\0\0\x0c",
            b"\0\0\0\x0e",
            b"\0\0\0\x0f",
            b"\xff\xff\xff\xff",
        ] {
            assert!(
                Authentication::new("warehouse", &login)
                    .answer(body)
                    .await
                    .is_err(),
                "{body:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_password_is_given_once_and_scram_must_end_with_the_servers_proof() {
        let login = login();
        let mut twice = Authentication::new("warehouse", &login);
        twice.answer(b"\0\0\0\x03").await.unwrap();
        assert!(twice.answer(b"\0\0\0\x03").await.is_err());
        let mut cut_short = Authentication::new("warehouse", &login);
        cut_short
            .answer(b"\0\0\0\x0aSCRAM-SHA-256\0\0")
            .await
            .unwrap()
            .unwrap();
        assert!(cut_short.answer(b"\0\0\0\0").await.is_err());
    }
}
