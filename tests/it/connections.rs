//! Connection specs: every field of `[connections.*]`, and what the fields need of each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redshift_iam_proxy::config::{
    self, Cluster, Config, ConnId, ConnSpec, LoginAs, LoginFrom, NameTemplate, Problems, RoleHop, Roles, StartupPolicy,
    Target, UnknownKeys, Workgroup,
};

const WORKGROUP: &str = "Analytics.123456789012.ap-southeast-2.redshift-serverless.amazonaws.com";
const CLUSTER: &str = "DW1.abc123xyz.us-east-1.redshift.amazonaws.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/rs01";
const OTHER_ROLE: &str = "arn:aws:iam::210987654321:role/hop";

fn parse(text: &str) -> Result<Config, Problems> {
    config::parse(text, Path::new("etc/proxy.toml"), &|_| None, UnknownKeys::Refuse)
}

/// The connection of these lines: line 2 is the first of them.
fn load(lines: &str) -> (ConnSpec, Vec<String>) {
    let config = parse(&format!("[connections.sales]\n{lines}\n")).unwrap_or_else(|faults| panic!("{lines}\n{faults}"));
    let warnings = config
        .warnings
        .iter()
        .filter(|warning| warning.contains("connections.sales"))
        .cloned()
        .collect();
    (config.connections["sales"].as_ref().clone(), warnings)
}

fn spec(lines: &str) -> ConnSpec {
    load(lines).0
}

/// Serverless with IAM credentials, which is right; more lines begin at 5.
fn serverless(more: &str) -> String {
    format!("type = \"redshift-serverless\"\nhost = \"{WORKGROUP}\"\ndatabase = \"dev\"\n{more}")
}

/// A provisioned cluster with IAM credentials.
fn provisioned(more: &str) -> String {
    format!("type = \"redshift\"\nhost = \"{CLUSTER}\"\ndatabase = \"dev\"\n{more}")
}

/// Problems, `LINE: KEY: …` with the table's name cut off.
fn faults(lines: &str) -> Vec<String> {
    let faults = parse(&format!("[connections.sales]\n{lines}\n")).expect_err(lines);
    let cut = |fault: &config::Problem| {
        let key = fault
            .key
            .strip_prefix("connections.sales")
            .unwrap_or(&fault.key)
            .trim_start_matches('.');
        format!("{}: {key}: {}", fault.line.unwrap(), fault.message)
    };
    faults.iter().map(cut).collect()
}

fn one_fault(lines: &str, want: &str) {
    let told = faults(lines);
    assert!(told.len() == 1 && told[0].starts_with(want), "{lines}\nwant {want}\n{told:#?}");
}

#[test]
fn a_serverless_spec_has_the_defaults_of_the_contract() {
    let want = ConnSpec {
        id: ConnId::new("sales").unwrap(),
        target: Target::Workgroup(Workgroup { name: Some("analytics".to_owned()), shared_user_roles: false }),
        login: LoginFrom::Iam(LoginAs::Shared { user: None }),
        roles: Roles { hops: Vec::new(), web_identity_token_file: None, tags: BTreeMap::new() },
        enabled: true,
        description: None,
        owner: None,
        host: Some(WORKGROUP.to_owned()),
        port: None,
        database: Some("dev".to_owned()),
        region: Some("ap-southeast-2".to_owned()),
        password_duration: Duration::from_secs(900),
        tls_server_name: None,
        ca: None,
        listen: None,
        max_sessions: 1900,
        application_name: NameTemplate::default(),
        startup_parameters: StartupPolicy::default(),
        bounds: None,
    };
    assert_eq!(spec(&serverless("")), want);
}

