//! The fields that a Secrets Manager secret adds to a spec (docs/protocol/connection-spec.md 4).

use std::fmt;

use serde_json::{Map, Value};

use crate::config::{self, ConnSpec, LoginAs, LoginFrom, Target, value};
use crate::secret::{Secret, SecretJson};

/// The fields of a secret that are used for a spec.
#[derive(Default)]
pub(crate) struct Fields {
    /// The secret's `username`: the database user.
    pub(crate) user: Option<String>,
    /// The secret's `password`: the database user's.
    pub(crate) password: Option<Secret>,
    /// The secret's `host`: the warehouse's host name.
    pub(crate) host: Option<String>,
    /// The secret's `port`, a number or digits in a string.
    pub(crate) port: Option<u16>,
    /// The secret's `dbname`: the database to log in to.
    pub(crate) database: Option<String>,
    /// Whether the secret has an `endpoint`, which is not read: people take it for the host.
    pub(crate) has_endpoint: bool,
}

/// The reason why a secret cannot be used. Never has a part of its text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BadSecret(pub(crate) &'static str);

impl Fields {
    /// Reads the JSON object of a secret. Fields that the spec has itself, or that nothing would be
    /// done with, are neither read nor checked; other keys are ignored, as in lava.
    ///
    /// # Errors
    /// The text is no JSON object, or a field that is used has a wrong value.
    pub(crate) fn parse(text: &Secret, spec: &ConnSpec) -> Result<Self, BadSecret> {
        let mut json = SecretJson::parse(text).map_err(|_quotes_it| BadSecret("the secret is not JSON"))?;
        let has_endpoint = json
            .object()
            .and_then(|object| object.get("endpoint"))
            .is_some_and(Value::is_string);
        drop_unused(&mut json, spec);
        let object = json
            .object()
            .ok_or(BadSecret("the secret is not a JSON object"))?;
        let host = string(object, "host", "the secret's host is no string")?;
        let database = string(object, "dbname", "the secret's dbname is no string")?;
        let user = string(object, "username", "the secret's username is no string")?;
        let password = string(object, "password", "the secret's password is no string")?.map(Secret::new);
        if password
            .as_ref()
            .map(Secret::expose)
            .is_some_and(|password| password.is_empty() || password.contains('\0'))
        {
            return Err(BadSecret("the secret's password is empty, or holds a NUL"));
        }
        password
            .as_ref()
            .map(Secret::expose)
            .map_or(Ok(()), config::of_a_secret)
            .map_err(BadSecret)?;
        // AWS gives credentials only for databases whose names have its own form.
        let database_name =
            if password.is_some() || spec.login.parameter().is_some() { value::database } else { value::iam_database };
        Ok(Self {
            user: checked(user, |user| value::warehouse_user(&user).ok(), "the secret's username is no user's name")?,
            password,
            host: checked(host, |host| value::host(&host).ok(), "the secret's host is no host")?,
            port: port(object)?,
            has_endpoint,
            database: checked(database, |name| database_name(&name).ok(), "the secret's dbname is no database's name")?,
        })
    }
}

