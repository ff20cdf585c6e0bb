//! `import-lava`: what it prints loads, and means what lava's items mean to the proxy.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Setup, World};
use redshift_iam_proxy::config::{
    self, Bounds, Config, ConnId, ConnSpec, ItemValue, Problems, UnknownKeys, connection_from_item,
};
use redshift_sandbox::aws::{Fault, Times};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const WORKGROUP: &str = "analytics.123456789012.ap-southeast-2.redshift-serverless.amazonaws.com";
const CLUSTER: &str = "dw1.abc123xyz.us-east-1.redshift.amazonaws.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/rs01";

struct Ran {
    code: i32,
    toml: String,
    notes: String,
}

/// The command, in a folder of its own.
async fn run(dir: &Path, args: &[&str], stdin: &str, env: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
    command
        .arg("import-lava")
        .args(args)
        .current_dir(dir)
        .env_clear()
        .envs(env.iter().copied())
        .kill_on_drop(true);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may be gone before it reads.
    let _unread = child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .await;
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), toml: text(output.stdout), notes: text(output.stderr) }
}

async fn import(json: &Value) -> Ran {
    let dir = TempDir::new().unwrap();
    run(dir.path(), &["-"], &json.to_string(), &[]).await
}

/// Loads what was printed, in an environment where everything is set.
fn load(toml: &str) -> Config {
    let env = |name: &str| (!name.starts_with("AWS_")).then(|| "from-the-environment".to_owned());
    config::parse(toml, Path::new("proxy.toml"), &env, UnknownKeys::Refuse)
        .unwrap_or_else(|why| panic!("{toml}\n{why}"))
}

fn value(plain: &Value) -> ItemValue {
    match plain {
        Value::Null => ItemValue::Other("NULL"),
        Value::Bool(is) => ItemValue::Bool(*is),
        Value::Number(number) => ItemValue::Number(number.to_string()),
        Value::String(text) => ItemValue::Text(text.clone()),
        Value::Array(list) => ItemValue::List(list.iter().map(value).collect()),
        Value::Object(map) => ItemValue::Map(fields(map)),
    }
}

fn fields(map: &serde_json::Map<String, Value>) -> BTreeMap<String, ItemValue> {
    map.iter()
        .map(|(name, plain)| (name.clone(), value(plain)))
        .collect()
}

/// The same in DynamoDB's form.
fn typed(plain: &Value) -> Value {
    match plain {
        Value::Null => json!({"NULL": true}),
        Value::Bool(is) => json!({ "BOOL": is }),
        Value::Number(number) => json!({"N": number.to_string()}),
        Value::String(text) => json!({ "S": text }),
        Value::Array(list) => json!({"L": list.iter().map(typed).collect::<Vec<_>>()}),
        Value::Object(_) => json!({ "M": item(plain) }),
    }
}

fn item(plain: &Value) -> Value {
    plain
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, plain)| (name.clone(), typed(plain)))
        .collect()
}

/// What the table's item would be to the proxy, as if nothing bounded it.
fn from_item(plain: &Value) -> Result<ConnSpec, Problems> {
    let bounds = Arc::new(Bounds {
        conn_ids: vec![],
        roles: vec![],
        parameter_prefix: String::new(),
        hosts: vec![],
        base_identity: false,
    });
    let id = ConnId::new(plain["conn_id"].as_str().unwrap()).unwrap();
    let spec =
        connection_from_item("table", &id, &fields(plain.as_object().unwrap()), &bounds, Duration::from_secs(900))?;
    Ok(ConnSpec { bounds: None, ..spec })
}

/// An enabled serverless spec with IAM credentials, with more fields or others. `null` leaves one
/// out.
fn serverless(conn_id: &str, more: &Value) -> Value {
    let all = json!({"conn_id": conn_id, "type": "redshift-serverless", "enabled": true, "host": WORKGROUP, "database": "dev"});
    with(all, more)
}

fn provisioned(conn_id: &str, more: &Value) -> Value {
    with(
        json!({"conn_id": conn_id, "type": "redshift", "enabled": true, "host": CLUSTER, "database": "prod", "user": "etl"}),
        more,
    )
}

fn with(mut all: Value, more: &Value) -> Value {
    let object = all.as_object_mut().unwrap();
    object.extend(more.as_object().unwrap().clone());
    object.retain(|_, value| !value.is_null());
    all
}

