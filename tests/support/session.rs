//! A logged-in session in raw messages, for what no driver does.

use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::raw::{message, read_message, startup};
use super::{PASSWORD, USER};

/// A session that is ready for queries.
pub(crate) struct Session<S> {
    pub(crate) stream: S,
    /// pid and secret of BackendKeyData.
    pub(crate) key: (u32, Vec<u8>),
    /// ParameterStatus, in order.
    pub(crate) parameters: Vec<(String, String)>,
}

/// Logs in by SCRAM as the rig's user, with these parameters besides.
pub(crate) async fn log_in<S>(mut stream: S, conn_id: &str, more: &[(&str, &str)]) -> Session<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let pairs = [&[("user", USER), ("database", conn_id)][..], more].concat();
    stream.write_all(&startup(0, &pairs)).await.unwrap();
    let (tag, body) = read_message(&mut stream).await.unwrap();
    assert_eq!((tag, &body[..]), (b'R', &b"\0\0\0\x0aSCRAM-SHA-256\0\0"[..]));
    let mut scram = ScramSha256::new(PASSWORD.as_bytes(), ChannelBinding::unsupported());
    let first = scram.message();
    let initial = [b"SCRAM-SHA-256\0", &u32::try_from(first.len()).unwrap().to_be_bytes()[..], first].concat();
    stream.write_all(&message(b'p', &initial)).await.unwrap();
    let (_, challenge) = read_message(&mut stream).await.unwrap();
    scram.update(&challenge[4..]).unwrap();
    stream.write_all(&message(b'p', scram.message())).await.unwrap();
    let (_, proof) = read_message(&mut stream).await.unwrap();
    scram.finish(&proof[4..]).unwrap();
    assert_eq!(read_message(&mut stream).await.unwrap(), (b'R', vec![0; 4]));
    greeted(stream).await
}

/// Reads ParameterStatus, BackendKeyData and ReadyForQuery.
pub(crate) async fn greeted<S: AsyncRead + Unpin>(mut stream: S) -> Session<S> {
    let (mut key, mut parameters) = (None, Vec::new());
    loop {
        match read_message(&mut stream).await.unwrap() {
            (b'S', body) => {
                let mut texts = body.split(|byte| *byte == 0).map(|text| String::from_utf8(text.to_vec()).unwrap());
                parameters.push((texts.next().unwrap(), texts.next().unwrap()));
            }
            (b'K', body) => key = Some((u32::from_be_bytes(body[..4].try_into().unwrap()), body[4..].to_vec())),
            (b'Z', body) => {
                assert_eq!(body, b"I");
                return Session { stream, key: key.expect("BackendKeyData"), parameters };
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Sends a simple Query.
    pub(crate) async fn query(&mut self, sql: &str) {
        self.stream.write_all(&message(b'Q', &[sql.as_bytes(), b"\0"].concat())).await.unwrap();
    }

    /// Messages up to the next of this type, which comes last.
    pub(crate) async fn until(&mut self, tag: u8) -> Vec<(u8, Vec<u8>)> {
        let mut messages = Vec::new();
        loop {
            messages.push(read_message(&mut self.stream).await.unwrap());
            if messages.last().unwrap().0 == tag {
                return messages;
            }
        }
    }

    /// The CancelRequest for this session.
    pub(crate) fn cancel_request(&self) -> Vec<u8> {
        let (pid, secret) = &self.key;
        let length = u32::try_from(12 + secret.len()).unwrap();
        [&length.to_be_bytes()[..], &[4, 0xd2, 0x16, 0x2e], &pid.to_be_bytes(), secret].concat()
    }
}

/// The fields of an ErrorResponse by their codes.
pub(crate) fn field(body: &[u8], code: u8) -> String {
    let field = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&code)).expect("the field");
    String::from_utf8(field[1..].to_vec()).unwrap()
}