/// Removes the fields that the spec has itself, and the user unless the login has one by name.
fn drop_unused(json: &mut SecretJson, spec: &ConnSpec) {
    let given = json.object().and_then(|object| object.get("password"));
    let has_password = given.is_some_and(|value| !value.is_null());
    let (is_user_used, is_password_used) = match &spec.login {
        LoginFrom::Parameter { user, .. } => (user.is_none(), false),
        LoginFrom::Iam(login_as) | LoginFrom::Secret { login_as, .. } => {
            let logs_in_by_name = match (login_as, &spec.target) {
                (LoginAs::Shared { user: Some(_) }, _) => false,
                (LoginAs::Shared { user: None }, Target::Cluster(_)) => true,
                (LoginAs::Shared { user: None }, Target::Workgroup(_)) | (LoginAs::PerUser, _) => has_password,
            };
            (logs_in_by_name, true)
        }
    };
    for (key, is_used) in [
        ("host", spec.host.is_none()),
        ("port", spec.port.is_none()),
        ("dbname", spec.database.is_none()),
        ("username", is_user_used),
        ("password", is_password_used),
    ] {
        if !is_used {
            json.remove(key);
        }
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

fn string(object: &Map<String, Value>, key: &str, otherwise: &'static str) -> Result<Option<String>, BadSecret> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(BadSecret(otherwise)),
    }
}

fn checked<T>(
    text: Option<String>,
    check: impl Fn(String) -> Option<T>,
    otherwise: &'static str,
) -> Result<Option<T>, BadSecret> {
    text.map(|text| check(text).ok_or(BadSecret(otherwise)))
        .transpose()
}

/// Reads a port: a number, or digits in a string.
fn port(object: &Map<String, Value>) -> Result<Option<u16>, BadSecret> {
    let text = match object.get("port") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err(BadSecret("the secret's port is no number")),
    };
    value::port(&text)
        .map(Some)
        .map_err(|_why| BadSecret("the secret's port is no port"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{self, UnknownKeys};

    /// Parses a secret for the spec of a provisioned cluster with these further lines.
    fn parse_for(spec: &str, text: &str) -> Result<Fields, BadSecret> {
        let toml = format!("[connections.c]\ntype = \"redshift\"\ncluster_id = \"dw1\"\nsecret_id = \"x\"\n{spec}");
        let config = config::parse(&toml, Path::new("p"), &|_| None, UnknownKeys::Refuse).unwrap();
        Fields::parse(&Secret::new(text.to_owned()), &config.connections["c"])
    }

    fn parse(text: &str) -> Result<Fields, BadSecret> {
        parse_for("", text)
    }

    #[test]
    fn fields_that_the_spec_sets_are_not_read_from_the_secret() {
        let bad = [("host", "host = \"h\""), ("dbname", "database = \"d\""), ("username", "user = \"u\"")];
        let bad = bad
            .into_iter()
            .chain([("port", "port = 1"), ("password", "user = \"u\"\npassword = \"/pw\"")]);
        for (key, spec) in bad {
            for value in ["\"\"", "[1]"] {
                let text = format!("{{\"{key}\": {value}}}");
                assert!(parse(&text).is_err() && parse_for(spec, &text).is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn a_username_is_read_only_where_the_login_has_one_by_name() {
        let per_user = "identity = \"per-user\"";
        assert!(parse_for(per_user, r#"{"username": ""}"#).is_ok());
        assert!(parse_for(per_user, r#"{"username": "", "password": "p"}"#).is_err());
    }

    #[test]
    fn the_fields_of_a_secret_that_aws_rotates_are_read() {
        let text = r#"{"username":"u","password":"p","host":"dw.example.com","port":5439,"dbname":"fin",
            "dbClusterIdentifier":"dw1","engine":"redshift","x":[1]}"#;
        let fields = parse(text).unwrap();
        assert_eq!((fields.user.as_deref(), fields.host.as_deref()), (Some("u"), Some("dw.example.com")));
        assert_eq!((fields.port, fields.database.as_deref()), (Some(5439), Some("fin")));
        assert_eq!(fields.password.as_ref().map(Secret::expose), Some("p"));
        assert_eq!(parse(r#"{"port":"5440","host":null}"#).unwrap().port, Some(5440));
        assert!(parse("{}").unwrap().password.is_none());
        assert!(!format!("{fields:?}").contains('p') || !format!("{fields:?}").contains("\"p\""));
    }

    #[test]
    fn a_database_of_any_name_is_read_if_there_is_a_password() {
        let named = |name: &str, more: &str| format!("{{\"dbname\": \"{name}\"{more}}}");
        for name in ["sales$2024", "größe", &"d".repeat(127)] {
            assert!(parse(&named(name, "")).is_err(), "GetClusterCredentials takes none so: {name}");
            let fields = parse(&named(name, ", \"username\": \"u\", \"password\": \"p\"")).unwrap();
            assert_eq!(fields.database.as_deref(), Some(name));
        }
    }

    #[test]
    fn hashes_and_keys_in_place_of_a_password_are_refused() {
        for password in ["md50123456789abcdef0123456789abcdef", "SCRAM-SHA-256$4096:c2FsdA==", "-----BEGIN X-----"] {
            let told = parse(&format!("{{\"username\": \"u\", \"password\": \"{password}\"}}")).unwrap_err();
            assert!(told.0.starts_with("what is stored as the password is"), "{}", told.0);
        }
        assert_eq!(
            parse(r#"{"password": "p\n"}"#)
                .unwrap()
                .password
                .unwrap()
                .expose(),
            "p\n",
            "it is exact"
        );
    }

    #[test]
    fn an_unusable_secret_is_refused_with_its_reason() {
        for (text, want) in [
            ("hunter2", "the secret is not JSON"),
            ("", "the secret is not JSON"),
            ("[1]", "the secret is not a JSON object"),
            ("\"hunter2\"", "the secret is not a JSON object"),
            (r#"{"password":1}"#, "the secret's password is no string"),
            (r#"{"password":""}"#, "the secret's password is empty, or holds a NUL"),
            (r#"{"port":0}"#, "the secret's port is no port"),
            (r#"{"port":true}"#, "the secret's port is no number"),
            (r#"{"port":"x"}"#, "the secret's port is no port"),
            (r#"{"host":"a b"}"#, "the secret's host is no host"),
            (r#"{"dbname":"a/b"}"#, "the secret's dbname is no database's name"),
            (r#"{"username":""}"#, "the secret's username is no user's name"),
        ] {
            assert_eq!(parse(text).err(), Some(BadSecret(want)), "{text}");
        }
    }
}
