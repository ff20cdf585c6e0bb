//! The configurations of tests/golden/iam-policy/*.toml, put together by hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redshift_iam_proxy::config::{
    self, Bounds, Config, ConnId, ConnSpec, LoginIdentity, Method, Password, Right, RoleHop, SpecsTable, UnknownKeys,
    User, Warehouse,
};
use redshift_iam_proxy::secret::Secret;

pub(crate) fn config(name: &str) -> Config {
    let region = match name {
        "lava" | "table" => "ap-southeast-2",
        "fleet" => "us-east-1",
        "eks" => "us-gov-west-1",
        _ => "",
    };
    let text = if region.is_empty() { String::new() } else { format!("[aws]\nregion = \"{region}\"\n") };
    let mut config = config::parse(&text, Path::new("proxy.toml"), &|_| None, UnknownKeys::Refuse).unwrap();
    let specs = match name {
        "lava" => lava(),
        "fleet" => fleet(),
        "vendor" => vendor(),
        "eks" => eks(),
        "per-user" => {
            config.users = users();
            per_user()
        }
        "table" => {
            config.specs = Some(table());
            Vec::new()
        }
        other => panic!("{other}"),
    };
    config.connections = specs.into_iter().map(|spec| (spec.id.clone(), Arc::new(spec))).collect();
    config
}

fn spec(id: &str, warehouse: Warehouse) -> ConnSpec {
    ConnSpec {
        id: ConnId::new(id).unwrap(),
        warehouse,
        enabled: true,
        description: None,
        owner: None,
        host: None,
        port: None,
        database: None,
        user: None,
        password: None,
        secret_id: None,
        workgroup: None,
        cluster_id: None,
        region: None,
        role_hops: Vec::new(),
        web_identity_token_file: None,
        tags: BTreeMap::new(),
        auto_create: false,
        db_groups: Vec::new(),
        password_duration: Duration::from_secs(900),
        identity: LoginIdentity::Shared,
        shared_user_roles: false,
        deny_db_users: ["awsuser", "admin", "rdsdb"].map(str::to_owned).to_vec(),
        tls_server_name: None,
        ca: None,
        max_sessions: 1900,
        bounds: None,
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn hop(role_arn: &str, external_id: Option<&str>) -> RoleHop {
    RoleHop { role_arn: role_arn.to_owned(), external_id: external_id.map(str::to_owned) }
}

fn cluster(id: &str, host: &str, database: &str, user: &str) -> ConnSpec {
    let host = format!("{host}.redshift.amazonaws.com");
    ConnSpec { host: Some(host), database: some(database), user: some(user), ..spec(id, Warehouse::Provisioned) }
}

fn lava() -> Vec<ConnSpec> {
    vec![
        ConnSpec {
            host: some("analytics.123456789012.ap-southeast-2.redshift-serverless.amazonaws.com"),
            database: some("dev"),
            role_hops: vec![hop("arn:aws:iam::123456789012:role/rs01", Some("/lava/prod/rs01/external-id"))],
            ..spec("bi-analytics", Warehouse::Serverless)
        },
        ConnSpec {
            secret_id: some("/lava/prod/finance-location"),
            workgroup: some("finance"),
            ..spec("finance", Warehouse::Serverless)
        },
        cluster("legacy", "dw1.abc123xyz.us-east-1", "prod", "etl"),
        ConnSpec {
            password: some("/lava/prod/reporting/password"),
            ..cluster("reporting", "dw1.abc123xyz.us-east-1", "prod", "report")
        },
    ]
}

fn fleet() -> Vec<ConnSpec> {
    let spec = |id: &str, database: &str| cluster(id, "fleet1.abc123xyz.us-east-1", database, id);
    let groups = |groups: &[&str]| groups.iter().map(|group| (*group).to_owned()).collect();
    vec![
        spec("etl", "prod"),
        ConnSpec { db_groups: groups(&["readers"]), ..spec("bi", "prod") },
        ConnSpec { auto_create: true, db_groups: groups(&["readers", "sandbox"]), ..spec("adhoc", "dev") },
    ]
}

fn vendor() -> Vec<ConnSpec> {
    vec![
        ConnSpec {
            role_hops: vec![hop("arn:aws:iam::210987654321:role/vendor-sync", None)],
            web_identity_token_file: Some("/var/run/secrets/google/token".into()),
            ..cluster("customer", "dw1.abc123xyz.eu-west-1", "analytics", "vendor")
        },
        cluster("customer-keys", "dw2.abc123xyz.eu-west-1", "analytics", "vendor"),
    ]
}

fn eks() -> Vec<ConnSpec> {
    vec![
        ConnSpec {
            cluster_id: some("warehouse"),
            database: some("dev"),
            role_hops: vec![hop("arn:aws-us-gov:iam::123456789012:role/eks/redshift-proxy", None)],
            tags: BTreeMap::from([("team".to_owned(), "bi".to_owned())]),
            ..spec("own", Warehouse::Provisioned)
        },
        ConnSpec {
            cluster_id: some("partner-dw"),
            database: some("shared"),
            region: some("us-gov-east-1"),
            role_hops: vec![
                hop("arn:aws-us-gov:iam::123456789012:role/hub", None),
                hop("arn:aws-us-gov:iam::210987654321:role/reader", Some("/proxy/partner-external-id")),
            ],
            ..spec("partner", Warehouse::Provisioned)
        },
    ]
}

fn per_user() -> Vec<ConnSpec> {
    vec![
        ConnSpec {
            host: some("mart.123456789012.cn-north-1.redshift-serverless.amazonaws.com.cn"),
            database: some("dev"),
            role_hops: vec![hop("arn:aws-cn:iam::123456789012:role/mart", None)],
            identity: LoginIdentity::PerUser,
            shared_user_roles: true,
            tags: BTreeMap::from([("team".to_owned(), "bi".to_owned())]),
            ..spec("mart", Warehouse::Serverless)
        },
        ConnSpec {
            host: some("dw1.abc123xyz.cn-north-1.redshift.amazonaws.com.cn"),
            database: some("prod"),
            identity: LoginIdentity::PerUser,
            ..spec("cluster", Warehouse::Provisioned)
        },
    ]
}

fn users() -> BTreeMap<String, Arc<User>> {
    let user = |name: &str, connections: &[&str], db_roles: &[&str], db_user: Option<&str>| {
        let right = |pattern: &&str| Right { pattern: (*pattern).to_owned(), group: None };
        let user = User {
            enabled: true,
            password: Password::Plain(Secret::new("pw".to_owned())),
            method: Method::Auto,
            connections: connections.iter().map(right).collect(),
            db_roles: db_roles.iter().map(|role| (*role).to_owned()).collect(),
            db_user: db_user.map(str::to_owned),
            password_from: None,
        };
        (name.to_owned(), Arc::new(user))
    };
    BTreeMap::from([
        user("ann", &["mart", "cluster"], &["analyst", "auditor"], None),
        user("bob", &["mart", "cluster"], &[], Some("robert")),
        user("admin", &["cluster"], &[], None),
    ])
}

fn table() -> SpecsTable {
    SpecsTable {
        dynamodb_table: "lava.prod.connections".to_owned(),
        refresh: Duration::from_secs(60),
        bounds: Arc::new(Bounds {
            conn_ids: vec!["bi-*".to_owned()],
            roles: vec!["arn:aws:iam::123456789012:role/rs-*".to_owned()],
            parameter_prefix: "/lava/prod/".to_owned(),
            hosts: vec!["*.redshift-serverless.amazonaws.com".to_owned(), "*.redshift.amazonaws.com".to_owned()],
        }),
    }
}
