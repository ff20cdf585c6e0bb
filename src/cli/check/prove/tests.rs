//! The steps of every kind of connection, on the sandbox's AWS. The warehouse is a closed port: all
//! but TCP is proved.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use redshift_sandbox::aws::{
    Aws, AwsOptions, Cluster, Fault, Parameter, ParameterKind, RoleRule, SecretValue, Times, WebIdentity, Workgroup,
};
use redshift_sandbox::logins;
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Handle;

use super::*;
use crate::app;
use crate::cli::check::request::AskedUser;
use crate::clock::SystemClock;
use crate::config::{
    self, AnyProof, AnyUser, Config, LoginAs, Proof, Reference, Remote, RoleHop, Target, UnknownKeys, parse,
};
use crate::network::Network;

const ROLE: &str = "arn:aws:iam::123456789012:role/rs01";
const HUB: &str = "arn:aws:iam::123456789012:role/hub";
const PLANTED: &str = "planted-secret-41c7";

/// AWS, a configuration for it, and a port that refuses.
struct Scene {
    aws: Aws,
    config: Config,
    network: Network,
    closed: TcpSocket,
}

impl Scene {
    async fn start() -> Self {
        let closed = TcpSocket::new_v4().unwrap();
        closed.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let port = closed.local_addr().unwrap().port();
        let mut options = AwsOptions::default();
        let at = |callers: &[&str]| Workgroup {
            callers: callers.iter().map(|caller| (*caller).to_owned()).collect(),
            host: "127.0.0.1".into(),
            port,
        };
        options.workgroups.insert("analytics".into(), at(&[ROLE]));
        options.roles.insert(HUB.into(), RoleRule::default());
        let callers = vec![ROLE.to_owned()];
        let cluster = Cluster { callers, host: "127.0.0.1".into(), port, ..Cluster::default() };
        options.clusters.insert("dw1".into(), cluster);
        let secret = |text: &str| SecretValue::Text(text.to_owned());
        options
            .secrets
            .insert("open".into(), secret(r#"{"dbname":"fin"}"#));
        let whole = format!(r#"{{"username":"adam","password":"{PLANTED}"}}"#);
        options.secrets.insert("whole".into(), secret(&whole));
        options.secrets.insert("text".into(), secret(PLANTED));
        options
            .secrets
            .insert("binary".into(), SecretValue::Binary(PLANTED.into()));
        for (name, kind) in [("/plain", ParameterKind::String), ("/secure", ParameterKind::SecureString)] {
            options
                .parameters
                .insert(name.into(), Parameter { value: PLANTED.into(), kind });
        }
        let aws = Aws::start(options, logins::Logins::new(None))
            .await
            .unwrap();
        let text = format!(
            "[aws]\nregion = \"ap-southeast-2\"\nendpoint_url = \"{}\"\n[connections.sales]\n\
             type = \"redshift-serverless\"\nhost = \"127.0.0.1\"\nport = {port}\nworkgroup = \"analytics\"\n\
             database = \"dev\"\nrole_arn = \"{ROLE}\"\nexternal_id = \"/lava/demo/rs01-external-id\"\n\
             [users.ann]\npassword = \"env:PW\"\nconnections = [\"sales\"]\n",
            aws.url()
        );
        let env = |name: &str| (name == "PW").then(|| "pw".to_owned());
        let config = parse(&text, "proxy.toml".as_ref(), &env, UnknownKeys::Refuse).unwrap();
        Self { aws, config, network: Network::default(), closed }
    }

    /// Where ann's password is.
    fn password_from(&mut self, from: Reference) {
        let user = Arc::get_mut(self.config.users.get_mut("ann").unwrap()).unwrap();
        let Proof::Passwords(passwords) = &mut user.proof else { panic!() };
        passwords[0].from = Some(from);
    }

    /// What is told of a spec like that of the configuration.
    async fn steps(&self, user: Option<&str>, change: impl FnOnce(&mut ConnSpec)) -> Vec<CheckStep> {
        let mut spec = ConnSpec::clone(&self.config.connections["sales"]);
        change(&mut spec);
        let options = AwsOptions::default();
        let base = Base::with_keys(&self.config.aws, &options.access_key_id, &options.secret_access_key).await;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let settings = CheckSettings {
            credentials: &self.config.credentials,
            table_timeout: app::table_timeout(&self.config),
            routes: &app::routes(&self.config, &self.network).unwrap(),
            login_timeout: self.config.upstream.login_timeout,
            clock: &clock,
            control: &Handle::current(),
        };
        let user = user.map(|name| AskedUser::of(&self.config, name));
        let spec = Arc::new(spec);
        let request = CheckRequest { connection: &Connection::Configured(&spec), user, no_login: false };
        let mut steps = Vec::new();
        let mut on_step = |step| steps.push(step);
        // The console runs it on a task.
        let outcome = sendable(run(base, &settings, &request, &mut on_step)).await;
        assert!(outcome.is_err() && steps.iter().filter(|step| step.failure.is_some()).count() == 1, "{steps:?}");
        assert!(!format!("{steps:?}").contains(PLANTED), "{steps:?}");
        steps
    }
}

fn sendable<F: Future + Send>(future: F) -> F {
    future
}

/// Names and subjects of AWS's steps, where only TCP failed.
#[track_caller]
fn secret(id: &str) -> LoginFrom {
    LoginFrom::Secret { id: id.to_owned(), login_as: LoginAs::Shared { user: None } }
}

fn cluster(id: &str) -> Target {
    let id = Some(id.to_owned());
    Target::Cluster(config::Cluster { id, auto_create: false, db_groups: Vec::new(), deny_db_users: Vec::new() })
}

fn proved(steps: &[CheckStep]) -> Vec<String> {
    let last = steps.last().unwrap();
    assert!(
        last.name == "TCP"
            && last
                .failure
                .as_ref()
                .unwrap()
                .fix
                .starts_with("refused = port"),
        "{steps:?}"
    );
    let dns = steps.iter().position(|step| step.name == "DNS").unwrap();
    steps[1..dns]
        .iter()
        .map(|step| {
            format!("{} {}", step.name, step.subject)
                .trim_end()
                .to_owned()
        })
        .collect()
}

/// The last step: its name, what, and fix.
#[track_caller]
fn assert_failed(steps: &[CheckStep], name: &str, what: &str, fix: &str) {
    let last = steps.last().unwrap();
    let why = last.failure.as_ref().unwrap();
    assert!(last.name == name && why.what.contains(what) && why.fix.contains(fix), "{last:?}");
}

/// It looked like a step that had gone well in 10,001 ms.
#[tokio::test]
async fn an_address_that_does_not_answer_is_told_though_another_does() {
    let mut scene = Scene::start().await;
    let dead = IpAddr::from([127, 0, 0, 54]);
    scene.network.look_up = Arc::new(move |_| Ok(vec![dead, Ipv4Addr::LOCALHOST.into()]));
    scene.config.upstream.connect_timeout = Duration::from_secs(2);
    // A port where one address accepts, and the other's queue is full, so that nothing answers
    // there.
    let port = scene.closed.local_addr().unwrap().port();
    let accepts = scene.closed.listen(16).unwrap();
    scene.closed = TcpSocket::new_v4().unwrap();
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind((dead, port).into()).unwrap();
    let _silent = silent.listen(0).unwrap();
    let _queued = TcpStream::connect((dead, port)).await.unwrap();
    let hang_up = tokio::spawn(async move {
        loop {
            drop(accepts.accept().await);
        }
    });
    let steps = scene
        .steps(None, |spec| spec.host = Some("dw.example.com".to_owned()))
        .await;
    hang_up.abort();
    let told = |name| steps.iter().find(|step| step.name == name).unwrap();
    assert_eq!(told("DNS").detail, "127.0.0.54, 127.0.0.1");
    assert_eq!((&*told("TCP").subject, told("TCP").failure.is_none()), (&*format!("127.0.0.1:{port}"), true));
    let want = format!("time-out at 127.0.0.54:{port}: sessions go by the address that answers");
    assert_eq!(told("TCP").detail, want);
}

const ID: &str = "GetParameter /lava/demo/rs01-external-id";

#[tokio::test]
async fn each_hop_is_a_step() {
    let scene = Scene::start().await;
    let hops = |role: &str, id: Option<&str>| RoleHop { role_arn: role.into(), external_id: id.map(str::to_owned) };
    let id = Some("/lava/demo/rs01-external-id");
    let steps = scene
        .steps(None, |spec| spec.roles.hops = vec![hops(HUB, None), hops(ROLE, id)])
        .await;
    let assumed = [format!("AssumeRole {HUB}"), format!("AssumeRole {ROLE}")];
    let want = ["base identity", ID, &assumed[0], &assumed[1], "GetCredentials analytics"];
    assert_eq!(proved(&steps), want);
    scene
        .aws
        .put_role(HUB, RoleRule { callers: Some(Vec::new()), ..RoleRule::default() });
    let steps = scene
        .steps(None, |spec| spec.roles.hops = vec![hops(HUB, None), hops(ROLE, id)])
        .await;
    assert_failed(&steps, "AssumeRole", "hub in ap-southeast-2 was refused", "set external_id");
}

#[tokio::test]
async fn session_tags_that_may_not_be_given_are_told() {
    let scene = Scene::start().await;
    scene.aws.put_role(ROLE, RoleRule::default());
    let steps = scene
        .steps(None, |spec| spec.roles.tags = [("team".to_owned(), "bi".to_owned())].into())
        .await;
    assert_failed(&steps, "AssumeRole", "sts:TagSession", "\"Action\":\"sts:TagSession\"");
}

#[tokio::test]
async fn a_first_hop_by_token_needs_no_base_identity() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let by_token = |spec: &mut ConnSpec| {
        spec.roles.web_identity_token_file = Some(file.clone());
        spec.roles.hops = vec![RoleHop { role_arn: ROLE.into(), external_id: None }];
    };
    assert_failed(&scene.steps(None, by_token).await, "token file", "No such file", "mount the token");
    std::fs::write(&file, PLANTED).unwrap();
    let unknown = scene.steps(None, by_token).await;
    assert_failed(&unknown, "AssumeRoleWithWebIdentity", "InvalidIdentityToken", "IAM OIDC provider");
    let expires_at = SystemClock.now() + Duration::from_secs(600);
    scene
        .aws
        .put_web_identity(PLANTED, WebIdentity { subject: "pod".into(), expires_at });
    let stranger = scene.steps(None, by_token).await;
    assert_failed(&stranger, "AssumeRoleWithWebIdentity", "AccessDenied", "\"Federated\"");
    scene
        .aws
        .put_role(ROLE, RoleRule { web_subjects: vec!["pod".into()], ..RoleRule::default() });
    let token = format!("token file {}", file.display());
    let assumed = format!("AssumeRoleWithWebIdentity {ROLE}");
    assert_eq!(proved(&scene.steps(None, by_token).await), [&*token, &assumed, "GetCredentials analytics"]);
    let expires_at = SystemClock.now() - Duration::from_secs(600);
    scene
        .aws
        .put_web_identity(PLANTED, WebIdentity { subject: "pod".into(), expires_at });
    let expired = scene.steps(None, by_token).await;
    assert_failed(&expired, "AssumeRoleWithWebIdentity", "ExpiredToken", "renews it");
}

#[tokio::test]
async fn a_secret_without_a_password_leads_to_iam_and_says_so() {
    let scene = Scene::start().await;
    let steps = scene.steps(None, |spec| spec.login = secret("open")).await;
    let assumed = format!("AssumeRole {ROLE}");
    let want = ["base identity", "GetSecretValue open", ID, &assumed, "GetCredentials analytics"];
    assert_eq!(proved(&steps), want);
    assert_eq!(steps[2].detail, "it holds no password: IAM credentials are asked for");
    let steps = scene.steps(None, |spec| spec.login = secret("whole")).await;
    assert_eq!(proved(&steps), ["base identity", "GetSecretValue whole"]);
    assert_eq!(steps[2].detail, "");
}

#[tokio::test]
async fn a_stored_value_that_will_not_do_fails_its_own_look_up_once() {
    let scene = Scene::start().await;
    for (id, what, fix) in [
        ("text", "the secret is not JSON", "store a JSON object in text"),
        ("binary", "the secret is binary", "--secret-string"),
        ("missing", "ResourceNotFoundException", "create the secret missing in ap-southeast-2"),
    ] {
        let steps = scene.steps(None, |spec| spec.login = secret(id)).await;
        assert_failed(&steps, "GetSecretValue", what, fix);
        assert_eq!(steps.len(), 3, "{steps:?}");
    }
    let parameter = |name: &str, user| LoginFrom::Parameter { name: name.to_owned(), user, secret_id: None };
    let password =
        |name: &'static str| move |spec: &mut ConnSpec| spec.login = parameter(name, Some("adam".to_owned()));
    let steps = scene.steps(None, password("/plain")).await;
    assert_failed(&steps, "GetParameter", "a plain String", "delete-parameter --region ap-southeast-2 --name /plain");
    assert_eq!(steps.len(), 3, "{steps:?}");
    assert_eq!(proved(&scene.steps(None, password("/secure")).await), ["base identity", "GetParameter /secure"]);
    let steps = scene
        .steps(None, |spec| spec.login = parameter("/secure", None))
        .await;
    assert_failed(&steps, "spec", "there is a password but no user", "complete connections.\"sales\"");
}

#[tokio::test]
async fn a_warehouse_is_looked_up_where_no_host_is_given() {
    let scene = Scene::start().await;
    let assumed = format!("AssumeRole {ROLE}");
    let without = |spec: &mut ConnSpec| (spec.host, spec.port) = (None, None);
    let want = ["base identity", ID, &assumed, "GetWorkgroup analytics", "GetCredentials analytics"];
    assert_eq!(proved(&scene.steps(None, without).await), want);
    let provisioned = |spec: &mut ConnSpec| {
        without(spec);
        spec.target = cluster("dw1");
        spec.login = LoginFrom::Iam(LoginAs::Shared { user: Some("adam".to_owned()) });
    };
    let steps = scene.steps(None, provisioned).await;
    let want = ["base identity", ID, &assumed, "DescribeClusters dw1", "GetClusterCredentials dw1"];
    assert_eq!(proved(&steps), want);
    assert_eq!(steps[5].detail, "database user IAM:adam, 15 min to live");
    let lost = |spec: &mut ConnSpec| {
        provisioned(spec);
        spec.target = cluster("dw2");
    };
    let steps = scene.steps(None, lost).await;
    assert_failed(&steps, "DescribeClusters", "ClusterNotFound", "no cluster dw2 in ap-southeast-2");
}

#[tokio::test]
async fn a_login_of_each_users_own_needs_a_user() {
    let scene = Scene::start().await;
    let per_user = |spec: &mut ConnSpec| spec.login = LoginFrom::Iam(LoginAs::PerUser);
    let steps = scene.steps(None, per_user).await;
    assert_failed(&steps, "user", "per-user", "give --user");
    assert_eq!((steps.len(), scene.aws.journal().len()), (2, 0));
    let steps = scene.steps(Some("ann"), per_user).await;
    assert_eq!(steps[1].detail, "may open it, by its own \"sales\"");
    assert_eq!(proved(&steps)[0], "user ann");
    let asked = &scene.aws.requests("AssumeRole")[0];
    assert_eq!(asked.parameters["RoleSessionName"], "ann");
}

#[tokio::test]
async fn a_user_without_an_entry_is_looked_for_below_the_path() {
    let mut scene = Scene::start().await;
    let rights = scene.config.users["ann"].rights.clone();
    let proof = AnyProof::Passwords { path: "/users".to_owned() };
    scene.config.any_user = Some(Arc::new(AnyUser { rights, proof }));
    (0..11).for_each(|at| {
        scene
            .aws
            .put_parameter(&format!("/users/u{at:02}"), PLANTED)
    });
    scene
        .aws
        .put_parameter("/users/bad", "SCRAM-SHA-256$nonsense");
    let steps = scene.steps(Some("u10"), |_| {}).await;
    let listings: Vec<_> = steps
        .iter()
        .filter(|step| step.name == "GetParametersByPath")
        .collect();
    assert_eq!(listings.len(), 1, "two pages are one step: {steps:?}");
    assert_eq!((&*listings[0].subject, &*listings[0].detail), ("/users", "a password, of the user \"u10\", among 12"));
    let fix = "is refused until /users/";
    let steps = scene.steps(Some("eve"), |_| {}).await;
    assert_failed(&steps, "GetParametersByPath", "there is no SecureString /users/eve", fix);
    let steps = scene.steps(Some("bad"), |_| {}).await;
    assert_failed(&steps, "GetParametersByPath", "the password of \"bad\": what it refers to", fix);
    let steps = scene
        .steps(Some("u10"), |spec| spec.login = LoginFrom::Iam(LoginAs::PerUser))
        .await;
    assert_failed(&steps, "user", "", "add \"sales\" to users.\"u10\".connections");
    scene
        .aws
        .fault("GetParametersByPath", Fault::Deny, Times::Always);
    let steps = scene.steps(Some("u10"), |_| {}).await;
    let statement = "arn:aws:ssm:ap-southeast-2:123456789012:parameter/users";
    assert_failed(&steps, "GetParametersByPath", "AccessDenied", statement);
}

#[tokio::test]
async fn a_users_password_reference_is_read_and_reported_by_kind_only() {
    let mut scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, format!("{PLANTED}\n")).unwrap();
    let shown = file.display().to_string();
    let parameter = |name: &str| Reference::Remote(Remote::Parameter(name.into()));
    let secret =
        |id: &str, key: Option<&str>| Reference::Remote(Remote::Secret { id: id.into(), key: key.map(str::to_owned) });
    for (from, name, subject) in [
        (parameter("/secure"), "GetParameter", "/secure"),
        (secret("whole", Some("password")), "GetSecretValue", "whole"),
        (Reference::File(file.clone()), "password file", &*shown),
    ] {
        scene.password_from(from);
        let steps = scene.steps(Some("ann"), |_| {}).await;
        let step = steps
            .iter()
            .find(|step| step.name == name && step.subject == subject)
            .unwrap();
        assert_eq!(step.detail, "a password, of the user \"ann\"");
        assert_eq!(steps.last().unwrap().name, "TCP");
    }
    scene.aws.put_parameter("/broken", "SCRAM-SHA-256$nonsense");
    scene.aws.put_parameter("/empty", "\n");
    let refused = "every login of \"ann\" is refused until users.\"ann\".password leads to a password";
    for (from, name, what, fix) in [
        (parameter("/nope"), "GetParameter", "ParameterNotFound", "create it, with the password as its value"),
        (secret("nope", None), "GetSecretValue", "ResourceNotFound", "or correct the user's password"),
        (secret("whole", Some("pw")), "GetSecretValue", "not a JSON object with a string \"pw\"", refused),
        (secret("binary", None), "GetSecretValue", "binary", "store it as text"),
        (parameter("/broken"), "GetParameter", "the password of \"ann\": what it refers to", refused),
        (parameter("/empty"), "GetParameter", "an empty password", refused),
        (Reference::File(dir.path().join("none")), "password file", "cannot read", refused),
    ] {
        scene.password_from(from);
        assert_failed(&scene.steps(Some("ann"), |_| {}).await, name, what, fix);
    }
    // Nobody's password is asked for where nobody is asked about.
    assert_eq!(scene.steps(None, |_| {}).await.last().unwrap().name, "TCP");
}