/// The examples of lava's spec, and its corners.
fn specs() -> Vec<Value> {
    let odd = "\"quoted\" \\ = [x]\n[connections.evil]\r\t#\u{1b}[2J\u{202e}größe";
    vec![
        json!({"conn_id": "bi-analytics", "type": "redshift-serverless", "enabled": true, "host": WORKGROUP, "port": 5439,
               "database": "dev", "role_arn": ROLE, "external_id": "/lava/prod/rs01/external-id", "password_duration": "1h",
               "description": "BI read-only", "owner": "data-platform@example.com", "ssl": true}),
        json!({"conn_id": "finance", "type": "redshift-serverless", "enabled": true,
               "secret_id": "/lava/prod/finance-location", "workgroup": "finance", "ssl": true}),
        json!({"conn_id": "legacy", "type": "redshift", "enabled": true, "cluster_id": "dw1", "user": "etl",
               "host": CLUSTER, "port": 5439, "database": "prod", "ssl": true}),
        json!({"conn_id": "reporting", "type": "redshift", "enabled": true, "user": "report",
               "password": "/lava/prod/reporting/password", "host": CLUSTER, "port": 5439, "database": "prod", "ssl": true}),
        serverless("enabled-missing", &json!({"enabled": null})),
        serverless("disabled", &json!({"enabled": false})),
        serverless("enabled-text", &json!({"enabled": "true"})),
        serverless("port-text", &json!({"port": "5440"})),
        serverless("port-bad", &json!({"port": "x"})),
        serverless("port-fraction", &json!({"port": 5439.5})),
        serverless("type-upper", &json!({"type": "Redshift-Serverless"})),
        serverless("both", &json!({"password": "/lava/x", "secret_id": "/lava/y", "user": "u"})),
        serverless("password-without-user", &json!({"password": "/lava/x"})),
        serverless("x-fields", &json!({"x-team": "bi", "X-Any": {"a": [1, null]}})),
        serverless("external-id-alone", &json!({"external_id": "/lava/x"})),
        serverless("user-ignored", &json!({"user": "somebody"})),
        serverless("user-odd", &json!({"user": 5})),
        serverless("own-host", &json!({"host": "dw.example.com"})),
        serverless("own-host-named", &json!({"host": "dw.example.com", "workgroup": "wg-1"})),
        serverless("workgroup-upper", &json!({"workgroup": "WG"})),
        serverless("cluster-of-none", &json!({"cluster_id": "dw1"})),
        serverless("no-host", &json!({"host": null})),
        serverless("no-database", &json!({"database": null})),
        serverless("duration-number", &json!({"password_duration": 1800})),
        serverless("duration-fraction", &json!({"password_duration": 900.5})),
        serverless("duration-minutes", &json!({"password_duration": "15m"})),
        serverless("duration-blanks", &json!({"password_duration": " 20 m "})),
        serverless("duration-long", &json!({"password_duration": "2h"})),
        serverless("duration-empty", &json!({"password_duration": ""})),
        serverless("duration-exponent", &json!({"password_duration": "1e3s"})),
        serverless(
            "region",
            &json!({"region": "eu-west-1", "role_arn": ROLE, "tags": {"team": "bi", "cost center": "a:b"}}),
        ),
        serverless("tags-odd", &json!({"role_arn": ROLE, "tags": {"aws:x": "y"}})),
        serverless("odd-text", &json!({"description": odd, "owner": "a${b"})),
        serverless("description-variable", &json!({"description": "${HOME} and $HOME"})),
        serverless("driver", &json!({"ssl": false, "subtype": "pygresql", "preserve_case": true})),
        serverless("Sales Mart", &json!({})),
        serverless("a\"b\\c.d", &json!({})),
        provisioned("no-user", &json!({"user": null})),
        provisioned("user-upper", &json!({"user": "ETL User"})),
        provisioned("with-role", &json!({"role_arn": ROLE, "region": "us-east-1"})),
        provisioned("workgroup-of-none", &json!({"workgroup": "wg1"})),
        provisioned("host-of-workgroup", &json!({"host": WORKGROUP})),
    ]
}

/// What differs on purpose: text that the configuration would take for a variable is not loaded.
fn as_imported(mut spec: ConnSpec) -> ConnSpec {
    for text in [&mut spec.description, &mut spec.owner] {
        text.take_if(|text| text.contains("${"));
    }
    spec
}

