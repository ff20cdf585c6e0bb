//! The startup parameters that Redshift takes, and those of them that PostgreSQL understands.
//!
//! Section 2.1 and 8.2 of the project's notes on Redshift's protocol: the keys of AWS's own drivers
//! are read, a known list can be set, and anything else ends the connection with 42704.

use super::refusal::Refusal;

/// Read by Redshift, unknown to PostgreSQL. Names are matched exactly.
const DRIVER_KEYS: [&str; 4] = ["client_protocol_version", "driver_version", "os_version", "driver_discovery_version"];

/// Their presence makes Redshift ask for an identity provider's token.
const IDP_KEYS: [&str; 5] =
    ["idp_type", "provider_name", "token_type", "identity_namespace", "idc_client_display_name"];

/// Settable in both. Settings' names are matched in any case, as PostgreSQL does.
const COMMON: [&str; 7] = [
    "application_name",
    "client_encoding",
    "datestyle",
    "extra_float_digits",
    "search_path",
    "statement_timeout",
    "timezone",
];

/// Settable in Redshift only.
const REDSHIFT_ONLY: [&str; 4] =
    ["query_group", "wlm_query_slot_count", "json_serialization_enable", "enable_case_sensitive_identifier"];

/// Known, but nobody may set them: refused with 42501, unlike names that are unknown
/// (npgsql/npgsql#163).
const LOCALES: [&str; 6] = ["lc_collate", "lc_ctype", "lc_messages", "lc_monetary", "lc_numeric", "lc_time"];

/// The highest feature level of `client_protocol_version` that there is.
const MAX_LEVEL: u32 = 3;

/// A startup message, sorted.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Request {
    pub(super) user: String,
    pub(super) database: String,
    /// An identity provider's token is wanted instead of a password.
    pub(super) idp: bool,
    /// Protocol options, none of which are known.
    pub(super) protocol_options: Vec<String>,
    /// The server's answer to `client_protocol_version`.
    pub(super) level: u32,
    /// The driver asked for a `driver_token`.
    pub(super) discovery: bool,
    /// The settings for PostgreSQL, or the refusal of the first one that Redshift does not take.
    pub(super) settings: Result<Vec<(String, String)>, Refusal>,
}

