//! How far a request has come.

/// How far a request has come, which decides how long it may take from then on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// The head has not been read. hyper watches the time.
    Head,
    /// The answer is being made, or its last line is being sent.
    Answer,
    /// An answer of so many bytes is being sent.
    Sending(u64),
    /// What was asked for is being done, within a time of its own.
    Action,
}
