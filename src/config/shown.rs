//! The settings as an operator is shown them: every key of the sections that hold for the whole
//! proxy, with its value in force. Connections, users and groups are not here.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use super::keys::UnknownKeys;
use super::listen::{ChannelBinding, Listen, TlsMode};
use super::load::parse;
use super::material::Material;
use super::sections::{Admin, Ca, Limits, LogFormat, LogLevel, SpecsTable};
use super::settings::Config;
use super::value::PublicName;

/// The keys that a reload does not change: addresses that are bound, and the form of the log's
/// lines.
const AT_START: [&str; 5] =
    ["listen.address", "listen.reuse_port", "admin.address", "admin.health_address", "log.format"];

/// The keys of sections that may be left out, which have no defaults.
const REQUIRED: [&str; 4] = ["specs.dynamodb_table", "specs.conn_ids", "specs.roles", "specs.parameter_prefix"];

/// One setting, as it is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    /// The dotted name of the key.
    pub key: &'static str,
    /// The value in force, as the file would have it. A reference is shown, never the text that it
    /// leads to. Empty: there is none.
    pub value: String,
}

impl Shown {
    /// Whether a reload puts a new value of the key in force; otherwise the next start does.
    #[must_use]
    pub fn reloads(&self) -> bool {
        !AT_START.contains(&self.key)
    }
}

impl Config {
    /// The settings that hold for the whole proxy, in the order of `proxy.toml`.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        let (log, aws, upstream, credentials) = (&self.log, &self.aws, &self.upstream, &self.credentials);
        let mut all = vec![shown("include", list(&self.include))];
        all.extend(listen(&self.listen));
        all.extend(admin(&self.admin));
        all.extend([
            shown("log.format", log.format.name()),
            shown("log.level", log.level.name()),
            shown("aws.region", or_empty(aws.region.as_deref())),
            shown("aws.endpoint_url", or_empty(aws.endpoint_url.as_deref())),
            shown("upstream.ca", upstream.ca.name()),
            shown("upstream.connect_timeout", time(upstream.connect_timeout)),
            shown("upstream.tls_timeout", time(upstream.tls_timeout)),
            shown("upstream.login_timeout", time(upstream.login_timeout)),
            shown("upstream.keepalive", time_or_off(upstream.keepalive)),
        ]);
        all.extend(limits(&self.limits));
        all.extend([
            shown("credentials.password_duration", time(credentials.password_duration)),
            shown("credentials.refresh_margin", time(credentials.refresh_margin)),
            shown("credentials.negative_ttl", time(credentials.negative_ttl)),
            shown("credentials.timeout", time(credentials.timeout)),
        ]);
        all.extend(specs(self.specs.as_ref()));
        all
    }

    /// The values that the file says, where others are in force: by dotted key.
    #[must_use]
    pub fn cut(&self) -> Vec<Shown> {
        let cut = self.limits.cut.iter();
        cut.map(|(key, wanted)| shown(key, *wanted)).collect()
    }

    /// The settings of a file that says no more than it has to: the defaults. Empty if the program's own defaults are faulty,
    /// which a test rules out.
    #[must_use]
    pub fn defaults() -> Vec<Shown> {
        let least = "[specs]\ndynamodb_table = \"t00\"\nconn_ids = []\nroles = []\nparameter_prefix = \"/\"\n";
        let least = parse(least, Path::new("defaults"), &|_| None, UnknownKeys::Refuse);
        let mut defaults = least.map(|config| config.shown()).unwrap_or_default();
        for shown in &mut defaults {
            if REQUIRED.contains(&shown.key) {
                shown.value.clear();
            }
        }
        defaults
    }
}

