//! The words of the console's language, which are SQL's: identifiers, strings, symbols, comments.

use std::borrow::Cow;

use super::error::ConsoleError;

/// Most statements of one text.
const MAX_STATEMENTS: usize = 100;

/// One word of a statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Token<'t> {
    /// How it is written.
    pub(super) kind: Kind,
    /// What it says; without its quotes.
    pub(super) text: Cow<'t, str>,
    /// The byte at which it begins.
    pub(super) at: usize,
}

/// How a word is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Without quotes: a keyword, a name, a number, an address.
    Bare,
    /// In double quotes: a name, never a keyword.
    Name,
    /// In single quotes: a string.
    Text,
    /// One of `= , ( )`.
    Symbol,
}

/// Splits a text into statements, and these into words. Statements without a word are left out.
///
/// # Errors
/// A quote or a comment has no end, or there are more statements than the console takes at once.
pub(super) fn statements(text: &str) -> Result<Vec<Vec<Token<'_>>>, ConsoleError> {
    let (mut statements, mut words) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(rest) = text.get(at..)
        && let Some(first) = rest.chars().next()
    {
        if first == ';' {
            at += 1;
            if !words.is_empty() {
                statements.push(std::mem::take(&mut words));
            }
            if statements.len() > MAX_STATEMENTS {
                break;
            }
        } else if let Some(length) = blank(rest) {
            let length = length.ok_or_else(|| ConsoleError::syntax("unterminated /* comment").at(text, at))?;
            at += length;
        } else {
            let (kind, said, length) = word(first, rest).map_err(|error| error.at(text, at))?;
            words.push(Token { kind, text: said, at });
            at += length;
        }
    }
    if !words.is_empty() {
        statements.push(words);
    }
    if statements.len() > MAX_STATEMENTS {
        return Err(ConsoleError::too_much(format!("more than {MAX_STATEMENTS} statements at once")));
    }
    Ok(statements)
}

/// The length of the blanks or the comment that `rest` begins with. `None`: it begins with neither;
/// `Some(None)`: with a comment that has no end.
fn blank(rest: &str) -> Option<Option<usize>> {
    let blanks = rest.len() - rest.trim_start().len();
    if blanks > 0 {
        Some(Some(blanks))
    } else if rest.starts_with("--") {
        Some(Some(rest.find(['\n', '\r']).unwrap_or(rest.len())))
    } else if rest.starts_with("/*") {
        Some(comment(rest))
    } else {
        None
    }
}

/// The length of the comment that `rest` begins with; as in PostgreSQL, comments nest.
fn comment(rest: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        let left = rest.get(at..)?;
        let length = if left.starts_with("/*") {
            depth += 1;
            2
        } else if left.starts_with("*/") {
            depth -= 1;
            2
        } else {
            left.chars().next()?.len_utf8()
        };
        at += length;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The word that `rest` begins with, by its first character: how it is written, what it says, and
/// its length.
fn word(first: char, rest: &str) -> Result<(Kind, Cow<'_, str>, usize), ConsoleError> {
    match first {
        '"' => quoted(rest, '"')
            .map(|(text, length)| (Kind::Name, text, length))
            .ok_or_else(|| ConsoleError::syntax("unterminated quoted identifier")),
        '\'' => quoted(rest, '\'')
            .map(|(text, length)| (Kind::Text, text, length))
            .ok_or_else(|| ConsoleError::syntax("unterminated quoted string")),
        '=' | ',' | '(' | ')' => Ok((Kind::Symbol, Cow::Borrowed(rest.get(..1).unwrap_or_default()), 1)),
        _ => {
            let length = bare(rest);
            Ok((Kind::Bare, Cow::Borrowed(rest.get(..length).unwrap_or_default()), length))
        }
    }
}

/// The text in the quotes that `rest` begins with, in which a quote is doubled, and the length with
/// its quotes.
fn quoted(rest: &str, quote: char) -> Option<(Cow<'_, str>, usize)> {
    let mut at = 1;
    loop {
        at += rest.get(at..)?.find(quote)? + 1;
        if !rest.get(at..)?.starts_with(quote) {
            break;
        }
        at += 1;
    }
    let inner = rest.get(1..at - 1)?;
    let doubled = [quote, quote].iter().collect::<String>();
    let text = match inner.contains(quote) {
        true => Cow::Owned(inner.replace(&doubled, &quote.to_string())),
        false => Cow::Borrowed(inner),
    };
    Some((text, at))
}

/// The length of the word without quotes that `rest` begins with: up to a blank, a comment, a quote
/// or a symbol. It may be an address, a glob or a number.
fn bare(rest: &str) -> usize {
    let is_end = |at: usize, char: char| {
        let begins = |comment| rest.get(at..).is_some_and(|rest| rest.starts_with(comment));
        char.is_whitespace() || matches!(char, ';' | '=' | ',' | '(' | ')' | '"' | '\'') || begins("--") || begins("/*")
    };
    rest.char_indices()
        .find(|(at, char)| is_end(*at, *char))
        .map_or(rest.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of each statement; quoted ones in their quotes.
    fn words(text: &str) -> Vec<Vec<String>> {
        let shown = |token: &Token<'_>| match token.kind {
            Kind::Bare | Kind::Symbol => token.text.to_string(),
            Kind::Name => format!("\"{}\"", token.text),
            Kind::Text => format!("'{}'", token.text),
        };
        let statements = statements(text).unwrap();
        statements
            .iter()
            .map(|words| words.iter().map(shown).collect())
            .collect()
    }

    #[test]
    fn statements_are_split_into_words() {
        let none: &[&[&str]] = &[];
        for (text, want) in [
            ("", none),
            (" ;; ; -- nothing\n /* /* at */ all */ ;", none),
            ("SHOW VERSION", &[&["SHOW", "VERSION"]]),
            ("show version;show help;", &[&["show", "version"], &["show", "help"]]),
            ("SET log_level='debug'", &[&["SET", "log_level", "=", "'debug'"]]),
            ("KILL USER \"a \"\"b\"\";c\"", &[&["KILL", "USER", "\"a \"b\";c\""]]),
            ("SET x TO 'it''s; --'", &[&["SET", "x", "TO", "'it's; --'"]]),
            ("unban 2001:db8::1/*x*/--y", &[&["unban", "2001:db8::1"]]),
            ("SELECT version()", &[&["SELECT", "version", "(", ")"]]),
            ("CHECK fin-mart\u{a0}é", &[&["CHECK", "fin-mart", "é"]]),
        ] {
            assert_eq!(words(text), want, "{text}");
        }
    }

    #[test]
    fn an_end_that_is_missing_is_pointed_at() {
        for (text, message) in [
            ("x 'a", "unterminated quoted string"),
            ("x \"a\"\"", "unterminated quoted identifier"),
            ("x /* /* */", "unterminated /* comment"),
        ] {
            assert_eq!(statements(text).unwrap_err(), ConsoleError::syntax(message).at(text, 2), "{text}");
        }
    }

    #[test]
    fn statements_are_bounded() {
        assert_eq!(statements(&"x;".repeat(MAX_STATEMENTS)).unwrap().len(), MAX_STATEMENTS);
        assert_eq!(statements(&"x;".repeat(30_000)).unwrap_err().sqlstate(), "54000");
        assert!(statements(&";".repeat(30_000)).unwrap().is_empty());
    }
}
