//! Where the base identity's keys come from, and what becomes of them while the proxy runs: forward
//! proxies, profiles of every kind, keys that are renewed and a clock that is wrong.

use std::time::Duration;

use redshift_sandbox::aws::{RoleRule, Skew};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::forward::ForwardProxy;
use crate::support::seeds::{NOT_AVAILABLE, PROXY_USER, Run, Seed, role};

const CLUSTER: &str = "[connections.own]\ntype = \"redshift\"\ncluster_id = \"dw1\"\ndatabase = \"dev\"\nhost = \"localhost\"\n\
                       port = {port}\n";
/// The same cluster under a key of its own: what is held for the first does not serve it.
const OTHER: &str = "[connections.other]\ntype = \"redshift\"\ncluster_id = \"dw1\"\ndatabase = \"dev\"\nhost = \"localhost\"\n\
                     port = {port}\npassword_duration = \"20m\"\n";

/// A cluster that the callers may open by IAM, behind two connections.
async fn seed(callers: &[&str]) -> Seed {
    Seed::new(&format!("{CLUSTER}{OTHER}"))
        .await
        .cluster("dw1", callers, &[])
}

async fn run(seed: Seed, env: &[(&str, String)]) -> Run {
    let env: Vec<_> = env
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    seed.run_as(&env).await
}

