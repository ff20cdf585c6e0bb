//! Secrets that were spoiled on their way, and what is said of them: the error of a library that
//! reads a secret quotes it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use redshift_sandbox::aws::{Parameter, ParameterKind, SecretValue};
use tokio::process::Command;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::client_ca::{ClientCa, ask};
use crate::support::process::Proxy;
use crate::support::secrets::{Secrets, unescaped};
use crate::support::{Rig, Setup, World, verifier};

/// Whatever is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Everything of a PEM text but what every such text has.
fn add_pem(secrets: &mut Secrets, name: &str, pem: &str) {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    secrets.add(name, &base64);
    secrets.add(name, STANDARD.decode(base64).unwrap());
}

/// What shells, consoles, editors and half a copy make of a text of several lines.
fn spoiled(text: &str) -> Vec<String> {
    let half = text.len() / 2;
    vec![
        text.trim_end().replace('\n', ""),
        text.trim_end().replace('\n', " "),
        text.trim_end().replace('\n', "\\n"),
        format!("\u{feff}{text}"),
        format!("\"{text}\""),
        text[..half].to_owned(),
        text[half..].to_owned(),
        format!("{}!{}", &text[..half], &text[half..]),
        text.lines().map(|line| format!("  {line}\n")).collect(),
        text.replace("-----END", "-----BEGIN"),
        text.lines()
            .map(|line| format!("-----BEGIN {line}\n"))
            .collect(),
        STANDARD.encode(text),
    ]
}

/// Runs the binary as an operator would, until it ends: what it printed.
async fn run(world: &World, args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
    command
        .args(args)
        .arg("--config")
        .arg(world.dir.path().join("proxy.toml"))
        .env_clear();
    command
        .env("AWS_ACCESS_KEY_ID", &world.keys.0)
        .env("AWS_SECRET_ACCESS_KEY", &world.keys.1);
    command
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("RUST_LOG", "trace")
        .envs(env.iter().copied());
    let ended = command.kill_on_drop(true).output();
    let output = tokio::time::timeout(crate::support::raw::SOON * 2, ended)
        .await
        .expect("it ends")
        .unwrap();
    (
        output.status.code(),
        [&output.stdout[..], &output.stderr]
            .map(String::from_utf8_lossy)
            .concat(),
    )
}

/// The listener's key, chain, CA and revocation list, by every source, where the proxy starts with
/// them: it ends with 78, and `check` fails.
#[tokio::test]
async fn a_key_without_its_line_ends_is_not_printed_at_start() {
    let mut world = World::start(&Setup::default()).await;
    let ca = ClientCa::new();
    ask(&mut world, &ca, "client_crl = \"clients.crl\"\n");
    let path = |name: &str| world.dir.path().join(name);
    std::fs::write(path("clients.crl"), ca.revoke(&[&ca.client("ann")], 2099)).unwrap();
    let original = std::fs::read_to_string(path("proxy.toml")).unwrap();
    for (key, file) in
        [("key", "server.key"), ("cert", "server.crt"), ("client_ca", "clients.crt"), ("client_crl", "clients.crl")]
    {
        let text = std::fs::read_to_string(path(file)).unwrap();
        let mut secrets = Secrets::default();
        add_pem(&mut secrets, file, &text);
        for (at, spoiled) in spoiled(&text).iter().enumerate() {
            std::fs::write(path("spoiled"), spoiled).unwrap();
            world.sandbox.aws.put_parameter("/tls/spoiled", spoiled);
            world
                .sandbox
                .aws
                .put_secret("spoiled", SecretValue::Text(spoiled.clone()));
            let inline = format!("\"\"\"{}\"\"\"", spoiled.replace('\\', "\\\\").replace('"', "\\\""));
            // Each way of spoiling by one more source; all sources at the first, which is the
            // gravest.
            let sources = ["\"ssm:/tls/spoiled\"", "\"secret:spoiled\"", "\"spoiled\"", "\"env:SPOILED\"", &inline];
            let sources = sources
                .into_iter()
                .enumerate()
                .filter(|(source, _)| at == 0 || at % 5 == *source);
            for (_, source) in sources {
                let from = format!("\n{key} = \"{file}\"");
                assert!(original.contains(&from), "{from}");
                std::fs::write(path("proxy.toml"), original.replace(&from, &format!("\n{key} = {source}"))).unwrap();
                for args in [&["serve"][..], &["check", "sales", "--no-login"]] {
                    let (code, printed) = run(&world, args, &[("SPOILED", spoiled)]).await;
                    let is_check_of_aws = args[0] == "check" && (source.contains("ssm:") || source.contains("secret:"));
                    let want = if is_check_of_aws { 1 } else { 78 };
                    assert_eq!(code, Some(want), "{args:?} {key} = {source}, spoiled by {at}:\n{printed}");
                    assert!(printed.contains(&format!("listen.tls.{key}")), "{key} {source} {at}:\n{printed}");
                    secrets.assert_absent(&format!("{args:?} of {key} = {source}, {at}"), &unescaped(&printed));
                }
            }
        }
    }
}

