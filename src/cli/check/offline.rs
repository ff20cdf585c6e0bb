//! `check --offline`: what each connection would do, and to whom it is open.

use std::fmt::Write;

use super::open_to::{self, OpenTo};
use crate::cli::connection::{Connection, UnknownConnection};
use crate::config::{Ca, Config, ConnId, ConnSpec, LoginAs, LoginFrom, SpecsTable, Target};
use crate::credentials::DEFAULT_PORT;

/// Describes the connections of these names, each in a paragraph; all of them when `conn_ids` is
/// empty, each with the first of its users only.
///
/// # Errors
/// [`UnknownConnection`].
pub(crate) fn offline(config: &Config, conn_ids: &[String]) -> Result<String, UnknownConnection> {
    let mut out = String::new();
    // Writing to a string does not fail.
    if conn_ids.is_empty() {
        let mut open_to = OpenTo::new(config);
        for spec in config.connections.values() {
            let _infallible = write_one(&mut out, config, spec);
            let (first, count) = open_to.first(spec);
            let _infallible = write_users(&mut out, &first, count);
        }
    }
    for connection in conn_ids.iter().map(|name| Connection::named(config, name)) {
        let connection = connection?;
        let _infallible = match &connection {
            Connection::Configured(spec) => write_one(&mut out, config, spec),
            Connection::InTable(conn_id, specs) => write_item(&mut out, conn_id, specs),
        };
        let users = config
            .holders()
            .filter_map(|(name, holder)| open_to::noted(&connection, name, &holder));
        let users: Vec<_> = users.collect();
        let _infallible = write_users(&mut out, &users, users.len());
    }
    if let Some(specs) = config.specs.as_ref().filter(|_| conn_ids.is_empty()) {
        let _infallible =
            writeln!(out, "and {} out of table {}", specs.bounds.conn_ids.join(", "), specs.dynamodb_table);
    }
    Ok(out)
}

/// Describes a connection that the table may have: only AWS knows more.
fn write_item(out: &mut String, conn_id: &ConnId, specs: &SpecsTable) -> std::fmt::Result {
    writeln!(out, "{conn_id}")?;
    writeln!(out, "  out of table {}, if it is there: cannot be told offline", specs.dynamodb_table)
}

/// Describes a connection of the configuration's.
fn write_one(out: &mut String, config: &Config, spec: &ConnSpec) -> std::fmt::Result {
    let disabled = if spec.enabled { "" } else { " (disabled)" };
    writeln!(out, "{}{disabled}", spec.id)?;
    let database = spec.database.as_deref().unwrap_or("out of the secret");
    writeln!(out, "  warehouse:   {}, database {database}", address(spec))?;
    let ca = match spec.ca.as_ref().unwrap_or(&config.upstream.ca) {
        Ca::Aws => "Amazon's roots".to_owned(),
        Ca::System => "the system's roots".to_owned(),
        Ca::File { path, .. } => path.display().to_string(),
    };
    let name = spec
        .tls_server_name
        .as_deref()
        .or(spec.host.as_deref())
        .unwrap_or("the host's own name");
    writeln!(out, "  TLS:         {name}, vouched for by {ca}")?;
    writeln!(out, "  credentials: {}", credentials(config, spec))?;
    write_roles(out, spec)
}

/// Names the users, which may be the first of `count`.
fn write_users(out: &mut String, users: &[String], count: usize) -> std::fmt::Result {
    let more = count.saturating_sub(users.len());
    let told = if users.is_empty() { "nobody".to_owned() } else { users.join(", ") };
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    writeln!(out, "  open to:     {told}{more}")
}

/// Host and port, or where they come from.
fn address(spec: &ConnSpec) -> String {
    let port = || {
        spec.port
            .map_or_else(String::new, |port| format!(", port {port}"))
    };
    match &spec.host {
        Some(host) if host.contains(':') => format!("[{host}]:{}", spec.port.unwrap_or(DEFAULT_PORT)),
        Some(host) if spec.port.is_none() && spec.login.secret_id().is_some() => {
            format!("{host}, port out of the secret")
        }
        Some(host) => format!("{host}:{}", spec.port.unwrap_or(DEFAULT_PORT)),
        None if spec.login.secret_id().is_some() => format!("out of the secret{}", port()),
        None => match spec.target {
            Target::Workgroup(_) => format!("where GetWorkgroup says{}", port()),
            Target::Cluster(_) => format!("where DescribeClusters says{}", port()),
        },
    }
}

/// Where the database login comes from, in the order of precedence: the spec's stored password, the
/// secret's, IAM credentials.
fn credentials(config: &Config, spec: &ConnSpec) -> String {
    match &spec.login {
        LoginFrom::Parameter { name, user, .. } => {
            format!("the password in SSM parameter {name}, user {}", user.as_deref().unwrap_or("out of the secret"))
        }
        LoginFrom::Secret { id, login_as } => {
            format!("the password in secret {id}, where it has one; else {}", iam(config, spec, login_as))
        }
        LoginFrom::Iam(login_as) => iam(config, spec, login_as),
    }
}

