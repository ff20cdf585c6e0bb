//! What the configuration refers to: read at start and again while the proxy runs, from files, SSM
//! and Secrets Manager.

use crate::support;
use crate::support::{Rig, Setup, assert_refused, raw};
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use redshift_sandbox::aws::{Fault, Parameter, ParameterKind, SecretValue, Times};

/// A user whose password is read from `from`.
fn user(name: &str, from: &str) -> String {
    format!("[users.{name}]\npassword = \"{from}\"\nconnections = [\"sales\"]\n")
}

async fn is_let_in(rig: &Rig, user: &str, password: &str) -> bool {
    match rig.connect_as(user, password, "sales").await {
        Ok(_) => true,
        Err(error) => {
            let message = format!("password authentication failed for user \"{user}\"");
            assert_refused(&error, "28P01", &message, None);
            false
        }
    }
}

#[tokio::test]
async fn a_password_kept_at_aws_is_read_again_and_the_last_good_one_stays() {
    let config = user("ann", "ssm:/users/ann") + &user("bob", "secret:users#bob") + &user("cy", "secret:cy");
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    let aws = &rig.sandbox().aws;
    assert!(!is_let_in(&rig, "ann", "one").await, "there is no such parameter yet, and we started all the same");
    aws.put_parameter("/users/ann", "one");
    aws.put_secret("users", SecretValue::Text(r#"{"bob":"bobs"}"#.into()));
    aws.put_secret("cy", SecretValue::Text("SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$x:y".into()));
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "one").await);
    assert!(is_let_in(&rig, "bob", "bobs").await);
    assert!(!is_let_in(&rig, "cy", "one").await, "no verifier");

    let reads = aws.calls("GetParameter");
    aws.put_parameter("/users/ann", "two");
    assert!(is_let_in(&rig, "ann", "one").await, "a login never reads");
    assert_eq!(aws.calls("GetParameter"), reads);
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "two").await);
    assert!(!is_let_in(&rig, "ann", "one").await);

    aws.put_parameter("/users/ann", "three");
    aws.put_secret("users", SecretValue::Text("not JSON".into()));
    aws.fault("GetParameter", Fault::Deny, Times::Always);
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "two").await);
    assert!(is_let_in(&rig, "bob", "bobs").await);
    aws.clear_faults();
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "three").await);
}

#[tokio::test]
async fn either_of_two_references_is_read_again_by_itself() {
    let config = "[users.ann]\npassword = [\"ssm:/users/ann\", \"secret:ann\"]\nconnections = [\"sales\"]\n".to_owned();
    let world = support::World::start(&Setup { config, ..Setup::default() }).await;
    world.sandbox.aws.put_parameter("/users/ann", "old");
    let rig = Rig::over(world).await;
    let aws = &rig.sandbox().aws;
    assert!(is_let_in(&rig, "ann", "old").await, "the other one is not there yet");
    aws.put_secret("ann", SecretValue::Text("new".into()));
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "old").await && is_let_in(&rig, "ann", "new").await);

    aws.put_secret("ann", SecretValue::Text("newer".into()));
    aws.remove_parameter("/users/ann");
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "newer").await && !is_let_in(&rig, "ann", "new").await);
    assert!(is_let_in(&rig, "ann", "old").await, "the last good one stays");
}

