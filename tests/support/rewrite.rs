//! The ways in which a configuration file is rewritten: whole, by halves, and by the swap of a
//! symbolic link, as Kubernetes does it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Puts a whole new file in place of the old one, as configuration management does.
pub(crate) fn atomically(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, file).unwrap();
}

/// Writes the first half of a text into the file, as whoever reads it meanwhile sees it.
pub(crate) fn half(file: &Path, text: &str) {
    fs::write(file, first_half(text)).unwrap();
}

/// The first half of a configuration, up to the middle of a value: elsewhere the rest might pass
/// for a whole one.
pub(crate) fn first_half(text: &str) -> &str {
    let before = text.get(..text.len() / 2).unwrap();
    let value = before.rfind(" = \"").unwrap();
    &text[..value + 5]
}

/// A volume of a ConfigMap or Secret: each file is a link to `..data/FILE`, `..data` is a link to a
/// folder with a name of its own, and an update swaps `..data`.
pub(crate) struct Mounted {
    folder: PathBuf,
    version: usize,
}

impl Mounted {
    /// Turns these files of a folder into a volume.
    pub(crate) fn over(folder: &Path, files: &[&str]) -> Self {
        let mut mounted = Self { folder: folder.to_owned(), version: 0 };
        let texts: Vec<_> = files
            .iter()
            .map(|file| (*file, fs::read_to_string(folder.join(file)).unwrap()))
            .collect();
        let texts: Vec<_> = texts
            .iter()
            .map(|(file, text)| (*file, text.as_str()))
            .collect();
        mounted.swap(&texts);
        for file in files {
            fs::remove_file(folder.join(file)).unwrap();
            symlink(Path::new("..data").join(file), folder.join(file)).unwrap();
        }
        mounted
    }

    /// Swaps all files at once. The folder of the old ones is removed, as the kubelet does.
    pub(crate) fn swap(&mut self, files: &[(&str, &str)]) {
        let old = fs::read_link(self.folder.join("..data")).ok();
        self.version += 1;
        let new = PathBuf::from(format!("..2026_11_30_{:010}", self.version));
        fs::create_dir(self.folder.join(&new)).unwrap();
        for (file, text) in files {
            let path = self.folder.join(&new).join(file);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
        let link = self.folder.join("..data_tmp");
        symlink(&new, &link).unwrap();
        fs::rename(&link, self.folder.join("..data")).unwrap();
        if let Some(old) = old {
            fs::remove_dir_all(self.folder.join(old)).unwrap();
        }
    }
}
