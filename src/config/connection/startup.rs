//! The rules for a client's startup parameters on the way to a warehouse.

use crate::config::reader::{Table, Value};
use crate::config::value::Parsed;

/// Longest application_name that is sent to the warehouse, in bytes.
pub(crate) const MAX_APPLICATION_NAME: usize = 250;

/// Most names in `drop`, and in `set`.
const MAX_NAMES: usize = 64;

/// Longest name of a parameter (NAMEDATALEN), and longest value of one, in bytes.
const MAX_NAME: usize = 63;
const MAX_VALUE: usize = 1024;

/// Most bytes that a connection sets: a startup message holds 10,000, and most of it is the
/// client's.
const MAX_SET: usize = 4096;

/// Parameters that the proxy makes itself, so that no connection drops them.
pub(crate) const OURS: [&str; 2] = ["user", "database"];

/// Parameters that are neither passed on nor set: replication, and those of native identity
/// providers. Others that are left out of what clients send may be set by a connection, which is
/// the operator's word.
pub(crate) const NEVER_PASSED: [&str; 6] =
    ["replication", "idp_type", "provider_name", "token_type", "identity_namespace", "idc_client_display_name"];

/// Parameters that no connection sets besides: the one that has a key of its own, the one that
/// holds other parameters, and those that a driver has to say itself.
const NEVER_SET: [&str; 4] = ["application_name", "options", "client_protocol_version", "plugin_name"];

/// The template of `application_name`, as a connection has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NameTemplate(Vec<Piece>);

/// A part of a template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Piece {
    /// Literal text.
    Text(String),
    /// `{application_name}`: the client's own, which is the only piece that is cut to fit.
    ApplicationName,
    /// `{user}`: the user of the client.
    User,
    /// `{conn_id}`
    ConnId,
    /// `{client_addr}`
    ClientAddr,
    /// `{session_id}`: the id of the session in the proxy's log.
    SessionId,
}

const PLACEHOLDERS: [(&str, Piece); 5] = [
    ("application_name", Piece::ApplicationName),
    ("user", Piece::User),
    ("conn_id", Piece::ConnId),
    ("client_addr", Piece::ClientAddr),
    ("session_id", Piece::SessionId),
];

impl NameTemplate {
    /// Reads text with placeholders in braces. A brace has no other use.
    ///
    /// # Errors
    /// An unknown placeholder, an unbalanced brace, control characters, or more text than fits.
    pub fn parse(text: &str) -> Result<Self, std::borrow::Cow<'static, str>> {
        if text.contains(char::is_control) {
            return Err("must hold no control characters".into());
        }
        let (mut pieces, mut rest, mut fixed) = (Vec::new(), text, 0);
        while let Some((before, behind)) = rest.split_once('{') {
            let (name, after) = behind.split_once('}').ok_or(UNBALANCED)?;
            let found = PLACEHOLDERS.iter().find(|(known, _)| *known == name);
            let (_, piece) = found.ok_or_else(unknown)?;
            fixed += push_text(&mut pieces, before)?;
            pieces.push(piece.clone());
            rest = after;
        }
        fixed += push_text(&mut pieces, rest)?;
        if fixed > MAX_APPLICATION_NAME {
            return Err(format!("must be at most {MAX_APPLICATION_NAME} bytes long").into());
        }
        Ok(Self(pieces))
    }

    /// The pieces in their order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Whether the template passes on the client's own application_name unchanged.
    #[must_use]
    pub fn is_clients_own(&self) -> bool {
        self.0 == [Piece::ApplicationName]
    }
}

/// The template `{application_name}`.
impl Default for NameTemplate {
    fn default() -> Self {
        Self(vec![Piece::ApplicationName])
    }
}

const UNBALANCED: &str = "a { or } without its other: braces are for placeholders only";

fn unknown() -> String {
    let names: Vec<_> = PLACEHOLDERS
        .iter()
        .map(|(name, _)| format!("{{{name}}}"))
        .collect();
    format!("unknown placeholder: there are {}", names.join(", "))
}

/// Adds literal text, and says how many bytes it has.
fn push_text(pieces: &mut Vec<Piece>, text: &str) -> Result<usize, &'static str> {
    if text.contains('}') {
        return Err(UNBALANCED);
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
    Ok(text.len())
}

/// `startup_parameters`: the changes to a client's parameters. Names are compared without regard to
/// case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StartupPolicy {
    /// Names of parameters that are not passed on.
    pub drop: Vec<String>,
    /// Names and values that are sent in place of the client's.
    pub set: Vec<(String, String)>,
}

impl StartupPolicy {
    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.drop.is_empty() && self.set.is_empty()
    }

    /// Whether the client's value of this parameter is dropped.
    #[must_use]
    pub fn drops(&self, name: &str) -> bool {
        is_one_of(&self.drop, name)
    }

    /// Whether the connection sets this parameter.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        self.set
            .iter()
            .any(|(known, _)| name.eq_ignore_ascii_case(known))
    }
}

/// Reads `application_name`. `None`: it was refused, and a problem was reported.
pub(super) fn application_name(table: &mut Table<'_>) -> Option<NameTemplate> {
    table
        .take("application_name")
        .map_or(Some(NameTemplate::default()), |name| name.parse(NameTemplate::parse))
}

