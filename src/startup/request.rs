//! Startup packets: messages without a type byte, which a client sends before its login.
//!
//! Parsed here and not by pgwire, which loses the order of parameters and lets text that is not
//! UTF-8 through altered (docs/protocol/pgwire.md, pitfall 5).

use super::error::StartupError;
use crate::config::BEFORE_CONN_ID;
use crate::wire::cancel_key::CancelKey;
use crate::wire::{self, CANCEL_REQUEST, GSSENC_REQUEST, SSL_REQUEST};

/// The prefix of protocol options; names with it are the protocol's, not the server's.
const PROTOCOL_OPTION: &str = "_pq_.";

/// A startup packet, by its request code or version.
#[derive(Debug)]
pub(crate) enum Packet {
    /// The client asks for TLS.
    SslRequest,
    /// The client asks for GSSAPI encryption.
    GssEncRequest,
    /// The client asks to cancel the query of the session with this key.
    Cancel(CancelKey),
    /// The client asks for a session, by a StartupMessage of version 3.
    Startup(StartupParams),
    /// The client asks for another version of the protocol.
    Unsupported(Version),
}

/// A version of the protocol, as it stands in a StartupMessage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Version {
    /// The first 16 bits: 3 in every version that is served.
    pub(crate) major: u16,
    /// The last 16 bits: 0 for protocol 3.0, 2 for protocol 3.2.
    pub(crate) minor: u16,
}

/// A StartupMessage as sent: its minor version, and its parameters in their order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct StartupParams {
    /// The minor version; the major one is 3.
    pub(crate) minor: u16,
    /// Names and values of the parameters.
    pub(crate) pairs: Vec<(String, String)>,
}

impl Packet {
    /// Reads what follows the length: at least 4 bytes, or it is malformed.
    pub(super) fn parse(packet: &[u8]) -> Result<Self, StartupError> {
        let Some((code, body)) = packet.split_at_checked(4) else {
            return Err(StartupError::Malformed("no request code"));
        };
        match wire::peek_u32(code, 0) {
            SSL_REQUEST if body.is_empty() => Ok(Self::SslRequest),
            GSSENC_REQUEST if body.is_empty() => Ok(Self::GssEncRequest),
            SSL_REQUEST | GSSENC_REQUEST => Err(StartupError::Malformed("an encryption request with a body")),
            CANCEL_REQUEST => CancelKey::parse(body)
                .map(Self::Cancel)
                .ok_or(StartupError::Malformed("cancel request")),
            version => match Version::of(version) {
                Version { major: 3, minor } => StartupParams::parse(minor, body).map(Self::Startup),
                // Its parameters have another layout.
                other => Ok(Self::Unsupported(other)),
            },
        }
    }
}

impl Version {
    fn of(code: u32) -> Self {
        let [a, b, c, d] = code.to_be_bytes();
        Self { major: u16::from_be_bytes([a, b]), minor: u16::from_be_bytes([c, d]) }
    }
}

impl StartupParams {
    fn parse(minor: u16, mut body: &[u8]) -> Result<Self, StartupError> {
        let mut pairs = Vec::new();
        const BAD: StartupError = StartupError::Malformed("parameters are not pairs of UTF-8 C strings");
        loop {
            let name = wire::take_cstr(&mut body).ok_or(BAD)?;
            if name.is_empty() {
                break;
            }
            pairs.push((name.to_owned(), wire::take_cstr(&mut body).ok_or(BAD)?.to_owned()));
        }
        if body.is_empty() { Ok(Self { minor, pairs }) } else { Err(BAD) }
    }

    /// The value of a parameter; of several with one name the last counts, as in PostgreSQL.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the message names a user and nothing else, as HAProxy's `pgsql-check` does. What
    /// people use names a database, an encoding or an application too; a user name with `~` names a
    /// connection, which a health check does not want.
    pub(crate) fn is_of_health_check(&self) -> bool {
        self.pairs
            .iter()
            .all(|(name, value)| name == "user" && !value.contains('~'))
    }

    /// The user that the client says it is. `None`: the parameter is missing or empty, which is the
    /// same to PostgreSQL.
    pub(crate) fn user(&self) -> Option<SentUser> {
        self.get("user")
            .map(|sent| SentUser(sent.to_owned()))
            .filter(|user| !user.name().is_empty())
    }

    /// The database. Where none is given it is the parameter `user`, as in PostgreSQL.
    pub(crate) fn database(&self) -> &str {
        self.get("database")
            .filter(|name| !name.is_empty())
            .or_else(|| self.get("user"))
            .unwrap_or_default()
    }

