//! AWS's own drivers, in the bytes that they send and as strict as they read
//! (docs/protocol/redshift-wire.md 2, 3 and 4.4). The real JDBC and ODBC drivers are on no package
//! registry that we use.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::raw::{Message, message, read_message, send, startup};
use super::{PASSWORD, USER};

/// AuthenticationCleartextPassword.
pub(crate) const CLEARTEXT: &[u8] = b"R\0\0\0\x08\0\0\0\x03";

/// AuthenticationOk.
pub(crate) const OK: &[u8] = b"R\0\0\0\x08\0\0\0\0";

/// The bytes that redshift_connector writes right behind the password.
pub(crate) const FLUSH: &[u8] = b"H\0\0\0\x04";

/// Longest error that the ODBC driver reads, in bytes.
const MAX_ERROR_BYTES: usize = 30_000;

/// One driver, with the startup message that identifies it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Driver {
    /// Behind user and database, in its order.
    pub(crate) keys: &'static [(&'static str, &'static str)],
    /// The bytes behind the password in the same write.
    pub(crate) behind_password: &'static [u8],
    /// The feature level it asks for.
    pub(crate) level: &'static str,
}

pub(crate) const JDBC: Driver = Driver {
    keys: &[
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO"),
        ("extra_float_digits", "2"),
        ("application_name", "[main]com.example.Report"),
        ("client_protocol_version", "3"),
        ("driver_version", "Redshift JDBC Driver 2.2.2"),
        ("os_version", "Linux 6.1.0 amd64"),
    ],
    behind_password: b"",
    level: "3",
};

/// The driver in its versions 2.1.0.20 to 24: compression on by default.
pub(crate) const JDBC_COMPRESSING: Driver = Driver {
    keys: &[
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO"),
        ("TimeZone", "Australia/Sydney"),
        ("extra_float_digits", "2"),
        ("application_name", "[main]com.example.Report"),
        ("client_protocol_version", "3"),
        ("driver_version", "Redshift JDBC Driver 2.1.0.24"),
        ("os_version", "Linux 6.1.0 amd64"),
        ("_pq_.compression", "lz4:1"),
        ("search_path", "mart"),
        ("options", "-c statement_timeout=60000"),
    ],
    behind_password: b"",
    level: "3",
};

pub(crate) const ODBC: Driver = Driver {
    keys: &[
        ("application_name", "excel"),
        ("client_protocol_version", "1"),
        ("driver_version", "Redshift ODBC Driver 2.1.17"),
        ("os_version", "Linux 6.1.0 #1 SMP x86_64"),
        ("plugin_name", "none"),
    ],
    behind_password: b"",
    level: "1",
};

pub(crate) const PYTHON: Driver = Driver {
    keys: &[
        ("application_name", "__main__"),
        ("client_protocol_version", "2"),
        ("driver_version", "Redshift Python Driver 2.2.0"),
        ("os_version", "Linux-6.1.0-x86_64-with-glibc2.36"),
        ("driver_discovery_version", "1"),
    ],
    behind_password: FLUSH,
    level: "2",
};

pub(crate) const ALL: [Driver; 4] = [JDBC, JDBC_COMPRESSING, ODBC, PYTHON];

/// A session of one of them.
#[derive(Debug)]
pub(crate) struct Greeted {
    /// The messages from AuthenticationOk to ReadyForQuery.
    pub(crate) messages: Vec<Message>,
    /// pid and secret, as they stand in BackendKeyData.
    pub(crate) key: [u8; 8],
}

impl Driver {
    pub(crate) fn startup(&self) -> Vec<u8> {
        startup(0, &[&[("user", USER), ("database", "sales")], self.keys].concat())
    }

    /// The password message, and what the driver writes with it.
    pub(crate) fn answer(&self, password: &str) -> Vec<u8> {
        [&message(b'p', &[password.as_bytes(), b"\0"].concat())[..], self.behind_password].concat()
    }

    /// Says who it is, and reads what is asked. Before AuthenticationOk the drivers take `R` and
    /// `E` only; of the requests they cannot answer SASL (10), and do not know
    /// NegotiateProtocolVersion.
    pub(crate) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S) {
        send(stream, &self.startup()).await;
        let mut request = [0; CLEARTEXT.len()];
        stream.read_exact(&mut request).await.unwrap();
        assert_eq!(request, CLEARTEXT, "{self:?}");
    }

    /// Logs in as the rig's user, over what carries its bytes.
    pub(crate) async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S) -> Greeted {
        self.ask(stream).await;
        send(stream, &self.answer(PASSWORD)).await;
        let mut ok = [0; OK.len()];
        stream.read_exact(&mut ok).await.unwrap();
        assert_eq!(ok, OK, "{self:?}");
        let (mut messages, mut key) = (Vec::new(), None);
        loop {
            let (tag, body) = read_message(stream).await.unwrap();
            match tag {
                b'S' | b'N' => {}
                // Of length 12, or the JDBC driver gives up.
                b'K' => key = Some(body.as_slice().try_into().expect("a pid and four bytes")),
                b'Z' => {
                    assert_eq!(body, b"I");
                    messages.push((tag, body));
                    return Greeted { messages, key: key.expect("BackendKeyData") };
                }
                _ => panic!("{self:?} knows no {} here: {}", char::from(tag), body.escape_ascii()),
            }
            messages.push((tag, body));
        }
    }

    /// Reads the refusal, to the end.
    pub(crate) async fn refusal<S: AsyncRead + Unpin>(&self, stream: &mut S) -> Vec<u8> {
        let (tag, body) = read_message(stream).await.unwrap();
        assert_eq!(tag, b'E', "{self:?}: {}", body.escape_ascii());
        assert!(body.len() < MAX_ERROR_BYTES && body.ends_with(b"\0\0"), "{}", body.escape_ascii());
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "nothing more");
        body
    }
}
