//! Logins and sessions in raw messages, for what no driver does.

use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use redshift_sandbox::wire;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::raw::{Message, SOON, field, message, read_message, send, startup};
use super::{PASSWORD, USER, without_session};

/// The error that the proxy ends a session with: SQLSTATE and text.
pub(crate) const TERMINATED: (&str, &str) = ("57P01", "terminating connection due to administrator command");

/// A session that is ready for queries.
pub(crate) struct Session<S> {
    pub(crate) stream: S,
    /// pid and secret of BackendKeyData.
    pub(crate) key: (u32, Vec<u8>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Logs in by SCRAM as the rig's user.
    pub(crate) async fn open(mut stream: S, conn_id: &str) -> Self {
        let startup = startup(0, &[("user", USER), ("database", conn_id)]);
        let messages = log_in(&mut stream, &startup, PASSWORD).await;
        // Behind SCRAM-SHA-256-PLUS where there is a channel to bind to.
        let (tag, mechanisms) = &messages[0];
        assert_eq!((*tag, &mechanisms[..4]), (b'R', &[0, 0, 0, 10][..]));
        assert!(mechanisms[4..].ends_with(b"SCRAM-SHA-256\0\0"), "{}", mechanisms.escape_ascii());
        assert!(messages.len() > 4, "refused: {messages:?}");
        // Challenge, proof, AuthenticationOk.
        let starts = |at: usize, code: u8| messages[at].0 == b'R' && messages[at].1.starts_with(&[0, 0, 0, code]);
        assert!(starts(1, 11) && starts(2, 12), "{messages:?}");
        assert_eq!(messages[3], (b'R', vec![0; 4]));
        let mut key = None;
        for (tag, body) in &messages[4..] {
            match tag {
                b'S' => {}
                b'K' => key = Some((u32::from_be_bytes(body[..4].try_into().unwrap()), body[4..].to_vec())),
                b'Z' => assert_eq!(body, b"I"),
                _ => panic!("unexpected {}: {}", char::from(*tag), body.escape_ascii()),
            }
        }
        Self { stream, key: key.expect("BackendKeyData") }
    }

    /// Sends a simple Query.
    pub(crate) async fn query(&mut self, sql: &str) {
        send(&mut self.stream, &message(b'Q', &[sql.as_bytes(), b"\0"].concat())).await;
    }

    /// Messages up to the next of this type, which comes last.
    pub(crate) async fn until(&mut self, tag: u8) -> Vec<Message> {
        messages_until(&mut self.stream, tag).await
    }

    /// Reads what a session is ended with: one FATAL error, then close_notify.
    pub(crate) async fn assert_told(&mut self, (sqlstate, text): (&str, &str)) {
        let (tag, body) = read_message(&mut self.stream).await.unwrap();
        assert_eq!((tag, &*field(&body, b'S'), &*field(&body, b'C')), (b'E', "FATAL", sqlstate));
        assert_eq!(without_session(&field(&body, b'M')), text);
        assert_eq!(self.stream.read(&mut [0]).await.unwrap(), 0, "close_notify");
    }

    /// The CancelRequest for this session.
    pub(crate) fn cancel_request(&self) -> Vec<u8> {
        let (pid, secret) = &self.key;
        wire::cancel(*pid, u32::from_be_bytes(secret[..].try_into().unwrap()))
    }
}

/// Messages up to the next of this type, which comes last.
pub(crate) async fn messages_until<S: AsyncRead + Unpin>(stream: &mut S, tag: u8) -> Vec<Message> {
    let mut messages = Vec::new();
    loop {
        messages.push(read_message(stream).await.unwrap());
        if messages.last().unwrap().0 == tag {
            return messages;
        }
    }
}

/// Sends a startup message and answers what is asked: all messages, up to ReadyForQuery or an
/// ErrorResponse.
pub(crate) async fn log_in<S>(stream: &mut S, startup: &[u8], password: &str) -> Vec<Message>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let dialogue = async {
        send(stream, startup).await;
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        let mut messages = Vec::new();
        loop {
            let (tag, body) = read_message(stream).await.unwrap();
            match (tag, &*body) {
                (b'R', [0, 0, 0, 3]) => send(stream, &message(b'p', &[password.as_bytes(), b"\0"].concat())).await,
                (b'R', [0, 0, 0, 10, ..]) => {
                    let length = u32::try_from(scram.message().len()).unwrap().to_be_bytes();
                    let first = [SCRAM_SHA_256.as_bytes(), b"\0", &length, scram.message()].concat();
                    send(stream, &message(b'p', &first)).await;
                }
                (b'R', [0, 0, 0, 11, challenge @ ..]) => {
                    scram.update(challenge).unwrap();
                    send(stream, &message(b'p', scram.message())).await;
                }
                (b'R', [0, 0, 0, 12, proof @ ..]) => scram.finish(proof).unwrap(),
                _ => {}
            }
            messages.push((tag, body));
            if matches!(tag, b'Z' | b'E') {
                return messages;
            }
        }
    };
    tokio::time::timeout(SOON, dialogue)
        .await
        .expect("ready, or refused")
}

/// The one value that a simple query yields, as text.
pub(crate) async fn query<S>(stream: &mut S, sql: &str) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    send(stream, &message(b'Q', &[sql.as_bytes(), b"\0"].concat())).await;
    let mut value = None;
    loop {
        match read_message(stream).await.unwrap() {
            // DataRow of one column: count, length, value.
            (b'D', row) => value = Some(String::from_utf8(row[6..].to_vec()).unwrap()),
            (b'E', error) => panic!("{}", String::from_utf8_lossy(&error)),
            (b'Z', _) => return value.expect("a row"),
            _ => {}
        }
    }
}

/// Names and values of the ParameterStatus messages, in their order.
pub(crate) fn statuses(messages: &[Message]) -> Vec<(String, String)> {
    let statuses = messages.iter().filter(|(tag, _)| *tag == b'S');
    let pair = |body: &[u8]| {
        let mut texts = body
            .split(|&byte| byte == 0)
            .map(|text| String::from_utf8(text.to_vec()).unwrap());
        (texts.next().unwrap(), texts.next().unwrap())
    };
    statuses.map(|(_, body)| pair(body)).collect()
}
