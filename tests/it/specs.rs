//! lava's table as the second source of connections: who it is asked for, how long its items are
//! believed, and what whoever writes it cannot do.

use std::time::Duration;

use crate::support;
use crate::support::process::Proxy;
use crate::support::{PASSWORD, Rig, Setup, USER, World, assert_refused, refusal, verifier, without_session};
use redshift_sandbox::aws::{Aws, Fault, SecretValue, Times};
use serde_json::{Value, json};

const TABLE: &str = "lava.demo.connections";

const HINT: Option<&str> = Some("Try again shortly.");

/// The second source, and `some`, who may open `bi-public` alone.
fn setup() -> Setup {
    let config = format!(
        "[specs]\ndynamodb_table = \"{TABLE}\"\nconn_ids = [\"bi-*\", \"sales\"]\n\
         roles = [\"arn:aws:iam::123456789012:role/rs*\"]\nparameter_prefix = \"/lava/demo/\"\n\
         base_identity = true\n\
         hosts = [\"localhost\", \"169.254.*\", \"::ffff:*\", \"0xa9fe*\"]\n\
         [users.some]\npassword = \"{}\"\nconnections = [\"bi-public\"]\n",
        verifier()
    );
    Setup { config, ..Setup::default() }
}

/// Like `sales` of the configuration, with some attributes otherwise. `null` leaves one out.
fn item(port: u16, conn_id: &str, attributes: &Value) -> Value {
    let mut item = json!({
        "conn_id": {"S": conn_id}, "type": {"S": "redshift-serverless"}, "enabled": {"BOOL": true},
        "host": {"S": "localhost"}, "port": {"N": port.to_string()}, "database": {"S": "dev"},
        "workgroup": {"S": "analytics"}, "role_arn": {"S": "arn:aws:iam::123456789012:role/rs01"},
        "external_id": {"S": "/lava/demo/rs01-external-id"},
    });
    let all = item.as_object_mut().unwrap();
    all.extend(attributes.as_object().unwrap().clone());
    all.retain(|_, value| !value.is_null());
    item
}

fn put(world: &World, conn_id: &str, attributes: &Value) {
    let port = world.sandbox.warehouse.address().port();
    world
        .sandbox
        .aws
        .put_item(TABLE, item(port, conn_id, attributes));
}

async fn rig() -> Rig {
    let rig = Rig::with(setup()).await;
    rig.sandbox().aws.put_table(TABLE);
    rig
}

/// Calls for anything but items.
fn other_calls(aws: &Aws) -> Vec<String> {
    aws.journal()
        .into_iter()
        .map(|request| request.operation)
        .filter(|operation| operation != "GetItem")
        .collect()
}

#[tokio::test]
async fn a_connection_of_the_table_is_opened_like_one_of_the_configuration() {
    let rig = rig().await;
    put(&rig.world, "bi-x", &json!({}));
    for _ in 0..2 {
        let client = rig.connect("bi-x").await.unwrap();
        assert_eq!(
            client
                .query_one("select current_user::text", &[])
                .await
                .unwrap()
                .get::<_, String>(0),
            "IAMR:rs01"
        );
    }
    let asked = rig.sandbox().aws.requests("GetItem");
    assert_eq!(asked.len(), 1);
    assert_eq!((&*asked[0].region, &*asked[0].parameters["TableName"]), ("ap-southeast-2", TABLE));
    assert_eq!(asked[0].parameters["Key.conn_id.S"], "bi-x");
}

#[tokio::test]
async fn caps_come_behind_the_right_and_ahead_of_the_spec() {
    let off = support::connection("off", &[("enabled", "false")]);
    let config = format!("{}[limits]\nmax_sessions = 1\n{off}", setup().config);
    let rig = Rig::with(Setup { config, ..setup() }).await;
    rig.sandbox().aws.put_table(TABLE);
    put(&rig.world, "bi-x", &json!({}));
    let held = rig.connect("sales").await.unwrap();
    for (conn_id, sqlstate) in [("nobodys", "3D000"), ("off", "53300"), ("bi-x", "53300")] {
        assert_eq!(refusal(&rig.connect(conn_id).await.unwrap_err()).0, sqlstate, "{conn_id}");
    }
    assert_eq!(rig.sandbox().aws.requests("GetItem").len(), 0, "a spec that no session can have is not looked up");
    drop(held);
    rig.wait_until_idle().await;
    assert_eq!(refusal(&rig.connect("off").await.unwrap_err()).0, "57P03");
    rig.connect("bi-x").await.expect("there is room again");
}