/// The same while the proxy runs: the last good one stays, and the line says why in words of ours.
#[tokio::test]
async fn a_key_without_its_line_ends_is_not_logged_when_it_is_read_again() {
    let log = Log::default();
    let lines = tracing_subscriber::fmt()
        .with_env_filter("redshift_iam_proxy=trace")
        .with_writer(log.clone())
        .finish();
    let _here = tracing::subscriber::set_default(lines);
    let mut world = World::start(&Setup::default()).await;
    let ca = ClientCa::new();
    ask(&mut world, &ca, "client_crl = \"clients.crl\"\n");
    let path = |name: &str| world.dir.path().join(name);
    std::fs::write(path("clients.crl"), ca.revoke(&[&ca.client("ann")], 2099)).unwrap();
    let files = ["server.key", "server.crt", "clients.crt", "clients.crl"];
    let texts = files.map(|file| std::fs::read_to_string(path(file)).unwrap());
    world.edit("cert = \"server.crt\"\nkey = \"server.key\"", "cert = \"secret:cert\"\nkey = \"ssm:/tls/key\"");
    world.sandbox.aws.put_parameter("/tls/key", &texts[0]);
    world
        .sandbox
        .aws
        .put_secret("cert", SecretValue::Text(texts[1].clone()));
    let rig = Rig::over(world).await;
    let put = |file: &str, text: &str| match file {
        "server.key" => rig.sandbox().aws.put_parameter("/tls/key", text),
        "server.crt" => rig
            .sandbox()
            .aws
            .put_secret("cert", SecretValue::Text(text.to_owned())),
        file => std::fs::write(rig.world.dir.path().join(file), text).unwrap(),
    };
    let mut secrets = Secrets::default();
    for (file, text) in files.iter().zip(&texts) {
        add_pem(&mut secrets, file, text);
    }
    for (file, text) in files.iter().zip(&texts) {
        for spoiled in spoiled(text) {
            put(file, &spoiled);
            log.text();
            rig.app.read_references().await;
            let told = log.text();
            assert!(told.contains("cannot be read: the last good value stays"), "{file}: {told}");
            secrets.assert_absent(&format!("the log about {file}"), &told);
            put(file, text);
            rig.app.read_references().await;
            assert!(log.text().contains("can be read again"));
        }
    }
    rig.connect("sales").await.unwrap();
}

