//! The lines about operators and the configuration: `admin action`, `config changed`, `reload
//! refused`. Whoever does such a thing writes its line here, so that all of a kind are alike. They
//! are of [`AUDIT`], and so written at every level.

use tracing::{info, warn};

use super::action::{Channel, Operator, ReloadRefused, Reloaded};
use crate::telemetry::AUDIT;

/// The longest text that a line takes over from an operator, in characters.
const MAX_TEXT: usize = 1000;

/// The most lines about single problems or warnings of one configuration.
const MAX_LINES: usize = 100;

/// Logs what an operator has asked for and what came of it. `action` is the command as the console
/// spells it, such as `KILL USER "ann"`; `outcome` is `ok`, a number such as `3 sessions`, or an
/// error.
pub(crate) fn admin_action(by: &Operator, action: &str, outcome: &str) {
    info!(
        target: AUDIT,
        user = by.name.as_str(),
        client_addr = by.from.map(|from| from.to_canonical().to_string()),
        channel = by.channel.name(),
        action = cut(action).as_str(),
        outcome = cut(outcome).as_str(),
        "admin action"
    );
}

/// Logs a configuration that was put in force, if it differs from the one before, and what is odd
/// about it.
pub(crate) fn config_changed(reloaded: &Reloaded) {
    let Reloaded { hash_before, hash, changed, needs_restart, ended, warnings } = reloaded;
    let needs_restart: Vec<_> = needs_restart
        .iter()
        .map(|key| format!("{}: {} -> {}", key.key, key.old, key.new))
        .collect();
    if reloaded.is_of_change() {
        info!(
            target: AUDIT,
            file = "proxy.toml",
            hash_before = hash_before.as_str(),
            hash = hash.as_str(),
            changed = shortened(changed).as_str(),
            needs_restart = needs_restart.join("; ").as_str(),
            ended,
            warnings = warnings.len(),
            "config changed"
        );
    }
    config_warnings(warnings);
}

/// Logs what is odd about a configuration and no problem, a line for each.
pub(crate) fn config_warnings(warnings: &[String]) {
    let (told, left_out) = told(warnings);
    for warning in told {
        warn!(event = "config warning", "{warning}");
    }
    if left_out.is_some() {
        warn!(event = "config warning", left_out, "there are more warnings: check lists them all");
    }
}

/// Logs a reload that changed nothing: a line for each problem, and one that counts them.
pub(crate) fn reload_refused(refused: &ReloadRefused) {
    let (told, left_out) = told(&refused.problems);
    for problem in told {
        warn!(event = "config problem", "{problem}");
    }
    if left_out.is_some() {
        warn!(event = "config problem", left_out, "there are more problems: check lists them all");
    }
    warn!(
        target: AUDIT,
        event = "reload refused",
        problems = refused.problems.len(),
        "reload refused: the configuration stays as it was"
    );
}

/// These keys in one text, the first hundred of them.
fn shortened(keys: &[String]) -> String {
    match told(keys) {
        (told, None) => told.join(", "),
        (told, Some(left_out)) => format!("{} and {left_out} more", told.join(", ")),
    }
}

/// The texts that have a line each, and how many are left out, if any are.
fn told(texts: &[String]) -> (&[String], Option<usize>) {
    match texts.split_at_checked(MAX_LINES) {
        Some((told, rest)) if !rest.is_empty() => (told, Some(rest.len())),
        _ => (texts, None),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_with_thousands_of_problems_has_a_hundred_lines_and_a_count() {
        let texts: Vec<_> = (0..5000).map(|number| number.to_string()).collect();
        for (problems, expected) in
            [(0, (0, None)), (100, (100, None)), (101, (100, Some(1))), (5000, (100, Some(4900)))]
        {
            let (told, left_out) = told(&texts[..problems]);
            assert_eq!((told.len(), left_out), expected);
        }
    }
}
