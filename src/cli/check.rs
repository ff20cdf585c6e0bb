//! `check`: what each connection does, proved live step by step ([`live`]), or out of the configuration alone
//! ([`offline`]). Tells no secret.

use std::fmt::Write;
use std::sync::Arc;

pub use self::live::{LiveError, Verdict, live};
use crate::config::{Ca, Config, ConnSpec};

mod certificate;
mod explain;
mod explain_aws;
mod explain_warehouse;
mod iam;
mod live;
mod observed;
mod report;
pub(crate) mod steps;
mod warehouse;

/// A paragraph for each connection named, all when `conn_ids` is empty.
///
/// # Errors
/// `Unknown`: the configuration has no connection of that name.
pub fn offline(config: &Config, conn_ids: &[String]) -> Result<String, Unknown> {
    let mut out = String::new();
    for spec in chosen(config, conn_ids)? {
        // Writing to a string does not fail.
        let _infallible = write_one(&mut out, config, spec);
    }
    Ok(out)
}

/// Those named, all when `conn_ids` is empty.
fn chosen<'c>(config: &'c Config, conn_ids: &[String]) -> Result<Vec<&'c Arc<ConnSpec>>, Unknown> {
    if conn_ids.is_empty() {
        return Ok(config.connections.values().collect());
    }
    let find = |id: &String| config.connections.get(id.as_str()).ok_or_else(|| Unknown(id.clone()));
    conn_ids.iter().map(find).collect()
}

/// A conn_id that the configuration does not have.
#[derive(Debug, thiserror::Error)]
#[error("there is no connection {0:?}")]
pub struct Unknown(String);

fn write_one(out: &mut String, config: &Config, spec: &ConnSpec) -> std::fmt::Result {
    let disabled = if spec.enabled { "" } else { " (disabled)" };
    writeln!(out, "{}{disabled}", spec.id)?;
    let host = spec.host.as_deref().unwrap_or_default();
    let shown = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let database = spec.database.as_deref().unwrap_or_default();
    writeln!(out, "  warehouse:   {shown}:{}, database {database}", spec.port.unwrap_or(5439))?;
    let ca = match spec.ca.as_ref().unwrap_or(&config.upstream.ca) {
        Ca::Aws => "Amazon's roots".to_owned(),
        Ca::System => "the system's roots".to_owned(),
        Ca::File { path, .. } => path.display().to_string(),
    };
    writeln!(out, "  TLS:         {}, vouched for by {ca}", spec.tls_server_name.as_deref().unwrap_or(host))?;
    let region = spec.region.as_deref().or(config.aws.region.as_deref()).unwrap_or("the SDK's");
    let secs = spec.password_duration.as_secs();
    writeln!(
        out,
        "  credentials: workgroup {}, Region {region}, for {secs} s",
        spec.workgroup.as_deref().unwrap_or_default()
    )?;
    match spec.role_hops.last() {
        None => writeln!(out, "  role:        none, the base identity's own")?,
        Some(role) => {
            let external_id = if role.external_id.is_some() { ", with an external id out of SSM" } else { "" };
            writeln!(out, "  role:        {}{external_id}", role.role_arn)?;
        }
    }
    let users: Vec<_> = config.users.iter().filter(|(_, user)| user.may_open(&spec.id)).collect();
    let names =
        users.iter().map(|(name, user)| if user.enabled { name.to_string() } else { format!("{name} (disabled)") });
    let names: Vec<_> = names.collect();
    let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
    writeln!(out, "  open to:     {names}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{UnknownKeys, parse};

    #[test]
    fn each_connection_is_told_without_its_secrets() {
        let text = r#"
            [connections.sales]
            type = "redshift-serverless"
            host = "Wg1.123456789012.eu-west-1.redshift-serverless.amazonaws.com"
            database = "dev"
            role_arn = "arn:aws:iam::123456789012:role/rs01"
            external_id = "/planted/name"
            [connections.six]
            type = "redshift-serverless"
            enabled = false
            host = "::1"
            workgroup = "wg2"
            database = "dev"
            [users.ann]
            password = "env:PW"
            connections = ["s*"]
            [users.bob]
            enabled = false
            password = "env:PW"
            connections = ["sales"]
        "#;
        let env = |name: &str| (name == "PW").then(|| "planted-password".to_owned());
        let config = parse(text, Path::new("proxy.toml"), &env, UnknownKeys::Refuse).unwrap();
        let told = offline(&config, &[]).unwrap();
        let want = "\
sales
  warehouse:   Wg1.123456789012.eu-west-1.redshift-serverless.amazonaws.com:5439, database dev
  TLS:         Wg1.123456789012.eu-west-1.redshift-serverless.amazonaws.com, vouched for by Amazon's roots
  credentials: workgroup wg1, Region eu-west-1, for 900 s
  role:        arn:aws:iam::123456789012:role/rs01, with an external id out of SSM
  open to:     ann, bob (disabled)
six (disabled)
  warehouse:   [::1]:5439, database dev
  TLS:         ::1, vouched for by Amazon's roots
  credentials: workgroup wg2, Region the SDK's, for 900 s
  role:        none, the base identity's own
  open to:     ann
";
        assert_eq!(told, want);
        assert!(offline(&config, &["six".to_owned()]).unwrap().starts_with("six"));
        assert!(offline(&config, &["nope".to_owned()]).is_err());
    }
}
