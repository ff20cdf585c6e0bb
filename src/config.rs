//! Configuration: proxy.toml, parsed, validated and typed, with all faults reported together.
//!
//! Owns the meaning, default and range of every key. Does not own the live parts built from it: no
//! TLS settings, no AWS client, no file but those that the keys name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

pub(crate) use self::connection::MAX_APPLICATION_NAME;
pub use self::connection::{
    Bounds, BoundsError, ConnId, ConnSpec, LoginIdentity, NameTemplate, Piece, RoleHop, StartupPolicy, Warehouse,
    connection_from_item,
};
pub use self::disguise::BadPassword;
pub(crate) use self::disguise::{of_a_secret, warehouse_password, without_newline};
pub use self::fault::{Fault, Faults};
pub use self::file::read_file;
pub(crate) use self::file::read_regular;
pub use self::home::HomeRegion;
pub(crate) use self::listen::CertifiedIdentity;
pub use self::listen::{BadIdentity, ChannelBinding, ClientCa, Identity, Listen, Material, PublicName, TlsMode};
use self::reader::Doc;
pub use self::tree::ItemValue;
use self::tree::{Node, Place};
pub use self::users::{Access, AnyUser, Holder, Method, Password, Proof, Right, StoredPassword, User};
pub(crate) use self::users::{MAX_PASSWORDS, Rights};
pub(crate) use self::value::{BEFORE_CONN_ID, Endpoint, endpoint, glob_matches};
pub use self::value::{BadPem, Origin, Reference, Remote};
use crate::secret::Secret;

pub mod connection;
mod disguise;
mod fault;
mod file;
mod home;
mod include;
mod keys;
mod listen;
#[cfg(test)]
pub(crate) mod many;
mod reader;
mod sections;
mod specs;
mod tree;
mod users;
pub(crate) mod value;

/// What becomes of a key that this version does not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum UnknownKeys {
    /// A fault
    Refuse,
    /// A warning: for rolling back under a newer file
    Warn,
}

/// Reads a configuration that AWS keeps, or says why not.
pub type FetchRemote<'a> = &'a dyn Fn(&Remote) -> Result<Secret, String>;

/// Loads what a REF names: `file:PATH`, a bare path, or `env:NAME`, `ssm:NAME`, `secret:ID[#key]`
/// for the text itself. Paths in a text that is no file start in the working directory.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load_reference(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    fetch: FetchRemote<'_>,
    unknown_keys: UnknownKeys,
) -> Result<Config, Faults> {
    read_reference(text, env, fetch, &|toml, name, folder| read_text(toml, name, folder, env, unknown_keys))
}

/// Loads `[aws]` alone of what a REF names, as [`load_reference`]: what is wrong elsewhere does not
/// matter, as long as all files can be read.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load_aws(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    fetch: FetchRemote<'_>,
    unknown_keys: UnknownKeys,
) -> Result<Aws, Faults> {
    read_reference(text, env, fetch, &|toml, name, folder| {
        let doc = Doc::new(name, folder, Some(env), unknown_keys);
        let Some(root) = include::gather(&doc, toml) else { return Err(doc.told().0) };
        let aws = sections::aws(doc.root(&root).table("aws"));
        endpoints_of_the_environment(&doc);
        let of_aws = |key: &str| key == "aws" || key.starts_with("aws.") || key.starts_with("AWS_");
        let faults = doc.told().0.about(of_aws);
        if faults.is_empty() { Ok(aws) } else { Err(faults) }
    })
}

/// What is read out of a text of this name, whose paths start in this folder.
type Read<'a, T> = &'a dyn Fn(&str, &Path, &Path) -> Result<T, Faults>;

fn read_reference<T>(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    fetch: FetchRemote<'_>,
    read: Read<'_, T>,
) -> Result<T, Faults> {
    let name = Path::new(text);
    let parse = |toml: &str| read(toml, name, Path::new(""));
    match value::reference(text) {
        Ok(Reference::File(path)) => read(&text_of(&path)?, &path, path.parent().unwrap_or(Path::new(""))),
        Ok(Reference::Env(variable)) => match env(&variable) {
            Some(toml) => parse(&toml),
            None => Err(whole(name, "this environment variable is not set".to_owned())),
        },
        Ok(Reference::Remote(remote)) => {
            // They are about to be called.
            let doc = Doc::new(name, Path::new(""), Some(env), UnknownKeys::Refuse);
            endpoints_of_the_environment(&doc);
            let (faults, _told_again_with_the_rest) = doc.told();
            if !faults.is_empty() {
                return Err(faults);
            }
            let toml = fetch(&remote).map_err(|why| whole(name, format!("cannot be read: {why}")))?;
            parse(toml.expose())
        }
        Err(why) => Err(whole(name, why.into_owned())),
    }
}

/// Loads a file. Paths in it are relative to it; `env` is the environment.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>, unknown_keys: UnknownKeys) -> Result<Config, Faults> {
    parse(&text_of(path)?, path, env, unknown_keys)
}