/// What a shell, Compose, quotes and half a copy make of a verifier, and other poolers' hashes: by
/// every source neither lets anybody in, the password does not either, and a good one does once it
/// is there.
#[tokio::test]
async fn lookalikes_of_verifiers_and_hashes_are_never_passwords() {
    let good = support::verifier();
    let md5 = "md5b3f0c1d2e4a5968778695a4b3c2d1e0f";
    let mangled = [
        good.replace('$', ""),
        good.replace("$1", ""),
        "SCRAM-SHA-256".to_owned(),
        good[..good.len() - 5].to_owned(),
        good.rsplit_once('$').unwrap().1.to_owned(),
        format!("'{good}'"),
        format!(" {good}"),
        format!("\\{good}"),
        good.replace('$', "$$"),
        good.to_lowercase(),
        md5.to_owned(),
        format!("\"ann\" \"{md5}\""),
        format!("\"ann\" \"{good}\""),
        format!("{{\"password\":\"{}\"}}", support::PASSWORD),
        format!("\u{feff}{}", support::PASSWORD),
        format!("{} ", support::PASSWORD),
        format!("{}\n\n", support::PASSWORD),
        format!("{}\\n", support::PASSWORD),
    ];
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, &good).unwrap();
    let config = user("ann", "ssm:/one/ann")
        + &user("bob", "secret:bob")
        + &user("cy", &format!("file:{}", file.display()))
        + &any_user("").config
        + "[limits]\nban_after = 0\n";
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    let aws = &rig.sandbox().aws;
    let put = |text: &str| {
        aws.put_parameter("/one/ann", text);
        aws.put_secret("bob", SecretValue::Text(text.to_owned()));
        std::fs::write(&file, text).unwrap();
        aws.put_parameter("/users/dee", text);
    };
    assert!(is_let_in(&rig, "cy", support::PASSWORD).await);
    for text in &mangled {
        put(text);
        rig.app.read_references().await;
        for user in ["ann", "bob", "dee"] {
            assert!(!is_let_in(&rig, user, text).await, "{user} by {text:?}");
            assert!(!is_let_in(&rig, user, support::PASSWORD).await, "{user} by the password, after {text:?}");
        }
        // SASLprep makes nothing of a byte order mark, so that a client may well send one.
        let is_right = text.trim_start_matches('\u{feff}') == support::PASSWORD;
        assert_eq!(is_let_in(&rig, "cy", text).await, is_right, "by file {text:?}");
    }
    assert!(is_let_in(&rig, "cy", support::PASSWORD).await, "the last good one stays");
    put(&format!("{good}\n"));
    rig.app.read_references().await;
    for user in ["ann", "bob", "cy", "dee"] {
        assert!(is_let_in(&rig, user, support::PASSWORD).await, "{user}");
    }
}

/// A password of each name below a path.
fn any_user(more: &str) -> Setup {
    let config = format!("[users.\"*\"]\npassword = \"ssm:/users/{{user}}\"\nconnections = [\"sales\"]\n{more}");
    Setup { config, ..Setup::default() }
}

#[tokio::test]
async fn users_below_the_path_are_let_in_until_removed_from_it() {
    let world = support::World::start(&any_user("")).await;
    let aws = &world.sandbox.aws;
    let password = redshift_iam_proxy::secret::Secret::new("bobs".into());
    let verifier = redshift_iam_proxy::crypto::Verifier::derive(&password, b"0123456789abcdef", 1);
    aws.put_parameter("/users/ann", "anns");
    aws.put_parameter("/users/bob", &verifier.to_string());
    aws.put_parameter("/users/demo", "not-the-demo-password");
    aws.put_parameter("/users/team/eve", "eves");
    aws.put_parameter_of("/users/mallory", Parameter { value: "mallorys".into(), kind: ParameterKind::String });
    (0..25).for_each(|at| aws.put_parameter(&format!("/users/u{at:02}"), "pw"));
    let rig = Rig::over(world).await;
    let aws = &rig.sandbox().aws;
    assert!(is_let_in(&rig, "ann", "anns").await && is_let_in(&rig, "bob", "bobs").await);
    assert!(is_let_in(&rig, "u24", "pw").await, "on the third page");
    assert!(is_let_in(&rig, support::USER, support::PASSWORD).await, "an entry of its own wins");
    assert!(!is_let_in(&rig, support::USER, "not-the-demo-password").await);
    assert!(!is_let_in(&rig, "eve", "eves").await && !is_let_in(&rig, "team/eve", "eves").await);
    assert!(!is_let_in(&rig, "mallory", "mallorys").await, "anybody who may read the parameter could");

    aws.remove_parameter("/users/ann");
    aws.put_parameter("/users/bob", "new");
    assert!(is_let_in(&rig, "ann", "anns").await, "a login never reads");
    rig.app.read_references().await;
    assert!(!is_let_in(&rig, "ann", "anns").await);
    assert!(is_let_in(&rig, "bob", "new").await && !is_let_in(&rig, "bob", "bobs").await);

    aws.remove_parameter("/users/bob");
    aws.fault("GetParametersByPath", Fault::Deny, Times::Always);
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "bob", "new").await, "the last good listing stays");
    aws.clear_faults();
    rig.app.read_references().await;
    assert!(!is_let_in(&rig, "bob", "new").await);
}

