//! `[admin]`

use std::collections::HashSet;
use std::net::SocketAddr;

use ipnet::IpNet;
use thiserror::Error;

use crate::config::disguise::without_newline;
use crate::config::material::Material;
use crate::config::reader::{Table, Value};
use crate::config::value::{self, Parsed};

/// The fewest characters of `admin.token`: what a generator gives for 96 bits in base64.
const SHORTEST_TOKEN: usize = 16;

/// The fewest different characters of `admin.token`. Of ten thousand random tokens of 16 digits, less
/// than one has fewer.
const FEWEST_DIFFERENT: usize = 5;

/// The most characters of `admin.token`: more of them would crowd out the rest of a request's head.
const LONGEST_TOKEN: usize = 1024;

/// The message where a bare path leads to no file.
const ABSENT: &str =
    "no such file: the token itself never stands here; put in where it is kept (file:, env:, ssm: or secret:)";

/// The keys of `[admin]`: the HTTP addresses, and who may use the console.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The address of `/status.json`, `/metrics`, the probes and the actions.
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
    if health_address.is_some_and(|health: SocketAddr| health.port() != 0 && Some(health) == address) {
        table.report("health_address", "is admin.address too: each has a port of its own");
    }
    let token = table
        .take("token")
        .map(|token| token.secretly_referenced(ABSENT, usable));
    match address.filter(|address| !address.ip().is_loopback()) {
        Some(_) if token.is_none() => {
            table.warn(
                "token",
                "is missing, and address is not loopback: no data is served there, and no action is taken",
            );
        }
        Some(_) => table.warn(
            "address",
            "is not loopback, and the token crosses the network in clear text: put TLS or a tunnel in front",
        ),
        None => {}
    }
    let mut names = |key| users(table.take(key).as_ref(), &has_user);
    let (users, stats_users) = (names("users"), names("stats_users"));
    let console_from = table.take("console_from");
    let console_from = console_from.map_or_else(loopback, |networks| networks.texts(value::network));
    let watch = table
        .take("watch")
        .and_then(|watch| watch.bool())
        .unwrap_or(false);
    table.finish();
    Admin { address, health_address, token: token.flatten(), users, stats_users, console_from, watch }
}

/// Checks the text of a token.
fn usable(text: &str) -> Parsed<()> {
    usable_token(text)
        .map(drop)
        .map_err(|why| why.to_string().into())
}

/// Why a text cannot be the admin token, in words that hold nothing of it.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadToken {
    /// The token is so short that it can be guessed.
    #[error("must be at least {SHORTEST_TOKEN} characters, such as those of `openssl rand -base64 24`")]
    Short,
    /// The token repeats so few characters that it can be guessed.
    #[error("must have at least {FEWEST_DIFFERENT} different characters, as those of `openssl rand -base64 24` do")]
    Repetitive,
    /// The token is longer than a request's head has room for.
    #[error("must be at most {LONGEST_TOKEN} characters")]
    Long,
    /// The token has characters that no header can hold, or that programs cut off.
    #[error("must be visible characters of ASCII without blanks: it is sent in a header")]
    Invisible,
}

/// Reads a token out of the text that a reference led to, without the one newline that editors and
/// `echo` leave behind.
///
/// # Errors
/// See [`BadToken`].
pub(crate) fn usable_token(text: &str) -> Result<&str, BadToken> {
    let token = without_newline(text);
    if token.chars().count() < SHORTEST_TOKEN {
        Err(BadToken::Short)
    } else if token.len() > LONGEST_TOKEN {
        Err(BadToken::Long)
    } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err(BadToken::Invisible)
    } else if token.bytes().collect::<HashSet<_>>().len() < FEWEST_DIFFERENT {
        Err(BadToken::Repetitive)
    } else {
        Ok(token)
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