#[tokio::test]
async fn an_edited_item_is_seen_within_the_refresh() {
    let rig = rig().await;
    put(&rig.world, "bi-x", &json!({}));
    rig.connect("bi-x").await.unwrap();
    put(&rig.world, "bi-x", &json!({"enabled": {"BOOL": false}}));
    rig.advance(Duration::from_secs(50));
    rig.connect("bi-x").await.expect("still believed");
    rig.advance(Duration::from_secs(10));
    assert_refused(&rig.connect("bi-x").await.unwrap_err(), "57P03", "connection \"bi-x\" is disabled", None);
    put(&rig.world, "bi-x", &json!({"enabled": null}));
    rig.advance(Duration::from_secs(60));
    assert_refused(&rig.connect("bi-x").await.unwrap_err(), "57P03", "connection \"bi-x\" is disabled", None);
    put(&rig.world, "bi-x", &json!({}));
    rig.advance(Duration::from_secs(60));
    rig.connect("bi-x").await.expect("enabled again");
    rig.sandbox().aws.delete_item(TABLE, "bi-x");
    rig.advance(Duration::from_secs(60));
    assert_eq!(refusal(&rig.connect("bi-x").await.unwrap_err()).0, "3D000");
}

#[tokio::test]
async fn a_missing_item_reads_like_an_unknown_name_to_the_byte() {
    let rig = rig().await;
    let told = async |conn_id: &str| {
        let error = rig.connect(conn_id).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        let message = without_session(error.message()).replace(conn_id, "X");
        (error.code().code().to_owned(), message, error.detail().map(str::to_owned), error.hint().map(str::to_owned))
    };
    assert_eq!(told("bi-x").await, told("fin-x").await);
    assert_eq!(rig.sandbox().aws.calls("GetItem"), 1);
    put(&rig.world, "bi-x", &json!({}));
    assert_eq!(told("bi-x").await.0, "3D000", "remembered");
    rig.advance(Duration::from_secs(10));
    rig.connect("bi-x").await.expect("not for long");
}

#[tokio::test]
async fn the_configuration_wins_on_a_clash() {
    let rig = rig().await;
    put(&rig.world, "sales", &json!({"enabled": {"BOOL": false}}));
    rig.connect("sales").await.unwrap();
    assert_eq!(rig.sandbox().aws.calls("GetItem"), 0);
}

#[tokio::test]
async fn the_table_is_not_asked_before_the_proof_nor_for_names_outside_rights_and_globs() {
    let rig = rig().await;
    for conn_id in ["bi-x", "bi-public", "fin-x"] {
        put(&rig.world, conn_id, &json!({}));
    }
    for (user, password, conn_id, sqlstate) in [
        (USER, "wrong", "bi-x", "28P01"),
        ("nobody", PASSWORD, "bi-x", "28P01"),
        ("leaver", PASSWORD, "bi-x", "28P01"),
        ("some", PASSWORD, "bi-x", "3D000"),
        ("guest", PASSWORD, "bi-x", "3D000"),
        (USER, PASSWORD, "fin-x", "3D000"),
        (USER, PASSWORD, "bi-*", "3D000"),
    ] {
        let error = rig.connect_as(user, password, conn_id).await.unwrap_err();
        assert_eq!(refusal(&error).0, sqlstate, "{user} {conn_id}");
    }
    assert_eq!(rig.sandbox().aws.journal(), []);
    rig.connect_as("some", PASSWORD, "bi-public")
        .await
        .expect("this is theirs");
}