/// Review of issue 13: the list of users is renewed within one configuration, so that the login was
/// not judged again.
#[tokio::test]
async fn a_user_that_leaves_the_path_in_the_middle_of_a_login_gets_no_session() {
    let world = support::World::start(&any_user("")).await;
    world.sandbox.aws.put_parameter("/users/ann", "anns");
    world.sandbox.aws.put_parameter("/users/bob", "bobs");
    let rig = Rig::over(world).await;
    let mut logins = Vec::new();
    for (user, password) in [("ann", "anns"), ("bob", "bobs")] {
        let mut stream = raw::open(rig.port(), Some(rig.sandbox().ca.pem())).await;
        raw::send(&mut stream, &raw::startup(0, &[("user", user), ("database", "sales")])).await;
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        raw::read_message(&mut stream).await.unwrap();
        let length = u32::try_from(scram.message().len()).unwrap().to_be_bytes();
        let first = [SCRAM_SHA_256.as_bytes(), b"\0", &length, scram.message()].concat();
        raw::send(&mut stream, &raw::message(b'p', &first)).await;
        let (_, challenge) = raw::read_message(&mut stream).await.unwrap();
        scram.update(&challenge[4..]).unwrap();
        logins.push((stream, scram));
    }
    rig.sandbox().aws.remove_parameter("/users/ann");
    rig.app.read_references().await;
    for ((mut stream, scram), end) in logins.into_iter().zip([b'E', b'Z']) {
        raw::send(&mut stream, &raw::message(b'p', scram.message())).await;
        let last = loop {
            let (tag, body) = raw::read_message(&mut stream).await.unwrap();
            if matches!(tag, b'E' | b'Z') {
                break (tag, body);
            }
        };
        assert_eq!(last.0, end, "{}", last.1.escape_ascii());
    }
}

#[tokio::test]
async fn an_unknown_users_name_causes_no_call() {
    let world = support::World::start(&any_user("")).await;
    world.sandbox.aws.put_parameter("/users/ann", "anns");
    let rig = Rig::over(world).await;
    assert!(is_let_in(&rig, "ann", "anns").await);
    let calls = rig.sandbox().aws.journal().len();
    for name in ["eve", "ann/", "/users/ann", "../ann", "ann\u{1}", &"n".repeat(64), "*", "{user}"] {
        assert!(!is_let_in(&rig, name, "anns").await, "{name:?}");
    }
    assert_eq!(rig.sandbox().aws.journal().len(), calls);
}

/// `identity = "per-user"` takes an entry of its own: any other name is told as if there were no
/// such connection.
#[tokio::test]
async fn any_user_has_no_right_to_a_login_of_its_own() {
    let own = support::connection("own", &[("identity", "\"per-user\"")]);
    let setup = any_user(&own);
    let config = setup.config.replace("[\"sales\"]", "[\"*\"]");
    let world = support::World::start(&Setup { config, ..setup }).await;
    world.sandbox.aws.put_parameter("/users/ann", "anns");
    let rig = Rig::over(world).await;
    let refused = rig.connect_as("ann", "anns", "own").await.unwrap_err();
    let hint = "you may open: sales";
    assert_refused(&refused, "3D000", "connection \"own\" does not exist or is not yours", Some(hint));
    assert!(is_let_in(&rig, "ann", "anns").await);
    assert!(
        rig.connect_as(support::USER, support::PASSWORD, "own")
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_file_that_is_replaced_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "one\n").unwrap();
    let config = user("ann", &format!("file:{}", file.display()));
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    assert!(is_let_in(&rig, "ann", "one").await);
    std::fs::write(&file, "two\n").unwrap();
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "two").await && !is_let_in(&rig, "ann", "one").await);
    std::fs::remove_file(&file).unwrap();
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "two").await);
}