fn listen(listen: &Listen) -> Vec<Shown> {
    let identity = listen.identity.as_ref();
    let clients = listen.clients.as_ref();
    vec![
        shown("listen.address", list(&listen.addresses)),
        shown("listen.public_name", or_empty(listen.public_name.as_ref().map(PublicName::to_string))),
        shown("listen.proxy_protocol_from", list(&listen.proxy_protocol_from)),
        shown("listen.sni_suffix", or_empty(listen.sni_suffix.as_deref())),
        shown("listen.reuse_port", listen.reuse_port),
        shown("listen.tls.mode", listen.tls.name()),
        shown("listen.tls.channel_binding", listen.channel_binding.name()),
        shown("listen.tls.cert", reference(identity.map(|identity| &identity.cert))),
        shown("listen.tls.key", reference(identity.map(|identity| &identity.key))),
        shown("listen.tls.client_ca", reference(clients.map(|clients| &clients.ca))),
        shown("listen.tls.client_crl", reference(clients.and_then(|clients| clients.crl.as_ref()))),
    ]
}

fn admin(admin: &Admin) -> Vec<Shown> {
    vec![
        shown("admin.address", or_empty(admin.address)),
        shown("admin.health_address", or_empty(admin.health_address)),
        shown("admin.token", reference(admin.token.as_ref())),
        shown("admin.users", list(&admin.users)),
        shown("admin.stats_users", list(&admin.stats_users)),
        shown("admin.console_from", list(&admin.console_from)),
        shown("admin.watch", admin.watch),
    ]
}

fn limits(limits: &Limits) -> Vec<Shown> {
    vec![
        shown("limits.max_sessions", limits.max_sessions),
        shown("limits.max_handshakes", limits.max_handshakes),
        shown("limits.max_handshakes_per_address", limits.max_handshakes_per_address),
        shown("limits.startup_timeout", time(limits.startup_timeout)),
        shown("limits.idle_timeout", time_or_off(limits.idle_timeout)),
        shown("limits.session_lifetime", time_or_off(limits.session_lifetime)),
        shown("limits.drain_delay", time(limits.drain_delay)),
        shown("limits.drain_timeout", time(limits.drain_timeout)),
        shown("limits.ban_after", limits.bans.after),
        shown("limits.ban_window", time(limits.bans.window)),
        shown("limits.ban_time", time(limits.bans.time)),
        shown("limits.ban_exempt", list(&limits.bans.exempt)),
    ]
}

/// `[specs]`; empty values where there is none, since no default is in force then.
fn specs(specs: Option<&SpecsTable>) -> Vec<Shown> {
    let bounds = specs.map(|specs| &*specs.bounds);
    vec![
        shown("specs.dynamodb_table", or_empty(specs.map(|specs| &specs.dynamodb_table))),
        shown("specs.refresh", or_empty(specs.map(|specs| time(specs.refresh)))),
        shown("specs.conn_ids", or_empty(bounds.map(|bounds| list(&bounds.conn_ids)))),
        shown("specs.roles", or_empty(bounds.map(|bounds| list(&bounds.roles)))),
        shown("specs.parameter_prefix", or_empty(bounds.map(|bounds| &bounds.parameter_prefix))),
        shown("specs.hosts", or_empty(bounds.map(|bounds| list(&bounds.hosts)))),
        shown("specs.base_identity", or_empty(bounds.map(|bounds| bounds.base_identity))),
    ]
}

fn shown(key: &'static str, value: impl Display) -> Shown {
    Shown { key, value: value.to_string() }
}

fn or_empty(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn list(values: &[impl Display]) -> String {
    values
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The place of a text, in place of the text.
fn reference(material: Option<&Material>) -> String {
    or_empty(material.map(|material| &material.from))
}

fn time_or_off(duration: Option<Duration>) -> String {
    time(duration.unwrap_or_default())
}

/// A duration in the largest unit that it is a whole number of.
fn time(duration: Duration) -> String {
    match duration.as_secs() {
        _ if duration.subsec_nanos() > 0 => format!("{}s", duration.as_secs_f64()),
        0 => "0s".to_owned(),
        secs if secs % 3600 == 0 => format!("{}h", secs / 3600),
        secs if secs % 60 == 0 => format!("{}m", secs / 60),
        secs => format!("{secs}s"),
    }
}

impl TlsMode {
    fn name(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Prefer => "prefer",
            Self::Disable => "disable",
        }
    }
}

impl ChannelBinding {
    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Off => "off",
        }
    }
}

impl LogFormat {
    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}

