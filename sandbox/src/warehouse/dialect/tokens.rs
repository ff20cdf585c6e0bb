//! A statement cut into what changes it may be looked for in, and what not: literals, quoted names
//! and comments.

use std::borrow::Cow;

/// A piece of a statement; all of them in order are the statement.
pub(super) struct Token<'a> {
    pub(super) text: Cow<'a, str>,
    kind: Kind,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    /// A name or number without quotes, `$1`, or a single character that is none of the others.
    Bare,
    /// A literal or a quoted name.
    Quoted,
    /// White space or a comment.
    Blank,
}

impl Token<'_> {
    /// True where this token is the given word or sign, in upper or lower case.
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Bare && self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_blank(&self) -> bool {
        self.kind == Kind::Blank
    }

    pub(super) fn is_quoted(&self) -> bool {
        self.kind == Kind::Quoted
    }
}

/// Cuts a statement, in which a backslash escapes, as in Redshift. What is not ended goes to the
/// end.
pub(super) fn lex(sql: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = piece(rest, first);
        let (text, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        tokens.push(Token { text: Cow::Borrowed(text), kind });
        rest = after;
    }
    tokens
}

/// The kind of the token that `rest` begins with, and its length in bytes.
fn piece(rest: &str, first: char) -> (Kind, usize) {
    let while_true = |holds: fn(char) -> bool| rest.find(|c| !holds(c)).unwrap_or(rest.len());
    let until = |end: &str, from: usize| {
        let found = rest.get(from..).and_then(|after| after.find(end));
        found.map_or(rest.len(), |at| from + at + end.len())
    };
    match first {
        '\'' | '"' => (Kind::Quoted, quoted(rest, first)),
        '$' => match rest
            .get(1..)
            .and_then(|after| after.find(|c| !is_name(c)).map(|end| (after, end + 1)))
        {
            Some((after, end))
                if rest.get(end..).is_some_and(|tail| tail.starts_with('$')) && !starts_with_digit(after) =>
            {
                let tag = rest.get(..=end).unwrap_or(rest);
                (Kind::Quoted, until(tag, tag.len()))
            }
            Some((_, end)) => (Kind::Bare, end),
            None => (Kind::Bare, rest.len()),
        },
        _ if first.is_whitespace() => (Kind::Blank, while_true(char::is_whitespace)),
        '-' if rest.starts_with("--") => (Kind::Blank, until("\n", 2)),
        '/' if rest.starts_with("/*") => (Kind::Blank, until("*/", 2)),
        _ if is_name(first) => (Kind::Bare, while_true(|c| is_name(c) || c == '$')),
        _ => (Kind::Bare, first.len_utf8()),
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// How long a text in these quotes is, which a doubled quote and in a literal a backslash do not
/// end.
fn quoted(rest: &str, quote: char) -> usize {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\\' && quote == '\'' {
            characters.next();
        } else if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_are_the_statement() {
        for (sql, pieces) in [
            ("a.b(1)", &["a", ".", "b", "(", "1", ")"][..]),
            ("'it''s' 'a\\'b'", &["'it''s'", " ", "'a\\'b'"]),
            ("\"a\"\"b\" \"\\\"", &["\"a\"\"b\"", " ", "\"\\\""]),
            ("$1,$2", &["$1", ",", "$2"]),
            ("$$a$b$$ $x$ $$ $x$y", &["$$a$b$$", " ", "$x$ $$ $x$", "y"]),
            ("--a\nb/*c*/", &["--a\n", "b", "/*c*/"]),
            ("größe 'open", &["größe", " ", "'open"]),
            ("$", &["$"]),
        ] {
            let tokens = lex(sql);
            assert_eq!(
                tokens
                    .iter()
                    .map(|token| token.text.as_ref())
                    .collect::<Vec<_>>(),
                pieces,
                "{sql}"
            );
        }
    }
}
