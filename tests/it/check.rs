//! `check` by the real binary: each step proved, the first failure explained with its fix, and no
//! secret told.

use std::process::Stdio;
use std::time::Duration;

use crate::support;
use crate::support::secrets::Secrets;
use crate::support::{Setup, World, closed_port, connection};
use redshift_sandbox::aws::{Fault, SecretValue, Skew, Times, Workgroup};
use serde_json::{Value, json};
use tokio::process::Command;

/// What a run left behind.
struct Told {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Told {
    /// Both streams, which never hold any of the world's secrets.
    fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("{why}: {}", self.all()))
    }
}

async fn world(config: impl Into<String>) -> World {
    World::start(&Setup { config: config.into(), ..Setup::default() }).await
}

/// Runs `check` in a world, and looks for its secrets in what is printed.
async fn check(world: &World, args: &[&str]) -> Told {
    let keys = [("AWS_ACCESS_KEY_ID", &*world.keys.0), ("AWS_SECRET_ACCESS_KEY", &*world.keys.1)];
    check_as(world, args, &keys).await
}

async fn check_as(world: &World, args: &[&str], env: &[(&str, &str)]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
    command
        .arg("check")
        .args(args)
        .arg("--config")
        .arg(world.dir.path().join("proxy.toml"));
    command
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("RUST_LOG", "trace")
        .envs(env.iter().copied());
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let told = Told { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
    let mut secrets = Secrets::default();
    secrets.add("external id", "sandbox-external-id-5f0c");
    secrets.add("planted", PLANTED);
    secrets.add("secret key", &world.keys.1);
    for role in ["IAMR:rs01", "IAM:proxy"] {
        for login in world.sandbox.logins.valid(role) {
            secrets.add("database password", &login.password);
        }
    }
    secrets.assert_absent("check", &told.all());
    told
}

/// Wherever a secret may stand.
const PLANTED: &str = "planted-external-id-77d1";

/// The only connection's failed step: its name, `why` and `fix`.
#[track_caller]
fn failed(told: &Told) -> (String, String, String) {
    assert_eq!(told.code, Some(1), "{}", told.all());
    let document = told.json();
    assert_eq!(document["ok"], false);
    let connection = &document["connections"][0];
    let last = connection["steps"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!((&connection["ok"], &connection["failed_step"]), (&Value::Bool(false), &last["step"]));
    let text = |key: &str| last[key].as_str().unwrap().to_owned();
    (text("step"), text("why"), text("fix"))
}

#[track_caller]
fn assert_failed(told: &Told, step: &str, why: &str, fix: &str) {
    let found = failed(told);
    assert_eq!(found.0, step, "{}", told.all());
    assert!(found.1.contains(why), "{why}\n{}", told.all());
    assert!(found.2.contains(fix), "{fix}\n{}", told.all());
}

fn names(connection: &Value) -> Vec<&str> {
    connection["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect()
}

/// The steps of `sales`.
const STEPS: [&str; 9] =
    ["config", "base identity", "GetParameter", "AssumeRole", "GetCredentials", "DNS", "TCP", "TLS", "login"];

#[tokio::test]
async fn a_connection_is_proved_step_by_step_for_people() {
    let world = world("").await;
    let told = check(&world, &[]).await;
    assert_eq!(told.code, Some(0), "{}", told.all());
    assert!(told.stderr.starts_with("warning: ") && told.stderr.lines().count() == 1, "{}", told.stderr);
    let lines: Vec<_> = told.stdout.lines().collect();
    assert_eq!((lines[0], lines[10], lines.len()), ("sales", "ok", 11), "{}", told.all());
    let port = world.sandbox.warehouse.address().port().to_string();
    for (line, want) in lines[1..10].iter().zip([
        "config: redshift-serverless, region ap-southeast-2  ",
        "base identity: arn:aws:iam::123456789012:user/proxy, account 123456789012, out of the SDK's credential ",
        "GetParameter /lava/demo/rs01-external-id  ",
        "AssumeRole arn:aws:iam::123456789012:role/rs01  ",
        "GetCredentials analytics: database user IAMR:rs01, 15 min to live  ",
        "DNS localhost: ",
        &format!("TCP 127.0.0.1:{port}  "),
        "TLS localhost: chain and name verified, certificate valid until ",
        "login dev: database user IAMR:rs01, server version 8.0.2, pid ",
    ]) {
        let rest = line
            .strip_prefix("  ok      ")
            .unwrap_or_else(|| panic!("{}", told.all()));
        assert!(rest.starts_with(want) && rest.ends_with(" ms"), "{want}\n{}", told.all());
    }
    let startup = &world.sandbox.warehouse.startups()[0];
    assert!(startup.contains(&("application_name".into(), "redshift-iam-proxy check".into())), "{startup:?}");
}

#[tokio::test]
async fn each_connection_is_proved_anew_and_told_in_one_document() {
    let world = world(connection("lost", &[("workgroup", "\"lost\"")])).await;
    let told = check(&world, &["--json"]).await;
    assert_eq!(told.code, Some(1), "{}", told.all());
    let document = told.json();
    let [lost, sales] = document["connections"].as_array().unwrap().as_slice() else { panic!("{}", told.all()) };
    assert_eq!(
        (&lost["conn_id"], &lost["ok"], &lost["failed_step"]),
        (&"lost".into(), &false.into(), &"GetCredentials".into())
    );
    assert_eq!((&sales["conn_id"], &sales["ok"], &sales["failed_step"]), (&"sales".into(), &true.into(), &Value::Null));
    assert_eq!((names(lost), names(sales)), (STEPS[..5].to_vec(), STEPS.to_vec()));
    assert_eq!(world.sandbox.aws.calls("GetParameter"), 2);
    assert!(
        lost["steps"][4]["fix"]
            .as_str()
            .unwrap()
            .contains("there is no workgroup lost in ap-southeast-2")
    );
    assert_eq!(check(&world, &["sales"]).await.code, Some(0));
    let told = check(&world, &["sales", "nope"]).await;
    assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""), "{}", told.all());
    let want = "there is no connection \"nope\"; the configuration has lost, sales\n";
    assert!(told.stderr.ends_with(want), "{}", told.all());
}

#[tokio::test]
async fn without_a_login_the_warehouse_is_not_woken() {
    let world = world("").await;
    world.sandbox.warehouse.sleep_until_woken();
    let told = check(&world, &["--no-login", "--json"]).await;
    assert_eq!(told.code, Some(0), "{}", told.all());
    assert_eq!(names(&told.json()["connections"][0]), STEPS[..8]);
    assert_eq!(world.sandbox.warehouse.passwords_seen(), 0);
}

#[tokio::test]
async fn a_workgroup_that_cuts_logins_off_while_it_wakes_is_dialled_again() {
    let world = world("").await;
    world.sandbox.warehouse.reset_logins(2);
    let told = check(&world, &["--json"]).await;
    assert_eq!(told.code, Some(0), "{}", told.all());
    assert_eq!(names(&told.json()["connections"][0]), STEPS);
    world.sandbox.warehouse.reset_logins(3);
    assert_failed(&check(&world, &["--json"]).await, "login", "closed the connection", "try again in a minute");
}

#[tokio::test]
async fn a_user_is_told_by_which_right_it_may_open_a_connection() {
    let asleep = connection("asleep", &[("enabled", "false")]);
    let world = world(asleep).await;
    let told = check(&world, &["--user", "demo", "--no-login", "sales"]).await;
    assert_eq!(told.code, Some(0), "{}", told.all());
    assert!(
        told.stdout
            .contains("  ok      user demo: may open it, by its own \"*\"  "),
        "{}",
        told.all()
    );
    for (user, conn_id, why, fix) in [
        ("guest", "sales", "no right of \"guest\"", "add \"sales\" to users.\"guest\".connections"),
        ("leaver", "sales", "the user \"leaver\" is disabled", "set users.\"leaver\".enabled = true"),
        ("stranger", "sales", "there is no user \"stranger\"", "add [users.\"stranger\"]"),
        ("demo", "asleep", "the connection is disabled", "set connections.\"asleep\".enabled = true"),
    ] {
        let before = world.sandbox.aws.journal().len();
        assert_failed(&check(&world, &["--json", "--user", user, conn_id]).await, "user", why, fix);
        assert_eq!(world.sandbox.aws.journal().len(), before, "no call for {user}");
    }
    // Without a user it is proved before it is enabled.
    let told = check(&world, &["asleep", "--no-login"]).await;
    assert_eq!(told.code, Some(0), "{}", told.all());
    assert!(told.stdout.contains("disabled: clients are refused"), "{}", told.all());
}

#[tokio::test]
async fn calls_that_aws_refuses_are_explained_with_the_statement_to_add() {
    let world = world("").await;
    let aws = &world.sandbox.aws;
    for (operation, want) in [
        (
            "GetParameter",
            concat!(
                r#"add to the policy of arn:aws:iam::123456789012:user/proxy: {"Action":"ssm:GetParameter","#,
                r#""Effect":"Allow","Resource":"arn:aws:ssm:ap-southeast-2:123456789012:parameter/lava/"#,
                r#"demo/rs01-external-id"}"#
            ),
        ),
        (
            "AssumeRole",
            concat!(
                r#"add to the policy of arn:aws:iam::123456789012:user/proxy: {"Action":"sts:AssumeRole","#,
                r#""Effect":"Allow","Resource":"arn:aws:iam::123456789012:role/rs01"}; and to the trust "#,
                r#"policy of arn:aws:iam::123456789012:role/rs01: {"Action":"sts:AssumeRole","Condition":"#,
                r#"{"StringEquals":{"sts:ExternalId":"<the value of /lava/demo/rs01-external-id>"}},"#,
                r#""Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/proxy"}}; a wrong "#,
                r#"external id gives the same answer"#
            ),
        ),
        (
            "GetCredentials",
            concat!(
                r#"add to the policy of arn:aws:iam::123456789012:role/rs01: {"Action":"#,
                r#""redshift-serverless:GetCredentials","Effect":"Allow","Resource":"arn:aws:"#,
                r#"redshift-serverless:ap-southeast-2:123456789012:workgroup/"#
            ),
        ),
    ] {
        aws.fault(operation, Fault::Deny, Times::Always);
        let told = check(&world, &["--json"]).await;
        assert_failed(&told, operation, "was refused (AccessDenied", want);
        aws.clear_faults();
    }
    aws.put_parameter("/lava/demo/rs01-external-id", PLANTED);
    assert_failed(
        &check(&world, &["--json"]).await,
        "AssumeRole",
        "AccessDenied",
        "a wrong external id gives the same answer",
    );
    aws.put_parameter("/lava/demo/rs01-external-id", "planted-external-id-77d1 with blanks");
    assert_failed(
        &check(&world, &["--json"]).await,
        "GetParameter",
        "is no external id",
        "--overwrite --type SecureString --name /lava/demo/rs01-external-id",
    );
    aws.remove_parameter("/lava/demo/rs01-external-id");
    assert_failed(
        &check(&world, &["--json"]).await,
        "GetParameter",
        "ParameterNotFound",
        "create it, with the external id as its value: aws ssm put-parameter --region ap-southeast-2",
    );
}

#[tokio::test]
async fn unusable_stored_values_are_explained_and_not_printed() {
    let dir = tempfile::TempDir::new().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, PLANTED).unwrap();
    let token = format!("\"{}\"", token.display());
    let password = |name| connection(name, &[("user", "\"adam\""), ("password", &format!("\"/{name}\""))]);
    let config = connection("secret", &[("secret_id", "\"text\"")])
        + &connection("token", &[("external_id", ""), ("web_identity_token_file", &token)])
        + &password("good")
        + &password("lost");
    let world = world(config).await;
    world
        .sandbox
        .aws
        .put_secret("text", SecretValue::Text(PLANTED.to_owned()));
    world.sandbox.aws.put_parameter("/good", PLANTED);
    for (conn_id, step, why, fix) in [
        ("secret", "GetSecretValue", "the secret is not JSON", "store a JSON object in text"),
        ("token", "AssumeRoleWithWebIdentity", "InvalidIdentityToken", "IAM OIDC provider"),
        ("good", "login", "28000", "the stored password is that of \"adam\""),
        ("lost", "GetParameter", "ParameterNotFound", "--name /lost"),
    ] {
        assert_failed(&check(&world, &["--json", conn_id]).await, step, why, fix);
        assert_eq!(check(&world, &[conn_id]).await.code, Some(1), "{conn_id}, for people");
    }
}