#[tokio::test]
async fn while_the_table_is_down_the_old_item_serves_and_then_nothing_does() {
    let rig = rig().await;
    put(&rig.world, "bi-x", &json!({}));
    rig.connect("bi-x").await.unwrap();
    rig.sandbox()
        .aws
        .fault("GetItem", Fault::InternalError, Times::Always);
    rig.advance(Duration::from_secs(61));
    rig.connect("bi-x").await.expect("the old one");
    assert_eq!(rig.sandbox().aws.calls("GetItem"), 4, "one, and three tries");
    let error = rig.connect("bi-new").await.unwrap_err();
    assert_refused(&error, "57P03", "cannot open \"bi-new\" now", HINT);
    rig.advance(Duration::from_secs(15 * 60));
    assert_refused(&rig.connect("bi-x").await.unwrap_err(), "57P03", "cannot open \"bi-x\" now", HINT);
    rig.sandbox().aws.clear_faults();
    rig.connect("bi-x").await.expect("it is back");
}

#[tokio::test]
async fn a_table_that_never_answers_is_refused_before_the_startup_timeout() {
    let mut setup = setup();
    setup.config += "[limits]\nstartup_timeout = \"3s\"\n";
    let rig = Rig::with(setup).await;
    rig.sandbox().aws.put_table(TABLE);
    rig.sandbox()
        .aws
        .fault("GetItem", Fault::Hang, Times::Always);
    assert_refused(&rig.connect("bi-x").await.unwrap_err(), "57P03", "cannot open \"bi-x\" now", HINT);
}

#[tokio::test]
async fn a_hung_table_delays_only_logins_that_need_it() {
    let rig = rig().await;
    rig.sandbox()
        .aws
        .fault("GetItem", Fault::Hang, Times::Always);
    let port = rig.port();
    let waiting: Vec<_> = (0..20)
        .map(|at| {
            let ca = rig.sandbox().ca.pem().to_owned();
            tokio::spawn(async move {
                let stream = support::raw::tls(port, &ca).await;
                support::login_over(stream, USER, PASSWORD, &format!("bi-{at}")).await
            })
        })
        .collect();
    rig.sandbox().aws.wait_for_calls("GetItem", 8).await;
    rig.connect("sales").await.unwrap();
    assert!(waiting.iter().all(|login| !login.is_finished()), "sales came first");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

/// The `login refused` of a connection.
async fn reason(proxy: &mut Proxy, conn_id: &str) -> String {
    let line = proxy.wait_for_log(&format!("connection {conn_id}: ")).await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["message"], &line["level"]), (&json!("login refused"), &json!("WARN")));
    assert_eq!(line["conn_id"], conn_id);
    line["reason"].as_str().unwrap().to_owned()
}

async fn connect(world: &World, proxy: &Proxy, conn_id: &str) -> tokio_postgres::Error {
    let stream = support::raw::tls(proxy.port, world.sandbox.ca.pem()).await;
    let login = support::login_over(stream, USER, PASSWORD, conn_id).await;
    login
        .err()
        .unwrap_or_else(|| panic!("{conn_id} was opened"))
}

fn not_available(conn_id: &str) -> String {
    format!("connection \"{conn_id}\" is not available to the proxy")
}

#[tokio::test]
async fn a_table_that_may_not_be_read_is_logged_for_the_operator() {
    let world = World::start(&setup()).await;
    let mut proxy = Proxy::start(&world, &[]).await;
    let error = connect(&world, &proxy, "bi-none").await;
    assert_refused(&error, "08004", &not_available("bi-none"), None);
    let told = reason(&mut proxy, "bi-none").await;
    assert!(told.contains("GetItem lava.demo.connections: bi-none") && told.contains("ResourceNotFound"), "{told}");
    world.sandbox.aws.put_table(TABLE);
    world
        .sandbox
        .aws
        .fault("GetItem", Fault::Deny, Times::Next(1));
    assert_refused(&connect(&world, &proxy, "bi-x").await, "08004", &not_available("bi-x"), None);
    let told = reason(&mut proxy, "bi-x").await;
    assert!(told.contains("GetItem lava.demo.connections: bi-x in ap-southeast-2 was refused (AccessDenied"), "{told}");
}

