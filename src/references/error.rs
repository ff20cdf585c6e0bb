//! Why a reference cannot be read.

use std::time::Duration;

use thiserror::Error;

use super::listing::{MAX_LISTED, MAX_LISTED_BYTES, MAX_PAGES};
use crate::aws::AwsError;

/// A reference that cannot be read now. The error's text never holds what was read.
#[derive(Debug, Error)]
pub(crate) enum ReferenceError {
    /// The file or the environment variable is not there, or may not be read.
    #[error("cannot read {path}")]
    File { path: String, source: std::io::Error },
    /// The call to SSM or Secrets Manager failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The reference names a key of a JSON object, and the secret is no such object.
    #[error("{id} is not a JSON object with a string {key:?} in it")]
    Member { id: String, key: String },
    /// A listing is larger than what we keep in memory.
    #[error("below {path} there are more than {MAX_LISTED} parameters, or {MAX_LISTED_BYTES} bytes of values")]
    TooMany { path: String },
    /// A listing came to no end.
    #[error(
        "the listing of {path} does not end: AWS answers with the same NextToken again, or with over {MAX_PAGES} pages"
    )]
    Endless { path: String },
    /// The read took longer than a read may.
    #[error("not read within {}s", .0.as_secs_f32())]
    Deadline(Duration),
}
