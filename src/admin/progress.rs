//! How far a request has come.

/// How far a request has come, which decides how long it may take from then on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// The head has not been read. hyper watches the time.
    Head,
    /// The answer is being made or sent.
    Answer,
    /// What was asked for is being done, and takes as long as it takes.
    Action,
}
