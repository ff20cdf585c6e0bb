//! The lines about operators and the configuration: `admin action`, `config changed`, `reload
//! refused`. Whoever does such a thing writes its line here, so that all of a kind are alike.

use tracing::{info, warn};

use super::action::{Channel, Operator, ReloadRefused, Reloaded};

/// The longest text that a line takes over from an operator, in characters.
const MAX_TEXT: usize = 1000;

/// The most lines about single problems or warnings of one configuration.
const MAX_LINES: usize = 100;

/// Logs what an operator has asked for and what came of it. `action` is the command as the console
/// spells it, such as `KILL USER "ann"`; `outcome` is `ok`, a number such as `3 sessions`, or an
/// error.
pub(crate) fn admin_action(by: &Operator, action: &str, outcome: &str) {
    info!(
        user = by.name.as_str(),
        client_addr = by.from.map(|from| from.to_canonical().to_string()),
        channel = by.channel.name(),
        action = cut(action).as_str(),
        outcome = cut(outcome).as_str(),
        "admin action"
    );
}

/// Logs a configuration that was put in force, and what is odd about it.
pub(crate) fn config_changed(reloaded: &Reloaded) {
    let Reloaded { hash_before, hash, needs_restart, ended, warnings } = reloaded;
    let needs_restart: Vec<_> = needs_restart
        .iter()
        .map(|key| format!("{}: {} -> {}", key.key, key.old, key.new))
        .collect();
    info!(
        file = "proxy.toml",
        hash_before = hash_before.as_str(),
        hash = hash.as_str(),
        needs_restart = needs_restart.join("; ").as_str(),
        ended,
        warnings = warnings.len(),
        "config changed"
    );
    config_warnings(warnings);
}

/// Logs what is odd about a configuration and no problem, a line for each.
pub(crate) fn config_warnings(warnings: &[String]) {
    for warning in warnings.iter().take(MAX_LINES) {
        warn!(event = "config warning", "{warning}");
    }
}

/// Logs a reload that changed nothing: a line for each problem, and one that counts them.
pub(crate) fn reload_refused(refused: &ReloadRefused) {
    for problem in refused.problems.iter().take(MAX_LINES) {
        warn!(event = "config problem", "{problem}");
    }
    warn!(
        event = "reload refused",
        problems = refused.problems.len(),
        "reload refused: the configuration stays as it was"
    );
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

impl Channel {
    /// The name of the channel in the log and in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Console => "console",
            Self::Http => "http",
            Self::Watch => "watch",
        }
    }
}
