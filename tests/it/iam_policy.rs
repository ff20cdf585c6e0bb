//! `iam-policy`: under the policies printed, every call that a configuration makes is allowed, and
//! its neighbours are not.

mod calls;
mod simulator;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use redshift_iam_proxy::cli::iam_policy::{IamPrincipal, document};
use redshift_iam_proxy::config::{self, Config, LoginAs, LoginFrom, Target, UnknownKeys};

/// A configuration, and who the proxy is in it.
const SET_UPS: [(&str, &str); 6] = [
    ("lava", "arn:aws:iam::123456789012:role/lava-worker"),
    ("fleet", "arn:aws:iam::123456789012:role/fleet-proxy"),
    ("vendor", "arn:aws:iam::999999999999:user/sync"),
    ("eks", "arn:aws-us-gov:sts::123456789012:assumed-role/redshift-proxy/eks-prod-pod-1"),
    ("per-user", "arn:aws-cn:iam::123456789012:role/proxy"),
    ("table", "arn:aws:iam::123456789012:role/proxy"),
];

fn golden(name: &str, extension: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/iam-policy")
        .join(format!("{name}.{extension}"))
}

fn printed(config: &Config, conn_ids: &[&str], principal: Option<&str>) -> String {
    let conn_ids: Vec<_> = conn_ids.iter().map(|id| (*id).to_owned()).collect();
    let principal = principal.map(|arn| IamPrincipal::parse(arn).unwrap());
    format!("{}\n", document(config, &conn_ids, principal.as_ref()).unwrap())
}

fn check_golden(name: &str, config: &Config, principal: &str) {
    let path = golden(name, "json");
    let got = printed(config, &[], Some(principal));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(got == want, "{} is not what is printed now; UPDATE_GOLDEN=1 writes it anew:\n{got}", path.display());
}

/// The real binary, with nothing of this process's environment.
fn run(args: &[&str]) -> Output {
    let text = "[connections.sales]\ntype = \"redshift-serverless\"\ndatabase = \"dev\"\n\
                host = \"analytics.123456789012.eu-west-1.redshift-serverless.amazonaws.com\"\n";
    let mut command = Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
    command
        .arg("iam-policy")
        .args(args)
        .env_clear()
        .env("TEXT", text);
    command
        .env("REDSHIFT_IAM_PROXY_CONFIG", "env:TEXT")
        .output()
        .unwrap()
}

#[test]
fn the_command_prints_the_document_alone() {
    let output = run(&["sales", "--principal", "arn:aws:sts::123456789012:assumed-role/proxy/i-1"]);
    assert_eq!(output.status.code(), Some(0));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let resource = &document["proxy"]["Statement"][0]["Resource"];
    assert_eq!(resource, "arn:aws:redshift-serverless:eu-west-1:123456789012:workgroup/WORKGROUP-UUID-OF-analytics");
    assert_eq!(document["sql"][1], "CREATE USER \"IAMR:proxy\" PASSWORD DISABLE;");
    for (args, code, told) in [
        (&["nope"][..], 1, "there is no connection \"nope\""),
        (&["--principal", "me"], 64, "must be the ARN of a role"),
        (&["--nope"], 64, "--nope"),
    ] {
        let output = run(args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(told), "{args:?}");
    }
}

