//! `[admin]`

use std::net::SocketAddr;

use ipnet::IpNet;

use crate::config::disguise::without_newline;
use crate::config::material::Material;
use crate::config::reader::{Table, Value};
use crate::config::value::{self, Parsed};

/// The fewest characters of `admin.token`: what a generator gives for 96 bits in base64.
const SHORTEST_TOKEN: usize = 16;

/// The keys of `[admin]`: the HTTP addresses, and who may use the console.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The address of the status page, `/status.json`, `/metrics`, the probes and the actions.
    /// `None`: off.
    pub address: Option<SocketAddr>,
    /// The address of the probes and `/metrics` alone, without a token. `None`: off.
    pub health_address: Option<SocketAddr>,
    /// The bearer token of every POST, and of every GET of data off loopback. `None`: no POST.
    pub token: Option<Material>,
    /// The users who may use the whole console; each has an entry of its own.
    pub users: Vec<String>,
    /// The users who may use the console's SHOW; each has an entry of its own.
    pub stats_users: Vec<String>,
    /// The networks that the console may be used from.
    pub console_from: Vec<IpNet>,
    /// Whether the configuration is read again when one of its files changes.
    pub watch: bool,
}

/// Reads `[admin]`. `has_user` tells whether a name has an entry of its own in `[users]`. A refused
/// value is reported and replaced by its default, so that the rest is checked too.
pub(in crate::config) fn admin(mut table: Table<'_>, has_user: impl Fn(&str) -> bool) -> Admin {
    let mut address = |name| {
        table
            .take(name)
            .and_then(|address| address.parse(value::socket_address))
    };
    let (address, health_address) = (address("address"), address("health_address"));
    let token = table
        .take("token")
        .and_then(|token| token.referenced(usable));
    let mut names = |key| users(table.take(key).as_ref(), &has_user);
    let (users, stats_users) = (names("users"), names("stats_users"));
    let console_from = table.take("console_from");
    let console_from = console_from.map_or_else(loopback, |networks| networks.texts(value::network));
    let watch = table
        .take("watch")
        .and_then(|watch| watch.bool())
        .unwrap_or(false);
    table.finish();
    Admin { address, health_address, token, users, stats_users, console_from, watch }
}

/// Refuses a token that can be guessed, or that no header can hold.
fn usable(token: &str) -> Parsed<()> {
    let token = without_newline(token);
    if token.chars().count() < SHORTEST_TOKEN {
        Err(format!("must be at least {SHORTEST_TOKEN} characters, such as those of `openssl rand -base64 24`").into())
    } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err("must be visible characters of ASCII without blanks: it is sent in a header".into())
    } else {
        Ok(())
    }
}

/// Reads a list of users, each of whom has an entry of its own.
fn users(names: Option<&Value<'_>>, has_user: &impl Fn(&str) -> bool) -> Vec<String> {
    let known = |name: &str| match has_user(name) {
        true => Ok(name.to_owned()),
        false => Err(format!("there is no [users.{name}]: the console is for users with an entry of their own").into()),
    };
    names.map_or_else(Vec::new, |names| names.texts(known))
}

/// The networks of this host.
fn loopback() -> Vec<IpNet> {
    ["127.0.0.0/8", "::1/128"]
        .iter()
        .filter_map(|network| network.parse().ok())
        .collect()
}
