//! The parts of a configuration by which a command reaches the running proxy. They are read alone: a
//! new file that is broken elsewhere must not keep `reload` from telling what is wrong with it, nor
//! make a probe fail.

use super::keys::UnknownKeys;
use super::listen::Listen;
use super::load::{FetchRemote, read_reference};
use super::problem::Problems;
use super::reader::Table;
use super::sections::{self, Admin, Aws};
use super::{include, listen};

/// Where the running proxy is, and what it asks of those who come to its admin address.
#[derive(Debug)]
pub struct Reach {
    /// The listener. Of its TLS nothing is sure.
    pub listen: Listen,
    /// The admin addresses, and the place of the token.
    pub admin: Admin,
    /// The way to AWS, which may keep the token.
    pub aws: Aws,
}

/// Loads what is needed to reach the running proxy from a REF, as
/// [`load_reference`](super::load_reference) does.
///
/// # Errors
/// The problems of the keys in `needed`, reported at once; or those of a file that is no TOML.
pub fn load_reach(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    fetch: FetchRemote<'_>,
    needed: &[&str],
) -> Result<Reach, Problems> {
    read_reference(text, env, fetch, &|root| {
        let doc = root.doc(env, UnknownKeys::Warn);
        let Some(root) = include::gather(&doc, root.text) else { return Err(doc.reported().0) };
        let mut root = Table::root(&doc, &root);
        let (listen, _entrance) = listen::listen(root.table("listen"));
        let admin = sections::admin(root.table("admin"), |_user| true);
        let aws = sections::aws(root.table("aws"));
        let problems = doc.reported().0.about(|key| needed.contains(&key));
        if problems.is_empty() { Ok(Reach { listen, admin, aws }) } else { Err(problems) }
    })
}
