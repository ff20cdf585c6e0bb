//! Who may open what: groups, connections of a second source, and what `identity = "per-user"` asks
//! of users.

use std::path::Path;
use std::time::Duration;

use redshift_iam_proxy::config::{self, Config, ConnId, Problems, UnknownKeys, User};

const ROLE: &str = "arn:aws:iam::123456789012:role/rs01";

fn parse(text: &str) -> Result<Config, Problems> {
    let env = |name: &str| (name == "PW").then(|| "planted".to_owned());
    config::parse(text, Path::new("p"), &env, UnknownKeys::Refuse)
}

fn load(text: &str) -> Config {
    parse(text).unwrap_or_else(|faults| panic!("{text}\n{faults}"))
}

/// Problems, each without the file's name.
fn faults(text: &str) -> Vec<String> {
    let faults = parse(text).expect_err(text).to_string();
    faults
        .lines()
        .map(|line| line.strip_prefix("p:").unwrap().to_owned())
        .collect()
}

fn one_fault(text: &str, want: &str) {
    let told = faults(text);
    assert!(told.len() == 1 && told[0].starts_with(want), "{text}\nwant {want}\n{told:#?}");
}

/// Seven lines.
fn serverless(name: &str, more: &str) -> String {
    format!(
        "[connections.{name}]\ntype = \"redshift-serverless\"\nworkgroup = \"abc\"\ndatabase = \"dev\"\n\
         role_arn = \"{ROLE}\"\nidentity = \"per-user\"\n{more}\n"
    )
}

/// Six lines.
fn provisioned(name: &str, more: &str) -> String {
    format!(
        "[connections.{name}]\ntype = \"redshift\"\ncluster_id = \"abc\"\ndatabase = \"dev\"\nidentity = \"per-user\"\n\
         {more}\n"
    )
}

/// Four lines.
fn user(name: &str, opens: &str, more: &str) -> String {
    format!("[users.\"{name}\"]\npassword = \"env:PW\"\nconnections = [{opens}]\n{more}\n")
}

const SPECS: &str = "[specs]\ndynamodb_table = \"lava.prod.connections\"\nconn_ids = [\"bi-*\"]\nroles = [\"arn:aws:iam::1:*\"]\n\
                     parameter_prefix = \"/lava/prod/\"\n";

fn rights(user: &User) -> Vec<(&str, Option<&str>)> {
    user.rights
        .connections
        .rights()
        .map(|right| (right.pattern, right.group))
        .collect()
}

#[test]
fn a_user_has_the_union_of_its_own_and_its_groups() {
    let text = format!(
        "{}{}[groups.one]\nconnections = [\"sales\", \"s*\"]\ndb_roles = [\"b\", \"c\"]\n\
         [groups.two]\nconnections = [\"other\"]\ndb_roles = [\"d\"]\n[groups.empty]\n{}",
        serverless("sales", ""),
        serverless("other", ""),
        user("ann", "\"sales\"", "db_roles = [\"a\", \"b\", \"a\"]\ngroups = [\"two\", \"one\", \"two\", \"empty\"]"),
    );
    let config = load(&text);
    let ann = &config.users["ann"];
    let want = [("sales", None), ("other", Some("two")), ("sales", Some("one")), ("s*", Some("one"))];
    assert_eq!(rights(ann), want);
    assert_eq!(ann.rights.db_roles, ["a", "b", "d", "c"]);
    let right = |name: &str| {
        ann.rights
            .right_to(&ConnId::new(name).unwrap())
            .map(|right| right.group.map(str::to_owned))
    };
    assert_eq!(right("sales"), Some(None), "its own comes first");
    assert_eq!((right("other"), right("third")), (Some(Some("two".to_owned())), None));
}

