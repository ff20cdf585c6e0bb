//! What the tests of warnings about users share.

use std::path::Path;

use crate::config::{UnknownKeys, parse};

/// The warnings of a configuration that has one connection besides, named `x`. The variable `PW`
/// holds a password.
pub(super) fn warnings(text: &str) -> Vec<String> {
    let env = |name: &str| (name == "PW").then(|| "env-password".to_owned());
    let connection = "[connections.x]\ntype = \"redshift-serverless\"\nworkgroup = \"abc\"\ndatabase = \"dev\"\n";
    let config = parse(&format!("{text}\n{connection}"), Path::new("p"), &env, UnknownKeys::Refuse);
    config
        .unwrap_or_else(|problems| panic!("{problems}"))
        .warnings
}

/// How many of those warnings have this text in them.
pub(super) fn told(text: &str, part: &str) -> usize {
    warnings(text)
        .iter()
        .filter(|warning| warning.contains(part))
        .count()
}
