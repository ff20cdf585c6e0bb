//! The connections that the arguments of a command name: the configuration's, or one of lava's
//! DynamoDB table.

use std::sync::Arc;

use crate::config::value::nearest;
use crate::config::{Config, ConnId, ConnSpec, Holder, Right, SpecsTable};

/// A connection that a command is about, and where its spec is.
#[derive(Clone, Debug)]
pub(crate) enum Connection<'a> {
    /// A connection of the configuration's.
    Configured(&'a Arc<ConnSpec>),
    /// A connection that lava's table may have: its item is not read yet.
    InTable(ConnId, &'a SpecsTable),
}

/// The conn_id is unknown: the configuration does not have it, and there is no table, or its bounds
/// do not cover the name.
#[derive(Debug, thiserror::Error)]
#[error("there is no connection {name:?}{}{others}", if *.is_uncovered { ", and specs.conn_ids does not cover it" } else { "" })]
pub struct UnknownConnection {
    name: String,
    /// Whether there is a table, whose `specs.conn_ids` does not cover the name.
    is_uncovered: bool,
    /// The end of the message: the name that was probably meant, else the first names that exist.
    others: String,
}

/// The number of existing names that are listed where none is similar.
const MAX_NAMES: usize = 10;

impl UnknownConnection {
    /// The error for a name that is neither in the configuration nor covered by a table.
    pub(crate) fn new(config: &Config, name: &str) -> Self {
        Self { name: name.to_owned(), is_uncovered: false, others: others(config, name) }
    }
}

impl<'a> Connection<'a> {
    /// The connection of this name. The configuration wins over the table, as it does for sessions.
    pub(crate) fn named(config: &'a Config, name: &str) -> Result<Self, UnknownConnection> {
        match (config.connections.get(name), &config.specs, ConnId::new(name)) {
            (Some(spec), _, _) => Ok(Self::Configured(spec)),
            (None, Some(_), Ok(_)) if but_for_case(config, name).is_some() => Err(UnknownConnection::new(config, name)),
            (None, Some(specs), Ok(conn_id)) if specs.bounds.cover(&conn_id) => Ok(Self::InTable(conn_id, specs)),
            (None, Some(_), Ok(_)) => {
                Err(UnknownConnection { is_uncovered: true, ..UnknownConnection::new(config, name) })
            }
            (None, _, _) => Err(UnknownConnection::new(config, name)),
        }
    }

    /// The connections of these names; all of the configuration's when there are no names.
    pub(crate) fn chosen(config: &'a Config, names: &[String]) -> Result<Vec<Self>, UnknownConnection> {
        if names.is_empty() {
            return Ok(config.connections.values().map(Self::Configured).collect());
        }
        names.iter().map(|name| Self::named(config, name)).collect()
    }

    /// The name under which clients ask for the connection.
    pub(crate) fn conn_id(&self) -> &ConnId {
        match self {
            Self::Configured(spec) => &spec.id,
            Self::InTable(conn_id, _) => conn_id,
        }
    }

    /// The right by which a user may open the connection. Of a connection in the table only the
    /// name is known, so only rights by name count.
    pub(crate) fn right_of<'h>(&self, holder: &'h Holder) -> Option<Right<'h>> {
        match self {
            Self::Configured(spec) => holder.right_to(spec),
            Self::InTable(conn_id, _) => holder.rights().right_to(conn_id),
        }
    }

    /// The spec, if it is known without asking AWS.
    pub(crate) fn spec(&self) -> Option<&'a Arc<ConnSpec>> {
        match self {
            Self::Configured(spec) => Some(spec),
            Self::InTable(..) => None,
        }
    }

    /// The table that has the connection, if the configuration does not.
    pub(crate) fn table(&self) -> Option<&'a SpecsTable> {
        match self {
            Self::Configured(_) => None,
            Self::InTable(_, specs) => Some(specs),
        }
    }
}

/// The configuration's connections of these names; all when there are none.
pub(super) fn chosen<'a>(config: &'a Config, conn_ids: &[String]) -> Result<Vec<&'a Arc<ConnSpec>>, UnknownConnection> {
    if conn_ids.is_empty() {
        return Ok(config.connections.values().collect());
    }
    let find = |id: &String| {
        config
            .connections
            .get(id.as_str())
            .ok_or_else(|| UnknownConnection::new(config, id))
    };
    conn_ids.iter().map(find).collect()
}

/// The configuration's spelling of a name in another case. Where there is one, the table is not
/// asked.
fn but_for_case<'a>(config: &'a Config, name: &str) -> Option<&'a str> {
    let folded = name.to_lowercase();
    config
        .connections
        .keys()
        .map(ConnId::as_str)
        .find(|other| other.to_lowercase() == folded)
}

/// Lists what the configuration has instead of `name`, as the end of a sentence.
fn others(config: &Config, name: &str) -> String {
    let names = || config.connections.keys().map(ConnId::as_str);
    if let Some(meant) = but_for_case(config, name).or_else(|| nearest(name, names())) {
        return format!("; did you mean {meant:?}?");
    }
    let first: Vec<_> = names().take(MAX_NAMES).collect();
    match config.connections.len() {
        0 => "; the configuration has none".to_owned(),
        count if count > MAX_NAMES => {
            format!("; the configuration has {} and {} more", first.join(", "), count - MAX_NAMES)
        }
        _ => format!("; the configuration has {}", first.join(", ")),
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
        let has = "; the configuration has bi-own";
        let want = format!("there is no connection \"fin\", and specs.conn_ids does not cover it{has}");
        assert_eq!(told(&with, "fin"), want);
        assert_eq!(told(&with, "bi-*"), format!("there is no connection \"bi-*\"{has}"));
        assert_eq!(told(&without, "bi-x"), format!("there is no connection \"bi-x\"{has}"));
        assert_eq!(told(&read(""), "x"), "there is no connection \"x\"; the configuration has none");
        // Sessions do not ask the table for it either.
        for name in ["bi-OWN", "BI-OWN", "bi-onw"] {
            let want = format!("there is no connection {name:?}; did you mean \"bi-own\"?");
            assert_eq!(told(if name == "bi-onw" { &without } else { &with }, name), want);
        }
        assert_eq!(Connection::chosen(&with, &[]).unwrap().len(), 1);
    }

    #[test]
    fn only_the_first_of_many_names_are_listed() {
        let text = |at: usize| {
            format!("[connections.c{at:02}]\ntype = \"redshift-serverless\"\nworkgroup = \"wg1\"\ndatabase = \"dev\"\n")
        };
        let text: String = (0..12).map(text).collect();
        let config = parse(&text, Path::new("p"), &|_| None, UnknownKeys::Refuse).unwrap();
        let told = Connection::named(&config, "nosuch")
            .unwrap_err()
            .to_string();
        let names = "c00, c01, c02, c03, c04, c05, c06, c07, c08, c09 and 2 more";
        assert_eq!(told, format!("there is no connection \"nosuch\"; the configuration has {names}"));
    }
}