/// Issue 11, A3: each round left one more thread behind, which waited for a writer.
#[tokio::test]
async fn a_file_that_becomes_a_fifo_is_refused_in_words_and_keeps_no_other_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let [ann, bob] = ["ann", "bob"].map(|name| dir.path().join(name));
    for file in [&ann, &bob] {
        std::fs::write(file, "one").unwrap();
    }
    let config = user("ann", &format!("file:{}", ann.display())) + &user("bob", &format!("file:{}", bob.display()));
    let world = support::World::start(&Setup { config, ..Setup::default() }).await;
    let mkfifo = || {
        std::fs::remove_file(&ann).unwrap();
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&ann)
                .status()
                .unwrap()
                .success()
        );
    };
    let rig = Rig::over(world).await;
    mkfifo();
    std::fs::write(&bob, "two").unwrap();
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "one").await, "the last good one stays");
    assert!(is_let_in(&rig, "bob", "two").await);

    let mut check = tokio::process::Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
    check
        .args(["check", "--offline", "--config"])
        .arg(rig.world.dir.path().join("proxy.toml"))
        .kill_on_drop(true);
    let output = tokio::time::timeout(raw::SOON, check.output())
        .await
        .expect("a FIFO does not hang it")
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{err}");
    assert!(err.contains("users.ann.password") && err.contains("it is a FIFO, not a regular file"), "{err}");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_the_next_client() {
    let rig = Rig::start().await;
    let before = raw::certificate(rig.port(), rig.sandbox().ca.pem()).await;
    let leaf = rig.sandbox().ca.issue(&["localhost", "127.0.0.1"]);
    std::fs::write(rig.world.dir.path().join("server.crt"), &leaf.cert_pem).unwrap();
    rig.app.read_references().await;
    assert_eq!(raw::certificate(rig.port(), rig.sandbox().ca.pem()).await, before, "half of a pair is not used");
    std::fs::write(rig.world.dir.path().join("server.key"), &leaf.key_pem).unwrap();
    rig.app.read_references().await;
    let after = raw::certificate(rig.port(), rig.sandbox().ca.pem()).await;
    assert_ne!(after, before);
    rig.connect("sales").await.unwrap();
}

#[tokio::test]
async fn the_configuration_itself_is_read_out_of_ssm_and_secrets_manager() {
    let world = support::World::start(&Setup::default()).await;
    let toml = std::fs::read_to_string(world.dir.path().join("proxy.toml")).unwrap();
    // Paths in a text that is no file start in the working directory.
    world.sandbox.aws.put_parameter("/proxy/config", &toml);
    let whole = serde_json::json!({ "toml": toml, "other": 1 }).to_string();
    world
        .sandbox
        .aws
        .put_secret("prod/proxy", SecretValue::Text(whole));
    for (reference, code, told) in [
        ("ssm:/proxy/config", 0, "sales\n"),
        ("secret:prod/proxy#toml", 0, "sales\n"),
        ("secret:prod/proxy#other", 78, "prod/proxy is not a JSON object with a string \"other\" in it"),
        ("ssm:/nowhere", 78, "GetParameter /nowhere in ap-southeast-2 was refused (ParameterNotFound)"),
    ] {
        let mut check = tokio::process::Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
        check
            .args(["check", "--offline", "--config", reference])
            .current_dir(world.dir.path());
        check
            .env("AWS_ENDPOINT_URL", world.sandbox.aws.url())
            .env("AWS_REGION", "ap-southeast-2");
        check
            .env("AWS_ACCESS_KEY_ID", &world.keys.0)
            .env("AWS_SECRET_ACCESS_KEY", &world.keys.1);
        let output = check.output().await.unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{reference}: {out}{err}");
        assert!(out.contains(told) || err.contains(told), "{reference}: {out}{err}");
    }
}