fn configured(name: &str) -> Config {
    let config = config::load(&golden(name, "toml"), &|_| None, UnknownKeys::Refuse);
    config.unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn the_files_give_the_golden_documents() {
    for (name, principal) in SET_UPS {
        check_golden(name, &configured(name), principal);
    }
}

#[test]
fn a_document_is_the_same_each_time_and_has_no_secret() {
    let config = configured("lava");
    let text = printed(&config, &[], None);
    assert_eq!(text, printed(&config, &[], None));
    assert!(text.contains("EXTERNAL-ID-IN-/lava/prod/rs01/external-id"));
}

#[test]
fn unknown_values_are_placeholders_with_a_note() {
    let mut lost = configured("lava");
    lost.aws.region = None;
    let configs = SET_UPS
        .map(|(name, _)| configured(name))
        .into_iter()
        .chain([lost]);
    let mut found = BTreeSet::new();
    for config in configs {
        let document: serde_json::Value = serde_json::from_str(&printed(&config, &[], None)).unwrap();
        let notes = document["notes"].as_array().unwrap();
        let policies = format!("{} {} {}", document["proxy"], document["roles"], document["sql"]);
        let words = policies.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        let placeholder = |word: &&str| {
            let capitals = word
                .bytes()
                .take_while(|b| b.is_ascii_uppercase() || *b == b'-')
                .count();
            capitals >= 6 && !["PARAMETER_ARN", "PASSWORD", "CREATE", "DISABLE", "SCHEMA"].contains(word)
        };
        for word in words.filter(placeholder) {
            let told = notes
                .iter()
                .any(|note| note.as_str().unwrap().contains(word));
            assert!(told, "{word} is not explained in {notes:#?}");
            found.insert(word.to_owned());
        }
    }
    for word in ["ACCOUNT", "REGION", "PROXY-PRINCIPAL-ARN", "PROXY-ROLE-NAME", "WORKGROUP-UUID-OF-analytics"] {
        assert!(found.contains(word), "{word} is in none of {found:?}");
    }
}

#[test]
fn no_statement_is_without_bounds() {
    for (name, principal) in SET_UPS {
        let document: serde_json::Value =
            serde_json::from_str(&printed(&configured(name), &[], Some(principal))).unwrap();
        let notes = document["notes"].to_string();
        let roles = document["roles"].as_object().unwrap().values();
        let policies = roles
            .flat_map(|role| [&role["permissions"], &role["trust"]])
            .chain([&document["proxy"]]);
        for statement in policies.flat_map(|policy| policy["Statement"].as_array().unwrap()) {
            assert!(!statement["Action"].to_string().contains('*'), "{statement}");
            let about = format!("{}{}", statement["Resource"], statement["Principal"]);
            for part in about.split('"').filter(|part| part.contains('*')) {
                let end = part.splitn(6, ':').nth(5).unwrap();
                let end = end
                    .trim_start_matches("parameter")
                    .trim_start_matches("secret:");
                assert!(notes.contains(end), "{name}: {part} has no reason in the notes");
            }
            assert_ne!(statement["Resource"], "*");
        }
    }
}

#[test]
fn connections_can_be_chosen_and_unknown_ones_are_reported() {
    let config = configured("lava");
    let legacy = printed(&config, &["legacy"], None);
    assert!(legacy.contains("dbuser:dw1/etl") && !legacy.contains("rs01") && !legacy.contains("ssm:"), "{legacy}");
    let unknown = document(&config, &["nope".to_owned()], None).unwrap_err();
    assert!(
        unknown
            .to_string()
            .starts_with("there is no connection \"nope\"; the configuration has "),
        "{unknown}"
    );
    let both = printed(&configured("table"), &[], None);
    assert!(both.contains("dynamodb:GetItem"));
}

fn by_parameter(name: String) -> LoginFrom {
    LoginFrom::Parameter { name, user: None, secret_id: None }
}

#[test]
fn a_role_behind_a_stored_password_is_not_assumed() {
    let mut config = configured("lava");
    let mut spec = (*config.connections["bi-analytics"]).clone();
    spec.login = by_parameter("/lava/prod/password".to_owned());
    spec.host = Some("dw.example.com".to_owned());
    config.connections = [(spec.id.clone(), spec.into())].into();
    let text = printed(&config, &[], None);
    assert!(text.contains("parameter/lava/prod/password") && text.contains("\"roles\": {}"), "{text}");
    assert!(!text.contains("external-id") && !text.contains("sts:") && !text.contains("CREATE USER"), "{text}");
}

#[test]
fn behind_a_stored_password_a_host_that_is_not_told_is_looked_up_by_the_role() {
    const ROLE: &str = "arn:aws:iam::123456789012:role/rs01";
    let of_kind = |kind: &str| {
        let text = format!(
            "[aws]\nregion = \"eu-west-1\"\n[connections.dw]\n{kind}\ndatabase = \"dev\"\nuser = \"etl\"\n\
             password = \"/dw/password\"\nrole_arn = \"{ROLE}\"\nexternal_id = \"/dw/id\"\n"
        );
        let config = config::parse(&text, Path::new("proxy.toml"), &|_| None, UnknownKeys::Refuse).unwrap();
        let document: serde_json::Value = serde_json::from_str(&printed(&config, &[], None)).unwrap();
        document
    };
    for (kind, action, on) in [
        ("type = \"redshift\"\ncluster_id = \"dw1\"", "redshift:DescribeClusters", "cluster:dw1"),
        (
            "type = \"redshift-serverless\"\nworkgroup = \"wg1\"",
            "redshift-serverless:GetWorkgroup",
            "workgroup/WORKGROUP-UUID-OF-wg1",
        ),
    ] {
        let document = of_kind(kind);
        let statements = document["roles"][ROLE]["permissions"]["Statement"]
            .as_array()
            .unwrap();
        assert_eq!((statements.len(), &statements[0]["Action"]), (1, &action.into()), "{document:#}");
        assert!(statements[0]["Resource"].as_str().unwrap().ends_with(on), "{document:#}");
        let proxy = document["proxy"].to_string();
        for part in ["sts:AssumeRole", "parameter/dw/id", "parameter/dw/password"] {
            assert!(proxy.contains(part), "{part}: {proxy}");
        }
        assert_eq!(document["sql"], serde_json::json!([]));
    }
}

#[test]
fn per_user_policies_follow_the_rules_of_sessions() {
    const ROLE: &str = "arn:aws:iam::123456789012:role/rs01";
    let text = format!(
        "[aws]\nregion = \"eu-west-1\"\n[connections.wg]\ntype = \"redshift-serverless\"\nworkgroup = \"wg1\"\n\
         database = \"dev\"\nidentity = \"per-user\"\nrole_arn = \"{ROLE}\"\n[connections.dw]\n\
         type = \"redshift\"\ncluster_id = \"dw1\"\ndatabase = \"dev\"\nidentity = \"per-user\"\n\
         [users.ann]\npassword = \"env:PW\"\nconnections = [\"*\"]\n\
         [users.\"bob smith\"]\npassword = \"env:PW\"\ndb_user = \"bob\"\nconnections = [\"*\"]\n"
    );
    let env = |name: &str| (name == "PW").then(|| "pw".to_owned());
    let mut config = config::parse(&text, Path::new("proxy.toml"), &env, UnknownKeys::Refuse).unwrap();
    let mut cluster = (*config.connections["dw"]).clone();
    match &mut cluster.target {
        Target::Cluster(cluster) => cluster.deny_db_users = vec!["Bob".to_owned()],
        Target::Workgroup(_) => panic!("{cluster:?}"),
    }
    config
        .connections
        .insert(cluster.id.clone(), cluster.into());
    let text = printed(&config, &[], None);
    assert!(text.contains("dbuser:dw1/ann") && !text.contains("dbuser:dw1/bob"), "{text}");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let trust = &document["roles"][ROLE]["trust"]["Statement"][0];
    let names = &trust["Condition"]["StringEquals"]["sts:RoleSessionName"];
    assert_eq!(names[0], "ann");
    // Eight digits of its hash tell it from "bob.smith".
    let cleaned = names[1].as_str().unwrap();
    assert!(cleaned.starts_with("bob.smith-") && cleaned.len() == "bob.smith-".len() + 8, "{document:#}");
}

#[test]
fn users_and_databases_that_all_go_together_share_a_statement() {
    let mut config = configured("fleet");
    let etl = config.connections["etl"].clone();
    config.connections.clear();
    for (at, (user, database)) in [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
        .into_iter()
        .enumerate()
    {
        let mut spec = (*etl).clone();
        spec.id = config::ConnId::new(&format!("c{at}")).unwrap();
        spec.login = LoginFrom::Iam(LoginAs::Shared { user: Some(user.to_owned()) });
        spec.database = Some(database.to_owned());
        config.connections.insert(spec.id.clone(), spec.into());
    }
    let statements = |config: &Config| {
        let document: serde_json::Value = serde_json::from_str(&printed(config, &[], None)).unwrap();
        document["proxy"]["Statement"].clone()
    };
    let together = statements(&config);
    assert_eq!((together[0]["Resource"].as_array().unwrap().len(), together[0].get("Condition")), (4, None));
    config.connections.remove("c3");
    assert_eq!(statements(&config)[0]["Condition"]["StringEquals"]["redshift:DbUser"], serde_json::json!(["a", "b"]));
}

#[test]
fn a_large_policy_gets_a_note() {
    let mut config = configured("fleet");
    let spec = config.connections["etl"].clone();
    for at in 0..150 {
        let mut spec = (*spec).clone();
        spec.id = config::ConnId::new(&format!("c{at}")).unwrap();
        spec.login = by_parameter(format!("/a/parameter/of/connection/{at}"));
        config.connections.insert(spec.id.clone(), spec.into());
    }
    assert!(printed(&config, &[], None).contains("over the 6144 of a managed policy"));
}

#[test]
fn a_proxy_that_is_the_role_assumes_nothing() {
    let mut config = configured("eks");
    let mut own = (*config.connections["own"]).clone();
    own.roles.tags.clear();
    config.connections = [(own.id.clone(), own.into())].into();
    let (_, principal) = SET_UPS[3];
    let text = printed(&config, &[], Some(principal));
    assert!(!text.contains("sts:"), "{text}");
    assert!(text.contains("redshift:GetClusterCredentialsWithIAM"));
}