#[tokio::test]
async fn a_changed_item_is_logged_once() {
    let mut setup = setup();
    setup.config = setup
        .config
        .replace("conn_ids", "refresh = \"1s\"\nconn_ids");
    let world = World::start(&setup).await;
    world.sandbox.aws.put_table(TABLE);
    put(&world, "bi-x", &json!({"enabled": {"BOOL": false}}));
    let mut proxy = Proxy::start(&world, &[]).await;
    connect(&world, &proxy, "bi-x").await;
    put(&world, "bi-x", &json!({"enabled": {"BOOL": false}, "port": {"S": "5439"}}));
    let changed = async {
        while !proxy.log().contains("config changed") {
            connect(&world, &proxy, "bi-x").await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), changed)
        .await
        .expect("it is read again");
    let line: Value = serde_json::from_str(&proxy.wait_for_log("config changed").await).unwrap();
    assert_eq!((&line["table"], &line["conn_id"], &line["level"]), (&json!(TABLE), &json!("bi-x"), &json!("INFO")));
    let hashes = ["hash_before", "hash"].map(|name| line[name].as_str().unwrap().to_owned());
    assert!(hashes[0] != hashes[1] && hashes.iter().all(|hash| hash.len() == 8), "{hashes:?}");
}

/// What a writer of the table tries, and what the log has to say of it.
fn attempts() -> Vec<(Value, &'static str)> {
    let text = |text: &str| json!({ "S": text });
    let parameter = "arn:aws:ssm:ap-southeast-2:123456789012:parameter/lava/demo/rs01-external-id";
    let foreign = "arn:aws:iam::999999999999:role/rs01";
    vec![
        (json!({"host": text("evil.example.com")}), "host evil.example.com is not covered by specs.hosts"),
        (json!({"host": text("localhost.evil.example.com")}), "is not covered by specs.hosts"),
        (json!({"host": text("203.0.113.7")}), "host 203.0.113.7 is not covered by specs.hosts"),
        (json!({"host": text("2001:db8::7")}), "is not covered by specs.hosts"),
        (
            json!({"role_arn": text(foreign)}),
            "role_arn arn:aws:iam::999999999999:role/rs01 is not covered by specs.roles",
        ),
        (json!({"role_arn": {"L": [text("arn:aws:iam::123456789012:role/rs01"), text(foreign)]}}), "role_arn: "),
        (json!({"role_arn": {"M": {"role_arn": text("arn:aws:iam::123456789012:role/rs01")}}}), "role_arn: "),
        (json!({"external_id": text("/lava/prod/x")}), "external_id: the parameter's name does not begin with"),
        (json!({"external_id": text(parameter)}), "external_id: the parameter's name does not begin with"),
        (json!({"password": text("/lava/prod/x"), "user": text("u")}), "password: the parameter's name does not begin"),
        (json!({"password": text(parameter), "user": text("u")}), "password: the parameter's name does not begin"),
        (json!({"secret_id": text("prod/x")}), "secret_id: the secret's name does not begin with"),
        (
            json!({"secret_id": text("arn:aws:secretsmanager:us-east-1:1:secret:x-AbCdEf")}),
            "secret_id: the secret's name",
        ),
        (
            json!({"secret_id": text("arn:aws:secretsmanager:us-east-1:999999999999:secret:/lava/demo/x-AbCdEf")}),
            "secret_id: the secret's name",
        ),
        (json!({"tags": {"M": {"Red\u{17f}hiftDbRoles": text("sys:superuser")}}}), "the keys of tags are ASCII here"),
        (json!({"secret_id": text("arn:aws:ssm:us-east-1:1:parameter/lava/demo/x")}), "secret_id: "),
        (json!({"web_identity_token_file": text("/etc/passwd")}), "web_identity_token_file: "),
        (json!({"tls_server_name": text("evil.example.com")}), "tls_server_name: "),
        (json!({"ca": text("/tmp/ca.crt")}), "ca: "),
        (json!({"identity": text("per-user")}), "identity: "),
        (json!({"max_sessions": {"N": "1000000"}}), "max_sessions: "),
        (json!({"endpoint_url": text("http://127.0.0.1")}), "endpoint_url: "),
        (json!({"tags": {"M": {"RedshiftDbRoles": text("sys:superuser")}}}), "tags.RedshiftDbRoles: "),
        (json!({"tags": {"M": {"rEDSHIFTdBroles": text("sys:superuser")}}}), "tags.rEDSHIFTdBroles: "),
        (json!({"tags": {"M": {"REDSHIFTDBGROUPS": text("admins")}}}), "tags.REDSHIFTDBGROUPS: "),
        (json!({"host": text("${EVIL}")}), "host: "),
        (json!({"database": text("${EVIL}")}), "database: "),
        (json!({"role_arn": text("${EVIL}")}), "role_arn: "),
        (json!({"external_id": text("${EVIL}")}), "external_id: "),
        (json!({"secret_id": text("${EVIL}")}), "secret_id: "),
        (json!({"password": text("env:EVIL"), "user": text("u")}), "password: "),
        (json!({"password": text("file:/etc/passwd"), "user": text("u")}), "password: "),
        (json!({"host": {"SS": ["localhost"]}}), "host: "),
        (json!({"enabled": text("true")}), "enabled: "),
    ]
}