#[tokio::test]
async fn printed_connections_load_and_equal_the_items() {
    let specs = specs();
    let ran = import(&json!(specs)).await;
    let config = load(&ran.toml);
    let mut good = 0;
    for plain in &specs {
        let conn_id = plain["conn_id"].as_str().unwrap();
        match (from_item(plain), config.connections.get(conn_id)) {
            (Ok(want), Some(got)) => {
                assert_eq!(**got, as_imported(want), "{conn_id}\n{}", ran.toml);
                good += 1;
            }
            (Err(faults), None) => {
                for fault in faults.iter() {
                    let told = format!("-: {conn_id}: {}: {}", fault.key, fault.message);
                    assert!(ran.notes.lines().any(|line| line == told), "{told}\n{}", ran.notes);
                }
            }
            // The only field of these that the proxy never looks at.
            (Err(_), Some(_)) => assert_eq!(conn_id, "user-odd"),
            (want, got) => panic!("{conn_id}: {want:?}\n{got:?}\n{}", ran.toml),
        }
    }
    assert!(good > 20 && config.connections.len() == good + 1, "{good} of {}", specs.len());
    assert_eq!(ran.code, 1, "some cannot be imported");
    assert!(
        ran.toml
            .lines()
            .all(|line| !line.contains(|c: char| c.is_control() || c == '\u{202e}'))
    );
}

#[tokio::test]
async fn every_shape_of_the_same_specs_prints_the_same() {
    let specs: Vec<_> = specs()
        .into_iter()
        .filter(|spec| from_item(spec).is_ok())
        .collect();
    let want = import(&json!(specs)).await;
    assert_eq!(want.code, 0, "{}", want.notes);
    let items: Vec<_> = specs.iter().map(item).collect();
    let lines = |all: &[Value]| {
        all.iter()
            .rev()
            .map(|one| format!("{one}\n"))
            .collect::<String>()
    };
    let named: serde_json::Map<_, _> = specs
        .iter()
        .map(|spec| (spec["conn_id"].as_str().unwrap().to_owned(), spec.clone()))
        .collect();
    let nameless: serde_json::Map<_, _> = named
        .iter()
        .map(|(name, spec)| (name.clone(), with(spec.clone(), &json!({"conn_id": null}))))
        .collect();
    for text in [
        json!(items).to_string(),
        json!({"Items": items, "Count": items.len(), "ScannedCount": items.len(), "ConsumedCapacity": null})
            .to_string(),
        lines(&items),
        lines(
            &items
                .iter()
                .map(|item| json!({ "Item": item }))
                .collect::<Vec<_>>(),
        ),
        lines(&specs),
        json!(named).to_string(),
        json!(nameless).to_string(),
        serde_json::to_string_pretty(&specs).unwrap(),
    ] {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("lava.json"), text).unwrap();
        let ran = run(dir.path(), &["lava.json"], "", &[]).await;
        assert_eq!((ran.toml, ran.code), (want.toml.clone(), 0), "{}", ran.notes);
    }
}

#[tokio::test]
async fn one_connection_as_it_is_printed() {
    let spec = serverless(
        "bi",
        &json!({"enabled": null, "tags": {"b": "2", "a a": "1"}, "role_arn": ROLE, "ssl": false, "subtype": "pg8000",
                "notes": "x", "x-team": "y", "port": 5439, "description": "a \"b\""}),
    );
    let ran = import(&item(&spec)).await;
    let want = format!(
        "# Connections of lava, by redshift-iam-proxy import-lava\n\n\
         # ssl = false: ignored, TLS to the warehouse is always on and verified\n\
         # left out, without effect here: ssl, subtype\n\
         # left out, no fields of lava's: notes\n\
         [connections.bi]\ntype = \"redshift-serverless\"\ndescription = \"a \\\"b\\\"\"\nenabled = false\n\
         host = \"{WORKGROUP}\"\nport = 5439\ndatabase = \"dev\"\nrole_arn = \"{ROLE}\"\n\
         tags = {{ \"a a\" = \"1\", b = \"2\" }}\n"
    );
    assert_eq!((ran.toml, ran.notes, ran.code), (want, "1 imported, 0 of other types skipped\n".into(), 0));
}

#[tokio::test]
async fn items_that_cannot_be_loaded_are_printed_as_comments_with_causes() {
    let ran = import(&serverless("bi", &json!({"password_duration": "2h", "host": "dw.example.com"}))).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.toml
            .lines()
            .all(|line| line.is_empty() || line.starts_with('#')),
        "{}",
        ran.toml
    );
    for line in [
        "# Not imported until this is fixed:",
        "# workgroup: workgroup is required for a host that is no Redshift name",
        "# [connections.bi]",
        "# host = \"dw.example.com\"",
        "# password_duration = \"2h\"",
    ] {
        assert!(ran.toml.lines().any(|printed| printed == line), "{line}\n{}", ran.toml);
    }
    assert!(
        ran.toml
            .contains("# password_duration: 7200 s is out of range"),
        "{}",
        ran.toml
    );
}