fn text_of(path: &Path) -> Result<String, Faults> {
    file::read_any(path).map_err(|why| whole(path, format!("cannot be read: {why}")))
}

/// Parses a configuration. `path` is its name in messages, and relative paths start beside it.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn parse(
    text: &str,
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    unknown_keys: UnknownKeys,
) -> Result<Config, Faults> {
    read_text(text, path, path.parent().unwrap_or(Path::new("")), env, unknown_keys)
}

fn read_text(
    text: &str,
    name: &Path,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    unknown_keys: UnknownKeys,
) -> Result<Config, Faults> {
    let doc = Doc::new(name, folder, Some(env), unknown_keys);
    let root = include::gather(&doc, text);
    let config = root.as_ref().map(|root| read(&doc, root));
    let (faults, warnings) = doc.told();
    match config {
        Some(mut config) if faults.is_empty() => {
            config.warnings = warnings.iter().map(Fault::to_string).collect();
            Ok(config)
        }
        _ => Err(faults),
    }
}

fn whole(path: &Path, message: String) -> Faults {
    // What has lines is no path but the configuration itself, with all that is in it.
    let file = Some(path.display().to_string()).filter(|path| !path.contains('\n'));
    let file = file.unwrap_or_else(|| "the configuration".to_owned());
    Faults::new(vec![(Place::WHOLE, Fault { file, line: None, key: String::new(), message })])
}

fn read<'a>(doc: &'a Doc<'a>, root: &'a Node) -> Config {
    let mut root = doc.root(root);
    let _gathered = root.take("include");
    let (credentials, password_duration) = sections::credentials(root.table("credentials"));
    let entries = root.table("connections").names();
    let user_entries = root.table("users").names();
    let specs_place = root.take("specs");
    let specs = specs_place
        .as_ref()
        .map(|place| specs::specs(place.table("specs"), password_duration));
    for (key, is_empty) in [("connections", entries.is_empty() && specs.is_none()), ("users", user_entries.is_empty())]
    {
        if is_empty {
            doc.warn(Place::WHOLE, key, format_args!("there are no {key}: nobody can log in"));
        }
    }
    // Behind a fault any name may be one of the table's.
    let elsewhere = specs.as_ref().map_or_else(Vec::new, |specs| {
        specs
            .as_ref()
            .map_or_else(|| vec!["*".to_owned()], |specs| specs.bounds.conn_ids.clone())
    });
    let known = users::Known::new(entries.iter().map(|entry| entry.name.clone()), elsewhere);
    let (listen, entrance) = listen::listen(root.table("listen"));
    endpoints_of_the_environment(doc);
    let groups = users::groups(&root.table("groups").names(), &known);
    let (users, any_user) = users::users(&user_entries, &known, &groups, entrance);
    let connections = connection::connections(&entries, password_duration);
    listen::check_ports(&connections, &entries, &listen, entrance);
    let mut addresses = listen
        .addresses
        .iter()
        .copied()
        .chain(connections.values().filter_map(|spec| spec.listen));
    let is_local = addresses.all(|address| address.ip().is_loopback());
    users::warn_of_odd_ones(&users, any_user.as_ref(), &user_entries, is_local);
    users::check_per_user(&users, any_user.as_ref(), &user_entries, &connections, &entries);
    let config = Config {
        users,
        any_user: any_user.map(Arc::new),
        listen,
        log: sections::log(root.table("log")),
        aws: sections::aws(root.table("aws")),
        upstream: sections::upstream(root.table("upstream")),
        limits: sections::limits(root.table("limits")),
        credentials,
        connections,
        specs: specs.flatten(),
        warnings: Vec::new(),
    };
    root.finish();
    config
}

/// What the AWS SDK reads by itself is held to the rules of `aws.endpoint_url`.
fn endpoints_of_the_environment(doc: &Doc<'_>) {
    // The last two are where a profile of IAM Identity Center has its keys from.
    let services =
        ["", "_REDSHIFT_SERVERLESS", "_REDSHIFT", "_SSM", "_STS", "_SECRETS_MANAGER", "_DYNAMODB", "_SSO", "_SSO_OIDC"];
    for service in services {
        let name = format!("AWS_ENDPOINT_URL{service}");
        match doc
            .env
            .and_then(|env| env(&name))
            .map(|url| value::endpoint_url(&url))
        {
            None => {}
            Some(Ok(_)) => doc.warn(Place::WHOLE, &name, "this environment variable has AWS called at another address"),
            Some(Err(message)) => doc.fault(Place::WHOLE, &name, format_args!("(environment) {message}")),
        }
    }
}

