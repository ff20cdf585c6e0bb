//! The startup parameter `options`: a command line for the server, which holds settings too.
//!
//! Read as the server does (pg_split_opts in postinit.c, process_postgres_switches in postgres.c). This helps clients
//! whose settings Redshift does not know; it is no barrier: what is not understood is passed on, for the server to judge.

/// `options` with each setting's value as `judge` wants it (`None`: dropped); all else stays as it was sent. `None`:
/// nothing is left.
pub(super) fn mend(options: &str, judge: impl Fn(&str, &str) -> Option<String>) -> Option<String> {
    let mut kept = Vec::new();
    let mut is_untouched = true;
    for Argument { raw, setting } in arguments(options) {
        let judged = setting.map(|(name, value)| (judge(&name, &value), name, value));
        match judged {
            Some((None, ..)) => is_untouched = false,
            Some((Some(mended), name, value)) if mended != value => {
                is_untouched = false;
                kept.push(format!("-c {name}={}", escape(&mended)));
            }
            _ => kept.push(raw),
        }
    }
    if is_untouched {
        return Some(options.to_owned());
    }
    (!kept.is_empty()).then(|| kept.join(" "))
}

/// Whether one of the settings in `options` is `wanted`, in any case.
pub(super) fn names(options: &str, wanted: &str) -> bool {
    arguments(options)
        .iter()
        .any(|argument| argument.setting.as_ref().is_some_and(|(name, _)| name.eq_ignore_ascii_case(wanted)))
}

/// One switch, or a word that is none.
struct Argument {
    /// As sent.
    raw: String,
    /// Name and value, where it is a setting.
    setting: Option<(String, String)>,
}

/// Settings are `-c name=value`, `-cname=value` and `--name=value`.
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

/// The words between white space, as sent and as read: a backslash takes the next character as it is.
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

/// isspace of C.
fn is_space(character: char) -> bool {
    character.is_ascii_whitespace() || character == '\x0b'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drops `drop`, makes `mend` `a b\`, keeps the rest.
    fn mended(options: &str) -> Option<String> {
        mend(options, |name, value| match name {
            "drop_it" => None,
            "mend" => Some("a b\\".into()),
            _ => Some(value.into()),
        })
    }

    #[test]
    fn settings_are_found_in_every_form() {
        for options in ["-c drop_it=1", "-cdrop_it=1", "--drop-it=1", " -c\t drop_it=a\\ b ", "--drop_it="] {
            assert_eq!(mended(options), None, "{options:?}");
            assert_eq!(mended(&format!("-c x=1 {options}   --y=2")).unwrap(), "-c x=1 --y=2");
        }
        assert_eq!(mended("-c x=a\\ b --mend=1 -e").unwrap(), "-c x=a\\ b -c mend=a\\ b\\\\ -e");
    }

    #[test]
    fn what_needs_no_mending_stays_byte_for_byte() {
        for options in ["", "  ", "-c", "-c x", "--", "-d 5", " -c  search_path=a\\ b\t--x=1 ", "drop_it=1", "\\", "ü="]
        {
            assert_eq!(mended(options).as_deref(), Some(options));
        }
    }

    #[test]
    fn names_are_looked_up_in_any_case() {
        assert!(names("-c x=1 --Client-Encoding=LATIN1", "client_encoding"));
        assert!(!names("-c x=client_encoding", "client_encoding"));
    }
}
