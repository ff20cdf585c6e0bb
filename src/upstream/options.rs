//! The startup parameter `options`: a command line for the server, which holds settings too.
//!
//! Read as the server does (pg_split_opts in postinit.c, process_postgres_switches in postgres.c).
//! Where a connection has no rules of its own this only helps clients whose settings Redshift does
//! not know: words that are not understood are passed on, for the server to judge. Where it has
//! rules, only words that can be read in one way are passed on.

/// The treatment of words that are no settings.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Others {
    /// Words that are no settings stay as they are.
    Kept,
    /// Words that are no settings are dropped: some switches set parameters by another name (`-S`,
    /// `-e`), some take the next word, and which do so differs between versions of the server.
    Dropped,
}

/// Rewrites `options`: `judge` gets each setting and returns its value, or `None` to drop it. All
/// else stays as it was sent. `None`: nothing is left.
pub(super) fn rewrite(
    options: &str,
    others: Others,
    mut judge: impl FnMut(&str, &str) -> Option<String>,
) -> Option<String> {
    let mut kept = Vec::new();
    let mut is_untouched = true;
    for Argument { raw, setting } in arguments(options) {
        let is_clear = others == Others::Kept || (setting.is_some() && !is_ambiguous(&raw));
        let judged = setting
            .filter(|_| is_clear)
            .map(|(name, value)| (judge(&name, &value), name, value));
        match judged {
            None if !is_clear => is_untouched = false,
            Some((None, ..)) => is_untouched = false,
            Some((Some(judged), name, value)) if judged != value => {
                is_untouched = false;
                kept.push(format!("-c {name}={}", escape(&judged)));
            }
            _ => kept.push(raw),
        }
    }
    if is_untouched {
        return Some(options.to_owned());
    }
    (!kept.is_empty()).then(|| kept.join(" "))
}

/// The value of a setting in `options`. Its name is compared without regard to case, and the last
/// one counts.
pub(super) fn value_of(options: &str, wanted: &str) -> Option<String> {
    let settings = arguments(options)
        .into_iter()
        .rev()
        .filter_map(|argument| argument.setting);
    settings
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value)
}

/// Whether servers differ in how they read a word. Those before PostgreSQL 9.5, as Redshift may be,
/// know no backslash: to them an escaped blank ends a word, and a setting may follow it.
fn is_ambiguous(raw: &str) -> bool {
    raw.split(is_space)
        .skip(1)
        .any(|piece| piece.starts_with('-'))
}

/// A switch of the command line, or a word that is none.
struct Argument {
    /// The text as it was sent.
    raw: String,
    /// Name and value, where it is a setting.
    setting: Option<(String, String)>,
}

/// Reads the switches. Settings are `-c name=value`, `-cname=value` and `--name=value`.
fn arguments(options: &str) -> Vec<Argument> {
    let mut arguments = Vec::new();
    let mut words = words(options).into_iter();
    while let Some((raw, text)) = words.next() {
        let (raw, assignment) = match (text.strip_prefix("--"), text.strip_prefix("-c")) {
            (None, Some("")) => match words.next() {
                Some((value_raw, value)) => (format!("{raw} {value_raw}"), Some(value)),
                None => (raw.to_owned(), None),
            },
            (Some(assignment), _) | (None, Some(assignment)) => (raw.to_owned(), Some(assignment.to_owned())),
            (None, None) => (raw.to_owned(), None),
        };
        let setting = assignment.as_deref().and_then(|text| text.split_once('='));
        // ParseLongOption (guc.c): dashes in names stand for underscores.
        let setting = setting.map(|(name, value)| (name.replace('-', "_"), value.to_owned()));
        arguments.push(Argument { raw, setting });
    }
    arguments
}

/// The words between white space, each as it was sent and as the server reads it: a backslash takes
/// the next character as it is.
fn words(options: &str) -> Vec<(&str, String)> {
    let mut words = Vec::new();
    let mut rest = options.trim_start_matches(is_space);
    while !rest.is_empty() {
        let (mut text, mut is_escaped, mut end) = (String::new(), false, rest.len());
        for (at, character) in rest.char_indices() {
            if is_space(character) && !is_escaped {
                end = at;
                break;
            }
            is_escaped = character == '\\' && !is_escaped;
            if !is_escaped {
                text.push(character);
            }
        }
        let (raw, after) = rest.split_at(end);
        words.push((raw, text));
        rest = after.trim_start_matches(is_space);
    }
    words
}

