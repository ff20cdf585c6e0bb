//! Values that refer to something: a file, a variable, or what AWS keeps.

use std::path::{Path, PathBuf};

use super::value::Value;
use crate::config::file::read_file;
use crate::config::material::Material;
use crate::config::value::{self, Parsed, Reference};
use crate::secret::Secret;

impl Value<'_> {
    /// What a REF in this string leads to. `checked` may still refuse what is here already.
    pub(in crate::config) fn referenced(&self, checked: impl Fn(&str) -> Parsed<()>) -> Option<Material> {
        let from = self.place_of(self.parse(value::reference)?);
        let text = match &from {
            Reference::File(path) => {
                self.keep(read_file(path).map_err(|why| format!("cannot read {}: {why}", path.display()).into()))?
            }
            Reference::Env(name) => self.variable(name)?,
            Reference::Remote(_) => return Some(Material { from, text: None }),
        };
        let text = Secret::new(text);
        self.keep(checked(text.expose()))?;
        Some(Material { from, text: Some(text) })
    }

    /// A reference that holds wherever it is read: its path starts beside this file, and is
    /// absolute.
    pub(in crate::config) fn place_of(&self, reference: Reference) -> Reference {
        match reference {
            Reference::File(path) => {
                let path = self.beside(&path);
                Reference::File(std::path::absolute(&path).unwrap_or(path))
            }
            Reference::Env(_) | Reference::Remote(_) => reference,
        }
    }

    /// What `env:NAME` leads to.
    pub(in crate::config) fn variable(&self, name: &str) -> Option<String> {
        let unset = || format!("environment variable {name} is not set").into();
        self.keep(self.doc.env.and_then(|env| env(name)).ok_or_else(unset))
    }

    /// Where a path in this file leads.
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
