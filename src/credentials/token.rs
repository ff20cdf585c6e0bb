//! The file that a web identity's token is read from.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::blocking::Lanes;
use crate::config::read_regular;
use crate::secret::Secret;

/// The longest web identity token, in bytes (STS API reference, `WebIdentityToken`).
const MAX_TOKEN_BYTES: usize = 20_000;

/// The threads that read token files, one at a time of each file. A read on a mount that hangs
/// never ends, and holds up the reads of that file alone.
static TOKEN_FILES: LazyLock<Lanes<PathBuf>> = LazyLock::new(|| Lanes::new("token-file", 1, 16));

/// Reads a token, without the blanks around it. It is read anew for each session, since tokens
/// rotate. The caller sets the deadline.
///
/// # Errors
/// The file cannot be read, or holds no token or one that is too long.
pub(super) async fn token(file: &Path) -> std::io::Result<Secret> {
    let path = file.to_owned();
    let text = TOKEN_FILES
        .run(path.clone(), move || read_regular(&path))
        .await
        .map_err(std::io::Error::other)??;
    let text = zeroize::Zeroizing::new(text);
    if text.len() > MAX_TOKEN_BYTES {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "longer than 20000 bytes"));
    }
    let token = text.trim();
    if token.len() < 4 {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "holds no token"));
    }
    Ok(Secret::new(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_file_that_is_missing_empty_or_too_long_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        assert_eq!(token(&file).await.unwrap_err().kind(), std::io::ErrorKind::NotFound);
        for (text, want) in [("a.b.c\n", Some("a.b.c")), (" a.b.c ", Some("a.b.c")), ("", None), (" \n", None)] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(token(&file).await.ok().as_ref().map(Secret::expose), want, "{text:?}");
        }
        std::fs::write(&file, "x".repeat(20_000)).unwrap();
        assert!(token(&file).await.is_ok());
        std::fs::write(&file, "x".repeat(20_001)).unwrap();
        assert!(token(&file).await.is_err());
        std::fs::write(&file, [0xff, 0xfe, 0xff, 0xfe]).unwrap();
        assert!(token(&file).await.is_err());
    }
}