/// The login that is asked of IAM.
fn iam(config: &Config, spec: &ConnSpec, login_as: &LoginAs) -> String {
    let region = spec
        .region
        .as_deref()
        .or(config.aws.region.as_deref())
        .unwrap_or("the SDK's");
    let what = match &spec.target {
        Target::Workgroup(workgroup) => {
            let own = match login_as {
                LoginAs::Shared { .. } => "",
                LoginAs::PerUser => ", a session for each user",
            };
            format!("workgroup {}{own}", workgroup.name.as_deref().unwrap_or("of the host"))
        }
        Target::Cluster(cluster) => {
            let login = match login_as {
                LoginAs::Shared { user: Some(user) } => format!(", database user {user}"),
                LoginAs::Shared { user: None } => String::new(),
                LoginAs::PerUser => ", a database user for each user".to_owned(),
            };
            let made = if cluster.auto_create { ", made when missing" } else { "" };
            let groups = if cluster.db_groups.is_empty() {
                String::new()
            } else {
                format!(", in {}", cluster.db_groups.join(", "))
            };
            format!("cluster {}{login}{made}{groups}", cluster.id.as_deref().unwrap_or("of the host"))
        }
    };
    format!("{what}, Region {region}, for {} s", spec.password_duration.as_secs())
}

/// Writes a line for each role, with the keys of tags, and never an external id.
fn write_roles(out: &mut String, spec: &ConnSpec) -> std::fmt::Result {
    if spec.roles.hops.is_empty() {
        return writeln!(out, "  role:        none, the base identity's own");
    }
    let last = spec.roles.hops.len() - 1;
    for (at, hop) in spec.roles.hops.iter().enumerate() {
        let label = if at == 0 { "role:" } else { "  then:" };
        write!(out, "  {label:<12} {}", hop.role_arn)?;
        if let Some(token) = spec
            .roles
            .web_identity_token_file
            .as_ref()
            .filter(|_| at == 0)
        {
            write!(out, ", by the web identity in {}", token.display())?;
        }
        if hop.external_id.is_some() {
            out.write_str(", with an external id out of SSM")?;
        }
        if at == last && !spec.roles.tags.is_empty() {
            let keys: Vec<_> = spec.roles.tags.keys().map(String::as_str).collect();
            write!(out, ", with session tags {}", keys.join(", "))?;
        }
        writeln!(out)?;
    }
    Ok(())
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
        assert!(
            offline(&config, &["six".to_owned()])
                .unwrap()
                .starts_with("six")
        );
        assert!(offline(&config, &["nope".to_owned()]).is_err());
    }

    #[test]
    fn values_known_only_later_are_reported_as_such() {
        let text = r#"
            [specs]
            dynamodb_table = "lava.prod.connections"
            conn_ids = ["bi-*", "x"]
            roles = []
            parameter_prefix = "/lava/"
            [connections.a]
            type = "redshift"
            cluster_id = "c1"
            database = "dev"
            identity = "per-user"
            auto_create = true
            web_identity_token_file = "/run/token"
            role_arn = ["arn:aws:iam::123456789012:role/hop", "arn:aws:iam::123456789012:role/etl"]
            tags = { team = "planted" }
            [connections.b]
            type = "redshift"
            host = "c2.abc.us-east-1.redshift.amazonaws.com"
            secret_id = "prod/x"
            user = "adam"
            db_groups = ["readers", "more"]
            [connections.c]
            type = "redshift-serverless"
            secret_id = "prod/x"
            port = 5440
            password = "/lava/pw"
            [connections.d]
            type = "redshift-serverless"
            workgroup = "wg1"
            database = "dev"
            [groups.g]
            connections = ["a", "d"]
            [users.ann]
            enabled = false
            password = "env:PW"
            groups = ["g"]
        "#;
        let env = |name: &str| (name == "PW").then(|| "planted-password".to_owned());
        let config = parse(text, Path::new("proxy.toml"), &env, UnknownKeys::Refuse).unwrap();
        let told = offline(&config, &[]).unwrap();
        let want = "\
a
  warehouse:   where DescribeClusters says, database dev
  TLS:         the host's own name, vouched for by Amazon's roots
  credentials: cluster c1, a database user for each user, made when missing, Region the SDK's, for 900 s
  role:        arn:aws:iam::123456789012:role/hop, by the web identity in /run/token
    then:      arn:aws:iam::123456789012:role/etl, with session tags team
  open to:     ann (disabled, group g)
b
  warehouse:   c2.abc.us-east-1.redshift.amazonaws.com, port out of the secret, database out of the secret
  TLS:         c2.abc.us-east-1.redshift.amazonaws.com, vouched for by Amazon's roots
  credentials: the password in secret prod/x, where it has one; else cluster c2, database user adam, in readers, more, \
             Region us-east-1, for 900 s
  role:        none, the base identity's own
  open to:     nobody
c
  warehouse:   out of the secret, port 5440, database out of the secret
  TLS:         the host's own name, vouched for by Amazon's roots
  credentials: the password in SSM parameter /lava/pw, user out of the secret
  role:        none, the base identity's own
  open to:     nobody
d
  warehouse:   where GetWorkgroup says, database dev
  TLS:         the host's own name, vouched for by Amazon's roots
  credentials: workgroup wg1, Region the SDK's, for 900 s
  role:        none, the base identity's own
  open to:     ann (disabled, group g)
and bi-*, x out of table lava.prod.connections
";
        assert_eq!(told, want);
        assert!(
            !offline(&config, &["a".to_owned()])
                .unwrap()
                .contains("table")
        );
        let told = offline(&config, &["bi-1".to_owned()]).unwrap();
        let want = "\
bi-1
  out of table lava.prod.connections, if it is there: cannot be told offline
  open to:     nobody
";
        assert_eq!(told, want);
    }
}
