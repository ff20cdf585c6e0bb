//! The CAs that vouch for a warehouse: `upstream.ca` and `connections.*.ca`.

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::config::reader::Value;
use crate::config::value::{self, Reference, Stage, Term};

/// The CAs that vouch for a warehouse.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Ca {
    /// Amazon Root CA 1–4 and Starfield G2, which are built in.
    Aws,
    /// The CAs of the operating system.
    System,
    /// A PEM bundle, read at load and known to hold at least one certificate.
    File {
        /// The path of the file, for messages.
        path: PathBuf,
        /// The text of the file.
        pem: Arc<str>,
    },
}

/// Reads `aws`, `system` or a file with a PEM bundle.
pub(in crate::config) fn ca(value: &Value<'_>) -> Option<Ca> {
    let text = value.text()?;
    match text.as_str() {
        "aws" => return Some(Ca::Aws),
        "system" => return Some(Ca::System),
        _ => {}
    }
    let path = match value.parse(value::reference)? {
        Reference::File(path) => value.beside(&path),
        Reference::Env(_) | Reference::Remote(_) => {
            value.report("must be \"aws\", \"system\" or a file");
            return None;
        }
    };
    let pem = match value.read(&path) {
        Ok(pem) => pem,
        Err(why) => {
            value.report(format_args!("cannot read {}: {why}", path.display()));
            return None;
        }
    };
    if let Err(message) = value::roots(&pem) {
        value.report(format_args!("{}: {message}", path.display()));
        return None;
    }
    warn_of_anchors(value, &path.display().to_string(), &pem);
    Some(Ca::File { path, pem: Arc::from(pem) })
}

/// Warns of trust anchors that have expired or have weak keys. They count all the same, and AWS's
/// own redshift-ca-bundle.crt holds such ones.
fn warn_of_anchors(value: &Value<'_>, bundle: &str, pem: &str) {
    let (terms, now) = (value::terms(pem), SystemClock.now());
    let count = |is_odd: &dyn Fn(&Term) -> bool| terms.iter().filter(|term| is_odd(term)).count();
    let expired = |term: &Term| term.at(now) == Stage::Over;
    for (what, odd) in [
        ("have expired, which nobody looks at in a trust anchor", count(&expired)),
        ("have RSA keys of fewer than 2048 bits", count(&|term| term.is_weak)),
    ] {
        if odd > 0 {
            value.warn(format_args!("{bundle}: {odd} of its {} certificates {what}: leave them out", terms.len()));
        }
    }
}
