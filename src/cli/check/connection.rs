//! Which connections are meant: those of the configuration, and by its name one of lava's table.

use std::sync::Arc;

use crate::config::{Config, ConnId, ConnSpec, Holder, Right, SpecsTable};

/// A connection, and where its spec is.
#[derive(Clone, Debug)]
pub(crate) enum Connection<'a> {
    /// The configuration has it.
    Configured(&'a Arc<ConnSpec>),
    /// Lava's table may have it: its item is not read yet.
    InTable(ConnId, &'a SpecsTable),
}

/// A conn_id that leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    /// The configuration does not have it, and there is no table to ask, or none that may be asked for it.
    #[error("there is no connection {0:?}")]
    Nowhere(String),
    /// Nor is the table ever asked for it.
    #[error("there is no connection {0:?}, and specs.conn_ids does not cover it")]
    Uncovered(String),
}

impl<'a> Connection<'a> {
    /// The one of this name: the configuration wins, as it does for sessions.
    pub(in crate::cli) fn named(config: &'a Config, name: &str) -> Result<Self, Unknown> {
        match (config.connections.get(name), &config.specs, ConnId::new(name)) {
            (Some(spec), _, _) => Ok(Self::Configured(spec)),
            (None, Some(specs), Ok(conn_id)) if specs.bounds.cover(&conn_id) => Ok(Self::InTable(conn_id, specs)),
            (None, Some(_), Ok(_)) => Err(Unknown::Uncovered(name.to_owned())),
            (None, _, _) => Err(Unknown::Nowhere(name.to_owned())),
        }
    }

    /// Those named; all of the configuration's when none is.
    pub(super) fn chosen(config: &'a Config, names: &[String]) -> Result<Vec<Self>, Unknown> {
        if names.is_empty() {
            return Ok(config.connections.values().map(Self::Configured).collect());
        }
        names.iter().map(|name| Self::named(config, name)).collect()
    }

    pub(crate) fn conn_id(&self) -> &ConnId {
        match self {
            Self::Configured(spec) => &spec.id,
            Self::InTable(conn_id, _) => conn_id,
        }
    }

    /// The right by which it is open to somebody; of what is in the table no more is known than its name.
    pub(in crate::cli) fn right_of<'h>(&self, holder: &'h Holder) -> Option<Right<'h>> {
        match self {
            Self::Configured(spec) => holder.right_to(spec),
            Self::InTable(conn_id, _) => holder.rights.right_to(conn_id),
        }
    }

    /// As far as it is known without asking AWS.
    pub(in crate::cli) fn spec(&self) -> Option<&'a Arc<ConnSpec>> {
        match self {
            Self::Configured(spec) => Some(spec),
            Self::InTable(..) => None,
        }
    }

    pub(super) fn table(&self) -> Option<&'a SpecsTable> {
        match self {
            Self::Configured(_) => None,
            Self::InTable(_, specs) => Some(specs),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{UnknownKeys, parse};

    #[test]
    fn the_configuration_wins_and_the_table_has_what_its_globs_cover() {
        let own = "[connections.bi-own]\ntype = \"redshift-serverless\"\nworkgroup = \"wg1\"\ndatabase = \"dev\"\n";
        let specs =
            "[specs]\ndynamodb_table = \"t00\"\nconn_ids = [\"bi-*\"]\nroles = []\nparameter_prefix = \"/l/\"\n";
        let read = |text: &str| parse(text, Path::new("p"), &|_| None, UnknownKeys::Refuse).unwrap();
        let (with, without) = (read(&format!("{own}{specs}")), read(own));
        let told = |config: &Config, name: &str| match Connection::named(config, name) {
            Ok(Connection::Configured(spec)) => format!("own {}", spec.id),
            Ok(Connection::InTable(conn_id, specs)) => format!("{conn_id} in {}", specs.dynamodb_table),
            Err(unknown) => unknown.to_string(),
        };
        assert_eq!(told(&with, "bi-own"), "own bi-own");
        assert_eq!(told(&with, "bi-x"), "bi-x in t00");
        assert_eq!(told(&with, "fin"), "there is no connection \"fin\", and specs.conn_ids does not cover it");
        assert_eq!(told(&with, "bi-*"), "there is no connection \"bi-*\"");
        assert_eq!(told(&without, "bi-x"), "there is no connection \"bi-x\"");
        assert_eq!(Connection::chosen(&with, &[]).unwrap().len(), 1);
    }
}