#[tokio::test]
async fn a_hostile_writer_of_the_table_gets_nothing_done() {
    let world = World::start(&setup()).await;
    world.sandbox.aws.put_table(TABLE);
    let mut proxy = Proxy::start(&world, &[("EVIL", "localhost")]).await;
    for (at, (attributes, cause)) in attempts().into_iter().enumerate() {
        let conn_id = format!("bi-{at:02}");
        put(&world, &conn_id, &attributes);
        assert_refused(&connect(&world, &proxy, &conn_id).await, "08004", &not_available(&conn_id), None);
        let told = reason(&mut proxy, &conn_id).await;
        assert!(told.contains(cause) && told.contains(TABLE), "{attributes}: {told}");
    }
    assert_eq!(other_calls(&world.sandbox.aws), [""; 0]);
    assert_eq!(world.sandbox.warehouse.dials(), 0);
}

#[tokio::test]
async fn a_secret_cannot_widen_the_bounds_of_its_item() {
    let world = World::start(&setup()).await;
    world.sandbox.aws.put_table(TABLE);
    let secret = json!({"host": "evil.example.com", "username": "u", "password": "planted"}).to_string();
    world
        .sandbox
        .aws
        .put_secret("/lava/demo/elsewhere", SecretValue::Text(secret));
    let location = json!({"host": "evil.example.com"}).to_string();
    world
        .sandbox
        .aws
        .put_secret("/lava/demo/location", SecretValue::Text(location));
    let mut proxy = Proxy::start(&world, &[]).await;
    for (conn_id, secret) in [("bi-stored", "/lava/demo/elsewhere"), ("bi-minted", "/lava/demo/location")] {
        put(&world, conn_id, &json!({"host": null, "secret_id": {"S": secret}}));
        assert_refused(&connect(&world, &proxy, conn_id).await, "08004", &not_available(conn_id), None);
        let told = reason(&mut proxy, conn_id).await;
        assert!(told.contains("host evil.example.com is not covered by specs.hosts"), "{told}");
    }
    assert_eq!(other_calls(&world.sandbox.aws), ["GetSecretValue"; 2]);
    assert_eq!(world.sandbox.warehouse.dials(), 0);
}