fn escape(value: &str) -> String {
    let mut escaped = String::new();
    for character in value.chars() {
        if is_space(character) || character == '\\' {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Whether C's `isspace` takes the character for white space.
fn is_space(character: char) -> bool {
    character.is_ascii_whitespace() || character == '\x0b'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seeded::cases;

    /// Drops `drop`, makes `change_it` `a b\`, keeps the rest.
    fn rewritten(options: &str) -> Option<String> {
        rewrite(options, Others::Kept, |name, value| match name {
            "drop_it" => None,
            "change_it" => Some("a b\\".into()),
            _ => Some(value.into()),
        })
    }

    /// Drops `drop_it` and all words that are no settings.
    fn settings(options: &str) -> Option<String> {
        rewrite(options, Others::Dropped, |name, value| (!name.eq_ignore_ascii_case("drop_it")).then(|| value.into()))
    }

    #[test]
    fn settings_are_found_in_every_form() {
        for options in ["-c drop_it=1", "-cdrop_it=1", "--drop-it=1", " -c\t drop_it=a\\ b ", "--drop_it="] {
            assert_eq!(rewritten(options), None, "{options:?}");
            assert_eq!(rewritten(&format!("-c x=1 {options}   --y=2")).unwrap(), "-c x=1 --y=2");
        }
        assert_eq!(rewritten("-c x=a\\ b --change-it=1 -e").unwrap(), "-c x=a\\ b -c change_it=a\\ b\\\\ -e");
    }

    #[test]
    fn options_that_need_no_change_stay_byte_for_byte() {
        for options in ["", "  ", "-c", "-c x", "--", "-d 5", " -c  search_path=a\\ b\t--x=1 ", "drop_it=1", "\\", "ü="]
        {
            assert_eq!(rewritten(options).as_deref(), Some(options));
        }
    }

    #[test]
    fn settings_are_looked_up_in_any_case_and_the_last_counts() {
        assert_eq!(value_of("-c x=1 --Client-Encoding=LATIN1", "client_encoding").as_deref(), Some("LATIN1"));
        assert_eq!(value_of("-c x=1 -cx=a\\ b -dX=2", "x").as_deref(), Some("a b"));
        assert_eq!(value_of("-c x=client_encoding", "client_encoding"), None);
    }

    #[test]
    fn words_that_are_no_settings_are_dropped_on_request() {
        for (options, want) in [
            ("-c x=1 --y=a\\ b", Some("-c x=1 --y=a\\ b")),
            ("-e -c x=1 -d 5 -S 100", Some("-c x=1")),
            ("-c x=1 -- -c drop_it=1", Some("-c x=1")),
            // A switch that takes the next word would hide what follows.
            ("-d -c -cdrop_it=1 -c x=1", Some("-c x=1")),
            ("-ec drop_it=1", None),
            ("-e-drop_it=1", None),
            ("-c x=a\\ -cdrop_it=1", None),
            ("--x=a\\ --drop-it=1", None),
            ("-c =1", Some("-c =1")),
            ("-c x", None),
        ] {
            assert_eq!(settings(options).as_deref(), want, "{options}");
        }
    }

    /// CVE-2026-107349: an empty name was looped over for ever.
    #[test]
    fn cve_2026_107349_empty_names_come_to_an_end() {
        for options in ["-c =", "--=", "-c=", "-c", "--", "-", "-c = -c = --= -c", "-c\\", "\\", " \\ \\ ", "="] {
            let long = format!("{options} ").repeat(5000);
            for options in [options, &long] {
                rewritten(options);
                settings(options);
                assert_eq!(value_of(options, "x"), None);
            }
        }
    }

    /// A server's reading: names and values of what is set. `None`: the session ends.
    fn read(options: &str, knows_backslash: bool, takes_next: &str) -> Option<Vec<(String, String)>> {
        let split: Vec<String> = if knows_backslash {
            words(options).into_iter().map(|(_, text)| text).collect()
        } else {
            options
                .split(is_space)
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let (mut set, mut split) = (Vec::new(), split.into_iter());
        while let Some(word) = split.next() {
            let mut switches = word
                .strip_prefix('-')
                .filter(|rest| !rest.is_empty())?
                .chars();
            if word == "--" {
                return split.next().is_none().then_some(set);
            }
            while let Some(switch) = switches.next() {
                if !takes_next.contains(switch) {
                    continue;
                }
                let rest: String = switches.by_ref().collect();
                let argument = if rest.is_empty() { split.next()? } else { rest };
                match switch {
                    'c' | '-' => {
                        let (name, value) = argument.split_once('=')?;
                        set.push((name.replace('-', "_").to_ascii_lowercase(), value.to_owned()));
                    }
                    'S' => set.push(("work_mem".into(), argument)),
                    _ => {}
                }
            }
        }
        Some(set)
    }

    const WORDS: &[&str] = &[
        "-c",
        "-cx=1",
        "--x=1",
        "x=1",
        "-cDROP_IT=1",
        "--drop-it=1",
        "drop_it=1",
        "-d",
        "-S",
        "-e",
        "-o",
        "-ec",
        "100",
        "--",
        "-",
        "=",
        "\\",
    ];
    const BETWEEN: &[&str] = &[" ", " ", "\t", "\\ ", "\\\t", "\\\\ ", ""];

    proptest! {
        #![proptest_config(cases(2000))]

        /// A dropped setting is not set, whichever server reads the rest: PostgreSQL's switches
        /// of today, and of 8.0.
        #[test]
        fn a_dropped_setting_is_dropped_however_a_server_reads_options(
            words in prop::collection::vec((prop::sample::select(WORDS), prop::sample::select(BETWEEN)), 0..8),
        ) {
            let options = words.into_iter().flat_map(|(word, between)| [word, between]).collect::<String>();
            let left = settings(&options).unwrap_or_default();
            for (knows_backslash, takes_next) in [
                (true, "BcCDdfhkNprStvW-"),
                (false, "ABcDdfopStvWx-"),
            ] {
                let set = read(&left, knows_backslash, takes_next).unwrap_or_default();
                let is_dropped = |(name, _): &(String, String)| name == "drop_it" || name == "work_mem";
                prop_assert!(!set.iter().any(is_dropped), "{options:?} {left:?} {set:?}");
            }
        }

        #[test]
        fn anything_comes_to_an_end(options in "\\PC{0,200}", words in "[-c =\\\\x_\t]{0,200}") {
            for options in [options, words] {
                rewritten(&options);
                prop_assert!(settings(&options).is_none_or(|left| left.len() <= options.len()));
            }
        }
    }
}
