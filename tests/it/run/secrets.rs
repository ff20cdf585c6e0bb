//! Secrets planted in every input are nowhere in what an operator sees: metrics, console, status,
//! versions, what a refused reload says, and the log.

use redshift_sandbox::aws::SecretValue;
use serde_json::json;

use crate::support::admin::Admin;
use crate::support::console::Console;
use crate::support::operated::{OPS, TOKEN, admin_port, all_shown, put_token, section};
use crate::support::process::Proxy;
use crate::support::raw::{message, open, say, startup, until_closed};
use crate::support::rewrite::atomically;
use crate::support::scene::{
    Scene, TRACE, TYPED_AS_USER, WRONG_PASSWORD, assert_clean, assert_clean_text, query, whole_log,
};
use crate::support::secrets::{ODD_PASSWORD, Secrets, unescaped};
use crate::support::{PASSWORD, connection};

/// What is planted besides the secrets of the scene.
const WRONG_TOKEN: &str = "wr0ng-adm1n-token-91bd27aa";
const STORED: &str = "st0red-passw0rd-5d2e88c1";
const IN_A_SECRET: &str = "secret-manager-value-c07f33";
const IN_AN_ITEM: &str = "table-item-value-a61b9e04";
const IN_THE_FILE: &str = "written-in-the-file-3f9d10ee";
const IN_A_COMMAND: &str = "typed-at-the-console-e4c2b7";
const IN_A_PARAMETER: &str = "startup-parameter-6b80d5f2";

/// Configurations that do not load, each with a secret where it does not belong.
const SPOILED: [&str; 6] = [
    "[users.eve]\npasswrd = \"SECRET\"\n",
    "[users.eve]\npassword = \"SECRET\"\nconnections = [\"nowhere\"]\n",
    "[users.eve]\npassword = \"SECRET\nconnections = []\n",
    "[users.eve]\npassword = { value = \"SECRET\" }\n",
    "[connections.eve]\ntype = \"redshift\"\npassword = \"SECRET\"\nexternal_id = \"SECRET 'quoted'\"\n",
    "[aws]\nsecret_access_key = \"SECRET\"\n",
];

fn planted() -> Secrets {
    let mut secrets = Secrets::default();
    for (name, secret) in [
        ("wrong token", WRONG_TOKEN),
        ("token", TOKEN),
        ("stored password", STORED),
        ("Secrets Manager's value", IN_A_SECRET),
        ("item's value", IN_AN_ITEM),
        ("secret in the file", IN_THE_FILE),
        ("secret in a command", IN_A_COMMAND),
        ("secret in a startup parameter", IN_A_PARAMETER),
        ("password for a user name", TYPED_AS_USER),
    ] {
        secrets.add(name, secret);
    }
    secrets
}

/// The scene's configuration, with passwords in each store and lava's table.
fn config() -> String {
    let stored = [("password", "\"/lava/demo/stored\""), ("user", "\"adam\""), ("role_arn", ""), ("external_id", "")];
    let secret = [("secret_id", "\"planted/login\""), ("role_arn", ""), ("external_id", "")];
    format!(
        "{}[specs]\ndynamodb_table = \"lava.demo.connections\"\nconn_ids = [\"bi-*\"]\nbase_identity = true\n\
         roles = [\"arn:aws:iam::123456789012:role/rs*\"]\nparameter_prefix = \"/lava/demo/\"\nhosts = [\"localhost\"]\n\
         [users.ann]\npassword = \"ssm:/users/ann\"\nconnections = [\"*\"]\n\
         [users.bob]\npassword = \"secret:planted/users#bob\"\nconnections = [\"*\"]\n{}{}",
        section(),
        connection("by-parameter", &stored),
        connection("by-secret", &secret),
    )
}

#[tokio::test]
async fn secrets_in_every_input_are_nowhere_that_an_operator_looks() {
    let mut scene = Scene::new(&config()).await;
    put_token(&scene.world);
    let aws = &scene.world.sandbox.aws;
    aws.put_parameter("/lava/demo/stored", STORED);
    aws.put_parameter("/users/ann", &format!("SCRAM-SHA-256$4096:{STORED}"));
    aws.put_secret("planted/users", SecretValue::Text(format!("{{\"bob\": \"{IN_A_SECRET}\", \"oops")));
    let fields = json!({ "user": "adam", "password": IN_A_SECRET, "host": "localhost" });
    aws.put_secret("planted/login", SecretValue::Text(fields.to_string()));
    aws.put_table("lava.demo.connections");
    for (conn_id, field) in
        [("bi-one", "external_id"), ("bi-two", "password"), ("bi-three", "unknown"), ("bi-four", "tags")]
    {
        let item = json!({
            "conn_id": {"S": conn_id}, "type": {"S": "redshift-serverless"}, "enabled": {"BOOL": true},
            "host": {"S": "localhost"}, "workgroup": {"S": "analytics"}, field: {"S": IN_AN_ITEM},
        });
        scene
            .world
            .sandbox
            .aws
            .put_item("lava.demo.connections", item);
    }
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let admin = Admin::on(admin_port(&mut proxy).await, Some(TOKEN));
    let console = Console::open(&scene.world, proxy.port, OPS).await.unwrap();

    log_in(&mut scene, &proxy).await;
    ask_wrongly(&scene, &admin, &console, proxy.port).await;
    let mut shown = refused_reloads(&scene, &admin, &console).await;
    shown.extend(all_shown(&admin, &console).await);
    let shown: String = shown
        .iter()
        .map(|(name, text)| format!("{name}: {text}\n"))
        .collect();
    assert!(shown.contains("user=odd"), "something is shown at all: {shown}");
    drop(console);
    let log = whole_log(&mut proxy).await;
    for (name, text) in [("what is shown", &shown), ("the log", &log)] {
        planted().assert_absent(name, &unescaped(text));
    }
    assert_clean(&mut scene, &log);
    assert_clean_text(&scene, "what is shown", &unescaped(&shown));
}

