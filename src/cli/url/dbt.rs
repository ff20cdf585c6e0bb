//! The form for dbt: a profile for profiles.yml, for dbt-redshift. dbt-postgres would log in as
//! well, but its SQL is for PostgreSQL: it makes indexes and materialized views as Redshift cannot.

use super::params::ConnParams;
use super::tls::SslMode;

/// The environment variable that the profile takes the password from; dbt keeps variables with this
/// prefix out of its logs.
const PASSWORD: &str = "DBT_ENV_SECRET_REDSHIFT_PASSWORD";

/// A YAML document of one profile, named after the conn_id.
pub(super) fn dbt(params: &ConnParams<'_>, notes: &mut Vec<String>) -> String {
    params.note_proof(
        notes,
        &format!("the password: in the environment, as {PASSWORD}"),
        "the user's proof is a certificate, and dbt-redshift can show none: it takes a user with a password",
    );
    notes.push(format!("the profile in dbt_project.yml is {}; schema is where dbt shall build", text(params.conn_id)));
    match params.mode {
        SslMode::Disable => {}
        SslMode::Require => notes.push(
            "dbt-redshift verifies the certificate even with require, and that made at start has nobody to vouch for it: \
             give the listener one of its own"
                .to_owned(),
        ),
        SslMode::VerifyFull => notes.push(
            "dbt-redshift trusts the system's CAs and Amazon's: for a private one set SSL_CERT_FILE to its certificates"
                .to_owned(),
        ),
    }
    let lines = [
        format!("{}:", text(params.conn_id)),
        "  target: proxy".to_owned(),
        "  outputs:".to_owned(),
        "    proxy:".to_owned(),
        "      type: redshift".to_owned(),
        "      method: database".to_owned(),
        format!("      host: {}", rendered(&params.host)),
        format!("      port: {}", params.port),
        format!("      user: {}", rendered(&params.user)),
        format!("      password: \"{{{{ env_var('{PASSWORD}') }}}}\""),
        format!("      dbname: {}", rendered(params.database)),
        "      schema: public".to_owned(),
        "      threads: 4".to_owned(),
        format!("      sslmode: {}", params.mode),
        // The adapter hands it to redshift_connector as the time-out of the socket, which holds for
        // all that follows.
        "      # no connect_timeout: it would also end each statement that takes longer".to_owned(),
    ];
    lines.join("\n")
}

/// The text as a YAML scalar in double quotes, whose escapes are JSON's.
fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text as a YAML scalar that stays the same when dbt renders it as a Jinja template.
fn rendered(value: &str) -> String {
    if ["{{", "{%", "{#"].iter().any(|mark| value.contains(mark)) {
        text(&format!("{{{{ '{}' }}}}", value.replace('\\', r"\\").replace('\'', r"\'")))
    } else {
        text(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_for_yaml_and_for_jinja() {
        for (value, want) in [
            ("sales", r#""sales""#),
            ("yes: \"no\" # \\", r#""yes: \"no\" # \\""#),
            ("größe", "\"größe\""),
            ("a{b}%c", "\"a{b}%c\""),
            ("{{ 7 }}", r#""{{ '{{ 7 }}' }}""#),
            ("{% it's \\", r#""{{ '{% it\\'s \\\\' }}""#),
        ] {
            assert_eq!(rendered(value), want);
        }
    }
}
