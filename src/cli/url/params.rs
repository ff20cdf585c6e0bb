//! The parameters that every form of output is written from.

use super::tls::SslMode;

/// The connect time-out that tools are given, in seconds: an idle workgroup wakes inside it, for a
/// minute at times, and the proxy itself gives up after 120 s by default
/// (`upstream.login_timeout`). Many tools give up earlier by themselves.
pub(super) const CONNECT_SECS: u32 = 120;

/// The parameters of a connection to the proxy, as a tool is given them.
pub(super) struct ConnParams<'a> {
    /// A DNS name or an IP address, without brackets.
    pub(super) host: String,
    /// The port of the proxy.
    pub(super) port: u16,
    /// The user name: [`PLACEHOLDER`](super::user::PLACEHOLDER) where it is not known, and with
    /// `~CONN_ID` where that selects the connection.
    pub(super) user: String,
    /// The real database where it is known, else the conn_id.
    pub(super) database: &'a str,
    /// The name of the connection (its conn_id).
    pub(super) conn_id: &'a str,
    /// The TLS mode that the tool is to use.
    pub(super) mode: SslMode,
    /// Whether the user is proved by a password. Of several users, both may be true.
    pub(super) takes_password: bool,
    /// Whether the user is proved by a certificate.
    pub(super) takes_certificate: bool,
}

impl ConnParams<'_> {
    /// Host and port as in a URL: IPv6 in brackets.
    pub(super) fn authority(&self) -> String {
        let host = &self.host;
        if host.contains(':') { format!("[{host}]:{}", self.port) } else { format!("{host}:{}", self.port) }
    }

    /// Adds the notes on how the tool is given the user's password or certificate.
    pub(super) fn note_proof(&self, notes: &mut Vec<String>, password: &str, certificate: &str) {
        let ways = [(self.takes_password, password), (self.takes_certificate, certificate)];
        notes.extend(
            ways.into_iter()
                .filter(|(is_taken, _)| *is_taken)
                .map(|(_, way)| way.to_owned()),
        );
    }
}