/// Where `serve` would end with 78, a check fails.
#[tokio::test]
async fn the_listeners_key_is_proved_as_serve_reads_it() {
    let mut world = world("").await;
    let pem = |world: &World, name: &str| std::fs::read_to_string(world.dir.path().join(name)).unwrap();
    let (cert, key) = (pem(&world, "server.crt"), pem(&world, "server.key"));
    world.edit("key = \"server.key\"", "key = \"ssm:/tls/key\"");
    for (stored, code, want) in [
        (key.clone(), 0, "  ok      listen.tls.key ssm:/tls/key"),
        (key.replace('\n', ""), 1, "listen.tls.key: has lost its line ends"),
        (cert, 1, "listen.tls.key: holds no private key in PEM, but a certificate"),
        (key.replace("PRIVATE", "ENCRYPTED PRIVATE"), 1, "listen.tls.key: holds an encrypted private key"),
    ] {
        world.sandbox.aws.put_parameter("/tls/key", &stored);
        let told = check(&world, &["--no-login"]).await;
        assert_eq!(told.code, Some(code), "{}", told.all());
        assert!(told.stdout.starts_with("listen.tls\n") && told.stdout.contains(want), "{want}\n{}", told.all());
    }
    let told = check(&world, &["--no-login", "--json"]).await.json();
    assert_eq!((&told["ok"], &told["listener"]["failed_step"]), (&json!(false), &json!("listen.tls")));
    world.sandbox.aws.remove_parameter("/tls/key");
    let told = check(&world, &["--no-login", "--json"]).await.json();
    assert_eq!(told["listener"]["failed_step"], "listen.tls.key", "{told}");
}

