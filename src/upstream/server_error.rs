//! The errors that the warehouse sends.

use std::fmt;

use bytes::BytesMut;

use crate::wire::Frame;

/// The classes of SQLSTATE that quote the client's own words: data exception, syntax error or
/// access rule violation, and an object in the wrong state, such as a parameter that cannot be set
/// now (55P02).
const QUOTING: &[&str] = &["22", "42", "55"];

/// The SQLSTATEs that are always about a startup parameter: an unknown one, and an impossible
/// value.
const OF_A_PARAMETER: &[&str] = &["22023", "42704"];

/// The words ahead of the name in errors about a parameter (guc.c, in all versions).
const NAMED: &str = "parameter \"";

/// The longest name of a parameter (NAMEDATALEN less its NUL), in bytes.
const MAX_NAME: usize = 63;

/// Words by which servers refuse for a limit of connections, in lower case. Redshift: `connection
/// limit "500" exceeded for non-bootstrap users`. PostgreSQL: `too many connections for role "x"`
/// or `for database "x"`, `sorry, too many clients already`, `remaining connection slots are
/// reserved for …`.
const CONNECTION_LIMIT: &[&str] =
    &["connection limit", "too many connections", "too many clients", "connection slots are reserved"];

/// An ErrorResponse of the warehouse. Its fields may be missing, repeated or unknown.
pub(crate) struct ServerError {
    sqlstate: String,
    message: String,
    /// The message as it came, if every driver can read it.
    frame: Option<BytesMut>,
}

/// The fields that every driver needs: some end with an exception of their own where one is
/// missing.
const NEEDED: [u8; 3] = [b'S', b'C', b'M'];

impl ServerError {
    /// Reads an ErrorResponse as far as it can be read.
    pub(super) fn new(frame: &Frame) -> Self {
        let (mut sqlstate, mut message) = (String::new(), String::new());
        let (mut fields, mut seen) = (frame.body(), Vec::new());
        while let Some((&code, rest)) = fields.split_first()
            && code != 0
            && let Some(end) = rest.iter().position(|&byte| byte == 0)
        {
            let (text, rest) = rest.split_at(end);
            match code {
                b'C' => sqlstate = String::from_utf8_lossy(text).into_owned(),
                b'M' => message = String::from_utf8_lossy(text).into_owned(),
                _ => {}
            }
            seen.push(code);
            fields = rest.get(1..).unwrap_or_default();
        }
        let is_code = sqlstate.len() == 5
            && sqlstate
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        let is_whole = fields == [0] && is_code && NEEDED.iter().all(|code| seen.contains(code));
        Self { sqlstate, message, frame: is_whole.then(|| BytesMut::from(frame.bytes())) }
    }

    /// Makes an error as the warehouse would send it.
    #[cfg(test)]
    pub(crate) fn of(sqlstate: &str, message: &str) -> Self {
        Self { sqlstate: sqlstate.to_owned(), message: message.to_owned(), frame: None }
    }

    /// Whether the user or password was refused: class 28 (28000 from Redshift, 28P01 from
    /// PostgreSQL). A limit of connections that comes under this class says nothing about either.
    pub(super) fn is_login_refused(&self) -> bool {
        self.sqlstate.starts_with("28") && !self.is_connection_limit()
    }

    /// Whether the warehouse has too many connections: in all, of the user, or of the database.
    /// Redshift does not document its SQLSTATE for that (PostgreSQL: 53300), so that its words
    /// count as well. The login itself is good, and another one would meet the same limit.
    pub(crate) fn is_connection_limit(&self) -> bool {
        let message = self.message.to_ascii_lowercase();
        self.sqlstate == "53300" || CONNECTION_LIMIT.iter().any(|words| message.contains(words))
    }

    /// The startup parameter that the warehouse names in its text. `None`: it names none, or one
    /// with other characters than letters, `_` and `.`. That may be something that a person pasted
    /// by mistake, and this goes to the log.
    fn parameter(&self) -> Option<&str> {
        let (_, behind) = self.message.split_once(NAMED)?;
        let (name, _) = behind.split_once('"')?;
        let is_name = (1..=MAX_NAME).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.'));
        is_name.then_some(name)
    }

    /// The SQLSTATE; empty where there was none.
    pub(crate) fn sqlstate(&self) -> &str {
        &self.sqlstate
    }

    /// The message as it came. `None`: it lacks a field that clients need.
    pub(crate) fn as_sent(&self) -> Option<&BytesMut> {
        self.frame.as_ref()
    }
}