/// Sorts a startup message's parameters.
pub(super) fn sort(parameters: &[(String, String)]) -> Request {
    let find = |name: &str| {
        parameters
            .iter()
            .rfind(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let user = find("user").unwrap_or_default().to_owned();
    let database = find("database")
        .filter(|name| !name.is_empty())
        .unwrap_or(&user)
        .to_owned();
    let asked = find("client_protocol_version")
        .and_then(|level| level.parse().ok())
        .unwrap_or(0);
    let plugin = find("plugin_name").is_some_and(|name| !name.is_empty() && name != "none");
    Request {
        idp: plugin
            || IDP_KEYS
                .iter()
                .any(|key| find(key).is_some_and(|value| !value.is_empty())),
        protocol_options: parameters
            .iter()
            .map(|(key, _)| key)
            .filter(|key| key.starts_with("_pq_."))
            .cloned()
            .collect(),
        level: MAX_LEVEL.min(asked),
        discovery: find("driver_discovery_version").is_some(),
        settings: settings(parameters),
        user,
        database,
    }
}

fn settings(parameters: &[(String, String)]) -> Result<Vec<(String, String)>, Refusal> {
    let mut passed = Vec::new();
    for (_, options) in parameters.iter().filter(|(key, _)| key == "options") {
        for (name, value) in switches(options)? {
            setting(&name, &value, &mut passed)?;
        }
    }
    for (key, value) in parameters {
        match key.as_str() {
            "user" | "database" | "options" | "plugin_name" => {}
            "replication" if value.is_empty() => {}
            key if key.starts_with("_pq_.") || DRIVER_KEYS.contains(&key) || IDP_KEYS.contains(&key) => {}
            _ => setting(key, value, &mut passed)?,
        }
    }
    Ok(passed)
}

fn setting(name: &str, value: &str, passed: &mut Vec<(String, String)>) -> Result<(), Refusal> {
    let lower = name.to_ascii_lowercase();
    if lower == "extra_float_digits" {
        float_digits(value)?;
    }
    if COMMON.contains(&lower.as_str()) {
        passed.push((name.to_owned(), value.to_owned()));
    } else if LOCALES.contains(&lower.as_str()) {
        return Err(Refusal::locked_parameter(name, value));
    } else if !REDSHIFT_ONLY.contains(&lower.as_str()) {
        return Err(Refusal::unknown_parameter(name));
    }
    Ok(())
}

fn float_digits(value: &str) -> Result<(), Refusal> {
    let name = "extra_float_digits";
    match value.trim().parse::<i64>() {
        Ok(-15..=2) => Ok(()),
        Ok(digits) => {
            Err(Refusal::bad_value(format!("{digits} is outside the valid range for parameter \"{name}\" (-15 .. 2)")))
        }
        Err(_) => Err(Refusal::bad_value(format!("parameter \"{name}\" requires an integer value"))),
    }
}

/// `-c name=value`, `-cname=value` and `--name=value`, as the server's command line takes them
/// (postgres.c).
fn switches(options: &str) -> Result<Vec<(String, String)>, Refusal> {
    let invalid = || Refusal::new("42601", "invalid command-line arguments for server process");
    let mut words = split(options).into_iter();
    let mut switches = Vec::new();
    while let Some(word) = words.next() {
        let assignment = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (Some(assignment), _) => assignment.to_owned(),
            (None, Some("")) => words.next().ok_or_else(invalid)?,
            (None, Some(assignment)) => assignment.to_owned(),
            (None, None) => return Err(invalid()),
        };
        let (name, value) = assignment.split_once('=').ok_or_else(invalid)?;
        // ParseLongOption (guc.c): dashes in names stand for underscores.
        switches.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(switches)
}

/// Words between white space; a backslash takes the next character as it is (pg_split_opts,
/// postinit.c).
fn split(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.get_or_insert_default().extend(characters.next()),
            space if space.is_ascii_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(parameters: &[(&str, &str)]) -> Request {
        sort(
            &parameters
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect::<Vec<_>>(),
        )
    }

    fn passed(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
        sorted(parameters).settings.unwrap()
    }

    #[test]
    fn the_drivers_keys_are_taken_and_kept_from_postgresql() {
        let request = sorted(&[
            ("user", "IAMR:rs01"),
            ("client_protocol_version", "9"),
            ("driver_version", "Redshift JDBC Driver 2.2"),
            ("os_version", "Linux"),
            ("driver_discovery_version", "1"),
            ("plugin_name", "none"),
            ("query_group", "q"),
            ("replication", ""),
            ("_pq_.compression", "lz4"),
            ("DateStyle", "ISO"),
        ]);
        assert_eq!(request.settings.unwrap(), [("DateStyle".to_owned(), "ISO".to_owned())]);
        assert_eq!((request.level, request.discovery, request.idp), (3, true, false));
        assert_eq!(request.protocol_options, ["_pq_.compression"]);
        assert_eq!(request.database, "IAMR:rs01", "as PostgreSQL does when none is given");
    }

    #[test]
    fn unknown_names_and_values_out_of_range_are_refused_also_inside_options() {
        for (key, value, expected) in [
            ("IntervalStyle", "iso_8601", Refusal::unknown_parameter("IntervalStyle")),
            ("standard_conforming_strings", "on", Refusal::unknown_parameter("standard_conforming_strings")),
            ("geqo", "off", Refusal::unknown_parameter("geqo")),
            ("ssl_renegotiation_limit", "0", Refusal::unknown_parameter("ssl_renegotiation_limit")),
            ("sslmode", "require", Refusal::unknown_parameter("sslmode")),
            ("LC_Monetary", "C", Refusal::locked_parameter("LC_Monetary", "C")),
            ("options", "-c lc_monetary=C", Refusal::locked_parameter("lc_monetary", "C")),
            ("replication", "true", Refusal::unknown_parameter("replication")),
            ("options", "-c lock_timeout=3", Refusal::unknown_parameter("lock_timeout")),
            ("options", "--lock-timeout=3", Refusal::unknown_parameter("lock_timeout")),
            ("options", "-cextra_float_digits=3", float_digits("3").unwrap_err()),
            ("extra_float_digits", "-16", float_digits("-16").unwrap_err()),
        ] {
            assert_eq!(sorted(&[(key, value)]).settings, Err(expected), "{key}={value}");
        }
        let text = r#"3 is outside the valid range for parameter "extra_float_digits" (-15 .. 2)"#;
        assert_eq!(float_digits("3").unwrap_err(), Refusal::bad_value(text));
        assert!(sorted(&[("options", "-d 5")]).settings.is_err());
    }

    #[test]
    fn options_are_unescaped_and_come_before_the_keys() {
        let both = passed(&[("TimeZone", "UTC"), ("options", r"-c search_path=a\ b --statement-timeout=5")]);
        let names: Vec<_> = both
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(names, [("search_path", "a b"), ("statement_timeout", "5"), ("TimeZone", "UTC")]);
    }

    #[test]
    fn an_identity_provider_shows_in_its_keys() {
        for key in IDP_KEYS {
            assert!(sorted(&[(key, "x")]).idp, "{key}");
        }
        assert!(sorted(&[("plugin_name", "com.amazon.redshift.plugin.AzureCredentialsProvider")]).idp);
    }
}