#[tokio::test]
async fn variables_of_the_environment_stay_text_or_are_not_imported() {
    for (field, text) in [("user", "${USER}"), ("database", "${DB}"), ("host", "${HOST}"), ("role_arn", "${ROLE}")] {
        let ran = import(&provisioned("bi", &json!({ field: text }))).await;
        assert_eq!((ran.code, load(&ran.toml).connections.len()), (1, 0), "{}", ran.toml);
        assert!(ran.notes.contains(&format!("bi: {field}: holds ${{")), "{}", ran.notes);
    }
    let ran = import(&serverless("bi", &json!({"role_arn": ROLE, "tags": {"${K}": "v"}}))).await;
    assert_eq!((ran.code, load(&ran.toml).connections.len()), (1, 0), "{}", ran.toml);
    let ran = import(&serverless("bi", &json!({"description": "for ${TEAM}"}))).await;
    assert_eq!((ran.code, load(&ran.toml).connections["bi"].description.as_deref()), (0, None));
    assert!(ran.toml.contains("# description = \"for ${TEAM}\"\n"), "{}", ran.toml);
}

#[tokio::test]
async fn a_secret_in_the_wrong_place_is_not_repeated() {
    for (field, planted) in [
        ("password", "hunter2"),
        ("external_id", "hunter2 $!"),
        ("secret_id", "hunter2 {}"),
        ("password", "${hunter2}"),
    ] {
        let ran = import(&provisioned("bi", &json!({field: planted, "role_arn": ROLE}))).await;
        assert_eq!(ran.code, 1);
        assert!(!ran.toml.contains("hunter2") && !ran.notes.contains("hunter2"), "{}{}", ran.toml, ran.notes);
        assert!(ran.toml.contains(&format!("# {field} = (not repeated)\n")), "{}", ran.toml);
    }
    let ran =
        import(&provisioned("bi", &json!({"pasword": "hunter2", "x-password": "hunter2", "subtype": "hunter2"}))).await;
    assert!(ran.code == 0 && !ran.toml.contains("hunter2") && ran.toml.contains("pasword"), "{}", ran.toml);
}

#[tokio::test]
async fn other_types_are_skipped_and_other_faults_are_told_while_the_rest_is_printed() {
    let good = serverless("good", &json!({}));
    let postgres = json!({"conn_id": "pg", "type": "postgres", "password": "hunter2"});
    let ran = import(&json!([postgres, good])).await;
    assert_eq!((ran.code, load(&ran.toml).connections.len()), (0, 1));
    assert!(
        ran.notes.contains("-: pg: skipped, its type is postgres\n") && !ran.notes.contains("hunter2"),
        "{}",
        ran.notes
    );
    for (bad, told) in [
        (json!({"type": "redshift"}), "-: a spec has no conn_id"),
        (json!({"conn_id": 5, "type": "redshift"}), "-: a spec's conn_id is no string"),
        (json!({"conn_id": "a*", "type": "redshift"}), "-: a*: a conn_id holds no * and no ?"),
        (json!({"conn_id": "a\u{1b}", "type": "redshift"}), "-: a\\u{1b}: a conn_id is"),
        (json!({"conn_id": "proxy_admin", "type": "redshift"}), "-: proxy_admin: proxy_admin is reserved"),
        (json!({"conn_id": "x"}), "-: x: its type is missing, or no string"),
        (json!({"one": {"conn_id": "two", "type": "redshift"}}), "-: one: its conn_id is another"),
        (serverless("good", &json!({"database": "another"})), "-: good: is there already, from -, which is kept"),
        (json!("text"), "-: holds something that is no spec"),
        (json!({"Items": [], "LastEvaluatedKey": {"conn_id": {"S": "x"}}}), "-: is one page of a scan"),
    ] {
        let ran = import(&json!([good, bad])).await;
        let loaded = load(&ran.toml);
        assert_eq!((ran.code, loaded.connections.len()), (1, 1), "{bad}\n{}", ran.notes);
        assert_eq!(loaded.connections["good"].database.as_deref(), Some("dev"));
        assert!(ran.notes.lines().any(|line| line.starts_with(told)), "{told}\n{}", ran.notes);
    }
}