    /// The names of the protocol options that the client asks for.
    pub(crate) fn protocol_options(&self) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| name.starts_with(PROTOCOL_OPTION))
    }

    /// Whether the client is one of AWS's own drivers (JDBC, ODBC, Python): only they send this
    /// parameter (docs/protocol/redshift-wire.md 2.1).
    pub(crate) fn is_aws_driver(&self) -> bool {
        self.get("client_protocol_version").is_some()
    }
}

/// The user parameter of a startup message: `USER`, or `USER~CONN_ID`. By the second form a tool
/// names the connection and still gives the real database, which it compares with what the
/// warehouse says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SentUser(String);

impl SentUser {
    /// The whole parameter, for refusals: PostgreSQL repeats a user's name as it was sent.
    pub(crate) fn as_sent(&self) -> &str {
        &self.0
    }

    /// The user's name: the text before the last `~`. Never empty.
    pub(crate) fn name(&self) -> &str {
        self.0
            .rsplit_once(BEFORE_CONN_ID)
            .map_or(&self.0, |(name, _)| name)
    }

    /// The conn_id: the text behind the last `~`, unchecked. `None`: there is no `~`.
    pub(crate) fn conn_id(&self) -> Option<&str> {
        self.0
            .rsplit_once(BEFORE_CONN_ID)
            .map(|(_, conn_id)| conn_id)
    }
}

#[cfg(test)]
impl From<&str> for SentUser {
    fn from(sent: &str) -> Self {
        Self(sent.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn startup(body: &[u8]) -> Result<Packet, StartupError> {
        Packet::parse(&[b"\0\x03\0\0", body].concat())
    }

    #[test]
    fn parameters_keep_their_order_and_the_last_of_a_name_counts() {
        let Ok(Packet::Startup(params)) = startup(b"user\0a\0x\0\0user\0b\0\0") else { panic!() };
        assert_eq!(params.pairs.len(), 3);
        assert_eq!((params.user(), params.database(), params.get("x")), (Some("b".into()), "b", Some("")));
    }

    #[test]
    fn a_user_may_have_a_conn_id_behind_its_last_tilde() {
        for (sent, name, conn_id) in [
            ("ann", "ann", None),
            ("ann~sales", "ann", Some("sales")),
            ("ann~Sales Mart", "ann", Some("Sales Mart")),
            ("ann~b~sales", "ann~b", Some("sales")),
            ("ann~", "ann", Some("")),
            ("zoë~größe", "zoë", Some("größe")),
        ] {
            let pairs = vec![("user".to_owned(), sent.to_owned())];
            let user = StartupParams { minor: 0, pairs }.user().unwrap();
            assert_eq!((user.name(), user.conn_id(), user.as_sent()), (name, conn_id, sent));
        }
        for sent in ["", "~", "~sales"] {
            let pairs = vec![("user".to_owned(), sent.to_owned())];
            assert_eq!(StartupParams { minor: 0, pairs }.user(), None, "{sent:?}");
        }
    }

    #[test]
    fn malformed_packets_are_errors_at_every_cut() {
        let whole = b"user\0demo\0database\0sales\0\0";
        assert!(startup(whole).is_ok());
        for end in 0..whole.len() {
            assert!(matches!(startup(&whole[..end]), Err(StartupError::Malformed(_))), "{end}");
        }
        assert!(startup(b"user\0demo\0\0more").is_err());
        assert!(startup(b"user\0\xff\0\0").is_err());
        assert!(Packet::parse(b"\x04\xd2\x16").is_err());
    }

    #[test]
    fn requests_are_recognised_by_their_codes() {
        assert!(matches!(Packet::parse(b"\x04\xd2\x16\x2f"), Ok(Packet::SslRequest)));
        assert!(matches!(Packet::parse(b"\x04\xd2\x16\x30"), Ok(Packet::GssEncRequest)));
        assert!(Packet::parse(b"\x04\xd2\x16\x2fx").is_err());
        assert!(matches!(Packet::parse(b"\x04\xd2\x16\x2e\0\0\0\x01abcd"), Ok(Packet::Cancel(_))));
        assert!(Packet::parse(b"\x04\xd2\x16\x2e\0\0\0\x01").is_err());
        let Ok(Packet::Unsupported(old)) = Packet::parse(b"\0\x02\0\x07anything") else { panic!() };
        assert_eq!((old.major, old.minor), (2, 7));
    }
}
