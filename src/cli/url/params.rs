//! What all forms are made of.

use super::tls::SslMode;

/// How long a tool has to wait for a login, in seconds: an idle workgroup wakes inside it, for a
/// minute at times, and the proxy itself gives up after 120 s by default
/// (`upstream.login_timeout`). Many tools give up earlier by themselves.
pub(super) const CONNECT_SECS: u32 = 120;

/// What all forms are made of.
pub(super) struct ConnParams<'a> {
    pub(super) host: String,
    pub(super) port: u16,
    /// With [`PLACEHOLDER`](super::user::PLACEHOLDER) where it is not known, and with `~CONN_ID`
    /// where that selects the connection.
    pub(super) user: String,
    /// The real database, wherever it is known.
    pub(super) database: &'a str,
    pub(super) conn_id: &'a str,
    pub(super) mode: SslMode,
    /// What proves the user; of users that are proved differently, both.
    pub(super) takes_password: bool,
    pub(super) takes_certificate: bool,
}

impl ConnParams<'_> {
    /// As it stands in a URL: IPv6 in brackets.
    pub(super) fn authority(&self) -> String {
        let host = &self.host;
        if host.contains(':') { format!("[{host}]:{}", self.port) } else { format!("{host}:{}", self.port) }
    }

    /// How the tool is given what proves the user.
    pub(super) fn note_proof(&self, notes: &mut Vec<String>, password: &str, certificate: &str) {
        let ways = [(self.takes_password, password), (self.takes_certificate, certificate)];
        notes.extend(
            ways.into_iter()
                .filter(|(is_taken, _)| *is_taken)
                .map(|(_, way)| way.to_owned()),
        );
    }
}