#[test]
fn parameters_of_the_proxy_or_of_drivers_cannot_be_set() {
    for name in [
        "user",
        "Database",
        "replication",
        "options",
        "client_protocol_version",
        "plugin_name",
        "idp_type",
        "provider_name",
        "token_type",
        "identity_namespace",
        "idc_client_display_name",
        "_pq_.compression",
        "_PQ_.x",
    ] {
        let want = format!("5: startup_parameters.set.\"{name}\": may not be set").replace("\"", "");
        let told = faults(&serverless(&format!("startup_parameters.set = {{ \"{name}\" = \"x\" }}")));
        assert_eq!(
            told.iter()
                .map(|line| line.replace('"', ""))
                .collect::<Vec<_>>(),
            [want]
        );
    }
    let many = (0..65)
        .map(|n| format!("p{n} = \"x\", "))
        .collect::<String>();
    one_fault(
        &serverless(&format!("startup_parameters.set = {{ {many} }}")),
        "5: startup_parameters.set: must be at most 64",
    );
    let much = (0..5)
        .map(|n| format!("p{n} = \"{}\", ", "y".repeat(1000)))
        .collect::<String>();
    one_fault(
        &serverless(&format!("startup_parameters.set = {{ {much} }}")),
        "5: startup_parameters.set: must be at most 4096 bytes together",
    );
    let long = format!("startup_parameters.set.x = \"{}\"", "y".repeat(1025));
    one_fault(&serverless(&long), "5: startup_parameters.set.x: must be at most 1024 bytes");
}

