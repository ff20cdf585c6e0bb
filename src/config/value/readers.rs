//! Finds out who may read a file.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Says who may read this private key besides its owner. A group may, where root owns the file, as
/// PostgreSQL has it (libpq, `sslkey`): Kubernetes lends files to a pod in this way (`fsGroup`).
/// `None`: nobody, or there is no such file.
pub(crate) fn readers(path: &Path) -> Option<&'static str> {
    const ROOT: u32 = 0;
    let file = std::fs::metadata(path).ok()?;
    judged(file.mode(), file.uid() == ROOT)
}

fn judged(mode: u32, is_of_root: bool) -> Option<&'static str> {
    match mode {
        mode if mode & 0o007 != 0 => {
            Some("this private key may be read by every user of this machine: chmod 600 (Kubernetes: defaultMode 0440)")
        }
        mode if mode & 0o070 != 0 && !is_of_root => Some("this private key may be read by its file's group: chmod 600"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_that_others_may_read_is_warned_of() {
        for (mode, is_of_root, want) in [
            (0o100_600, false, None),
            (0o100_400, true, None),
            (0o100_640, true, None),
            (0o100_440, true, None),
            (0o100_640, false, Some("group")),
            (0o100_644, true, Some("every user")),
            (0o100_604, false, Some("every user")),
        ] {
            let told = judged(mode, is_of_root);
            assert_eq!(told.is_some(), want.is_some(), "{mode:o} {is_of_root}");
            assert!(told.is_none_or(|told| told.contains(want.unwrap())), "{told:?}");
        }
        assert_eq!(readers(Path::new("/nonexistent/key")), None);
    }
}
