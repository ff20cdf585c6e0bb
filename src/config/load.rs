//! Loads a configuration from a REF, a file or a text; or finds everything that is wrong with it.

use std::path::Path;
use std::sync::Arc;

use super::keys::UnknownKeys;
use super::problem::{Problem, Problems};
use super::reader::{Doc, Table};
use super::sections::Aws;
use super::settings::Config;
use super::sources::{FileMark, Sources};
use super::tree::{Location, Node};
use super::value::{Reference, Remote};
use super::{connection, file, include, listen, sections, users, value};
use crate::secret::Secret;

/// Reads a configuration that AWS keeps, or says why it cannot.
pub type FetchRemote<'a> = &'a dyn Fn(&Remote) -> Result<Secret, String>;

/// Loads the configuration that a REF names: `file:PATH`, a bare path, or `env:NAME`, `ssm:NAME`,
/// `secret:ID[#key]` for the text itself. Paths in a text that is no file start in the working
/// directory.
///
/// # Errors
/// All problems, reported at once.
pub fn load_reference(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    fetch: FetchRemote<'_>,
    unknown_keys: UnknownKeys,
) -> Result<Config, Problems> {
    read_reference(text, env, fetch, &|root| read_text(root, env, unknown_keys))
}

/// Loads `[aws]` alone from a REF, as [`load_reference`] does. Problems elsewhere do not matter, as
/// long as all files can be read.
///
/// # Errors
/// All problems of `[aws]`, reported at once.
pub fn load_aws(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    fetch: FetchRemote<'_>,
    unknown_keys: UnknownKeys,
) -> Result<Aws, Problems> {
    read_reference(text, env, fetch, &|root| {
        let doc = root.doc(env, unknown_keys);
        let Some(root) = include::gather(&doc, root.text) else { return Err(doc.reported().0) };
        let aws = sections::aws(Table::root(&doc, &root).table("aws"));
        sections::endpoints_of_the_environment(&doc);
        let of_aws = |key: &str| key == "aws" || key.starts_with("aws.") || key.starts_with("AWS_");
        let problems = doc.reported().0.about(of_aws);
        if problems.is_empty() { Ok(aws) } else { Err(problems) }
    })
}

/// The first text of a configuration.
pub(super) struct Root<'a> {
    /// The text.
    pub(super) text: &'a str,
    /// The name of the text in messages.
    name: &'a Path,
    /// The folder in which paths of the text start.
    folder: &'a Path,
    /// The file that the text was read from, and its state. `None`: the text is no file.
    file: Option<(&'a Path, Option<FileMark>)>,
}

impl<'a> Root<'a> {
    /// A text that was read from a file, in whose folder its paths start.
    fn of_file(path: &'a Path, text: &'a str, mark: Option<FileMark>) -> Self {
        Self { text, name: path, folder: folder_of(path), file: Some((path, mark)) }
    }