/// Both shared files, and the environment that leads there.
fn files(seed: Seed, config: &str, credentials: &str) -> (Seed, Vec<(&'static str, String)>) {
    let seed = seed.file("config", config).file("credentials", credentials);
    let env = vec![
        ("AWS_CONFIG_FILE", seed.path("config")),
        ("AWS_SHARED_CREDENTIALS_FILE", seed.path("credentials")),
        ("HOME", seed.path("")),
        ("PATH", std::env::var("PATH").unwrap()),
    ];
    (seed, env)
}

fn lasting(profile: &str, (id, secret): (&str, &str)) -> String {
    format!("[{profile}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
}

fn own_keys(seed: &Seed) -> String {
    lasting("default", (&seed.world.keys.0, &seed.world.keys.1))
}

#[tokio::test]
async fn a_forward_proxy_hears_nothing_of_metadata_tokens_and_loopback_endpoints() {
    let forward = ForwardProxy::start("502 Bad Gateway").await;
    let plain = seed(&[&role("pod")]).await;
    let instance = plain.aws().instance_metadata(&role("pod")).await.unwrap();
    let env =
        [("AWS_EC2_METADATA_SERVICE_ENDPOINT", instance.url()), ("AWS_EC2_METADATA_DISABLED", "false".to_owned())];
    let run_at = run(plain, &[&env[..], &forward.env()].concat()).await;
    assert_eq!(run_at.user("own").await, "IAMR:pod");
    assert_eq!(instance.granted(), 1);

    for is_pod in [true, false] {
        let seed = seed(&[&role("pod")]).await.file("pod-token", "pod-token-1");
        let agent = if is_pod {
            seed.aws()
                .pod_identity(&role("pod"), "pod-token-1")
                .await
                .unwrap()
        } else {
            seed.aws()
                .container_credentials(&role("pod"), "pod-token-1")
                .await
                .unwrap()
        };
        let env = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.url()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", seed.path("pod-token")),
        ];
        let run = run(seed, &[&env[..], &forward.env()].concat()).await;
        assert_eq!(run.user("own").await, "IAMR:pod");
        assert_eq!(agent.granted(), 1);
    }
    assert_eq!(forward.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn calls_of_awss_own_endpoints_go_through_the_forward_proxy_with_its_password() {
    let forward = ForwardProxy::start("407 Proxy Authentication Required").await;
    let aws = Some("https://sandbox.aws.example".to_owned());
    let seed = Seed::with_aws(CLUSTER, aws).await;
    let keys = own_keys(&seed);
    let (seed, env) = files(seed, "", &keys);
    let run_at = run(seed, &[&env[..], &forward.env()].concat()).await;
    let (_code, cause) = run_at.refused("own").await;
    assert!(cause.contains("proxy authorization required"), "{cause}");
    assert!(!run_at.proxy.log().contains("planted-password"));
    let heads = forward.heads();
    // base64 of planted-user:planted-password
    let password = "proxy-authorization: Basic cGxhbnRlZC11c2VyOnBsYW50ZWQtcGFzc3dvcmQ=";
    for head in &heads {
        assert!(
            head.starts_with("CONNECT sandbox.aws.example:443 ")
                && head.to_lowercase().contains(&password.to_lowercase()),
            "{head}"
        );
    }
    assert!(!heads.is_empty());

    // Loopback is nobody else's, by https too.
    let aws = Some("https://127.0.0.1:9".to_owned());
    let other = ForwardProxy::start("502 Bad Gateway").await;
    let seed = Seed::with_aws(CLUSTER, aws).await;
    let keys = own_keys(&seed);
    let (seed, env) = files(seed, "", &keys);
    let run_at = run(seed, &[&env[..], &other.env()].concat()).await;
    run_at.refused("own").await;
    assert_eq!(other.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn a_profile_with_a_credential_process_is_the_base_identity() {
    let seed = seed(&[PROXY_USER]).await;
    let (id, secret) = seed.world.keys.clone();
    let told = format!("{{\"Version\":1,\"AccessKeyId\":\"{id}\",\"SecretAccessKey\":\"{secret}\"}}");
    let seed = seed.file("told.json", &told);
    let config = format!("[default]\ncredential_process = cat {}\n", seed.path("told.json"));
    let (seed, env) = files(seed, &config, "");
    let run = run(seed, &env).await;
    assert_eq!(run.user("own").await, "IAM:proxy");
    assert!(!run.proxy.log().contains(&secret), "{}", run.proxy.log());
}

#[tokio::test]
async fn a_profile_with_a_source_profile_is_its_role() {
    let seed = seed(&[&role("etl")])
        .await
        .role(&role("etl"), RoleRule::default());
    let config =
        format!("[profile etl]\nrole_arn = {}\nsource_profile = default\nrole_session_name = s1\n", role("etl"));
    let keys = own_keys(&seed);
    let (seed, mut env) = files(seed, &config, &keys);
    env.extend([("AWS_PROFILE", "etl".to_owned()), ("AWS_ENDPOINT_URL_STS", seed.aws().url())]);
    let run = run(seed, &env).await;
    assert_eq!(run.user("own").await, "IAMR:etl");
}

/// The portal of IAM Identity Center, for one request: the role's credentials for the right token.
async fn portal(keys: (String, String)) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        let (id, secret) = keys;
        let body = format!(
            "{{\"roleCredentials\":{{\"accessKeyId\":\"{id}\",\"secretAccessKey\":\"{secret}\",\"expiration\":4102444800000}}}}"
        );
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    (url, answering)
}

const SSO: &str = "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Admin\n\
                   [sso-session corp]\nsso_region = ap-southeast-2\nsso_start_url = https://corp.awsapps.com/start\n";

#[tokio::test]
async fn a_profile_of_identity_center_is_the_base_identity_while_its_session_lasts() {
    let seed = seed(&[PROXY_USER]).await;
    let (url, answering) = portal(seed.world.keys.clone()).await;
    // The CLI names the file by the SHA-1 of the session's name, `corp`.
    let cache = seed.world.dir.path().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).unwrap();
    let token = "{\"accessToken\":\"planted-sso-token\",\"expiresAt\":\"2099-01-01T00:00:00Z\",\
                 \"region\":\"ap-southeast-2\",\"startUrl\":\"https://corp.awsapps.com/start\"}";
    std::fs::write(cache.join("ee0bfd2552fbd840c02cc48b6e823320543c450f.json"), token).unwrap();
    let (seed, mut env) = files(seed, SSO, "");
    env.push(("AWS_ENDPOINT_URL_SSO", url));
    let run = run(seed, &env).await;
    assert_eq!(run.user("own").await, "IAM:proxy");
    let asked = answering.await.unwrap();
    assert!(asked.contains("role_name=Admin") && asked.contains("planted-sso-token"), "{asked}");
    assert!(!run.proxy.log().contains("planted-sso-token"));
}

#[tokio::test]
async fn a_profile_that_cannot_be_used_does_not_hide_the_instances_role() {
    for config in [SSO, "[default]\nlogin_session = arn:aws:iam::123456789012:user/me\n"] {
        let seed = seed(&[&role("host")]).await;
        let instance = seed.aws().instance_metadata(&role("host")).await.unwrap();
        let (seed, mut env) = files(seed, config, "");
        env.extend([
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", instance.url()),
            ("AWS_EC2_METADATA_DISABLED", "false".to_owned()),
        ]);
        let mut run = run(seed, &env).await;
        assert_eq!(run.user("own").await, "IAMR:host");
        let passed_over = "the AWS profile cannot be used and is passed over";
        run.proxy.wait_for_log(passed_over).await;
        let log = run.proxy.log();
        let told = log.lines().filter(|line| line.contains(passed_over));
        assert_eq!(told.count(), 1, "{log}");
    }
}

#[tokio::test]
async fn an_unusable_profile_is_reported_where_there_is_no_other_source() {
    for (config, want) in [(SSO, "SSO"), ("[default]\nlogin_session = arn:aws:iam::123456789012:user/me\n", "login")] {
        let (seed, env) = files(seed(&[]).await, config, "");
        let run = run(seed, &env).await;
        let (_code, cause) = run.refused("own").await;
        assert!(cause.contains(want), "{cause}");
        run.assert_calls(&[]);
    }
}

/// What leads to an instance whose role is `host`.
async fn host(seed: &Seed) -> (redshift_sandbox::aws::InstanceMetadata, [(&'static str, String); 2]) {
    let instance = seed.aws().instance_metadata(&role("host")).await.unwrap();
    let env =
        [("AWS_EC2_METADATA_SERVICE_ENDPOINT", instance.url()), ("AWS_EC2_METADATA_DISABLED", "false".to_owned())];
    (instance, env)
}

#[tokio::test]
async fn a_profile_whose_file_is_half_written_does_not_become_the_instance() {
    let seed = seed(&[PROXY_USER, &role("host")]).await;
    let keys = own_keys(&seed);
    let (instance, metadata) = host(&seed).await;
    let (seed, env) = files(seed, "", &keys);
    let file = seed.path("credentials");
    let run = run(seed, &[&env[..], &metadata].concat()).await;
    assert_eq!(run.user("own").await, "IAM:proxy");
    run.aws().replace_keys(NEW.0, NEW.1);
    std::fs::write(file, "").unwrap();
    let (_code, cause) = run.refused("other").await;
    assert!(cause.contains("InvalidClientTokenId"), "{cause}");
    assert_eq!(run.user("own").await, "IAM:proxy");
    assert_eq!(instance.granted(), 0);
}

#[tokio::test]
async fn a_profile_that_fails_for_now_is_not_passed_over() {
    for (profile, named) in [("default", None), ("profile etl", Some("etl"))] {
        let seed = seed(&[&role("host")]).await;
        let config = format!("[{profile}]\nrole_arn = {}\nsource_profile = keys\n", role("etl"));
        let keys = lasting("keys", (&seed.world.keys.0, &seed.world.keys.1));
        let (instance, metadata) = host(&seed).await;
        let (seed, mut env) = files(seed, &config, &keys);
        env.extend(metadata);
        env.extend(named.map(|name| ("AWS_PROFILE", name.to_owned())));
        // Nothing listens there.
        env.push(("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9".to_owned()));
        let run = run(seed, &env).await;
        run.refused("own").await;
        assert_eq!(instance.granted(), 0, "{profile}");
    }
}

#[tokio::test]
async fn a_profile_that_is_named_is_never_passed_over() {
    for config in ["", "[profile etl]\nregion = eu-west-1\n", "[profile etl]\nlogin_session = arn:aws:iam::1:user/me\n"]
    {
        let seed = seed(&[&role("host")]).await;
        let (instance, metadata) = host(&seed).await;
        let (seed, mut env) = files(seed, config, "");
        env.extend(metadata);
        env.push(("AWS_PROFILE", "etl".to_owned()));
        let run = run(seed, &env).await;
        run.refused("own").await;
        assert_eq!(instance.granted(), 0, "{config}");
    }
}

#[tokio::test]
async fn stderr_of_a_credential_process_is_not_logged() {
    let config = "[default]\ncredential_process = echo planted-key >&2; exit 3\n";
    let (seed, env) = files(seed(&[]).await, config, "");
    let run = run(seed, &env).await;
    let (_code, cause) = run.refused("own").await;
    assert!(cause.contains("exited with code exit status: 3") && !cause.contains("planted-key"), "{cause}");
    assert!(!run.proxy.log().contains("planted-key"), "{}", run.proxy.log());
}

/// A pipe that nobody writes to is read for ever, as is a file on a mount that hangs.
#[tokio::test]
async fn a_file_that_hangs_holds_up_nothing_else() {
    let seed = seed(&[PROXY_USER]).await;
    let keys = own_keys(&seed);
    let (seed, env) = files(seed, "", &keys);
    let file = seed.path("credentials");
    let run = run(seed, &env).await;
    assert_eq!(run.user("own").await, "IAM:proxy");
    run.aws().replace_keys(NEW.0, NEW.1);
    std::fs::remove_file(&file).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&file)
            .status()
            .unwrap()
            .success()
    );
    let (refused, user) = tokio::join!(run.refused("other"), run.user("own"));
    assert!(refused.1.contains("InvalidClientTokenId") || refused.1.contains("no answer within"), "{}", refused.1);
    assert_eq!(user, "IAM:proxy");
}

/// Connections of the role `etl`, which the base identity is at first.
const AS_ETL: &str = "[connections.NAME]\ntype = \"redshift\"\ncluster_id = \"dw1\"\ndatabase = \"dev\"\nhost = \"localhost\"\n\
                      port = {port}\npassword_duration = \"LIFE\"\nrole_arn = \"ROLE\"\n";

#[tokio::test]
async fn a_role_that_was_skipped_is_assumed_once_the_base_identity_is_another() {
    let as_etl = |name: &str, life: &str| {
        AS_ETL
            .replace("NAME", name)
            .replace("LIFE", life)
            .replace("ROLE", &role("etl"))
    };
    let config = format!("{}{}", as_etl("first", "15m"), as_etl("second", "20m"));
    let seed = Seed::new(&config)
        .await
        .cluster("dw1", &[PROXY_USER, &role("etl")], &[]);
    let seed = seed.role(&role("etl"), RoleRule::default());
    let config = format!("[default]\nrole_arn = {}\nsource_profile = keys\n", role("etl"));
    let keys = (seed.world.keys.0.clone(), seed.world.keys.1.clone());
    let (seed, mut env) = files(seed, &config, &lasting("keys", (&keys.0, &keys.1)));
    env.push(("AWS_ENDPOINT_URL_STS", seed.aws().url()));
    let [config, credentials] = ["config", "credentials"].map(|name| seed.path(name));
    let run = run(seed, &env).await;
    assert_eq!(run.user("first").await, "IAMR:etl");
    assert_eq!(run.aws().calls("AssumeRole"), 1, "the profile's own");
    std::fs::write(config, "").unwrap();
    std::fs::write(credentials, lasting("default", (&keys.0, &keys.1))).unwrap();
    run.aws().expire_sessions();
    assert_eq!(run.user("second").await, "IAMR:etl");
    assert_eq!(run.aws().calls("AssumeRole"), 2, "the proxy's");
}

const NEW: (&str, &str) = ("AKIASANDBOXEXAMPLE01", "sandbox/secret/access/key/EXAMPLE0000001");

#[tokio::test]
async fn keys_that_are_renewed_in_the_shared_file_are_used_by_the_next_call_that_needs_them() {
    let seed = seed(&[PROXY_USER]).await;
    let keys = own_keys(&seed);
    let (seed, env) = files(seed, "", &keys);
    let file = seed.path("credentials");
    let run = run(seed, &env).await;
    assert_eq!(run.user("own").await, "IAM:proxy");
    run.aws().replace_keys(NEW.0, NEW.1);
    std::fs::write(file, lasting("default", NEW)).unwrap();
    assert_eq!(run.user("other").await, "IAM:proxy");
    let mints = run.aws().calls("GetClusterCredentialsWithIAM");
    // Nobody can say any more whose the old ones were: what was got meanwhile is not used.
    assert_eq!(mints, 4, "one was refused, made again at once, and once more for an identity that may be another");
}

#[tokio::test]
async fn a_session_that_aws_has_ended_is_fetched_again_at_once() {
    let seed = seed(&[&role("host")]).await;
    let instance = seed.aws().instance_metadata(&role("host")).await.unwrap();
    let env =
        [("AWS_EC2_METADATA_SERVICE_ENDPOINT", instance.url()), ("AWS_EC2_METADATA_DISABLED", "false".to_owned())];
    let run = run(seed, &env).await;
    assert_eq!(run.user("own").await, "IAMR:host");
    run.aws().expire_sessions();
    assert_eq!(run.user("other").await, "IAMR:host");
    assert_eq!(instance.granted(), 2);
}

#[tokio::test]
async fn keys_that_nobody_renews_stay_refused() {
    let seed = seed(&[PROXY_USER]).await;
    let keys = own_keys(&seed);
    let (seed, env) = files(seed, "", &keys);
    let run = run(seed, &env).await;
    run.aws().replace_keys(NEW.0, NEW.1);
    let (code, cause) = run.refused("own").await;
    assert_eq!(code, NOT_AVAILABLE);
    assert!(cause.contains("InvalidClientTokenId"), "{cause}");
    assert_eq!(run.aws().calls("GetClusterCredentialsWithIAM"), 1);
}

#[tokio::test]
async fn a_clock_that_is_hours_off_is_corrected_by_the_first_answer_and_logged_once() {
    for skew in [Skew::Ahead(Duration::from_secs(3 * 3600)), Skew::Behind(Duration::from_secs(3 * 3600))] {
        let seed = seed(&[PROXY_USER]).await;
        seed.aws().skew(skew);
        let mut run = seed.run().await;
        for conn_id in ["own", "other", "own", "other"] {
            assert_eq!(run.user(conn_id).await, "IAM:proxy");
        }
        assert_eq!(
            run.aws().calls("GetClusterCredentialsWithIAM"),
            3,
            "the first one was made twice, and both are held"
        );
        run.proxy.wait_for_log("this machine's clock is 3 h").await;
        let log = run.proxy.log();
        assert_eq!(log.matches("this machine's clock is 3 h").count(), 1, "{log}");
    }
}

/// As after NTP has set it: until then it is AWS's that is off here.
#[tokio::test]
async fn a_clock_that_has_been_set_is_believed_again() {
    for skew in [Skew::Ahead(Duration::from_secs(3 * 3600)), Skew::Behind(Duration::from_secs(3 * 3600))] {
        let seed = seed(&[PROXY_USER]).await;
        seed.aws().skew(skew);
        let run = seed.run().await;
        assert_eq!(run.user("own").await, "IAM:proxy");
        run.aws().skew(Skew::None);
        for _ in 0..3 {
            assert_eq!(run.user("other").await, "IAM:proxy");
        }
        assert_eq!(run.aws().calls("GetClusterCredentialsWithIAM"), 4, "each was made twice, and both are held");
    }
}

/// The default chain of Regions would ask the metadata service at every start, and log a dump of
/// why it got no answer.
#[tokio::test]
async fn a_metadata_service_is_not_asked_for_a_region_that_the_host_names() {
    const CONNECTION: &str = "[connections.sales]\ntype = \"redshift-serverless\"\ndatabase = \"dev\"\n\
                              host = \"sales.123456789012.eu-west-1.redshift-serverless.amazonaws.com\"\n";
    for (more, is_asked) in [("", false), ("[users.u]\nconnections = [\"*\"]\npassword = \"ssm:/u\"\n", true)] {
        let seed = seed(&[]).await;
        let metadata = ForwardProxy::start("404 Not Found").await;
        let file = seed.world.dir.path().join("proxy.toml");
        let toml = std::fs::read_to_string(&file).unwrap();
        let (listen, _) = toml.split_once("[aws]").unwrap();
        std::fs::write(&file, format!("{listen}[log]\nformat = \"json\"\n{CONNECTION}{more}")).unwrap();
        let keys = own_keys(&seed);
        let (seed, mut env) = files(seed, "", &keys);
        env.extend([
            ("AWS_EC2_METADATA_DISABLED", "false".to_owned()),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://127.0.0.1:{}", metadata.port)),
        ]);
        let run = run(seed, &env).await;
        assert_eq!(!metadata.heads().is_empty(), is_asked, "{:?}", metadata.heads());
        let log = run.proxy.log();
        assert_eq!(
            log.matches("no Region is known: set aws.region or AWS_REGION")
                .count(),
            usize::from(is_asked)
        );
        assert!(!log.contains("aws_config") && !log.contains("DispatchFailure"), "{log}");
    }
}
