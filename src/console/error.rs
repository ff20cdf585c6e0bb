//! The errors of the console: an ErrorResponse of severity ERROR, behind which the console goes on.

use std::borrow::Cow;

use thiserror::Error;

use super::text::harmless;

/// Why a command is not done.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{message}")]
pub(crate) struct ConsoleError {
    sqlstate: &'static str,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    /// The place in the statement that the error is about, in characters from 1 on.
    position: Option<usize>,
}

impl ConsoleError {
    /// An error with this SQLSTATE. The message is short, in lower case and without a full stop.
    pub(crate) fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { sqlstate, message: message.into(), detail: None, hint: None, position: None }
    }

    /// The statement is not in the console's language.
    pub(crate) fn syntax(message: impl Into<String>) -> Self {
        Self::new("42601", message)
    }

    /// A value is not one that the command takes.
    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self::new("22023", message)
    }

    /// The user may not do this.
    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new("42501", message)
    }

    /// PostgreSQL has this and the console does not.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new("0A000", message)
    }

    /// More was asked for than the console holds for one client.
    pub(crate) fn too_much(message: impl Into<String>) -> Self {
        Self::new("54000", message)
    }

    /// The message does not have the shape that the protocol gives it.
    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new("08P01", message)
    }

    /// The console itself has failed.
    pub(crate) fn internal() -> Self {
        Self::new("XX000", "internal error")
    }

    /// Adds what there is to know, in lines.
    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds a sentence that says what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says which byte of `statement` the error is about: psql marks it.
    pub(crate) fn at(mut self, statement: &str, byte: usize) -> Self {
        let before = statement.char_indices().take_while(|(at, _)| *at < byte);
        self.position = Some(before.count() + 1);
        self
    }

    /// The SQLSTATE.
    #[cfg(test)]
    pub(crate) fn sqlstate(&self) -> &'static str {
        self.sqlstate
    }

    /// The hint, or nothing.
    #[cfg(test)]
    pub(crate) fn hint_text(&self) -> &str {
        self.hint.as_deref().unwrap_or_default()
    }

    /// The fields of the ErrorResponse (protocol, "Error and Notice Message Fields").
    pub(super) fn fields(&self) -> Vec<(u8, Cow<'_, str>)> {
        let told = |field, text: &'_ str| (field, Cow::Owned(harmless(text).into_owned()));
        let mut fields =
            vec![told(b'S', "ERROR"), told(b'V', "ERROR"), told(b'C', self.sqlstate), told(b'M', &self.message)];
        let lines = |detail: &String| detail.lines().map(harmless).collect::<Vec<_>>().join("\n");
        fields.extend(
            self.detail
                .as_ref()
                .map(|detail| (b'D', lines(detail).into())),
        );
        fields.extend(self.hint.as_ref().map(|hint| told(b'H', hint)));
        fields.extend(
            self.position
                .map(|position| (b'P', position.to_string().into())),
        );
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_no_fatal_one_and_points_into_the_statement() {
        let error = ConsoleError::syntax("syntax error at or near \"\x1b[2J\"")
            .detail("one\n\x07other")
            .hint("SHOW HELP lists the commands.")
            .at("é x", 3);
        let fields = error.fields();
        let told: Vec<_> = fields
            .iter()
            .map(|(field, text)| (char::from(*field), &**text))
            .collect();
        let want = [
            ('S', "ERROR"),
            ('V', "ERROR"),
            ('C', "42601"),
            ('M', "syntax error at or near \"\\u{1b}[2J\""),
            ('D', "one\n\\u{7}other"),
            ('H', "SHOW HELP lists the commands."),
            ('P', "3"),
        ];
        assert_eq!(told, want);
    }
}