#[test]
fn groups_have_faults_of_their_own() {
    let text =
        |group: &str, more: &str| format!("{}[groups.g]\n{group}\n{}", serverless("sales", ""), user("u", "", more));
    for (group, more, want) in [
        ("", "groups = [\"gg\"]", "13: users.u.groups: there is no group \"gg\"; did you mean \"g\"?"),
        ("", "groups = \"g\"", "13: users.u.groups: must be a list, not string"),
        (
            "connections = [\"sale\"]",
            "",
            "9: groups.g.connections: there is no connection \"sale\"; did you mean \"sales\"?",
        ),
        ("db_roles = [\"a:b\"]", "groups = [\"g\"]", "9: groups.g.db_roles: the name of a role holds no \":\""),
        ("db_roles = [\"\"]", "", "9: groups.g.db_roles: a name is 1 to 127 bytes long"),
        ("db_roles = [\"a,b\"]", "", "9: groups.g.db_roles: must be 0 to 256 letters, digits"),
        ("db_role = []", "", "9: groups.g.db_role: unknown key; did you mean db_roles?"),
        ("from = [\"10.1.0.1/16\"]", "", "9: groups.g.from: has bits set to the right of its prefix"),
        ("from = [\"office\"]", "", "9: groups.g.from: must be a network, such as"),
        ("max_sessions = 0", "", "9: groups.g.max_sessions: must be at least 1"),
        ("", "db_user = \"Ann\"", "13: users.u.db_user: must be 1 to 63 characters: a-z or _"),
    ] {
        one_fault(&text(group, more), want);
    }
    one_fault("[groups.\" g\"]", "1: groups.\" g\": a name is made of visible characters");
    let warnings = load(&text("connections = [\"fin-*\"]", "groups = [\"g\"]")).warnings;
    assert!(warnings[0].ends_with("groups.g.connections: \"fin-*\" matches no connection"), "{warnings:?}");
}

#[test]
fn a_second_source_has_the_defaults_of_the_contract() {
    let specs = load(SPECS).specs.unwrap();
    assert_eq!((specs.dynamodb_table.as_str(), specs.refresh), ("lava.prod.connections", Duration::from_secs(60)));
    let bounds = &specs.bounds;
    assert_eq!(
        (&bounds.conn_ids[..], &bounds.roles[..]),
        (&["bi-*".to_owned()][..], &["arn:aws:iam::1:*".to_owned()][..])
    );
    assert_eq!(bounds.parameter_prefix, "/lava/prod/");
    let hosts = [
        "*.redshift-serverless.amazonaws.com",
        "*.redshift.amazonaws.com",
        "*.redshift-serverless.amazonaws.com.cn",
        "*.redshift.amazonaws.com.cn",
    ];
    assert_eq!(bounds.hosts, hosts);
    assert!(load("").specs.is_none());
    let warnings = load(&SPECS.replace("prod/\"", "prod\"")).warnings;
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("specs.parameter_prefix: does not end in /")),
        "{warnings:?}"
    );
    assert!(
        !warnings
            .iter()
            .any(|warning| warning.contains("there are no connections")),
        "{warnings:?}"
    );
}

#[test]
fn faults_of_a_second_source() {
    let missing = ["specs.conn_ids", "specs.dynamodb_table", "specs.parameter_prefix", "specs.roles"];
    assert_eq!(faults("[specs]"), missing.map(|key| format!("1: {key}: required")));
    for (from, to, want) in [
        ("lava.prod.connections", "ab", "2: specs.dynamodb_table: must be 3 to 255"),
        ("lava.prod.connections", "a/bc", "2: specs.dynamodb_table: must be 3 to 255"),
        ("\"bi-*\"", "\"\"", "3: specs.conn_ids: must not be empty"),
        ("\"arn:aws:iam::1:*\"", "\"rs-*\"", "4: specs.roles: must be ARNs of roles"),
        ("[\"arn:aws:iam::1:*\"]", "\"arn:aws:iam::1:*\"", "4: specs.roles: must be a list, not string"),
        ("/lava/prod/", "lava/prod/", "5: specs.parameter_prefix: must begin with /"),
        ("/lava/prod/", "", "5: specs.parameter_prefix: must begin with /"),
        ("/lava/prod/\"", "/\"\nrefresh = \"0.5s\"", "6: specs.refresh: must be at least 1 s"),
        ("/lava/prod/\"", "/\"\nhosts = [\"\"]", "6: specs.hosts: must not be empty"),
        ("/lava/prod/\"", "/\"\nhost = [\"\"]", "6: specs.host: unknown key; did you mean hosts?"),
    ] {
        one_fault(&SPECS.replace(from, to), want);
    }
    one_fault("specs = 1", "1: specs: must be a table, not integer");
}