#[test]
fn startup_parameters_are_taken() {
    let spec = spec(&serverless(
        "application_name = \"{user}@{conn_id}\"\n\
         startup_parameters = { drop = [\"extra_float_digits\"], set = { query_group = \"bi\", search_path = \"\" } }",
    ));
    assert_eq!(spec.application_name, NameTemplate::parse("{user}@{conn_id}").unwrap());
    let set = [("query_group", "bi"), ("search_path", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let want = StartupPolicy { drop: vec!["extra_float_digits".to_owned()], set: set.to_vec() };
    assert_eq!(spec.startup_parameters, want);
}

#[test]
fn a_provisioned_spec_has_the_defaults_of_the_contract() {
    let spec = spec(&provisioned(""));
    let deny_db_users = ["awsuser", "admin", "rdsdb"].map(str::to_owned).to_vec();
    let cluster = Cluster { id: Some("dw1".to_owned()), auto_create: false, db_groups: Vec::new(), deny_db_users };
    assert_eq!(spec.target, Target::Cluster(cluster));
    assert_eq!((spec.region.as_deref(), spec.max_sessions), (Some("us-east-1"), 450));
    assert_eq!(spec.login, LoginFrom::Iam(LoginAs::Shared { user: None }));
}

#[test]
fn every_field_is_taken() {
    let taken = spec(&serverless(&format!(
        "conn_id = \"sales\"\nenabled = false\nport = \"5440\"\nworkgroup = \"other\"\nregion = \"eu-west-1\"\n\
         role_arn = \"{ROLE}\"\nexternal_id = \"/x/id\"\ntags = {{ team = \"bi\", \"cost center\" = \"\" }}\n\
         password_duration = \"30m\"\nidentity = \"per-user\"\nshared_user_roles = true\n\
         tls_server_name = \"nlb.example.com\"\nca = \"system\"\nmax_sessions = 7\ndescription = \"Sales mart\"\n\
         owner = \"me\""
    )));
    assert_eq!((taken.enabled, taken.port, taken.max_sessions), (false, Some(5440), 7));
    let workgroup = Workgroup { name: Some("other".to_owned()), shared_user_roles: true };
    assert_eq!((taken.target, taken.region.as_deref()), (Target::Workgroup(workgroup), Some("eu-west-1")));
    assert_eq!(taken.roles.hops, [RoleHop { role_arn: ROLE.to_owned(), external_id: Some("/x/id".to_owned()) }]);
    assert_eq!(taken.roles.tags.get("team").map(String::as_str), Some("bi"));
    assert_eq!((taken.login, taken.ca), (LoginFrom::Iam(LoginAs::PerUser), Some(config::Ca::System)));
    assert_eq!(taken.tls_server_name.as_deref(), Some("nlb.example.com"));
    assert_eq!((taken.description.as_deref(), taken.owner.as_deref()), (Some("Sales mart"), Some("me")));
    assert_eq!(taken.password_duration, Duration::from_secs(1800));

    let more = "cluster_id = \"other\"\nuser = \"adam\"\nauto_create = true\ndb_groups = [\"readers\", \"b\"]\n\
                deny_db_users = [\"root\"]";
    let taken = spec(&provisioned(more));
    let cluster = Cluster {
        id: Some("other".to_owned()),
        auto_create: true,
        db_groups: vec!["readers".to_owned(), "b".to_owned()],
        deny_db_users: vec!["root".to_owned()],
    };
    assert_eq!((taken.target, taken.login.user()), (Target::Cluster(cluster), Some("adam")));

    let stored = spec(&provisioned("user = \"report\"\npassword = \"/lava/prod/pw\"\nsecret_id = \"prod/x\""));
    assert_eq!((stored.login.user(), stored.login.parameter()), (Some("report"), Some("/lava/prod/pw")));
    assert_eq!(stored.login.secret_id(), Some("prod/x"));
}

#[test]
fn fields_of_lavas_that_mean_nothing_here_change_nothing() {
    let lava = "user = \"adam\"\nsubtype = \"pg8000\"\npreserve_case = true\nx-a = 1\nX-B = { c = [] }\nssl = true";
    assert_eq!(spec(&serverless(lava)), spec(&serverless("")));
    let upper = serverless("").replace("redshift-serverless\"", "Redshift-Serverless\"");
    assert_eq!(spec(&upper), spec(&serverless("")));
    for (text, secs) in [("900", 900), ("\"900\"", 900), ("\"0.5h\"", 1800), ("\" 20 m \"", 1200), ("\"1h\"", 3600)] {
        let spec = spec(&serverless(&format!("password_duration = {text}")));
        assert_eq!(spec.password_duration, Duration::from_secs(secs));
    }
    let text = format!("credentials.password_duration = \"30m\"\n[connections.sales]\n{}", serverless(""));
    assert_eq!(parse(&text).unwrap().connections["sales"].password_duration, Duration::from_secs(1800));
}

/// What may be left out, and what is then known.
#[test]
fn fields_that_another_source_supplies_may_be_missing() {
    let (wg, rs) = ("type = \"redshift-serverless\"\n", "type = \"redshift\"\n");
    for lines in [
        // The API knows the address.
        format!("{wg}workgroup = \"abc\"\ndatabase = \"dev\""),
        format!("{rs}cluster_id = \"c\"\ndatabase = \"dev\""),
        // The secret may hold host, port, user, password and database.
        format!("{wg}secret_id = \"x\""),
        format!("{rs}secret_id = \"x\""),
        format!("{rs}secret_id = \"x\"\npassword = \"/pw\""),
        // With a stored password no workgroup has to be known, and either type reaches either.
        format!("{wg}host = \"h.example.com\"\ndatabase = \"dev\"\nuser = \"u\"\npassword = \"/pw\""),
        format!("{rs}host = \"{WORKGROUP}\"\ndatabase = \"dev\"\nuser = \"u\"\npassword = \"/pw\""),
        format!("{wg}host = \"h.example.com\"\nsecret_id = \"x\""),
        format!("{rs}host = \"10.0.0.1\"\nsecret_id = \"x\""),
        // GetClusterCredentials knows workgroups by names of their own.
        format!("{rs}host = \"{WORKGROUP}\"\ndatabase = \"dev\"\ncluster_id = \"redshift-serverless-analytics\""),
        // The secret may have the DbUser.
        format!("{rs}host = \"{CLUSTER}\"\nsecret_id = \"x\"\nauto_create = true"),
        format!("{rs}host = \"{CLUSTER}\"\ndatabase = \"dev\"\nidentity = \"per-user\"\ndb_groups = [\"g\"]"),
        format!("{rs}host = \"{CLUSTER}\"\ndatabase = \"dev\"\nauto_create = false"),
    ] {
        let (spec, warnings) = load(&lines);
        assert!(warnings.is_empty(), "{lines}\n{warnings:?}");
        assert_eq!(spec.host.is_some(), lines.contains("host = "), "{lines}");
        let named = matches!(&spec.target, Target::Workgroup(workgroup) if workgroup.name.is_some());
        assert_eq!(named, lines.contains("workgroup = "), "{lines}");
    }
}

#[test]
fn fields_that_no_source_supplies_are_faults() {
    for (lines, want) in [
        ("host = \"h\"\nworkgroup = \"abc\"\ndatabase = \"dev\"", "1: type: required"),
        ("type = \"redshift-serverless\"\nworkgroup = \"abc\"", "1: database: required"),
        (
            "type = \"redshift-serverless\"\ndatabase = \"dev\"",
            "1: host: required: without it, workgroup or secret_id has to say where",
        ),
        (
            "type = \"redshift\"\ndatabase = \"dev\"\nuser = \"u\"\npassword = \"/pw\"",
            "1: host: required: without it, cluster_id or secret_id has to say where",
        ),
        (
            "type = \"redshift\"\ndatabase = \"dev\"\nhost = \"jdbc:redshift://h.example.com:5439/dev\"",
            "4: host: must be a host name alone: of URL://HOST:PORT/DATABASE only HOST goes here, PORT into port, \
             DATABASE into database",
        ),
        (
            "type = \"redshift-serverless\"\ndatabase = \"dev\"\nhost = \"h.example.com\"",
            "1: workgroup: workgroup is required for a host that is no Redshift name",
        ),
        (
            "type = \"redshift\"\ndatabase = \"dev\"\nhost = \"10.0.0.1\"",
            "1: cluster_id: cluster_id is required for a host that is no Redshift name",
        ),
        (
            "type = \"redshift\"\ndatabase = \"dev\"\nhost = \"wg.1.eu-west-1.redshift-serverless.amazonaws.com\"",
            "4: host: is a workgroup's name, which the type redshift has no IAM credentials for",
        ),
        (
            "type = \"redshift-serverless\"\ndatabase = \"dev\"\nhost = \"c.a.us-east-1.redshift.amazonaws.com\"\n\
             workgroup = \"abc\"",
            "4: host: is a provisioned cluster's name, which the type redshift-serverless has no IAM credentials for",
        ),
        (
            "type = \"redshift-serverless\"\ndatabase = \"dev\"\n\
             host = \"x.1.eu-west-1.redshift-serverless.amazonaws.com\"",
            "4: host: its first label is no workgroup, which must be 3 to 64 of a-z, 0-9 and -",
        ),
    ] {
        one_fault(lines, want);
    }
}

#[test]
fn faults_of_single_fields() {
    for (more, want) in [
        ("conn_id = \"other\"", "5: conn_id: must be the name of the connection, or left out"),
        ("enabled = \"yes\"", "5: enabled: must be true or false, not string"),
        ("ssl = \"yes\"", "5: ssl: must be true or false, not string"),
        ("port = 0", "5: port: must be a port"),
        ("port = \"54x\"", "5: port: must be a port"),
        ("port = true", "5: port: must be a number, not boolean"),
        ("workgroup = \"A\"", "5: workgroup: must be 3 to 64"),
        ("region = \"\"", "5: region: must be the name of a Region"),
        ("max_sessions = 0", "5: max_sessions: must be at least 1"),
        ("tls_server_name = \"a b\"", "5: tls_server_name: must be a DNS name"),
        ("ca = \"env:X\"", "5: ca: must be \"aws\", \"system\" or a file"),
        ("identity = \"other\"", "5: identity: must be \"shared\" or \"per-user\""),
        ("description = 1", "5: description: must be a string, not integer"),
        ("owner = 1", "5: owner: must be a string, not integer"),
        ("subtype = 1", "5: subtype: must be a string, not integer"),
        ("preserve_case = 1", "5: preserve_case: must be true or false"),
        ("password_duration = \"2h\"", "5: password_duration: 7200 s is out of range: AWS grants 900 to 3600 s"),
        ("password_duration = \"\"", "5: password_duration: must be a duration"),
        ("password_duration = \"-900\"", "5: password_duration: must be a duration"),
        ("password_duration = 9e2", "5: password_duration: must be a duration"),
        ("password_durations = 1", "5: password_durations: unknown key; did you mean password_duration?"),
        ("listen = \"x\"", "5: listen: must be IP:PORT"),
        ("user = \"\"", "5: user: a name is 1 to 127 bytes long"),
        ("secret_id = \"a b\"", "5: secret_id: must be the name or ARN of a Secrets Manager secret"),
        ("shared_user_roles = 1", "5: shared_user_roles: must be true or false"),
        ("deny_db_users = \"a\"", "5: deny_db_users: must be a list, not string"),
        ("deny_db_users = [\"\"]", "5: deny_db_users: a name is 1 to 127 bytes long"),
        ("application_name = 1", "5: application_name: must be a string, not integer"),
        (
            "application_name = \"{db}\"",
            "5: application_name: unknown placeholder: there are {application_name}, {user},",
        ),
        ("application_name = \"{user\"", "5: application_name: a { or } without its other"),
        ("startup_parameters = \"x\"", "5: startup_parameters: must be a table, not string"),
        ("startup_parameters = { drops = [] }", "5: startup_parameters.drops: unknown key; did you mean drop?"),
        ("startup_parameters = { drop = \"x\" }", "5: startup_parameters.drop: must be a list, not string"),
        ("startup_parameters = { drop = [\"a b\"] }", "5: startup_parameters.drop: must be 1 to 63 letters, digits,"),
        ("startup_parameters = { drop = [\"User\"] }", "5: startup_parameters.drop: is the proxy's own to send"),
        ("startup_parameters = { set = [] }", "5: startup_parameters.set: must be a table, not array"),
        (
            "startup_parameters.set.query_group = 1",
            "5: startup_parameters.set.query_group: must be a string, not integer",
        ),
        ("startup_parameters.set.x = \"a\\u0000\"", "5: startup_parameters.set.x: must be at most 1024 bytes without"),
        ("startup_parameters.set.x-y = \"a\"", "5: startup_parameters.set.x-y: must be 1 to 63 letters, digits,"),
        (
            "startup_parameters.set = { x = \"a\", X = \"b\" }",
            "5: startup_parameters.set.x: another parameter has this name, but for case",
        ),
        (
            "startup_parameters.set.Application_Name = \"a\"",
            "5: startup_parameters.set.Application_Name: has a key of its own: application_name",
        ),
        // Keys of the other type.
        ("cluster_id = \"c\"", "5: cluster_id: is a key of the type redshift alone"),
        ("auto_create = false", "5: auto_create: is a key of the type redshift alone"),
        ("db_groups = []", "5: db_groups: is a key of the type redshift alone"),
    ] {
        one_fault(&serverless(more), want);
    }
    for (more, want) in [
        ("workgroup = \"abc\"", "5: workgroup: is a key of the type redshift-serverless alone"),
        ("cluster_id = \"ClusterA\"", "5: cluster_id: must be 1 to 63 of a-z, 0-9 and -"),
        ("user = \"u\"\nauto_create = 1", "6: auto_create: must be true or false"),
        ("user = \"u\"\ndb_groups = [\"Readers\"]", "6: db_groups: must be 1 to 64 visible characters in lower case"),
        ("auto_create = true", "5: auto_create: needs user, or identity = \"per-user\""),
        ("db_groups = [\"g\"]", "5: db_groups: needs user, or identity = \"per-user\""),
        ("password = \"/pw\"", "5: password: needs user beside it, or a secret_id that has one"),
        ("user = \"u\"\npassword = \"hunter2\"", "6: password: must be the name (\"/...\") or ARN of an SSM parameter"),
        ("user = \"u\"\npassword = \"/pw\"\nidentity = \"per-user\"", "7: identity: per-user needs IAM credentials"),
    ] {
        one_fault(&provisioned(more), want);
    }
    one_fault(
        "type = \"mysql\"\nhost = \"h\"\ndatabase = \"dev\"",
        "2: type: must be \"redshift-serverless\" or \"redshift\"",
    );
    for name in ["proxy_admin", "fin-*", " x", ""] {
        let told = parse(&format!("[connections.\"{name}\"]\n{}", serverless(""))).unwrap_err();
        assert_eq!(told.iter().count(), 1, "{name:?} {told}");
    }
}

#[test]
fn roles_are_assumed_one_after_the_other() {
    let hop = |arn: &str, id: Option<&str>| RoleHop { role_arn: arn.to_owned(), external_id: id.map(str::to_owned) };
    for (more, want) in [
        (format!("role_arn = \"{ROLE}\""), vec![hop(ROLE, None)]),
        (format!("role_arn = [\"{OTHER_ROLE}\", \"{ROLE}\"]"), vec![hop(OTHER_ROLE, None), hop(ROLE, None)]),
        (
            format!(
                "external_id = \"/last\"\nrole_arn = [{{ role_arn = \"{OTHER_ROLE}\", external_id = \"/a\" }}, \"{ROLE}\"]"
            ),
            vec![hop(OTHER_ROLE, Some("/a")), hop(ROLE, Some("/last"))],
        ),
        (format!("role_arn = [{{ role_arn = \"{ROLE}\", external_id = \"/a\" }}]"), vec![hop(ROLE, Some("/a"))]),
    ] {
        assert_eq!(spec(&serverless(&more)).roles.hops, want, "{more}");
        assert_eq!(spec(&provisioned(&more)).roles.hops, want, "{more}");
    }
    for (more, want) in [
        ("role_arn = \"rs01\"".to_owned(), "5: role_arn: must be the ARN of a role"),
        ("role_arn = []".to_owned(), "5: role_arn: must hold 1 to 5 roles"),
        (format!("role_arn = [{}]", vec![format!("\"{ROLE}\""); 6].join(", ")), "5: role_arn: must hold 1 to 5 roles"),
        ("role_arn = [1]".to_owned(), "5: role_arn: must be a string, not integer"),
        ("role_arn = [{}]".to_owned(), "5: role_arn.role_arn: required"),
        (format!("role_arn = [{{ role_arn = \"{ROLE}\", tags = 1 }}]"), "5: role_arn.tags: unknown key"),
        (
            format!("role_arn = [{{ role_arn = \"{ROLE}\", external_id = \"/a\" }}]\nexternal_id = \"/b\""),
            "6: external_id: the last role has an external_id of its own",
        ),
        (
            format!("role_arn = \"{ROLE}\"\nexternal_id = \"s3cr+t\""),
            "6: external_id: must be the name of an SSM parameter",
        ),
        ("web_identity_token_file = \"t\"".to_owned(), "5: web_identity_token_file: needs role_arn beside it"),
        (
            format!("role_arn = \"{ROLE}\"\nweb_identity_token_file = \"\""),
            "6: web_identity_token_file: must be a path",
        ),
        (
            format!("role_arn = \"{ROLE}\"\nweb_identity_token_file = \"t\"\nexternal_id = \"/a\""),
            "5: role_arn: its first role is assumed with a web identity, which takes no external_id",
        ),
        (
            format!(
                "web_identity_token_file = \"t\"\nrole_arn = [{{ role_arn = \"{ROLE}\", external_id = \"/a\" }}, \"{ROLE}\"]"
            ),
            "6: role_arn: its first role is assumed with a web identity, which takes no external_id",
        ),
        (
            format!("role_arn = \"{ROLE}\"\nweb_identity_token_file = \"t\"\ntags = {{ a = \"b\" }}"),
            "7: tags: the only role is assumed with a web identity, which takes no tags",
        ),
        ("identity = \"per-user\"".to_owned(), "5: identity: per-user needs role_arn"),
        (
            format!("role_arn = \"{ROLE}\"\nweb_identity_token_file = \"t\"\nidentity = \"per-user\""),
            "7: identity: per-user needs session tags, which a web identity cannot have",
        ),
    ] {
        one_fault(&serverless(&more), want);
    }
}

#[test]
fn a_web_identity_begins_the_chain() {
    let more = format!(
        "web_identity_token_file = \"run/token\"\nrole_arn = [\"{OTHER_ROLE}\", \"{ROLE}\"]\nexternal_id = \"/x\"\n\
         tags = {{ a = \"b\" }}"
    );
    let chained = spec(&serverless(&more));
    assert_eq!(chained.roles.web_identity_token_file, Some(PathBuf::from("etc/run/token")), "relative to the file");
    assert_eq!(chained.roles.hops[1].external_id.as_deref(), Some("/x"));
    let more = format!("web_identity_token_file = \"/run/token\"\nrole_arn = \"{ROLE}\"");
    assert_eq!(spec(&serverless(&more)).roles.web_identity_token_file, Some(PathBuf::from("/run/token")));
}

#[test]
fn tags_are_those_that_sts_takes() {
    let with = |tags: &str| serverless(&format!("role_arn = \"{ROLE}\"\ntags = {tags}"));
    let many = |count: usize| {
        format!(
            "{{ {} }}",
            (0..count)
                .map(|n| format!("k{n} = \"v\""))
                .collect::<Vec<_>>()
                .join(", ")
        )
    };
    assert_eq!(spec(&with(&many(50))).roles.tags.len(), 50);
    for (tags, want) in [
        (many(51), "6: tags: must be at most 50 tags"),
        ("1".to_owned(), "6: tags: must be a table, not integer"),
        ("{ a = 1 }".to_owned(), "6: tags.a: must be a string, not integer"),
        ("{ a = \"b,c\" }".to_owned(), "6: tags.a: must be 0 to 256 letters"),
        ("{ \"aws:x\" = \"\" }".to_owned(), "6: tags.\"aws:x\": a tag's key does not begin with aws:"),
        ("{ \"\" = \"b\" }".to_owned(), "6: tags.\"\": a tag's key is 1 to 128"),
        (format!("{{ a = \"{}\" }}", "v".repeat(257)), "6: tags.a: must be 0 to 256 letters"),
        ("{ Team = \"a\", team = \"b\" }".to_owned(), "6: tags.team: another tag has this key, but for case"),
    ] {
        one_fault(&with(&tags), want);
    }
    let per_user = |tags: &str| format!("{}\nidentity = \"per-user\"", with(tags));
    one_fault(&per_user("{ redshiftdbroles = \"a\" }"), "6: tags.redshiftdbroles: is set by identity");
    one_fault(&per_user(&many(50)), "6: tags: must be at most 49 tags");
    assert_eq!(
        spec(&with("{ RedshiftDbRoles = \"a:b\" }"))
            .roles
            .tags
            .len(),
        1
    );
}

#[test]
fn settings_without_effect_cause_warnings() {
    for (lines, want) in [
        (serverless("ssl = false"), "connections.sales.ssl: ignored: TLS to the warehouse is always on and verified"),
        (
            serverless("external_id = \"/planted\""),
            "connections.sales.external_id: without effect: there is no role_arn",
        ),
        (
            provisioned("external_id = \"/planted\""),
            "connections.sales.external_id: without effect: there is no role_arn",
        ),
        (serverless("tags = { a = \"b\" }"), "connections.sales.tags: without effect: there is no role_arn"),
        (
            provisioned("user = \"u\"\nidentity = \"per-user\""),
            "connections.sales.user: without effect: identity is per-user",
        ),
        (
            serverless("").replace("Analytics.", "analytics-endpoint-abc."),
            "connections.sales.host: looks like a VPC endpoint's name; \"analytics-endpoint-abc\" is taken for the workgroup",
        ),
        (
            "type = \"redshift\"\nhost = \"dw-endpoint-x.abc.us-east-1.redshift.amazonaws.com\"\ndatabase = \"dev\"\n"
                .to_owned(),
            "connections.sales.host: looks like a VPC endpoint's name; \"dw-endpoint-x\" is taken for the cluster_id",
        ),
    ] {
        let (_, warnings) = load(&lines);
        assert!(warnings.len() == 1 && warnings[0].ends_with(want), "{lines}\n{warnings:?}");
    }
}
