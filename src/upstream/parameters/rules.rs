//! The rules by which one startup parameter of a client is passed on, replaced or left out.

use std::borrow::Cow;

use tracing::debug;

use super::known::{Treatment, known};
use crate::config::ConnSpec;
use crate::startup::request::StartupParams;
use crate::upstream::application_name::{self, Asker};
use crate::upstream::options::{self, Others};
use crate::wire::boolean::is_false;

/// The parameter that holds a command line for the server. Its name is matched exactly.
pub(super) const OPTIONS: &str = "options";

/// The name by which the client introduces itself.
pub(super) const APPLICATION_NAME: &str = "application_name";

/// The parameter that asks for the replication protocol.
pub(super) const REPLICATION: &str = "replication";

/// The prefix of parameters that ask for extensions of the protocol, such as compression.
const PROTOCOL_OPTION: &str = "_pq_.";

/// The longest name of a client's parameter that is logged, in bytes.
const MAX_NAME: usize = 64;

/// The rules of one session: those of its connection, and those for all of Redshift.
pub(super) struct Rules<'a> {
    /// The connection, whose spec may drop and set parameters.
    pub(super) spec: &'a ConnSpec,
    /// The values for the template of application_name.
    pub(super) asker: &'a Asker<'a>,
    /// The names for [`super::Passed::missing_timeouts`], collected so far.
    pub(super) missing_timeouts: Vec<&'static str>,
}

impl Rules<'_> {
    /// The value to pass on. `None`: the parameter is left out.
    pub(super) fn apply(&mut self, name: &str, value: &str) -> Option<String> {
        if name.starts_with(PROTOCOL_OPTION) {
            debug!(name = shown(name), "a startup parameter is left out: it would extend the protocol");
            return None;
        }
        if self.is_the_connections(name) {
            debug!(name = shown(name), "a startup parameter is left out: the connection's spec drops or sets it");
            return None;
        }
        let passed = match self.treated(name, value) {
            Some(passed) if is(name, APPLICATION_NAME) => {
                application_name::render(&self.spec.application_name, &passed, self.asker)
            }
            other => other?,
        };
        if passed != value {
            debug!(name = shown(name), "a startup parameter is passed on with another value");
        }
        Some(passed)
    }

    /// The value by the table of known parameters. `None`: the parameter is left out.
    fn treated(&mut self, name: &str, value: &str) -> Option<String> {
        let Some((known, known_as)) = known(name) else { return Some(value.to_owned()) };
        let kept = match known.treatment {
            Treatment::Replaced | Treatment::LeftOut | Treatment::RefusedUnlessFalse => None,
            Treatment::TimeoutLeftOut => {
                if !is_zero(value) && !self.missing_timeouts.contains(&known_as) {
                    self.missing_timeouts.push(known_as);
                }
                None
            }
            Treatment::PassedUnlessFalse => (!is_false(value)).then(|| value.to_owned()),
            Treatment::PassedIfNone => value.eq_ignore_ascii_case("none").then(|| value.to_owned()),
            Treatment::Capped(most) if value.trim().parse().is_ok_and(|n: i32| n > most) => Some(most.to_string()),
            Treatment::Capped(_) => Some(value.to_owned()),
        };
        // User and database are replaced in every session, which is not worth a line.
        if kept.is_none() && known.treatment != Treatment::Replaced {
            debug!(name = known_as, reason = known.why, "a startup parameter is left out");
        }
        kept
    }

    /// Applies the rules to the settings inside `options`. Where the connection has rules of its
    /// own, words that are no settings are dropped: they could contradict the rules.
    pub(super) fn apply_to_options(&mut self, options: &str) -> Option<String> {
        if self.is_the_connections(OPTIONS) {
            return self.apply(OPTIONS, options);
        }
        let has_say = self.names_the_application() || !self.spec.startup_parameters.is_empty();
        let others = if has_say { Others::Dropped } else { Others::Kept };
        let passed = options::rewrite(options, others, |name, value| self.apply(name, value));
        match &passed {
            None => debug!(name = OPTIONS, "a startup parameter is left out: nothing in it is passed on"),
            Some(passed) if passed != options => {
                debug!(name = OPTIONS, "a startup parameter is passed on with another value");
            }
            Some(_) => {}
        }
        passed
    }

    /// Whether the connection drops or sets the parameter, whatever the client sends.
    fn is_the_connections(&self, name: &str) -> bool {
        let policy = &self.spec.startup_parameters;
        policy.drops(name) || policy.sets(name) || is(name, APPLICATION_NAME) && self.names_the_application()
    }

    /// Whether the connection has a template for application_name.
    pub(super) fn names_the_application(&self) -> bool {
        !self.spec.application_name.is_clients_own()
    }

    /// The application_name of the client: the last one that it sends, and the one inside `options`
    /// only where there is no other.
    pub(super) fn clients_own<'s>(&self, startup: &'s StartupParams) -> Cow<'s, str> {
        if self.spec.startup_parameters.drops(APPLICATION_NAME) {
            return "".into();
        }
        let mut said = startup.pairs.iter().rev();
        if let Some((_, value)) = said.clone().find(|(name, _)| is(name, APPLICATION_NAME)) {
            return value.into();
        }
        let inside =
            said.find_map(|(name, value)| (name == OPTIONS).then(|| options::value_of(value, APPLICATION_NAME)));
        inside.flatten().unwrap_or_default().into()
    }
}

fn shown(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_NAME))
        .unwrap_or_default()
}

/// Whether a time-out is off: 0, in any unit.
fn is_zero(value: &str) -> bool {
    let number = value
        .trim()
        .trim_end_matches(|c: char| c.is_ascii_alphabetic())
        .trim_end();
    number.parse().is_ok_and(|number: f64| number == 0.0)
}

/// Compares names of parameters, as the server does without regard to case.
pub(super) fn is(name: &str, known: &str) -> bool {
    name.eq_ignore_ascii_case(known)
}