/// Whoever may read parameters reads those that are plain Strings.
#[tokio::test]
async fn a_password_or_key_in_a_plain_string_is_warned_of_once() {
    let log = Log::default();
    let lines = tracing_subscriber::fmt()
        .with_env_filter("redshift_iam_proxy=warn")
        .with_ansi(false);
    let lines = lines.with_writer(log.clone()).finish();
    let _here = tracing::subscriber::set_default(lines);
    let config = "[users.ann]\npassword = \"ssm:/users/ann\"\nconnections = [\"sales\"]\n".to_owned();
    let mut world = World::start(&Setup { config, ..Setup::default() }).await;
    let pem = |world: &World, name: &str| std::fs::read_to_string(world.dir.path().join(name)).unwrap();
    let plain = |value: String| Parameter { value, kind: ParameterKind::String };
    let (cert, key) = (pem(&world, "server.crt"), pem(&world, "server.key"));
    world.edit("cert = \"server.crt\"\nkey = \"server.key\"", "cert = \"ssm:/tls/cert\"\nkey = \"ssm:/tls/key\"");
    for (name, value) in [("/users/ann", "anns".to_owned()), ("/tls/cert", cert), ("/tls/key", key)] {
        world.sandbox.aws.put_parameter_of(name, plain(value));
    }
    let rig = Rig::over(world).await;
    rig.app.read_references().await;
    let told = log.text();
    let count = |name: &str| told.matches(&format!("parameter=\"{name}\"")).count();
    assert_eq!((count("/users/ann"), count("/tls/key"), count("/tls/cert")), (1, 1, 0), "{told}");
    rig.connect_as("ann", "anns", "sales").await.unwrap();
}

/// Passwords, verifiers and the documents that hold them, at start, again later, and in `check`.
#[tokio::test]
async fn broken_passwords_and_documents_are_not_logged() {
    let planted = "planted-Secret-77aa01fe";
    let good = verifier();
    let mangled = [
        good.replace('$', ""),
        good.replace("$4096", ""),
        format!("'{good}'"),
        format!("\\{good}"),
        good.to_lowercase(),
        good[..good.len() - 7].to_owned(),
        format!("\"ann\" \"{good}\""),
        format!("{planted}\n{planted}"),
        format!("{{\"password\": \"{planted}\""),
        format!("{{\"password\": {{\"{planted}\": 1}}}}"),
        format!("[\"{planted}\"]"),
        format!("\u{feff}{planted}"),
        format!("{planted}\0"),
    ];
    let mut secrets = Secrets::default();
    secrets.add("password", planted);
    let (_, keys) = good.rsplit_once('$').unwrap();
    keys.split(':')
        .for_each(|key| secrets.add("key of a verifier", key));

    let user = |name: &str, from: &str| format!("[users.{name}]\npassword = \"{from}\"\nconnections = [\"sales\"]\n");
    let config = user("ann", "ssm:/users/ann")
        + &user("bob", "secret:bob")
        + &user("cy", "secret:cy#password")
        + &user("dee", "file:dee")
        + "[users.\"*\"]\npassword = \"ssm:/all/{user}\"\nconnections = [\"sales\"]\n";
    let stored = |name: &str, keys: &[(&str, &str)]| crate::support::connection(name, keys);
    let config = config
        + &stored("by-parameter", &[("user", "\"u\""), ("password", "\"/pw\""), ("role_arn", ""), ("external_id", "")])
        + &stored("by-secret", &[("secret_id", "\"doc\""), ("role_arn", ""), ("external_id", "")])
        + &stored("by-id", &[("external_id", "\"/id\"")]);
    let world = World::start(&Setup { config, ..Setup::default() }).await;
    std::fs::write(world.dir.path().join("dee"), "good").unwrap();
    let mut proxy = Proxy::start(&world, &[("RUST_LOG", "trace")]).await;
    for text in &mangled {
        let aws = &world.sandbox.aws;
        for parameter in ["/users/ann", "/all/eve", "/pw", "/id"] {
            aws.put_parameter(parameter, text);
        }
        for secret in ["bob", "cy", "doc"] {
            aws.put_secret(secret, SecretValue::Text(text.clone()));
        }
        std::fs::write(world.dir.path().join("dee"), text).unwrap();
        for args in [
            &["check", "sales", "--user", "ann", "--no-login"][..],
            &["check", "sales", "--user", "bob", "--no-login"],
            &["check", "sales", "--user", "cy", "--no-login", "--json"],
            &["check", "sales", "--user", "eve", "--no-login"],
            &["check", "by-parameter", "by-secret", "by-id", "--no-login"],
        ] {
            let (_, printed) = run(&world, args, &[]).await;
            secrets.assert_absent(&format!("{args:?} over {text:?}"), &unescaped(&printed));
        }
        // A file is read at load: with a good one again for the rest.
        let (_, printed) = run(&world, &["check", "--offline"], &[]).await;
        secrets.assert_absent("check --offline", &unescaped(&printed));
        std::fs::write(world.dir.path().join("dee"), "good").unwrap();
    }
    // What is stored is as it was last: a start with that.
    let mut again = Proxy::start(&world, &[("RUST_LOG", "trace")]).await;
    for proxy in [&mut proxy, &mut again] {
        proxy.signal("TERM").await;
        proxy.exit_code().await;
        proxy.wait_for_log("drained").await;
        secrets.assert_absent("the log", &unescaped(&proxy.log()));
    }
    assert!(
        again
            .log()
            .contains("cannot be read: the last good value stays"),
        "{}",
        again.log()
    );
}