impl LogLevel {
    /// The word of the configuration for this level.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Ca {
    fn name(&self) -> String {
        match self {
            Self::Aws => "aws".to_owned(),
            Self::System => "system".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn read(text: &str) -> Config {
        parse(
            text,
            Path::new("p"),
            &|name| (name == "TOKEN").then(|| "0123456789abcdef".to_owned()),
            UnknownKeys::Refuse,
        )
        .unwrap()
    }

    /// The keys of a section in docs/settings.md, with their dotted names.
    fn documented(section: &str) -> Vec<String> {
        let page = include_str!("../../docs/settings.md");
        let start = format!("| `[{section}]` | ");
        let row = page
            .lines()
            .find_map(|line| line.strip_prefix(&start))
            .unwrap();
        let mut prefix = section.to_owned();
        let mut keys = Vec::new();
        for word in row.split('`').skip(1).step_by(2) {
            match word
                .strip_prefix('[')
                .and_then(|word| word.strip_suffix(']'))
            {
                Some(table) => prefix = table.to_owned(),
                None => keys.push(format!("{prefix}.{word}")),
            }
        }
        keys
    }

    #[test]
    fn every_key_of_the_whole_proxy_is_shown() {
        let specs =
            "[specs]\ndynamodb_table = \"t00\"\nconn_ids = [\"bi-*\"]\nroles = []\nparameter_prefix = \"/l/\"\n";
        let shown: BTreeSet<_> = read(specs)
            .shown()
            .iter()
            .map(|shown| shown.key.to_owned())
            .collect();
        let sections = ["listen", "admin", "log", "aws", "upstream", "limits", "credentials", "specs"];
        let documented: BTreeSet<_> = sections
            .iter()
            .flat_map(|section| documented(section))
            .chain(["include".to_owned()])
            .collect();
        assert_eq!(shown, documented);
        let without: BTreeSet<_> = read("")
            .shown()
            .iter()
            .map(|shown| shown.key.to_owned())
            .collect();
        assert_eq!(without, documented, "a section that is left out is shown too");
        for key in AT_START {
            assert!(shown.contains(key), "{key}");
        }
    }

    #[test]
    fn values_are_shown_as_the_file_has_them_and_references_in_place_of_texts() {
        let text = "[listen]\naddress = [\"127.0.0.1:1\", \"[::1]:2\"]\npublic_name = \"[2001:db8::1]:5439\"\n\
                    [admin]\ntoken = \"env:TOKEN\"\n[limits]\nidle_timeout = \"0.5h\"\nban_window = \"1.5s\"\n\
                    ban_exempt = [\"10.0.0.0/8\"]\n[upstream]\nkeepalive = 0\n[log]\nlevel = \"debug\"\n";
        let all = read(text).shown();
        let value = |key: &str| &*all.iter().find(|shown| shown.key == key).unwrap().value;
        for (key, want) in [
            ("listen.address", "127.0.0.1:1, [::1]:2"),
            ("listen.public_name", "[2001:db8::1]:5439"),
            ("admin.token", "env:TOKEN"),
            ("limits.idle_timeout", "30m"),
            ("limits.ban_window", "1.5s"),
            ("limits.ban_exempt", "10.0.0.0/8"),
            ("upstream.keepalive", "0s"),
            ("log.level", "debug"),
            ("credentials.password_duration", "15m"),
        ] {
            assert_eq!(value(key), want, "{key}");
        }
        assert!(all.iter().all(|shown| !shown.value.contains("aaaa")), "{all:?}");
    }

    #[test]
    fn the_defaults_are_those_of_an_empty_file() {
        let defaults = Config::defaults();
        assert!(defaults.contains(&shown("limits.max_sessions", 10_000)));
        assert!(defaults.contains(&shown("listen.address", "127.0.0.1:5439")));
        for (key, value) in [("specs.refresh", "1m"), ("specs.base_identity", "false"), ("specs.conn_ids", "")] {
            assert!(defaults.contains(&shown(key, value)), "{key}: {defaults:?}");
        }
        let hosts = defaults
            .iter()
            .find(|shown| shown.key == "specs.hosts")
            .unwrap();
        assert!(hosts.value.contains("*.redshift.amazonaws.com"), "{hosts:?}");
        assert!(!shown("log.format", "").reloads() && shown("log.level", "").reloads());
    }
}
