//! The words of one statement, as the grammar takes them.

use crate::console::error::ConsoleError;
use crate::console::token::{Kind, Token};

/// Most bytes of a name in a command.
pub(super) const MAX_NAME: usize = 256;

/// The hint behind most errors.
pub(super) const HELP: &str = "SHOW HELP lists the commands.";

/// The words of one statement that have not been read yet.
pub(super) struct Statement<'t> {
    /// The text that the statement stands in.
    pub(super) text: &'t str,
    pub(super) words: &'t [Token<'t>],
}

impl Statement<'_> {
    /// The error for a word that has no place where it stands.
    pub(super) fn unexpected(&self) -> ConsoleError {
        match self.words.first() {
            Some(word) => ConsoleError::syntax(format!("syntax error at or near \"{}\"", shown(&word.text)))
                .at(self.text, word.at),
            None => ConsoleError::syntax("syntax error at end of input").at(self.text, self.text.len()),
        }
    }

    /// The error for a word that is missing, or another than `what`.
    pub(super) fn expected(&self, what: &str) -> ConsoleError {
        self.unexpected().hint(format!("Expected {what}. {HELP}"))
    }

    /// Takes a name, however it is written.
    pub(super) fn name(&mut self, what: &str) -> Result<String, ConsoleError> {
        match self.words.first() {
            Some(word) if word.text.len() > MAX_NAME => {
                Err(ConsoleError::value(format!("a name is at most {MAX_NAME} bytes")).at(self.text, word.at))
            }
            Some(word) if word.kind != Kind::Symbol && !word.text.is_empty() => {
                let name = word.text.to_string();
                self.next();
                Ok(name)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Takes a word. In upper case if it may be a keyword, and otherwise empty.
    pub(super) fn keyword(&mut self) -> String {
        let keyword = self.peek();
        self.next();
        keyword
    }

    /// The next word in upper case, if it may be a keyword, and otherwise nothing.
    pub(super) fn peek(&self) -> String {
        match self.words.first() {
            Some(word) if word.kind == Kind::Bare && word.text.len() <= MAX_NAME => word.text.to_ascii_uppercase(),
            _ => String::new(),
        }
    }

    /// Whether the next word is this symbol.
    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.words
            .first()
            .is_some_and(|word| word.kind == Kind::Symbol && word.text == symbol)
    }

    /// Takes a word.
    pub(super) fn next(&mut self) {
        self.words = self.words.split_first().map_or(&[], |(_, rest)| rest);
    }
}

/// A client's text as errors repeat it: its beginning, if it is long.
pub(super) fn shown(text: &str) -> &str {
    const LONGEST: usize = 63;
    text.char_indices()
        .nth(LONGEST)
        .and_then(|(end, _)| text.get(..end))
        .unwrap_or(text)
}
