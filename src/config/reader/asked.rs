//! The keys that a load asks for. docs/settings.md and proxy.toml promise every key: they are held
//! to these.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use crate::config::{self, UnknownKeys};

const SETTINGS: &str = include_str!("../../../docs/settings.md");
const SAMPLE: &str = include_str!("../../../proxy.toml");

/// Keys that the pages need not list: a connection's name is that of its table.
const NOT_LISTED: [&str; 1] = ["connections.*.conn_id"];

/// The table whose keys are shown in braces, beside its name.
const IN_BRACES: &str = "connections.*.startup_parameters.";

/// Keys that are listed and never asked for: lava's extensions, which are ignored.
const IGNORED: &str = "connections.*.x-*";

/// Tables whose keys are names that the file chose.
const OF_NAMES: [&str; 3] = ["connections.", "groups.", "users."];

thread_local! {
    static ASKED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Takes note that a table was asked for a key, be it there or not.
pub(super) fn note(key: String) {
    ASKED.with_borrow_mut(|asked| asked.insert(key));
}

/// The keys that a load asks for, with `*` for names. Those of tables are left out.
fn asked() -> BTreeSet<String> {
    ASKED.take();
    for kind in ["redshift-serverless", "redshift"] {
        let text = format!("[specs]\n[connections.n]\ntype = \"{kind}\"\n[groups.n]\n[users.n]\n");
        // What is missing is reported, and the reader goes on.
        let _problems = config::parse(&text, Path::new("p"), &|_| None, UnknownKeys::Refuse);
    }
    let all: Vec<_> = ASKED
        .take()
        .iter()
        .map(|key| key.replace(".n.", ".*."))
        .filter(|key| !key.starts_with(IN_BRACES))
        .collect();
    let is_table = |key: &str| {
        all.iter()
            .any(|other| other.starts_with(&format!("{key}.")))
            || OF_NAMES.contains(&&*format!("{key}."))
    };
    let keys = all
        .iter()
        .filter(|key| !is_table(key) && !NOT_LISTED.contains(&key.as_str()));
    keys.cloned().collect()
}

/// The keys in the table of docs/settings.md: a section or a part of it, and the keys behind it.
fn of_settings() -> BTreeSet<String> {
    let (mut keys, mut section) = (BTreeSet::new(), String::new());
    for row in SETTINGS.lines().filter(|line| line.starts_with("| ")) {
        section.clear();
        for word in row.split('`').skip(1).step_by(2) {
            match word
                .strip_prefix('[')
                .and_then(|word| word.strip_suffix(']'))
            {
                Some(name) => section = format!("{name}."),
                None => {
                    keys.insert(format!("{section}{word}"));
                }
            }
        }
    }
    keys
}

/// The keys of proxy.toml, those in its comments included.
fn of_sample() -> BTreeSet<String> {
    let (mut keys, mut section) = (BTreeSet::new(), String::new());
    // The first paragraphs explain the marks of the others.
    let (_, shown) = SAMPLE.split_once("\n\n").expect("an empty line");
    for line in shown.lines() {
        let line = line.trim_start_matches(['#', ':', ' ']);
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            let of_names = OF_NAMES
                .iter()
                .find(|of_names| name.starts_with(**of_names));
            section = of_names.map_or_else(|| format!("{name}."), |of_names| format!("{of_names}*."));
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        {
            keys.insert(format!("{section}{key}"));
        }
    }
    keys
}

#[test]
fn the_settings_page_lists_every_key_that_is_read() {
    let mut listed = of_settings();
    assert!(listed.remove(IGNORED));
    assert_eq!(listed, asked());
}

#[test]
fn the_sample_shows_every_key_that_is_read() {
    assert_eq!(of_sample(), asked());
}
