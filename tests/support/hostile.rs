//! Bad input, for the families `hostile_*.rs`: it is closed or refused, in the contract's words or
//! in none, and the process lives. After every abuse a good client logs in, and nothing is left of
//! the others.

use tokio::io::AsyncWriteExt;

use super::raw::{Stream, field, open, read_message, say, startup, until_closed};
use super::scram::{Scram, initial_response};
use super::{Rig, Setup, USER, without_session};

/// Lengths that no parser should trust.
pub(crate) const LENGTHS: [u32; 6] = [0, 3, 4, i32::MAX as u32, 1 << 31, u32::MAX];

pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";

/// The message that a client gets before the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing.
    Silence,
    /// One FATAL ErrorResponse: SQLSTATE, and text without the session id.
    Refused(String, String),
}

impl Verdict {
    pub(crate) fn refused(sqlstate: &str, message: &str) -> Self {
        Self::Refused(sqlstate.to_owned(), message.to_owned())
    }

    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused(sqlstate, _) if sqlstate == wanted)
    }
}

/// Reads to the end. Requests for a proof are passed over; whatever lets a client in fails the
/// test.
pub(crate) async fn verdict(stream: &mut Stream) -> Verdict {
    let bytes = until_closed(stream).await;
    let mut rest = &bytes[..];
    let mut verdict = Verdict::Silence;
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
        let (message, more) = rest.split_at(1 + length);
        let (tag, body) = (message[0], &message[5..]);
        match tag {
            b'R' if [&[0, 0, 0, 3][..], &[0, 0, 0, 10], &[0, 0, 0, 11]]
                .iter()
                .any(|code| body.starts_with(code)) => {}
            b'v' => {}
            b'E' if verdict == Verdict::Silence => {
                assert_eq!(field(body, b'S'), "FATAL");
                verdict = Verdict::refused(&field(body, b'C'), without_session(&field(body, b'M')));
            }
            _ => panic!("the proxy said {}: {}", char::from(tag), body.escape_ascii()),
        }
        rest = more;
    }
    verdict
}

/// TLS or not; and however many wrong proofs, nobody is banned for them.
pub(crate) async fn prefer() -> Rig {
    let config = "[limits]\nban_after = 0\n".to_owned();
    Rig::with(Setup { tls: "prefer", config, ..Setup::default() }).await
}

/// A connection to the rig's proxy.
pub(crate) async fn connection(rig: &Rig, encrypted: bool) -> Stream {
    open(rig.port(), encrypted.then(|| rig.sandbox().ca.pem())).await
}

/// Says it all, then nothing more; what comes of it.
pub(crate) async fn told(rig: &Rig, encrypted: bool, bytes: &[u8]) -> Verdict {
    let mut stream = connection(rig, encrypted).await;
    say(&mut stream, bytes).await;
    verdict(&mut stream).await
}

/// The proxy is as it was.
pub(crate) async fn assert_unharmed(rig: &Rig) {
    let client = rig.connect("sales").await.expect("a good client gets in");
    assert_eq!(
        client
            .query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
    drop(client);
    rig.wait_until_idle().await;
}

pub(crate) fn demo() -> Vec<u8> {
    startup(0, &[("user", USER), ("database", "sales")])
}

/// A client that has been asked for something: after its startup message.
pub(crate) async fn asked(rig: &Rig, encrypted: bool, startup: &[u8]) -> Stream {
    let mut stream = connection(rig, encrypted).await;
    stream.write_all(startup).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(read_message(&mut stream).await.unwrap().0, b'R');
    stream
}

/// A client that has been challenged: after its SASLInitialResponse.
pub(crate) async fn challenged(rig: &Rig, encrypted: bool, scram: &Scram) -> (Stream, String) {
    let mut stream = asked(rig, encrypted, &demo()).await;
    stream
        .write_all(&initial_response(MECHANISM, scram.first().as_bytes()))
        .await
        .unwrap();
    stream.flush().await.unwrap();
    let (tag, body) = read_message(&mut stream).await.unwrap();
    assert_eq!((tag, &body[..4]), (b'R', &[0, 0, 0, 11][..]));
    (stream, String::from_utf8(body[4..].to_vec()).unwrap())
}

pub(crate) fn wrong_password() -> Verdict {
    Verdict::refused("28P01", &format!("password authentication failed for user \"{USER}\""))
}

/// A startup message of so many bytes.
pub(crate) fn startup_of(bytes: usize, fill: &str) -> Vec<u8> {
    let pairs = |padding: &str| match fill {
        "user" => startup(0, &[("user", padding), ("database", "sales")]),
        "database" => startup(0, &[("user", USER), ("database", padding)]),
        _ => startup(0, &[("user", USER), ("database", "sales"), (fill, padding)]),
    };
    let packet = pairs(&"x".repeat(bytes - pairs("").len()));
    assert_eq!(packet.len(), bytes);
    packet
}