    /// Begins to read the text.
    pub(super) fn doc(&self, env: &'a dyn Fn(&str) -> Option<String>, unknown_keys: UnknownKeys) -> Doc<'a> {
        let doc = Doc::new(self.name, self.folder, Some(env), unknown_keys);
        if let Some((path, mark)) = self.file {
            doc.note_file(path.to_owned(), mark);
        }
        doc
    }
}

/// Reads something out of a text.
pub(super) type Read<'a, T> = &'a dyn Fn(&Root<'_>) -> Result<T, Problems>;

/// Reads something out of the text that a REF names.
///
/// # Errors
/// The text cannot be read, or `read` reports problems.
pub(super) fn read_reference<T>(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    fetch: FetchRemote<'_>,
    read: Read<'_, T>,
) -> Result<T, Problems> {
    let name = Path::new(text);
    let parse = |toml: &str| read(&Root { text: toml, name, folder: Path::new(""), file: None });
    match value::reference(text) {
        Ok(Reference::File(path)) => {
            let (text, mark) = text_of(&path)?;
            read(&Root::of_file(&path, &text, mark))
        }
        Ok(Reference::Env(variable)) => match env(&variable) {
            Some(toml) => parse(&toml),
            None => Err(whole(name, "this environment variable is not set".to_owned())),
        },
        Ok(Reference::Remote(remote)) => {
            // They are about to be called.
            let doc = Doc::new(name, Path::new(""), Some(env), UnknownKeys::Refuse);
            sections::endpoints_of_the_environment(&doc);
            let (problems, _reported_again_with_the_rest) = doc.reported();
            if !problems.is_empty() {
                return Err(problems);
            }
            let toml = fetch(&remote).map_err(|why| whole(name, format!("cannot be read: {why}")))?;
            parse(toml.expose())
        }
        Err(why) => Err(whole(name, why.into_owned())),
    }
}

/// Loads a configuration from a file. Paths in it are relative to it; `env` is the environment.
///
/// # Errors
/// All problems, reported at once.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>, unknown_keys: UnknownKeys) -> Result<Config, Problems> {
    let (text, mark) = text_of(path)?;
    read_text(&Root::of_file(path, &text, mark), env, unknown_keys)
}

fn text_of(path: &Path) -> Result<(String, Option<FileMark>), Problems> {
    file::read_any(path).map_err(|why| {
        let mut sources = Sources::default();
        sources.add_file(path.to_owned(), None);
        whole(path, format!("cannot be read: {why}")).of(sources)
    })
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Parses a configuration from a text. `path` is its name in messages, and relative paths start
/// beside it.
///
/// # Errors
/// All problems, reported at once.
pub fn parse(
    text: &str,
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    unknown_keys: UnknownKeys,
) -> Result<Config, Problems> {
    read_text(&Root { text, name: path, folder: folder_of(path), file: None }, env, unknown_keys)
}

fn read_text<'a>(
    root: &Root<'a>,
    env: &'a dyn Fn(&str) -> Option<String>,
    unknown_keys: UnknownKeys,
) -> Result<Config, Problems> {
    let doc = root.doc(env, unknown_keys);
    let root = include::gather(&doc, root.text);
    let config = root.as_ref().map(|root| read(&doc, root));
    let (hash, sources) = (doc.hash_so_far(), doc.sources());
    let (problems, warnings) = doc.reported();
    match config {
        Some(config) if problems.is_empty() => {
            let warnings = warnings.iter().map(Problem::to_string).collect();
            Ok(Config { warnings, hash, sources, ..config })
        }
        _ => Err(problems.of(sources)),
    }
}

fn whole(path: &Path, message: String) -> Problems {
    // What has lines is no path but the configuration itself, with all that is in it.
    let file = Some(path.display().to_string()).filter(|path| !path.contains('\n'));
    let file = file.unwrap_or_else(|| "the configuration".to_owned());
    Problems::new(vec![(Location::WHOLE, Problem { file, line: None, key: String::new(), message })])
}

fn read<'a>(doc: &'a Doc<'a>, root: &'a Node) -> Config {
    let mut root = Table::root(doc, root);
    // The files were read before, and what is wrong with the patterns is reported.
    let include = root
        .take("include")
        .and_then(|include| include.list())
        .map(|patterns| {
            patterns
                .iter()
                .filter_map(|pattern| pattern.text().map(|text| text.to_string()))
                .collect()
        })
        .unwrap_or_default();
    let (credentials, password_duration) = sections::credentials(root.table("credentials"));
    let entries = root.table("connections").names();
    let user_entries = root.table("users").names();
    let specs_place = root.take("specs");
    let specs = specs_place
        .as_ref()
        .map(|place| sections::specs(place.table("specs"), password_duration));
    for (key, is_empty) in [("connections", entries.is_empty() && specs.is_none()), ("users", user_entries.is_empty())]
    {
        if is_empty {
            doc.warn(Location::WHOLE, key, format_args!("there are no {key}: nobody can log in"));
        }
    }
    // Behind a problem any name may be one of the table's.
    let elsewhere = specs.as_ref().map_or_else(Vec::new, |specs| {
        specs
            .as_ref()
            .map_or_else(|| vec!["*".to_owned()], |specs| specs.bounds.conn_ids.clone())
    });
    let known = users::Known::new(entries.iter().map(|entry| entry.name.clone()), elsewhere);
    let (listen, entrance) = listen::listen(root.table("listen"));
    sections::endpoints_of_the_environment(doc);
    let groups = users::groups(&root.table("groups").names(), &known);
    let (users, any_user) = users::users(&user_entries, &known, &groups, entrance);
    let any_user = any_user.map(Arc::new);
    let connections = connection::connections(&entries, password_duration);
    listen::check_ports(&connections, &entries, &listen, entrance);
    let mut addresses = listen
        .addresses
        .iter()
        .copied()
        .chain(connections.values().filter_map(|spec| spec.listen));
    let is_local = addresses.all(|address| address.ip().is_loopback());
    users::warn_of_odd_ones(&users, any_user.as_deref(), &user_entries, is_local);
    users::check_per_user(&users, any_user.as_ref(), &user_entries, &connections, &entries);
    let admin = sections::admin(root.table("admin"), |name| users.contains_key(name));
    let config = Config {
        include,
        admin,
        users,
        any_user,
        listen,
        log: sections::log(root.table("log")),
        aws: sections::aws(root.table("aws")),
        upstream: sections::upstream(root.table("upstream")),
        limits: sections::limits(root.table("limits")),
        credentials,
        connections,
        specs: specs.flatten(),
        warnings: Vec::new(),
        hash: String::new(),
        sources: Sources::default(),
    };
    root.finish();
    config
}