#[tokio::test]
async fn an_item_is_no_login_as_a_superuser_of_the_cluster() {
    let world = World::start(&setup()).await;
    world.sandbox.aws.put_table(TABLE);
    let secret = json!({"username": "RDSDB"}).to_string();
    world
        .sandbox
        .aws
        .put_secret("/lava/demo/user", SecretValue::Text(secret));
    let mut proxy = Proxy::start(&world, &[]).await;
    let cluster = json!({"type": {"S": "redshift"}, "workgroup": null, "cluster_id": {"S": "dw1"}});
    for (conn_id, key, value) in
        [("bi-item", "user", "AwsUser"), ("bi-admin", "user", "admin"), ("bi-secret", "secret_id", "/lava/demo/user")]
    {
        let mut attributes = cluster.clone();
        attributes[key] = json!({ "S": value });
        put(&world, conn_id, &attributes);
        assert_refused(&connect(&world, &proxy, conn_id).await, "08004", &not_available(conn_id), None);
        let told = reason(&mut proxy, conn_id).await;
        assert!(told.contains("deny_db_users forbids an item of the table a login as this user"), "{told}");
    }
    assert_eq!(other_calls(&world.sandbox.aws), ["GetSecretValue"]);
    assert_eq!(world.sandbox.warehouse.dials(), 0);
}

/// The last is a name that the resolver alone turns into such an address: addresses are judged once
/// they are known.
#[tokio::test]
async fn metadata_addresses_are_not_dialled_whatever_the_hosts_allow() {
    let world = World::start(&setup()).await;
    world.sandbox.aws.put_table(TABLE);
    let mut proxy = Proxy::start(&world, &[]).await;
    for (conn_id, host) in
        [("bi-four", "169.254.169.254"), ("bi-mapped", "::ffff:169.254.169.254"), ("bi-name", "0xa9fea9fe")]
    {
        put(&world, conn_id, &json!({"host": {"S": host}}));
        let message = format!("could not reach the warehouse for \"{conn_id}\"");
        assert_refused(&connect(&world, &proxy, conn_id).await, "08001", &message, None);
        let told = reason(&mut proxy, conn_id).await;
        assert!(told.contains(&format!("{host} has no address that may be dialled")), "{told}");
    }
    assert_eq!(world.sandbox.warehouse.dials(), 0);
}

/// lava's own specs often have none, and AWS would be asked under the proxy's identity, whatever
/// that may do.
#[tokio::test]
async fn an_item_without_a_role_gets_the_proxys_own_identity_only_where_that_is_said() {
    let mut world = World::start(&setup()).await;
    world.edit("base_identity = true\n", "");
    let aws = &world.sandbox.aws;
    aws.put_table(TABLE);
    let text = |text: &str| json!({ "S": text });
    let secret = |value: Value| SecretValue::Text(value.to_string());
    aws.put_secret("/lava/demo/location", secret(json!({"host": "localhost"})));
    let password = world
        .sandbox
        .logins
        .mint("report", std::time::Duration::from_secs(3600))
        .await
        .password;
    aws.put_secret("/lava/demo/stored", secret(json!({"username": "report", "password": password})));
    let without = |more: Value| {
        let mut item = json!({"role_arn": null, "external_id": null});
        item.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        item
    };
    put(&world, "bi-plain", &without(json!({})));
    put(
        &world,
        "bi-cluster",
        &without(json!({"type": text("redshift"), "workgroup": null, "cluster_id": text("dw1")})),
    );
    put(&world, "bi-located", &without(json!({"secret_id": text("/lava/demo/location")})));
    put(&world, "bi-sought", &without(json!({"host": null, "port": null, "secret_id": text("/lava/demo/stored")})));
    put(&world, "bi-stored", &without(json!({"secret_id": text("/lava/demo/stored")})));
    let mut proxy = Proxy::start(&world, &[]).await;
    for conn_id in ["bi-plain", "bi-cluster", "bi-located", "bi-sought"] {
        assert_refused(&connect(&world, &proxy, conn_id).await, "08004", &not_available(conn_id), None);
        let told = reason(&mut proxy, conn_id).await;
        assert!(told.contains("only with specs.base_identity = true"), "{conn_id}: {told}");
    }
    assert_eq!(other_calls(aws), ["GetSecretValue"; 2]);
    let stream = support::raw::tls(proxy.port, world.sandbox.ca.pem()).await;
    support::login_over(stream, USER, PASSWORD, "bi-stored")
        .await
        .expect("IAM is asked for nothing");
}