/// The text for the log: code and primary message, cut to a length. If the client's own parameters
/// may be wrong, it is the code, the parameter's name and a fix: the message would quote values,
/// and people put passwords into `options`. The client reads the message whole.
impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !QUOTING.iter().any(|class| self.sqlstate.starts_with(class)) {
            return write!(f, "{:.5} {:.500}", self.sqlstate, self.message);
        }
        match self.parameter() {
            Some(name) => write!(
                f,
                "{:.5} (the startup parameter {name}: startup_parameters = {{ drop = [\"{name}\"] }} of the connection \
                 leaves it out)",
                self.sqlstate
            ),
            None if OF_A_PARAMETER.contains(&self.sqlstate.as_str()) => write!(
                f,
                "{:.5} (a startup parameter, which the client's own error names: startup_parameters = {{ drop = [...] }} of \
                 the connection leaves it out)",
                self.sqlstate
            ),
            None => write!(f, "{:.5} (its text may quote the client, which reads it whole)", self.sqlstate),
        }
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerError({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seeded::cases;

    fn error(body: &[u8]) -> ServerError {
        let length = u32::try_from(4 + body.len()).unwrap();
        ServerError::new(&Frame::from_bytes(&[b"E", &length.to_be_bytes()[..], body].concat()))
    }

    #[test]
    fn fields_may_be_missing_repeated_or_cut_off() {
        assert_eq!(error(b"SFATAL\0C28000\0Mno\0\0").to_string(), "28000 no");
        assert!(error(b"SFATAL\0C28000\0Mno\0\0").is_login_refused());
        assert_eq!(error(b"Mno\0\0").to_string(), " no");
        assert_eq!(error(b"C1\0C28P01\0\0").to_string(), "28P01 ");
        assert_eq!(error(b"C28000\0Mcut off").to_string(), "28000 ");
        assert!(error(b"C28000\0Mcut off").as_sent().is_none());
        assert_eq!(error(b"").to_string(), " ");
    }

    #[test]
    fn a_limit_of_connections_is_no_refused_login_whatever_its_class() {
        for (sqlstate, message, is_limit) in [
            ("28000", "connection limit \"500\" exceeded for non-bootstrap users", true),
            ("28000", "Connection limit exceeded for user \"IAMR:rs01\"", true),
            ("28P01", "too many connections for role \"adam\"", true),
            ("53300", "sorry, too many clients already", true),
            ("53300", "in words that nobody knows", true),
            ("53300", "remaining connection slots are reserved for superusers", true),
            ("XX000", "connection limit exceeded", true),
            ("28000", "password authentication failed for user \"IAMR:rs01\"", false),
            ("28000", "no pg_hba.conf entry for host \"10.0.0.1\"", false),
            ("57P03", "the database system is starting up", false),
            ("53200", "out of memory", false),
        ] {
            let error = ServerError::of(sqlstate, message);
            assert_eq!(error.is_connection_limit(), is_limit, "{error}");
            assert_eq!(error.is_login_refused(), !is_limit && sqlstate.starts_with("28"), "{error}");
        }
    }

    /// CVE-2026-6666: one without its SQLSTATE ended a proxy.
    #[test]
    fn cve_2026_6666_only_what_every_driver_can_read_is_passed_on() {
        for whole in [
            &b"SFATAL\0C53300\0Mfull\0\0"[..],
            b"SFATAL\0C53300\0C57P03\0Mfull\0Mtwice\0\0",
            b"Mfull\0C53300\0\xffunknown\0SFATAL\0Hhint\0\0",
            b"SFATAL\0C53300\0M\xff\xfe\0\0",
        ] {
            assert_eq!(&error(whole).as_sent().unwrap()[5..], whole, "{}", whole.escape_ascii());
        }
        for broken in [
            &b""[..],
            b"\0",
            b"\0\0",
            b"SFATAL\0Mfull\0\0",
            b"SFATAL\0C53300\0\0",
            b"C53300\0Mfull\0\0",
            b"SFATAL\0C\0Mfull\0\0",
            b"SFATAL\0C533000\0Mfull\0\0",
            b"SFATAL\0C5330\n\0Mfull\0\0",
            b"SFATAL\0C53300\0Mfull\0",
            b"SFATAL\0C53300\0Mfull",
            b"SFATAL\0C53300\0Mfull\0\0\0",
            b"SFATAL\0C53300\0Mfull\0\0Mmore\0\0",
        ] {
            assert!(error(broken).as_sent().is_none(), "{}", broken.escape_ascii());
        }
    }

    #[test]
    fn a_refused_parameter_is_named_with_the_setting_that_leaves_it_out() {
        for (sqlstate, message) in [
            ("42704", "unrecognized configuration parameter \"lc_odd\""),
            ("22023", "invalid value for parameter \"lc_odd\": \"planted\""),
            ("22023", "9 is outside the valid range for parameter \"lc_odd\" (-15 .. 2)"),
            ("42501", "permission denied to set parameter \"lc_odd\" to \"planted\""),
            ("55P02", "parameter \"lc_odd\" cannot be changed after server start"),
        ] {
            let error = error(format!("C{sqlstate}\0M{message}\0\0").as_bytes()).to_string();
            assert!(
                error.starts_with(sqlstate) && error.contains("startup_parameters = { drop = [\"lc_odd\"] }"),
                "{error}"
            );
            assert!(!error.contains("planted"), "{error}");
        }
    }

    #[test]
    fn errors_that_quote_the_client_are_logged_by_code_only() {
        for (sqlstate, message, setting) in [
            ("22023", "invalid value: \"planted\"", true),
            ("42704", "unrecognized configuration parameter \"planted-2b6f\"", true),
            ("42704", "unrecognized configuration parameter \"planted", true),
            ("42601", "-c planted requires a value", false),
            ("42501", "permission denied for database planted", false),
            ("55000", "planted", false),
        ] {
            let error = error(format!("C{sqlstate}\0M{message}\0\0").as_bytes());
            assert!(error.to_string().starts_with(sqlstate), "{error}");
            assert_eq!(error.to_string().contains("startup_parameters"), setting, "{error}");
            assert!(!format!("{error} {error:?}").contains("planted"), "{error}");
        }
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn any_body_is_read(body in prop::collection::vec(prop_oneof![Just(0), Just(b'C'), Just(b'M'), any::<u8>()], 0..80)) {
            let error = error(&body);
            prop_assert!(error.to_string().len() <= 5 * 4 + 1 + 500 * 4);
            prop_assert!(error.as_sent().is_none_or(|frame| frame[5..] == body && body.ends_with(&[0, 0])));
        }
    }
}