#[tokio::test]
async fn files_are_read_one_after_the_other() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("a.json"), serverless("a", &json!({})).to_string()).unwrap();
    std::fs::write(dir.path().join("broken.json"), "{\"conn_id\": \"b\"").unwrap();
    let ran =
        run(dir.path(), &["a.json", "none.json", "broken.json", "-"], &serverless("c", &json!({})).to_string(), &[])
            .await;
    let names: Vec<_> = load(&ran.toml)
        .connections
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!((ran.code, names), (1, vec!["a".to_owned(), "c".to_owned()]));
    assert!(
        ran.notes.contains("none.json: cannot be read") && ran.notes.contains("broken.json: is not JSON"),
        "{}",
        ran.notes
    );
    for args in [[].as_slice(), &["--table", "t", "a.json"]] {
        assert_eq!(run(dir.path(), args, "", &[]).await.code, 64, "{args:?}");
    }
}

#[tokio::test]
async fn a_table_is_scanned_to_its_end() {
    const TABLE: &str = "lava.demo.connections";
    let world = World::start(&Setup::default()).await;
    let aws = &world.sandbox.aws;
    aws.put_table(TABLE);
    let specs: Vec<_> = specs()
        .into_iter()
        .filter(|spec| from_item(spec).is_ok())
        .collect();
    for spec in &specs {
        aws.put_item(TABLE, item(spec));
    }
    aws.set_page_size(TABLE, Some(7));
    let want = import(&json!(specs)).await.toml;
    let keys = [
        ("AWS_ACCESS_KEY_ID", world.keys.0.as_str()),
        ("AWS_SECRET_ACCESS_KEY", &world.keys.1),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    // The folder has a proxy.toml.
    let ran = run(world.dir.path(), &["--table", TABLE], "", &keys).await;
    assert_eq!((ran.toml, ran.code), (want.clone(), 0), "{}", ran.notes);
    assert!(aws.calls("Scan") >= specs.len().div_ceil(7));

    let (bare, url) = (TempDir::new().unwrap(), aws.url());
    let without = [&keys[..], &[("AWS_REGION", "ap-southeast-2"), ("AWS_ENDPOINT_URL", &url)]].concat();
    let ran = run(bare.path(), &["--table", TABLE], "", &without).await;
    assert_eq!((ran.toml, ran.code), (want, 0), "{}", ran.notes);

    let ran = run(bare.path(), &["--table", "none"], "", &without).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.notes
            .contains("Scan none in ap-southeast-2 was refused (ResourceNotFoundException)"),
        "{}",
        ran.notes
    );
    aws.fault("Scan", Fault::Deny, Times::Next(1));
    let ran = run(world.dir.path(), &["--table", TABLE], "", &keys).await;
    assert_eq!(ran.code, 1);
    assert!(ran.notes.contains("was refused (AccessDenied"), "{}", ran.notes);
    std::fs::write(bare.path().join("proxy.toml"), "[aws]\nregion = 5\n").unwrap();
    assert_eq!(
        run(bare.path(), &["--table", TABLE], "", &without)
            .await
            .code,
        78
    );
}

#[tokio::test]
async fn a_table_is_imported_into_a_configuration_that_does_not_load_without_it() {
    const TABLE: &str = "lava.demo.connections";
    let world = World::start(&Setup::default()).await;
    world.sandbox.aws.put_table(TABLE);
    let keys = [
        ("AWS_ACCESS_KEY_ID", world.keys.0.as_str()),
        ("AWS_SECRET_ACCESS_KEY", &world.keys.1),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let dir = TempDir::new().unwrap();
    let config = format!(
        "include = [\"conf.d/*.toml\"]\nunheard = 1\n[users.ann]\nconnections = [\"of-lava\"]\n\
         [aws]\nregion = \"ap-southeast-2\"\nendpoint_url = \"{}\"\n",
        world.sandbox.aws.url()
    );
    std::fs::write(dir.path().join("proxy.toml"), config).unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    let into = dir.path().join("conf.d/lava.toml");
    std::fs::write(&into, "").unwrap();
    let ran = run(dir.path(), &["--table", TABLE], "", &keys).await;
    assert_eq!(ran.code, 0, "{}", ran.notes);
    std::fs::write(&into, "[aws]\nregion = \"eu-west-1\"\n").unwrap();
    let ran = run(dir.path(), &["--table", TABLE], "", &keys).await;
    assert!(ran.code == 78 && ran.notes.contains("aws.region: is already in"), "{}", ran.notes);
}