/// One that nobody can verify is a failure, one that ends soon is told.
#[tokio::test]
async fn a_listener_certificate_that_ends_is_reported() {
    let world = world("").await;
    let made = |from: i64, until: i64| {
        let at = |days: i64| time::OffsetDateTime::now_utc() + time::Duration::days(days);
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (at(from), at(until));
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(world.dir.path().join("server.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(world.dir.path().join("server.key"), key.serialize_pem()).unwrap();
    };
    for (from, until, code, want) in [
        (-400, -3, 1, "has expired: clients that verify it refuse it"),
        (3, 400, 1, "is not valid yet: clients that verify it refuse it"),
        (-10, 20, 0, "ends in 19 days: then clients that verify it refuse it"),
    ] {
        made(from, until);
        let told = check(&world, &["--no-login"]).await;
        assert_eq!(told.code, Some(code), "{}", told.all());
        assert!(told.stdout.contains(want), "{want}\n{}", told.all());
        let told = check(&world, &["--offline"]).await;
        assert_eq!(told.code, Some(0), "{}", told.all());
        assert!(
            told.stderr
                .contains("warning: listen.tls.cert: the certificate of ")
                && told.stderr.contains(want)
        );
        let mut proxy = support::process::Proxy::start(&world, &[]).await;
        assert!(proxy.log().contains(want), "{}", proxy.log());
        proxy.signal("TERM").await;
        assert_eq!(proxy.exit_code().await, Some(0));
    }
    made(-10, 400);
    let told = check(&world, &["--no-login"]).await;
    assert!(told.code == Some(0) && !told.stdout.contains("listen.tls"), "{}", told.all());
}

#[tokio::test]
async fn a_connection_into_another_account_or_without_rights_is_reported() {
    let config = connection("plain", &[("role_arn", ""), ("external_id", ""), ("workgroup", "\"mine\"")]);
    let world = world(config).await;
    let workgroup = |callers: &[&str]| {
        let callers = callers.iter().map(|caller| (*caller).to_owned()).collect();
        Workgroup { callers, host: "localhost".into(), port: 1 }
    };
    world.sandbox.aws.put_workgroup("mine", workgroup(&[]));
    let told = check(&world, &["--json", "plain"]).await;
    assert_failed(
        &told,
        "GetCredentials",
        "is not authorized",
        "add to the policy of arn:aws:iam::123456789012:user/proxy: ",
    );
    world
        .sandbox
        .aws
        .put_workgroup("mine", workgroup(&["arn:aws:iam::123456789012:user/proxy"]));
    let told = check(&world, &["plain"]).await;
    assert_eq!(told.code, Some(0), "{}", told.all());
    assert!(told.stdout.contains("login dev: database user IAM:proxy, "), "{}", told.all());
    // Sessions of this connection never call STS.
    world
        .sandbox
        .aws
        .fault("GetCallerIdentity", Fault::Close, Times::Always);
    let told = check(&world, &["plain", "--no-login"]).await;
    assert_eq!(told.code, Some(0), "{}", told.all());
    assert!(
        told.stdout
            .contains("ok      base identity: not known, and not needed here: "),
        "{}",
        told.all()
    );
}

#[tokio::test]
async fn a_base_identity_that_is_the_role_already_assumes_nothing_and_says_so() {
    let world = world("").await;
    let task = world
        .sandbox
        .aws
        .container_credentials("arn:aws:iam::123456789012:role/rs01", PLANTED)
        .await
        .unwrap();
    let url = task.url();
    let env = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*url), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", PLANTED)];
    let told = check_as(&world, &["--json"], &env).await;
    assert_eq!(told.code, Some(0), "{}", told.all());
    let document = told.json();
    let sales = &document["connections"][0];
    assert_eq!(names(sales), [&STEPS[..2], &STEPS[3..]].concat());
    assert!(
        sales["steps"][1]["detail"]
            .as_str()
            .unwrap()
            .contains(":assumed-role/rs01/"),
        "{}",
        told.all()
    );
    assert_eq!(sales["steps"][2]["detail"], "skipped: the base identity already is this role");
    assert_eq!(world.sandbox.aws.calls("AssumeRole"), 0);
}

#[tokio::test]
async fn an_aws_that_is_busy_broken_or_away_is_distinguished() {
    let world = world("[credentials]\ntimeout = \"2s\"\n").await;
    let aws = &world.sandbox.aws;
    for (operation, fault, why, fix) in [
        ("AssumeRole", Fault::Throttle, "was throttled (Throttling)", "wait a minute"),
        ("GetCredentials", Fault::InternalError, "failed (InternalServerException)", "AWS fails"),
        ("GetParameter", Fault::Garbage, "what answered is not ssm", "AWS_ENDPOINT_URL_*"),
        (
            "GetCallerIdentity",
            Fault::Hang,
            "sts cannot be reached in ap-southeast-2: no answer in time",
            "VPC endpoint",
        ),
        ("GetCredentials", Fault::Close, "redshift-serverless cannot be reached", "NAT gateway"),
    ] {
        aws.fault(operation, fault, Times::Always);
        let step = if operation == "GetCallerIdentity" { "base identity" } else { operation };
        assert_failed(&check(&world, &["--json"]).await, step, why, fix);
        aws.clear_faults();
    }
    // Once is no failure.
    aws.fault("AssumeRole", Fault::Throttle, Times::Next(1));
    assert_eq!(check(&world, &["--no-login"]).await.code, Some(0));
    for skew in [Skew::Ahead(Duration::from_secs(900)), Skew::Behind(Duration::from_secs(900))] {
        aws.skew(skew);
        let told = check(&world, &["--no-login"]).await;
        assert_eq!(told.code, Some(0), "{}", told.all());
        assert!(told.stdout.contains("clock") && told.stdout.contains("15 min"), "{}", told.stdout);
    }
}

#[tokio::test]
async fn a_forward_proxy_in_the_way_is_reported() {
    let setup = Setup { aws: Some("https://sandbox.aws.example".into()), ..Setup::default() };
    let world = World::start(&setup).await;
    for (answer, why, fix) in [
        (
            "407 Proxy Authentication Required",
            "wants a user and a password (407)",
            "give it in HTTPS_PROXY: http://USER:PASSWORD@",
        ),
        ("403 Forbidden", "sts cannot be reached in ap-southeast-2 through the forward proxy", "lets CONNECT to sts"),
    ] {
        let forward = support::forward::ForwardProxy::start(answer).await;
        let url = format!("http://user:{PLANTED}@127.0.0.1:{}", forward.port);
        let env =
            [("HTTPS_PROXY", &*url), ("AWS_ACCESS_KEY_ID", &*world.keys.0), ("AWS_SECRET_ACCESS_KEY", &*world.keys.1)];
        assert_failed(&check_as(&world, &["--json"], &env).await, "base identity", why, fix);
    }
}

#[tokio::test]
async fn an_unreachable_endpoint_and_missing_keys_are_reported() {
    let (_held, port) = closed_port();
    let setup = Setup { aws: Some(format!("http://127.0.0.1:{port}")), ..Setup::default() };
    let world = World::start(&setup).await;
    let told = check(&world, &["--json"]).await;
    assert_failed(
        &told,
        "base identity",
        "sts cannot be reached in ap-southeast-2: ",
        "a VPC endpoint (com.amazonaws.ap-southeast-2.sts",
    );
    let told = check_as(&world, &["--json"], &[]).await;
    assert_failed(&told, "base identity", "the SDK's chain found no credentials", "give this machine an identity");
    let wrong = [("AWS_ACCESS_KEY_ID", "AKIANOBODYSEXAMPLE00"), ("AWS_SECRET_ACCESS_KEY", PLANTED)];
    let world = World::start(&Setup::default()).await;
    let told = check_as(&world, &["--json"], &wrong).await;
    assert_failed(&told, "base identity", "InvalidClientTokenId", "the base access key is unknown");
    let wrong = [("AWS_ACCESS_KEY_ID", &*world.keys.0), ("AWS_SECRET_ACCESS_KEY", PLANTED)];
    let told = check_as(&world, &["--json"], &wrong).await;
    assert_failed(&told, "base identity", "SignatureDoesNotMatch", "does not fit its key id");
}

#[tokio::test]
async fn failures_on_the_way_to_the_warehouse_are_distinguished() {
    let (_held, closed) = closed_port();
    let config = connection("closed", &[("port", &closed.to_string())])
        + &connection("nowhere", &[("host", "\"nowhere.invalid\"")])
        + &connection("metadata", &[("host", "\"169.254.169.254\"")])
        + &connection("name", &[("tls_server_name", "\"other.example.com\"")])
        + &connection("roots", &[("ca", "\"aws\"")])
        + &connection("database", &[("database", "\"nope\"")]);
    let world = world(config).await;
    for (conn_id, step, why, fix) in [
        ("closed", "TCP", "Connection refused", &*format!("refused = port: nothing listens on {closed}")),
        ("nowhere", "DNS", "cannot resolve nowhere.invalid", "correct host"),
        ("metadata", "DNS", "no address that may be dialled", "leads to an address that no warehouse has"),
        ("name", "TLS", "is not valid for other.example.com", "set tls_server_name"),
        ("roots", "TLS", "UnknownIssuer", "set upstream.ca"),
        ("database", "login", "3D000", "correct database: there is no \"nope\""),
    ] {
        assert_failed(&check(&world, &["--json", conn_id]).await, step, why, fix);
    }
    let warehouse = &world.sandbox.warehouse;
    warehouse.refuse_logins(1);
    let fix = "CREATE USER \"IAMR:rs01\" PASSWORD DISABLE";
    assert_failed(&check(&world, &["--json", "sales"]).await, "login", "refused the login: 28000", fix);
    warehouse.login_error(1, "28000", "user \"IAMR:rs01\" does not exist");
    assert_failed(
        &check(&world, &["--json", "sales"]).await,
        "login",
        "does not exist",
        "create the user: CREATE USER",
    );
    for (sqlstate, text) in [("53300", "too many connections"), ("28000", "connection limit \"500\" exceeded")] {
        warehouse.login_error(1, sqlstate, text);
        assert_failed(&check(&world, &["--json", "sales"]).await, "login", sqlstate, "too many sessions");
    }
    warehouse.refuse_tls(true);
    assert_failed(&check(&world, &["--json", "sales"]).await, "TLS", "refuses TLS", "which always does TLS");
}

#[tokio::test]
async fn a_warehouse_that_never_gets_ready_is_given_up() {
    let setup = Setup { upstream: "login_timeout = \"1s\"\n".into(), ..Setup::default() };
    let world = World::start(&setup).await;
    world.sandbox.warehouse.sleep_until_woken();
    let told = check(&world, &["--json"]).await;
    assert_failed(&told, "login", "not ready within 1 s", "an idle workgroup wakes inside this step");
}

/// A connection of lava's table like `sales`, with some attributes otherwise.
async fn world_with_item(attributes: Value) -> World {
    let world = world(format!(
        "[specs]\ndynamodb_table = \"{TABLE}\"\nconn_ids = [\"bi-*\"]\n\
         roles = [\"arn:aws:iam::123456789012:role/rs*\"]\nparameter_prefix = \"/lava/demo/\"\n\
         hosts = [\"localhost\"]\nbase_identity = true\n"
    ))
    .await;
    world.sandbox.aws.put_table(TABLE);
    put(&world, attributes);
    world
}

/// Replaces the item `bi-x`.
fn put(world: &World, attributes: Value) {
    let port = world.sandbox.warehouse.address().port();
    let mut item = json!({
        "conn_id": {"S": "bi-x"}, "type": {"S": "redshift-serverless"}, "enabled": {"BOOL": true},
        "host": {"S": "localhost"}, "port": {"N": port.to_string()}, "database": {"S": "dev"},
        "workgroup": {"S": "analytics"}, "role_arn": {"S": "arn:aws:iam::123456789012:role/rs01"},
        "external_id": {"S": "/lava/demo/rs01-external-id"},
    });
    let Value::Object(attributes) = attributes else { panic!() };
    item.as_object_mut().unwrap().extend(attributes);
    world.sandbox.aws.put_item(TABLE, item);
}

const TABLE: &str = "lava.demo.connections";

#[tokio::test]
async fn a_connection_of_the_table_is_proved_when_named() {
    let world = world_with_item(json!({})).await;
    let told = check(&world, &["--json", "bi-x"]).await;
    assert_eq!(told.code, Some(0), "{}", told.all());
    let document = told.json();
    let connection = &document["connections"][0];
    assert_eq!((&connection["conn_id"], &document["table"]), (&"bi-x".into(), &Value::Null));
    assert_eq!(names(connection), [&STEPS[..2], &["GetItem"], &STEPS[2..]].concat());
    let steps = &connection["steps"];
    assert_eq!(steps[0]["detail"], "out of table lava.demo.connections");
    assert_eq!(steps[2]["subject"], "lava.demo.connections: bi-x");
    assert_eq!(steps[2]["detail"], "redshift-serverless, region ap-southeast-2");
    assert_eq!(world.sandbox.aws.calls("GetItem"), 1);
    let told = check(&world, &["--no-login", "sales", "bi-x"]).await;
    assert_eq!(told.code, Some(0), "{}", told.all());
    assert!(
        told.stdout
            .contains("\n  ok      GetItem lava.demo.connections: bi-x: redshift-serverless, "),
        "{}",
        told.all()
    );
    put(&world, json!({"enabled": {"BOOL": false}}));
    let told = check(&world, &["--no-login", "bi-x"]).await;
    assert_eq!(told.code, Some(0), "{}", told.all());
    assert!(told.stdout.contains("disabled: clients are refused"), "{}", told.all());
}

#[tokio::test]
async fn only_named_connections_of_the_table_are_proved() {
    let world = world_with_item(json!({})).await;
    let told = check(&world, &["--no-login"]).await;
    assert_eq!(told.code, Some(0), "{}", told.all());
    assert!(
        told.stdout
            .ends_with("\nbi-* out of table lava.demo.connections: proved when named\nok\n"),
        "{}",
        told.all()
    );
    let document = check(&world, &["--no-login", "--json"]).await.json();
    assert_eq!((&document["table"]["name"], &document["table"]["conn_ids"]), (&TABLE.into(), &json!(["bi-*"])));
    assert_eq!((document["connections"].as_array().unwrap().len(), world.sandbox.aws.calls("GetItem")), (1, 0));
    let told = check(&world, &["fin-x"]).await;
    assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""), "{}", told.all());
    let want = "there is no connection \"fin-x\", and specs.conn_ids does not cover it; the configuration has sales\n";
    assert!(told.stderr.ends_with(want), "{}", told.all());
    let told = check(&world, &["--offline", "bi-x"]).await;
    assert_eq!(told.code, Some(0), "{}", told.all());
    assert!(
        told.stdout
            .contains("out of table lava.demo.connections, if it is there: cannot be told offline")
    );
    assert_eq!(world.sandbox.aws.calls("GetItem"), 0);
}