/// Logins that succeed and that fail, by every store.
async fn log_in(scene: &mut Scene, proxy: &Proxy) {
    let port = proxy.port;
    let parameters = [("application_name", "app"), ("options", IN_A_PARAMETER), (IN_A_PARAMETER, IN_A_PARAMETER)];
    let mut login = scene.scram(port, "odd", ODD_PASSWORD, "sales", &[]).await;
    query(&mut login).await;
    for (user, password, conn_id) in [
        ("odd", WRONG_PASSWORD, "sales"),
        ("ann", ODD_PASSWORD, "sales"),
        ("bob", ODD_PASSWORD, "sales"),
        (TYPED_AS_USER, ODD_PASSWORD, "sales"),
        ("odd", ODD_PASSWORD, "by-parameter"),
        ("odd", ODD_PASSWORD, "by-secret"),
        ("odd", ODD_PASSWORD, "bi-one"),
        ("odd", ODD_PASSWORD, "bi-two"),
        ("odd", ODD_PASSWORD, "bi-three"),
        ("odd", ODD_PASSWORD, "bi-four"),
        ("odd", ODD_PASSWORD, "denied"),
    ] {
        drop(
            scene
                .scram(port, user, password, conn_id, &parameters)
                .await,
        );
    }
    // A session that lives on, so that it is listed.
    scene.keep(port).await;
}

/// Requests and commands with secrets where they do not belong.
async fn ask_wrongly(scene: &Scene, admin: &Admin, console: &Console, port: u16) {
    let wrong = Admin::on(admin.address.port(), Some(WRONG_TOKEN));
    assert_ne!(wrong.post("/reload").await.status, 200);
    let bare = Admin::on(admin.address.port(), None);
    for path in [format!("/metrics?token={WRONG_TOKEN}"), format!("/{WRONG_TOKEN}"), format!("/reload?token={TOKEN}")] {
        bare.get(&path).await;
        bare.post(&path).await;
    }
    for header in ["origin", "host", "cookie", "x-planted", "authorization"] {
        bare.request("POST", "/reload", &[(header, WRONG_TOKEN), ("content-length", "0")])
            .await;
    }
    for command in [
        format!("alter user ops password '{IN_A_COMMAND}'"),
        format!("SET password = '{IN_A_COMMAND}'"),
        format!("SET log_level = '{IN_A_COMMAND}'"),
        format!("SHOW {IN_A_COMMAND}"),
        format!("'{IN_A_COMMAND}"),
    ] {
        // Their own texts may be quoted to them, and to nobody else.
        assert!(console.run(&command).await.is_err(), "{command}");
    }
    // A password, where the console's name belongs.
    let mut stream = open(port, Some(scene.world.sandbox.ca.pem())).await;
    say(&mut stream, &startup(0, &[("user", OPS), ("database", IN_A_PARAMETER)])).await;
    say(&mut stream, &message(b'p', format!("{PASSWORD}\0").as_bytes())).await;
    until_closed(&mut stream).await;
}

/// What is said of configurations that do not load.
async fn refused_reloads(scene: &Scene, admin: &Admin, console: &Console) -> Vec<(String, String)> {
    let file = scene.world.dir.path().join("proxy.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let mut told = Vec::new();
    for (at, spoiled) in SPOILED.into_iter().enumerate() {
        atomically(&file, &(good.clone() + &spoiled.replace("SECRET", IN_THE_FILE)));
        let reply = admin.post("/reload").await;
        assert!(reply.status >= 400 && reply.body.contains("proxy.toml"), "{spoiled}: {} {}", reply.status, reply.body);
        told.push((format!("POST /reload {at}"), reply.body));
        let error = console.run("RELOAD").await.expect_err(spoiled);
        told.push((format!("RELOAD {at}"), format!("{:?}", error.as_db_error().unwrap())));
    }
    atomically(&file, &good);
    assert_eq!(admin.post("/reload").await.status, 200);
    told
}
