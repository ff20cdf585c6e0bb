//! Reads values that refer to something: a file, a variable, or a text that AWS keeps.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::value::Value;
use crate::config::material::Material;
use crate::config::value::{self, Parsed, Reference};
use crate::secret::Secret;

impl Value<'_> {
    /// Reads the text to which the REF in this string leads. `checked` may refuse a text that was
    /// read.
    pub(in crate::config) fn referenced(&self, checked: impl Fn(&str) -> Parsed<()>) -> Option<Material> {
        let from = self.anchored(self.parse(value::reference)?);
        let text = match &from {
            Reference::File(path) => self.keep(
                self.read(path)
                    .map_err(|why| format!("cannot read {}: {why}", path.display()).into()),
            )?,
            Reference::Env(name) => self.variable(name)?,
            Reference::Remote(_) => return Some(Material { from, text: None }),
        };
        let text = Secret::new(text);
        self.keep(checked(text.expose()))?;
        Some(Material { from, text: Some(text) })
    }

    /// Reads the text to which the REF in this string leads, as [`Value::referenced`] does, where
    /// the string may be the secret itself by mistake: no message repeats it. `absent` says so.
    pub(in crate::config) fn secretly_referenced(
        &self,
        absent: &'static str,
        checked: impl Fn(&str) -> Parsed<()>,
    ) -> Option<Material> {
        let is_bare = !self.text()?.starts_with("file:");
        let from = self.anchored(self.parse(value::reference)?);
        let text = match &from {
            Reference::File(path) => self.secret_file(path, is_bare.then_some(absent))?,
            Reference::Env(name) => self.variable(name)?,
            Reference::Remote(_) => return Some(Material { from, text: None }),
        };
        let text = Secret::new(text);
        self.keep(checked(text.expose()))?;
        Some(Material { from, text: Some(text) })
    }

    /// Reads a file whose path may be a secret by mistake. `absent` is reported where there is no
    /// such file.
    pub(in crate::config) fn secret_file(&self, path: &Path, absent: Option<&'static str>) -> Option<String> {
        let why = match self.read(path) {
            Ok(text) => return Some(text),
            Err(why) => why,
        };
        // The kind alone: the whole error may name the path.
        let kind = why.kind();
        match (kind, absent) {
            (ErrorKind::NotFound | ErrorKind::InvalidFilename, Some(absent)) => self.report(absent),
            _ => {
                // What we say ourselves is more than the kind, and names no path.
                let why = why
                    .get_ref()
                    .map_or_else(|| kind.to_string(), ToString::to_string);
                self.report(format_args!("cannot read the file ({why})"));
            }
        }
        None
    }

    /// Makes a reference independent of this file: its path starts beside it, and becomes absolute.
    pub(in crate::config) fn anchored(&self, reference: Reference) -> Reference {
        match reference {
            Reference::File(path) => {
                let path = self.beside(&path);
                Reference::File(std::path::absolute(&path).unwrap_or(path))
            }
            Reference::Env(_) | Reference::Remote(_) => reference,
        }
    }

    /// Reads a file that this value refers to.
    pub(in crate::config) fn read(&self, path: &Path) -> std::io::Result<String> {
        self.doc.read(path)
    }

    /// The value of the variable that `env:NAME` names.
    pub(in crate::config) fn variable(&self, name: &str) -> Option<String> {
        let unset = || format!("environment variable {name} is not set").into();
        self.keep(self.doc.env.and_then(|env| env(name)).ok_or_else(unset))
    }

    /// The path to which a path in this file leads.
    pub(in crate::config) fn beside(&self, path: &Path) -> PathBuf {
        let location = self.node.location;
        match location.file {
            0 => self.doc.folder.join(path),
            _ => self
                .doc
                .file(location)
                .parent()
                .unwrap_or(Path::new(""))
                .join(path),
        }
    }
}