/// Reads `startup_parameters`. `None`: a part of it was refused, and a problem was reported.
pub(super) fn startup_parameters(table: &mut Table<'_>) -> Option<StartupPolicy> {
    let Some(place) = table.take("startup_parameters") else { return Some(StartupPolicy::default()) };
    let mut table = place.table("connections.*.startup_parameters");
    let drop = table
        .take("drop")
        .map_or(Some(Vec::new()), |names| dropped(&names));
    let set = table
        .take("set")
        .map_or(Some(Vec::new()), |given| set(&given));
    table.finish();
    place
        .is_table()
        .then_some(StartupPolicy { drop: drop?, set: set? })
}

fn dropped(names: &Value<'_>) -> Option<Vec<String>> {
    let list = names.list()?;
    if list.len() > MAX_NAMES {
        names.report(format_args!("must be at most {MAX_NAMES} names"));
        return None;
    }
    let names: Vec<_> = list
        .iter()
        .filter_map(|name| name.parse(droppable))
        .collect();
    (names.len() == list.len()).then_some(names)
}

fn droppable(name: &str) -> Parsed<String> {
    parameter_name(name)?;
    if is_one_of(&OURS, name) {
        return Err("is the proxy's own to send".into());
    }
    Ok(name.to_owned())
}

fn set(place: &Value<'_>) -> Option<Vec<(String, String)>> {
    let given = place.table("connections.*.startup_parameters.set").names();
    if given.len() > MAX_NAMES {
        place.report(format_args!("must be at most {MAX_NAMES} parameters"));
        return None;
    }
    let (mut all, count) = (Vec::<(String, String)>::new(), given.len());
    for value in given {
        if let Err(why) = settable(&value.name) {
            value.report(why);
        } else if all
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(&value.name))
        {
            value.report("another parameter has this name, but for case");
        } else if let Some(text) = value.parse(parameter_value) {
            all.push((value.name, text));
        }
    }
    let bytes: usize = all
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2)
        .sum();
    if bytes > MAX_SET {
        place.report(format_args!("must be at most {MAX_SET} bytes together"));
        return None;
    }
    (place.is_table() && all.len() == count).then_some(all)
}

fn settable(name: &str) -> Parsed<()> {
    if name.eq_ignore_ascii_case("application_name") {
        return Err("has a key of its own: application_name".into());
    }
    let is_protocols = name
        .get(.."_pq_.".len())
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("_pq_."));
    if is_protocols
        || [&OURS[..], &NEVER_PASSED, &NEVER_SET]
            .iter()
            .any(|names| is_one_of(names, name))
    {
        return Err("may not be set".into());
    }
    parameter_name(name)
}

/// Whether a name is in the list. The server compares names without regard to case, too.
fn is_one_of(names: &[impl AsRef<str>], name: &str) -> bool {
    names
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known.as_ref()))
}

/// Checks the name of a parameter, as PostgreSQL names its own and those of extensions.
fn parameter_name(name: &str) -> Parsed<()> {
    let is_name = (1..=MAX_NAME).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
    if is_name { Ok(()) } else { Err("must be 1 to 63 letters, digits, _ and ., and begin with no digit".into()) }
}

fn parameter_value(text: &str) -> Parsed<String> {
    if text.len() > MAX_VALUE || text.contains(char::is_control) {
        return Err(format!("must be at most {MAX_VALUE} bytes without control characters").into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_text_and_placeholders() {
        let text = |text: &str| Piece::Text(text.to_owned());
        for (template, want) in [
            ("", vec![]),
            ("bi", vec![text("bi")]),
            ("{application_name}", vec![Piece::ApplicationName]),
            ("[{user}] {conn_id}", vec![text("["), Piece::User, text("] "), Piece::ConnId]),
            ("{client_addr}{session_id}", vec![Piece::ClientAddr, Piece::SessionId]),
        ] {
            assert_eq!(NameTemplate::parse(template).unwrap().pieces(), want, "{template}");
        }
        assert!(NameTemplate::default().is_clients_own());
        assert!(
            !NameTemplate::parse("{application_name} ")
                .unwrap()
                .is_clients_own()
        );
        assert!(NameTemplate::parse(&format!("{}{{user}}", "x".repeat(250))).is_ok());
    }

    #[test]
    fn templates_with_other_braces_are_refused() {
        for template in ["{", "}", "{user", "user}", "{user}}", "{{user}}", "a}b{user}"] {
            let why = NameTemplate::parse(template).unwrap_err();
            assert!(why.contains("without its other") || why.contains("unknown placeholder"), "{template}: {why}");
        }
        for template in ["{}", "{User}", "{ user }", "{password}"] {
            assert!(
                NameTemplate::parse(template)
                    .unwrap_err()
                    .starts_with("unknown placeholder"),
                "{template}"
            );
        }
        assert!(NameTemplate::parse("a\0").is_err() && NameTemplate::parse("a\n").is_err());
        assert!(NameTemplate::parse(&"x".repeat(251)).is_err());
    }
}
