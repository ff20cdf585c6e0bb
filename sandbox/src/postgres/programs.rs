//! The PostgreSQL that is started, and the user that it runs as.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::StartError;

/// The folder of the newest server programs: `$PG_BIN`, Debian's versioned folders, then the PATH.
pub(super) fn find() -> Result<PathBuf, StartError> {
    let asked = env::var_os("PG_BIN").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    asked
        .into_iter()
        .chain(debian())
        .chain(env::split_paths(&path))
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
        .ok_or(StartError::NoPostgres)
}

/// `/usr/lib/postgresql/VERSION/bin`, newest version first.
fn debian() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// A user other than root.
#[derive(Clone, Copy)]
pub(super) struct Unprivileged {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The user to run PostgreSQL as, which refuses root. `None`: this process's own user.
pub(super) fn unprivileged() -> Result<Option<Unprivileged>, StartError> {
    if id(&["-u"]) != Some(0) {
        return Ok(None);
    }
    let known = |name| Some(Unprivileged { uid: id(&["-u", name])?, gid: id(&["-g", name])? });
    known("postgres")
        .or_else(|| known("nobody"))
        .map(Some)
        .ok_or(StartError::NoUser)
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// `setpriv`, if installed: it asks the kernel to end the server when this process dies.
pub(super) fn setpriv() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([Path::new("/usr/bin").to_owned()])
        .map(|folder| folder.join("setpriv"))
        .find(|program| program.is_file())
}
