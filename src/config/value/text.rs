//! Parsers of text: variables, and names and notes that people read.

use super::Parsed;

/// Puts environment variables in for `${NAME}`, in one pass: the value of a variable is not
/// searched for others.
pub(crate) fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Parsed<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let name = after.split_once('}').filter(|(name, _)| is_variable(name));
        let (name, behind) = name.ok_or("${ must be followed by the name of an environment variable and }")?;
        let value = env(name).ok_or_else(|| format!("environment variable {name} is not set"))?;
        out.push_str(before);
        out.push_str(&value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Checks a name that people read and type: 1–63 bytes, all visible but for blanks within.
pub(crate) fn visible_name(text: &str) -> Parsed<()> {
    visible(text, 63)
}

/// The character that separates the user from the conn_id in a startup message (`USER~CONN_ID`); no
/// user's name holds it.
pub(crate) const BEFORE_CONN_ID: char = '~';

/// Checks the name of a user that can log in.
pub(crate) fn user_name(text: &str) -> Parsed<()> {
    visible_name(text)?;
    if text.contains(BEFORE_CONN_ID) {
        return Err(
            "the name of a user holds no \"~\": in a login it parts the user from a conn_id (USER~CONN_ID)".into()
        );
    }
    Ok(())
}

/// Reads a text for people, such as `description`: at most 1,000 characters, and none that a
/// terminal or a page would obey. The writers of lava's table write it, and others read it.
pub(crate) fn note(text: &str) -> Parsed<String> {
    const LONGEST: usize = 1000;
    let is_hidden = |c: char| c != '\n' && c != '\t' && (c.is_control() || is_formatting(c));
    if text.chars().count() <= LONGEST && !text.contains(is_hidden) {
        return Ok(text.to_owned());
    }
    Err(format!("must be at most {LONGEST} visible characters, in one line or more").into())
}

/// Whether a character shows nothing, or turns the direction of writing.
fn is_formatting(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Checks a text of 1 to `longest` bytes, all visible but for blanks within.
pub(crate) fn visible(text: &str, longest: usize) -> Parsed<()> {
    // Controls, all blanks but the plain one, and what shows nothing or turns the direction of
    // writing.
    let hidden = |c: char| c.is_control() || (c.is_whitespace() && c != ' ') || is_formatting(c);
    if !(1..=longest).contains(&text.len()) {
        Err(format!("a name is 1 to {longest} bytes long").into())
    } else if text.contains(hidden) || text.trim() != text {
        Err("a name is made of visible characters, with no blanks at its ends".into())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in_once() {
        let env = |name: &str| match name {
            "A" => Some("x${B}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, want) in [("", ""), ("$A {A} $", "$A {A} $"), ("${A}", "x${B}"), ("1${A}2${EMPTY}3", "1x${B}23")] {
            assert_eq!(expand(text, &env).as_deref(), Ok(want));
        }
        assert!(
            expand("a${NOPE}", &env)
                .unwrap_err()
                .contains("NOPE is not set")
        );
        for text in ["${", "${}", "${A", "${1}", "${A B}", "${A-x}"] {
            assert!(expand(text, &env).unwrap_err().contains("must be followed"), "{text}");
        }
    }

    #[test]
    fn notes_are_short_and_nothing_obeys_them() {
        for (text, ok) in [
            ("", true),
            ("Sales mart, für alle\nsecond line\t", true),
            ("\u{1b}[2J", false),
            ("a\0", false),
            ("a\u{202e}b", false),
            ("a\r\nb", false),
        ] {
            assert_eq!(note(text).is_ok(), ok, "{text:?}");
        }
        assert!(note(&"ü".repeat(1000)).is_ok() && note(&"ü".repeat(1001)).is_err());
    }

    #[test]
    fn visible_names() {
        for (text, ok) in [
            ("sales", true),
            ("Sales Mart 2", true),
            ("größe", true),
            ("", false),
            (" a", false),
            ("a ", false),
            ("a\tb", false),
            ("a\0", false),
            ("a\u{a0}b", false),
            ("a\u{202e}b", false),
        ] {
            assert_eq!(visible_name(text).is_ok(), ok, "{text:?}");
        }
        assert!(visible_name(&"n".repeat(63)).is_ok() && visible_name(&"n".repeat(64)).is_err());
    }
}
