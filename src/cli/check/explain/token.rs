//! A web identity token that cannot be read.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::words::plain;
use crate::cli::check::context::Explanation;
use crate::fault;

/// Explains a web identity token that was not read.
pub(crate) fn token_unread(path: &Path, error: &io::Error) -> Explanation {
    let what = format!("web_identity_token_file {}: {}", path.display(), fault::chain(error));
    Explanation::new(plain(&what), fix(path, error.kind()))
}

/// The fix for a web identity token that cannot be read from its file.
pub(super) fn fix(path: &Path, kind: ErrorKind) -> String {
    let path = path.display();
    match kind {
        ErrorKind::NotFound => format!("mount the token at {path}, or correct web_identity_token_file"),
        ErrorKind::PermissionDenied => format!("let the user of the proxy read {path}"),
        _ => format!("have a web identity token (a JWT, and nothing else) written to {path}"),
    }
}
