//! What becomes of one startup parameter of a client.

use std::borrow::Cow;

use tracing::debug;

use super::known::{Treatment, known};
use crate::config::ConnSpec;
use crate::startup::request::StartupParams;
use crate::upstream::application_name::{self, Asker};
use crate::upstream::options::{self, Others};
use crate::wire::boolean::is_false;

/// The server's command line; this name is matched exactly.
pub(super) const OPTIONS: &str = "options";

pub(super) const APPLICATION_NAME: &str = "application_name";

pub(super) const REPLICATION: &str = "replication";

/// Behind this prefix a client asks for extensions of the protocol, such as compression.
const PROTOCOL_OPTION: &str = "_pq_.";

/// Longest name of a client's that is logged, in bytes.
const MAX_NAME: usize = 64;

/// What goes for one session.
pub(super) struct Rules<'a> {
    pub(super) spec: &'a ConnSpec,
    pub(super) asker: &'a Asker<'a>,
    /// See [`super::Passed::missing_timeouts`].
    pub(super) missing_timeouts: Vec<&'static str>,
}

impl Rules<'_> {
    /// The value to pass on; `None`: not at all.
    pub(super) fn mend(&mut self, name: &str, value: &str) -> Option<String> {
        if name.starts_with(PROTOCOL_OPTION) {
            debug!(name = shown(name), "a startup parameter is left out: it would extend the protocol");
            return None;
        }
        if self.is_the_connections(name) {
            debug!(name = shown(name), "a startup parameter is left out: the connection's spec drops or sets it");
            return None;
        }
        let mended = match self.treated(name, value) {
            Some(mended) if is(name, APPLICATION_NAME) => {
                application_name::render(&self.spec.application_name, &mended, self.asker)
            }
            other => other?,
        };
        if mended != value {
            debug!(name = shown(name), "a startup parameter is passed on with another value");
        }
        Some(mended)
    }

    /// What the table of known parameters makes of a value; `None`: it is left out.
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
        // User and database are replaced in every session, which is nothing to tell of.
        if kept.is_none() && known.treatment != Treatment::Replaced {
            debug!(name = known_as, reason = known.why, "a startup parameter is left out");
        }
        kept
    }

    /// The same for settings inside `options`. Where the connection has a say, other words could
    /// say otherwise.
    pub(super) fn mend_options(&mut self, options: &str) -> Option<String> {
        if self.is_the_connections(OPTIONS) {
            return self.mend(OPTIONS, options);
        }
        let has_say = self.names_the_application() || !self.spec.startup_parameters.is_empty();
        let others = if has_say { Others::Dropped } else { Others::Kept };
        let mended = options::mend(options, others, |name, value| self.mend(name, value));
        match &mended {
            None => debug!(name = OPTIONS, "a startup parameter is left out: nothing in it is passed on"),
            Some(mended) if mended != options => {
                debug!(name = OPTIONS, "a startup parameter is passed on with another value");
            }
            Some(_) => {}
        }
        mended
    }

    /// Whether the client is not asked about it.
    fn is_the_connections(&self, name: &str) -> bool {
        let policy = &self.spec.startup_parameters;
        policy.drops(name) || policy.sets(name) || is(name, APPLICATION_NAME) && self.names_the_application()
    }

    pub(super) fn names_the_application(&self) -> bool {
        !self.spec.application_name.is_clients_own()
    }

    /// What the client calls itself: the last that it says, and inside `options` only where it says
    /// nothing else.
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

/// Whether a time-out is 0, in any unit, which is off.
fn is_zero(value: &str) -> bool {
    let number = value
        .trim()
        .trim_end_matches(|c: char| c.is_ascii_alphabetic())
        .trim_end();
    number.parse().is_ok_and(|number: f64| number == 0.0)
}

/// The server's own names are compared without regard to case.
pub(super) fn is(name: &str, known: &str) -> bool {
    name.eq_ignore_ascii_case(known)
}