#[tokio::test]
async fn the_right_to_an_item_is_judged_before_the_table_is_asked() {
    let world = world_with_item(json!({"enabled": {"BOOL": false}})).await;
    let told = check(&world, &["--json", "--user", "guest", "bi-x"]).await;
    assert_failed(&told, "user", "no right of \"guest\"", "add \"bi-x\" to users.\"guest\".connections");
    assert_eq!(world.sandbox.aws.journal(), []);
    let told = check(&world, &["--json", "--user", "demo", "bi-x"]).await;
    assert_failed(&told, "user", "the connection is disabled", "set enabled = true in the item \"bi-x\" of lava.demo");
    assert_eq!(names(&told.json()["connections"][0]), ["config", "user", "base identity", "GetItem", "user"]);
}

#[tokio::test]
async fn an_item_that_will_not_do_or_is_not_there_is_a_failed_step() {
    let world = world_with_item(json!({})).await;
    let told = check(&world, &["--json", "bi-y"]).await;
    assert_failed(&told, "GetItem", "there is no item \"bi-y\" in lava.demo", "a missing enabled is false");
    for (attributes, why, fix) in [
        (json!({"port": {"S": PLANTED}}), "port: must be", "correct these attributes of the item \"bi-x\""),
        (json!({"ca": {"S": PLANTED}}), "ca: is no field of lava's", "correct these attributes"),
        (
            json!({"role_arn": {"S": format!("arn:aws:iam::123456789012:role/{PLANTED}")}}),
            "specs.roles",
            "role/rs*; or",
        ),
        (json!({"external_id": {"S": format!("/lava/{PLANTED}")}}), "external_id", "parameter below /lava/demo/"),
        (json!({"secret_id": {"S": PLANTED}}), "secret_id", "begins with /lava/demo/"),
        (json!({"host": {"S": PLANTED}}), "specs.hosts", "have host be one of localhost"),
    ] {
        put(&world, attributes);
        assert_failed(&check(&world, &["--json", "bi-x"]).await, "GetItem", why, fix);
    }
    // What the secret says is known, and out of bounds, only at the login.
    put(&world, json!({"secret_id": {"S": "/lava/demo/s"}}));
    let secret = format!("{{\"host\":\"{PLANTED}\"}}");
    world
        .sandbox
        .aws
        .put_secret("/lava/demo/s", SecretValue::Text(secret));
    let item = json!({
        "conn_id": {"S": "bi-z"}, "type": {"S": "redshift-serverless"}, "database": {"S": "dev"},
        "workgroup": {"S": "analytics"}, "secret_id": {"S": "/lava/demo/s"},
    });
    world.sandbox.aws.put_item(TABLE, item);
    assert_failed(
        &check(&world, &["--json", "bi-z"]).await,
        "spec",
        "not covered by specs.hosts",
        "be one of localhost",
    );
}

