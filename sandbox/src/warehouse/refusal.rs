//! Redshift's refusals: an ErrorResponse with the fields S, C, M, F, L, R and no V
//! (8.0 heritage).

use crate::wire;

/// A FATAL error, after which the connection ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    sqlstate: String,
    message: String,
    file: &'static str,
    line: &'static str,
    routine: &'static str,
}

impl Refusal {
    pub(super) fn new(sqlstate: &str, message: impl Into<String>) -> Self {
        let (file, line, routine) = ("postmaster.c", "2419", "ProcessStartupPacket");
        Self { sqlstate: sqlstate.to_owned(), message: message.into(), file, line, routine }
    }

    /// Wrong, unknown or expired: Redshift says 28000, not PostgreSQL's 28P01.
    pub(super) fn password(user: &str) -> Self {
        let message = format!("password authentication failed for user \"{user}\"");
        Self { file: "libpq/auth.c", line: "482", routine: "auth_failed", ..Self::new("28000", message) }
    }

    /// Refuses a client without TLS, which no rule lets in.
    pub(super) fn plaintext(host: &str, user: &str, database: &str) -> Self {
        let message =
            format!("no pg_hba.conf entry for host \"{host}\", user \"{user}\", database \"{database}\", SSL off");
        Self { file: "libpq/auth.c", line: "352", routine: "ClientAuthentication", ..Self::new("28000", message) }
    }

    pub(super) fn unknown_parameter(name: &str) -> Self {
        let message = format!("unrecognized configuration parameter \"{name}\"");
        Self { file: "utils/misc/guc.c", line: "2905", routine: "set_config_option", ..Self::new("42704", message) }
    }

    /// Refuses a parameter that is known, but that no user may set.
    pub(super) fn locked_parameter(name: &str, value: &str) -> Self {
        let message = format!("permission denied to set parameter \"{name}\" to \"{value}\"");
        Self { file: "utils/misc/guc.c", line: "2905", routine: "set_config_option", ..Self::new("42501", message) }
    }

    pub(super) fn bad_value(message: impl Into<String>) -> Self {
        Self { file: "utils/misc/guc.c", line: "3053", routine: "set_config_option", ..Self::new("22023", message) }
    }

    pub(super) fn protocol(message: impl Into<String>) -> Self {
        Self::new("08P01", message)
    }

    /// The ErrorResponse.
    pub(super) fn encode(&self) -> Vec<u8> {
        let file = format!("/home/ec2-user/padb/src/pg/src/backend/{}", self.file);
        let fields = [
            (b'S', "FATAL"),
            (b'C', &self.sqlstate),
            (b'M', &self.message),
            (b'F', &file),
            (b'L', self.line),
            (b'R', self.routine),
        ];
        encode(fields.into_iter())
    }
}

/// PostgreSQL's error as Redshift would send it. `None` if it is malformed.
pub(super) fn translate(body: &[u8]) -> Option<Vec<u8>> {
    let fields = fields(body)?;
    Some(encode(
        fields
            .into_iter()
            .filter(|(kind, _)| b"SCMDHFLR".contains(kind)),
    ))
}

/// The fields of an ErrorResponse's body, by their type.
pub(super) fn fields(mut body: &[u8]) -> Option<Vec<(u8, &str)>> {
    let mut fields = Vec::new();
    loop {
        let (kind, rest) = body.split_first()?;
        if *kind == 0 {
            return Some(fields);
        }
        let (text, rest) = wire::text(rest)?;
        fields.push((*kind, text));
        body = rest;
    }
}

fn encode<'a>(fields: impl Iterator<Item = (u8, &'a str)>) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, text) in fields {
        body.push(kind);
        wire::push_text(&mut body, text);
    }
    body.push(0);
    wire::message(b'E', &body)
}
