//! Reads a warehouse's host, and knows what people paste in its place: AWS's console shows
//! endpoints as `HOST:PORT/DATABASE` and as JDBC URLs.

use rustls::pki_types::ServerName;

use super::{Parsed, host, port};

/// Reads a DNS name or an IP address. Where the text is an endpoint or a URL, the message says
/// which part of it goes where, without repeating any: there may be a password in it.
pub(crate) fn warehouse_host(text: &str) -> Parsed<String> {
    host(text).map_err(|otherwise| Pasted::read(text).map_or(otherwise, |pasted| pasted.advice().into()))
}

/// The parts that an endpoint or URL has besides its host.
#[derive(Debug, Eq, PartialEq)]
struct Pasted {
    is_url: bool,
    has_port: bool,
    has_database: bool,
}

impl Pasted {
    /// Recognizes `HOST:PORT/DATABASE`, with or without a scheme such as `jdbc:redshift://` ahead
    /// and properties behind. `None`: the text is something else.
    fn read(text: &str) -> Option<Self> {
        let rest = text.trim();
        let (is_url, rest) = rest
            .split_once("://")
            .map_or((false, rest), |(_scheme, rest)| (true, rest));
        let (rest, _properties) = rest.split_at(rest.find(['?', ';', '#']).unwrap_or(rest.len()));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let authority = authority
            .rsplit_once('@')
            .map_or(authority, |(_user, authority)| authority);
        let (host, digits) = match authority.split_once(':') {
            Some((host, digits)) => (host, Some(digits)),
            None => (authority, None),
        };
        let is_endpoint = ServerName::try_from(host).is_ok() && digits.is_none_or(|digits| port(digits).is_ok());
        is_endpoint.then_some(Self { is_url, has_port: digits.is_some(), has_database: !database.is_empty() })
    }

    /// The message that says what to do with each part.
    fn advice(&self) -> String {
        let part = |is_there: bool, text: &'static str| if is_there { text } else { "" };
        format!(
            "must be a host name alone: of {}HOST{}{} only HOST goes here{}{}",
            part(self.is_url, "URL://"),
            part(self.has_port, ":PORT"),
            part(self.has_database, "/DATABASE"),
            part(self.has_port, ", PORT into port"),
            part(self.has_database, ", DATABASE into database"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_urls_and_arns_pasted_from_the_console_are_distinguished() {
        let host = "wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com";
        let (all, url) = (
            "must be a host name alone: of HOST:PORT/DATABASE only HOST goes here, PORT into port, DATABASE into database",
            "must be a host name alone: of URL://HOST:PORT/DATABASE only HOST goes here, PORT into port, DATABASE into \
             database",
        );
        for (text, told) in [
            (format!("{host}:5439/dev"), all),
            (format!(" {host}:5439/dev\n"), all),
            ("10.0.0.1:5439/my-db$1".into(), all),
            (format!("jdbc:redshift://{host}:5439/dev"), url),
            (format!("jdbc:redshift:iam://{host}:5439/dev?AccessKeyID=x&SecretAccessKey=planted"), url),
            (format!("jdbc:redshift://{host}:5439/dev;UID=x;PWD=planted"), url),
            (format!("postgresql://user:planted@{host}:5439/dev"), url),
        ] {
            assert_eq!(warehouse_host(&text).unwrap_err(), told, "{text}");
        }
        for (text, told) in [
            ("h.example.com:5439", "of HOST:PORT only HOST goes here, PORT into port"),
            ("h.example.com:5439/", "of HOST:PORT only HOST goes here, PORT into port"),
            ("h.example.com/dev", "of HOST/DATABASE only HOST goes here, DATABASE into database"),
            ("https://h.example.com", "of URL://HOST only HOST goes here"),
        ] {
            assert_eq!(warehouse_host(text).unwrap_err(), format!("must be a host name alone: {told}"), "{text}");
        }
    }

    #[test]
    fn pasted_text_that_is_no_endpoint_is_reported_as_no_host() {
        for text in ["", "a b", "[::1]:5439", "jdbc:redshift:iam://cluster:eu-west-1/dev", "h:0/dev", "jdbc:redshift:"]
        {
            let why = warehouse_host(text).unwrap_err();
            assert_eq!(why, "must be a DNS name or an IP address, without port or brackets", "{text}");
        }
        for text in ["h.example.com", "10.0.0.1", "::1"] {
            assert_eq!(warehouse_host(text).as_deref(), Ok(text));
        }
    }
}
