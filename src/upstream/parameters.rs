//! The startup parameters of a client that go to the warehouse, and with which values.
//!
//! Redshift ends a login over a parameter that it does not know (42704), so what newer PostgreSQL
//! clients send is left out or replaced here, inside `options` too. A parameter that narrows the
//! session is never left out without a word. [`known`] is the table of these parameters.

use self::rules::{APPLICATION_NAME, OPTIONS, REPLICATION, Rules, is};
use super::application_name::{self, Asker};
use super::options;
use crate::config::ConnSpec;
use crate::startup::request::StartupParams;
use crate::wire::boolean::is_false;

mod known;
mod rules;

/// A client's startup parameters, ready for the warehouse.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Passed {
    /// Names and values: those of the client in its order, then those that the connection sets. In
    /// the startup message they follow user and database.
    pub(crate) parameters: Vec<(String, String)>,
    /// The time-outs that the client asked for and Redshift does not have. The client gets a
    /// warning that they have no effect.
    pub(crate) missing_timeouts: Vec<&'static str>,
}

/// Whether the client wants to speak the replication protocol, which no warehouse does.
pub(crate) fn asks_for_replication(startup: &StartupParams) -> bool {
    let is_meant = |value: &str| !value.is_empty() && !is_false(value);
    startup.pairs.iter().any(|(name, value)| {
        is(name, REPLICATION) && is_meant(value)
            || name == OPTIONS && options::value_of(value, REPLICATION).is_some_and(|value| is_meant(&value))
    })
}

/// Turns the parameters of the client into those for the warehouse of this connection.
pub(crate) fn pass_on(startup: &StartupParams, spec: &ConnSpec, asker: &Asker<'_>) -> Passed {
    let mut rules = Rules { spec, asker, missing_timeouts: Vec::new() };
    let (mut passed, mut name_at) = (Vec::new(), None);
    for (name, value) in &startup.pairs {
        if is(name, APPLICATION_NAME) && rules.names_the_application() {
            name_at.get_or_insert(passed.len());
            continue;
        }
        let value = if name == OPTIONS { rules.apply_to_options(value) } else { rules.apply(name, value) };
        passed.extend(value.map(|value| (name.clone(), value)));
    }
    if rules.names_the_application() {
        let name = application_name::render(&spec.application_name, &rules.clients_own(startup), asker);
        if !name.is_empty() {
            passed.insert(name_at.unwrap_or(passed.len()), (APPLICATION_NAME.into(), name));
        }
    }
    passed.extend(spec.startup_parameters.set.iter().cloned());
    // Without it Redshift reports UNICODE, which psycopg 3 does not know.
    let names_encoding = |(name, value): &(String, String)| {
        is(name, "client_encoding") || (name == OPTIONS && options::value_of(value, "client_encoding").is_some())
    };
    if !passed.iter().any(names_encoding) {
        passed.push(("client_encoding".into(), "UTF8".into()));
    }
    Passed { parameters: passed, missing_timeouts: rules.missing_timeouts }
}

#[cfg(test)]
mod tests;