#[tokio::test]
async fn a_table_that_cannot_be_read_is_explained() {
    let world = world_with_item(json!({})).await;
    let aws = &world.sandbox.aws;
    aws.fault("GetItem", Fault::Deny, Times::Always);
    let fix = concat!(
        r#"add to the policy of arn:aws:iam::123456789012:user/proxy: {"Action":"dynamodb:GetItem","Condition":"#,
        r#"{"ForAllValues:StringLike":{"dynamodb:LeadingKeys":"bi-*"},"Null":{"dynamodb:LeadingKeys":"false"}},"#,
        r#""Effect":"Allow","Resource":"arn:aws:dynamodb:ap-southeast-2:123456789012:table/lava.demo.connections"}"#
    );
    assert_failed(&check(&world, &["--json", "bi-x"]).await, "GetItem", "was refused (AccessDenied", fix);
    aws.clear_faults();
    aws.fault("GetItem", Fault::Throttle, Times::Always);
    assert_failed(&check(&world, &["--json", "bi-x"]).await, "GetItem", "was throttled", "more read capacity");
    aws.clear_faults();
    aws.fault("GetItem", Fault::Hang, Times::Always);
    let mut world = world;
    world.edit("[specs]\n", "[limits]\nstartup_timeout = \"3s\"\n[specs]\n");
    let fix = "a way to dynamodb in ap-southeast-2";
    assert_failed(&check(&world, &["--json", "bi-x"]).await, "GetItem", "no answer within 1s", fix);
    world.sandbox.aws.clear_faults();
    world.edit(TABLE, "lava.other");
    let fix = "there is no table lava.other in ap-southeast-2: correct specs.dynamodb_table";
    assert_failed(&check(&world, &["--json", "bi-x"]).await, "GetItem", "ResourceNotFoundException", fix);
}

#[tokio::test]
async fn flags_that_contradict_each_other_are_64() {
    let world = world("").await;
    for flag in [["--no-login"].as_slice(), &["--json"], &["--user", "demo"]] {
        let told = check(&world, &[&["--offline"], flag].concat()).await;
        assert_eq!((told.code, told.stdout.as_str()), (Some(64), ""), "{}", told.all());
    }
}