#[test]
fn a_right_may_name_a_connection_of_the_second_source() {
    let config = load(&format!("{SPECS}{}", user("ann", "\"bi-1\", \"fin-*\"", "")));
    assert!(
        config.users["ann"]
            .rights
            .may_open(&ConnId::new("bi-1").unwrap())
    );
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    one_fault(
        &format!("{SPECS}{}", user("ann", "\"fin-1\"", "")),
        "8: users.ann.connections: there is no connection \"fin-1\"",
    );
    // What the section says is not known: a name may be one of its.
    let text = format!("{}{}", SPECS.replace("\"bi-*\"", "\"\""), user("ann", "\"bi-1\"", ""));
    one_fault(&text, "3: specs.conn_ids: must not be empty");
}

#[test]
fn users_of_one_role_have_the_same_roles() {
    let (a, b) = ("db_roles = [\"x\", \"y\"]", "db_roles = [\"x\"]");
    let two = |one: &str, other: &str, more: &str| {
        let connections = [serverless("one", more), serverless("two", "")].concat();
        format!("{connections}{}{}", user("ann", one, a), user("bob", other, b))
    };
    let fault = "connections.one: users \"ann\" and \"bob\" have different db_roles, but \
                 arn:aws:iam::123456789012:role/rs01 makes them one database user; shared_user_roles = true accepts that";
    one_fault(&two("\"one\"", "\"one\"", ""), &format!("1: {fault}"));
    // The role makes the user, not the connection; and one that accepts it does not speak for the
    // other.
    one_fault(&two("\"one\"", "\"two\"", ""), &format!("1: {fault}"));
    let both = [two("\"one\"", "\"two\"", "shared_user_roles = true")];
    one_fault(&both[0], "8: connections.two: users \"bob\" and \"ann\" have different db_roles");
    let accepted = both[0]
        .replace("role_arn", "shared_user_roles = true\nrole_arn")
        .replacen("shared_user_roles = true\n", "", 1);
    load(&accepted);
    // Another role, the same roles in another order, no right, or one login for all: no clash.
    load(&two("\"one\"", "\"two\"", "").replacen("rs01", "rs02", 1));
    load(&two("\"one\"", "\"one\"", "").replace(b, "db_roles = [\"y\", \"x\"]"));
    load(&two("\"one\"", "", ""));
    load(&two("\"one\"", "\"one\"", "").replace("identity = \"per-user\"\n", ""));
    // The last role of a chain is what counts.
    let chained =
        two("\"one\"", "\"two\"", "").replacen(&format!("\"{ROLE}\""), &format!("[\"{ROLE}2\", \"{ROLE}\"]"), 1);
    one_fault(&chained, &format!("1: {fault}"));
}

#[test]
fn a_database_user_of_ones_own_is_one_that_may_be() {
    let with = |name: &str, more: &str| format!("{}{}", provisioned("legacy", ""), user(name, "\"*\"", more));
    load(&with("adam", ""));
    load(&with("Adam", "db_user = \"adam\""));
    one_fault(
        &with("Adam", ""),
        "7: users.Adam: its name is to be a database user of connection \"legacy\", which must be 1 to 63 characters: \
         a-z or _, then a-z, 0-9 and _ . @ -; or set db_user",
    );
    one_fault(
        &with("admin", ""),
        "7: users.admin: database user \"admin\" is in deny_db_users of connection \"legacy\"",
    );
    one_fault(&with("adam", "db_user = \"awsuser\""), "7: users.adam: database user \"awsuser\" is in deny_db_users");
    let denied = format!("{}{}", provisioned("legacy", "deny_db_users = [\"Root\"]"), user("root", "\"legacy\"", ""));
    one_fault(&denied, "7: users.root: database user \"root\" is in deny_db_users");
    // A fault for each connection; on a workgroup, or with one login for all, the name matters to
    // nobody.
    let two = format!("{}{}{}", provisioned("a", ""), provisioned("b", ""), user("admin", "\"*\"", ""));
    assert_eq!(faults(&two).len(), 2);
    load(&format!("{}{}", serverless("wg", ""), user("Admin", "\"*\"", "")));
    load(&with("admin", "").replace("identity = \"per-user\"\n", ""));
}

#[test]
fn roles_fit_into_one_tag() {
    let roles = |count: usize| {
        let roles: Vec<_> = (0..count).map(|n| format!("\"role-{n:02}\"")).collect();
        format!("db_roles = [{}]", roles.join(", "))
    };
    let with = |count| format!("{}{}", serverless("wg", ""), user("ann", "\"wg\"", &roles(count)));
    load(&with(32));
    one_fault(&with(33), "8: users.ann: its db_roles, joined by \":\", are longer than 256 characters");
    load(&with(33).replace("identity = \"per-user\"\n", ""));
}