/// Everything proxy.toml says: every value typed, defaults applied, cross-checks done.
#[derive(Debug)]
pub struct Config {
    /// `[listen]`
    pub listen: Listen,
    /// `[log]`
    pub log: Log,
    /// `[aws]`
    pub aws: Aws,
    /// `[upstream]`
    pub upstream: Upstream,
    /// `[limits]`
    pub limits: Limits,
    /// `[credentials]`
    pub credentials: Credentials,
    /// `[connections.*]`
    pub connections: BTreeMap<ConnId, Arc<ConnSpec>>,
    /// `[specs]`; `None`: the file's own connections are all there are.
    pub specs: Option<SpecsTable>,
    /// `[users.*]` by name, each with an entry of its own.
    pub users: BTreeMap<String, Arc<User>>,
    /// `[users."*"]`: whoever has none. `None`: they are strangers.
    pub any_user: Option<Arc<AnyUser>>,
    /// What is odd but no fault, each as `FILE:LINE: KEY: what`; to be logged once at start.
    pub warnings: Vec<String>,
}

impl Config {
    /// Who has a name. Where `users."*"` has an SSM path, that is for AWS to say of other names.
    /// Nobody has a name with `~`.
    #[must_use]
    pub fn holder(&self, name: &str) -> Option<Holder> {
        match self.users.get(name) {
            Some(rights) => Some(Holder::own(rights)),
            None if name.contains(BEFORE_CONN_ID) => None,
            None => self.any_user.as_ref().map(|any| Holder::any(&any.rights)),
        }
    }

    /// All holders by name; the last may be any other (`None`).
    pub fn holders(&self) -> impl Iterator<Item = (Option<&str>, Holder)> {
        let own = self
            .users
            .iter()
            .map(|(name, rights)| (Some(name.as_str()), Holder::own(rights)));
        own.chain(
            self.any_user
                .iter()
                .map(|any| (None, Holder::any(&any.rights))),
        )
    }
}

/// `[log]`
#[derive(Debug)]
pub struct Log {
    /// How lines are written to stderr.
    pub format: LogFormat,
    /// Least severe level written; `RUST_LOG` wins over it.
    pub level: LogLevel,
}

/// `log.format`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// `log.level`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// `[aws]`
#[derive(Debug)]
pub struct Aws {
    /// `None`: the SDK's chain decides.
    pub region: Option<String>,
    /// Replaces the endpoint of every service but those that have an `AWS_ENDPOINT_URL_<SERVICE>`.
    pub endpoint_url: Option<String>,
}

/// `[upstream]`
#[derive(Debug)]
pub struct Upstream {
    /// Who may vouch for a warehouse, where its connection does not say.
    pub ca: Ca,
    /// DNS + TCP, each address.
    pub connect_timeout: Duration,
    /// The TLS handshake.
    pub tls_timeout: Duration,
    /// First dial to ReadyForQuery, redials included.
    pub login_timeout: Duration,
    /// TCP keepalive on both sides. `None`: off (written `0`).
    pub keepalive: Option<Duration>,
}

/// `upstream.ca` and `connections.*.ca`
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Ca {
    /// Amazon Root CA 1–4 and Starfield G2, built in.
    Aws,
    /// The operating system's.
    System,
    /// A PEM bundle; the file's text, read at load and known to hold at least one certificate.
    File {
        /// Where it was read, for messages.
        path: PathBuf,
        /// Its text.
        pem: Arc<str>,
    },
}

/// `[limits]`
#[derive(Debug)]
pub struct Limits {
    /// Authenticated sessions; at least 1.
    pub max_sessions: usize,
    /// Clients not yet authenticated; at least 1.
    pub max_handshakes: usize,
    /// Those of one address; 0: no cap.
    pub max_handshakes_per_address: usize,
    /// Accept to authenticated.
    pub startup_timeout: Duration,
    /// No bytes either way, outside a transaction; `None`: off.
    pub idle_timeout: Option<Duration>,
    /// Ready to the first idle moment after so long; `None`: off.
    pub session_lifetime: Option<Duration>,
    /// On SIGTERM: still accepting for so long.
    pub drain_delay: Duration,
    /// Then sessions still busy are closed too.
    pub drain_timeout: Duration,
    /// Those that guess.
    pub bans: BanLimits,
}

/// `limits.ban_*`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BanLimits {
    /// Finished wrong proofs of one (address, user) within the window; of one address over all
    /// users, ten times as many. 0: off.
    pub after: usize,
    /// How far apart the first and the last of them may be.
    pub window: Duration,
    /// How long the next ones are refused.
    pub time: Duration,
    /// Whom nothing is counted of.
    pub exempt: Vec<IpNet>,
}

/// `[credentials]`
#[derive(Debug)]
pub struct Credentials {
    /// A login with less life left is not used; capped at a quarter of the life asked for.
    pub refresh_margin: Duration,
    /// First memory of a refusal by AWS; it doubles up to five minutes.
    pub negative_ttl: Duration,
    /// One credential flight, its retries included.
    pub timeout: Duration,
}

/// `[specs]`: lava's own table as a second source of connections.
#[derive(Clone, Debug)]
pub struct SpecsTable {
    /// Its name.
    pub dynamodb_table: String,
    /// How long an item is believed.
    pub refresh: Duration,
    /// For items that do not say: `credentials.password_duration`.
    pub password_duration: Duration,
    /// What its writers may say.
    pub bounds: Arc<Bounds>,
}