/// The configuration itself, which may hold what it should not, by every source.
#[tokio::test]
async fn a_broken_configuration_is_not_quoted() {
    let planted = "planted-Secret-88bb12fe";
    let mut secrets = Secrets::default();
    secrets.add("secret on the line at fault", planted);
    let world = World::start(&Setup::default()).await;
    for toml in [
        format!("[users.u]\npassword = {planted}\n"),
        format!("[users.u]\npassword = \"{planted}\n"),
        format!("[users.u]\npassword = '{planted}' '{planted}'\n"),
        format!("[users.u]\npassword = \"\\q{planted}\"\n"),
        format!("[users.u]\npassword = [\"{planted}\" \"{planted}\"]\n"),
        format!("[users.u]\npassword = {{ x = \"{planted}\", x = \"{planted}\" }}\n"),
        format!("[users.u]\npassword = \"\"\"\n{planted}"),
        format!("users.u.password = \"{planted}\"\nusers.u.password.x = \"{planted}\"\n"),
        format!("[users.u]\npassword = \"{planted}\" # ok\n]\n"),
    ] {
        std::fs::write(world.dir.path().join("proxy.toml"), &toml).unwrap();
        world.sandbox.aws.put_parameter("/config", &toml);
        world
            .sandbox
            .aws
            .put_secret("config", SecretValue::Text(toml.clone()));
        world
            .sandbox
            .aws
            .put_secret("cut", SecretValue::Text(format!("{{\"toml\": \"{toml}\"")));
        for reference in
            ["proxy.toml", "env:TOML", "ssm:/config", "secret:config", "secret:config#toml", "secret:cut#toml"]
        {
            for command in [&["check", "--offline"][..], &["serve"]] {
                let mut binary = Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
                binary
                    .args(command)
                    .args(["--config", reference])
                    .current_dir(world.dir.path())
                    .env_clear();
                binary
                    .env("AWS_ENDPOINT_URL", world.sandbox.aws.url())
                    .env("AWS_REGION", "ap-southeast-2");
                binary
                    .env("AWS_ACCESS_KEY_ID", &world.keys.0)
                    .env("AWS_SECRET_ACCESS_KEY", &world.keys.1);
                let output = binary.env("TOML", &toml).output().await.unwrap();
                let printed = [&output.stdout[..], &output.stderr]
                    .map(String::from_utf8_lossy)
                    .concat();
                assert_eq!(output.status.code(), Some(78), "{reference}: {printed}");
                secrets.assert_absent(&format!("{command:?} of {toml} by {reference}"), &printed);
            }
        }
    }
}

/// Variables and their values.
type Environment = Vec<(&'static str, std::ffi::OsString)>;

/// The SDK reads these itself, and prints what it cannot read.
#[tokio::test]
async fn broken_keys_of_the_sdk_are_not_printed() {
    use std::os::unix::ffi::OsStrExt;

    let key = "pLaNtEd/Secret+Access0Key/0123456789abcd";
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwbGFudGVkLTkxIn0.c2lnbmF0dXJlLXBsYW50ZWQ";
    let mut secrets = Secrets::default();
    secrets.add("secret access key", key);
    secrets.add("web identity token", token);
    secrets.add("web identity token", "c2lnbmF0dXJlLXBsYW50ZWQ");
    let world = World::start(&Setup::default()).await;
    let file = world.dir.path().join("credentials");
    let not_unicode = std::ffi::OsString::from(std::ffi::OsStr::from_bytes(&[key.as_bytes(), &[0xff]].concat()));
    let id = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE";
    let mut cases: Vec<(Vec<u8>, Environment)> = [
        format!("[default]\n{id}\naws_secret_access_key =\n  {key}\n"),
        format!("[default]\n{id}\naws_secret_access_key\n{key}\n"),
        format!("[default]\n{id}\n{key} =\n"),
        format!("[default]\n{id}\naws_session_token =\n  {token}\n  {key}==\naws_secret_access_key = {key}\n"),
        format!("[{key}\n{id}\naws_secret_access_key = {key}\n"),
        format!("{key} = {key}\n"),
    ]
    .into_iter()
    .map(|text| (text.into_bytes(), Vec::new()))
    .collect();
    cases.push((
        [format!("[default]\n{id}\naws_secret_access_key = {key}").as_bytes(), &[0xff, 0xfe]].concat(),
        Vec::new(),
    ));
    cases.push((
        Vec::new(),
        vec![("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".into()), ("AWS_SECRET_ACCESS_KEY", not_unicode)],
    ));
    let identity = |token_file: &str| {
        let path = world.dir.path().join(token_file).into_os_string();
        vec![("AWS_WEB_IDENTITY_TOKEN_FILE", path), ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/rs01".into())]
    };
    std::fs::write(world.dir.path().join("token"), format!("{token}\n{token}")).unwrap();
    std::fs::write(world.dir.path().join("token-cut"), [token.as_bytes(), &[0xff, 0xfe]].concat()).unwrap();
    cases.push((Vec::new(), identity("token")));
    cases.push((Vec::new(), identity("token-cut")));
    for (credentials, env) in &cases {
        std::fs::write(&file, credentials).unwrap();
        for args in [&["check", "sales"][..], &["check", "sales", "--json"]] {
            let mut binary = Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
            binary
                .args(args)
                .arg("--config")
                .arg(world.dir.path().join("proxy.toml"))
                .env_clear();
            binary
                .env("AWS_EC2_METADATA_DISABLED", "true")
                .env("AWS_SHARED_CREDENTIALS_FILE", &file);
            let output = binary.envs(env.iter().cloned()).output().await.unwrap();
            let printed = [&output.stdout[..], &output.stderr]
                .map(String::from_utf8_lossy)
                .concat();
            secrets.assert_absent(&format!("{args:?} with {env:?}"), &printed);
        }
        // Serving, with a login that asks for the keys; the log is at trace level.
        let mut command = Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
        command
            .arg("serve")
            .arg("--config")
            .arg(world.dir.path().join("proxy.toml"))
            .env_clear();
        command
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_SHARED_CREDENTIALS_FILE", &file);
        command.env("RUST_LOG", "trace").envs(env.iter().cloned());
        let mut proxy = Proxy::run_bare(command).await;
        let mut psql = world.psql(proxy.port);
        let refused = psql
            .args(["-d", "sales", "-c", "select 1"])
            .output()
            .await
            .unwrap();
        assert!(!refused.status.success());
        secrets.assert_absent("the reply", &String::from_utf8_lossy(&refused.stderr));
        proxy.signal("TERM").await;
        proxy.exit_code().await;
        proxy.wait_for_log("drained").await;
        let log = proxy.log();
        assert!(log.contains("login refused"), "{log}");
        secrets.assert_absent("the log", &unescaped(&log));
    }
}
