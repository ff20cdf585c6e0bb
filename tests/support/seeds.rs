//! Seed set-ups: a world, connections for it, the real binary in front, and what was called with
//! what.

use std::path::Path;

use redshift_sandbox::aws::{
    Aws, Cluster, ContainerCredentials, Request, RoleRule, SecretValue, WebIdentity, Workgroup,
};
use redshift_sandbox::sandbox::Sandbox;
use serde_json::Value;

use super::process::Proxy;
use super::{PASSWORD, Setup, USER, World, login_over, raw, refusal, until, without_session};

/// The sandbox's account, and the ARNs of whom it has.
pub(crate) const OTHER_ACCOUNT: &str = "210987654321";
pub(crate) const PROXY_USER: &str = "arn:aws:iam::123456789012:user/proxy";

/// The refusal that a client reads.
pub(crate) const NOT_AVAILABLE: &str = "08004";
pub(crate) const UNREACHABLE: &str = "08001";
pub(crate) const NOT_NOW: &str = "57P03";

pub(crate) fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

/// A role of the other account.
pub(crate) fn foreign_role(name: &str) -> String {
    format!("arn:aws:iam::{OTHER_ACCOUNT}:role/{name}")
}

/// A world before the proxy runs in it.
pub(crate) struct Seed {
    pub(crate) world: World,
}

/// A proxy at work in a world.
pub(crate) struct Run {
    pub(crate) world: World,
    pub(crate) proxy: Proxy,
    /// The source of the proxy's identity.
    agent: Option<ContainerCredentials>,
}

impl Seed {
    /// With these connections, and more of the configuration; `{port}` is the warehouse's.
    pub(crate) async fn new(config: &str) -> Self {
        Self::with_aws(config, None).await
    }

    /// Makes a seed with another AWS than the sandbox's.
    pub(crate) async fn with_aws(config: &str, aws: Option<String>) -> Self {
        let upstream = "connect_timeout = \"2s\"".to_owned();
        let config = format!("[log]\nformat = \"json\"\n{config}");
        Self { world: World::start(&Setup { config, upstream, aws, ..Setup::default() }).await }
    }

    pub(crate) fn aws(&self) -> &Aws {
        &self.world.sandbox.aws
    }

    pub(crate) fn parameter(self, name: &str, value: &str) -> Self {
        self.aws().put_parameter(name, value);
        self
    }

    /// A secret of this JSON text; `{port}` is the warehouse's.
    pub(crate) fn secret(self, name: &str, text: &str) -> Self {
        let text = text.replace("{port}", &self.warehouse_port().to_string());
        self.aws().put_secret(name, SecretValue::Text(text));
        self
    }

    /// A role; requests under it may be signed for every Region of the tests.
    pub(crate) fn role(self, arn: &str, rule: RoleRule) -> Self {
        self.aws().put_role(arn, rule);
        self
    }

    pub(crate) fn region(self, region: &str) -> Self {
        self.aws().put_region(region);
        self
    }

    /// A workgroup that these may open, where the warehouse is.
    pub(crate) fn workgroup(self, name: &str, callers: &[&str]) -> Self {
        let callers = callers.iter().map(|arn| (*arn).to_owned()).collect();
        let workgroup = Workgroup { callers, host: "localhost".to_owned(), port: self.warehouse_port() };
        self.aws().put_workgroup(name, workgroup);
        self
    }

    /// A cluster with these database users, that these may open, where the warehouse is.
    pub(crate) fn cluster(self, name: &str, callers: &[&str], users: &[&str]) -> Self {
        let texts = |all: &[&str]| {
            all.iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        let (callers, users) = (texts(callers), texts(users).into_iter().collect());
        self.aws()
            .put_cluster(name, Cluster { callers, users, port: self.warehouse_port(), ..Cluster::default() });
        self
    }

    /// A web identity token of this subject.
    pub(crate) fn web_identity(self, token: &str, subject: &str) -> Self {
        put_web_identity(&self.world.sandbox, token, subject);
        self
    }

    /// A file beside the configuration.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.world.dir.path().join(name), text).unwrap();
        self
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.world.dir.path().join(name).display().to_string()
    }

    /// A database user's password, good for an hour.
    pub(crate) async fn database_password(&self, user: &str) -> String {
        self.world
            .sandbox
            .logins
            .mint(user, std::time::Duration::from_secs(3600))
            .await
            .password
    }

    /// The proxy as the IAM user `proxy`, by keys in its environment.
    pub(crate) async fn run(self) -> Run {
        let proxy = Proxy::start(&self.world, &[]).await;
        Run { world: self.world, proxy, agent: None }
    }

    /// The proxy as whom its environment says.
    pub(crate) async fn run_as(self, env: &[(&str, &str)]) -> Run {
        let proxy = Proxy::start_as(&self.world, env).await;
        Run { world: self.world, proxy, agent: None }
    }

    /// The proxy in a pod, by the EKS Pod Identity Agent.
    pub(crate) async fn run_in_pod(self, role_arn: &str) -> Run {
        let agent = self
            .aws()
            .pod_identity(role_arn, "pod-token-1")
            .await
            .unwrap();
        self.run_beside(agent).await
    }

    /// The proxy in a container of ECS.
    pub(crate) async fn run_in_container(self, role_arn: &str) -> Run {
        let agent = self
            .aws()
            .container_credentials(role_arn, "pod-token-1")
            .await
            .unwrap();
        self.run_beside(agent).await
    }

    async fn run_beside(self, agent: ContainerCredentials) -> Run {
        let seed = self.file("pod-token", "pod-token-1");
        let (url, token) = (agent.url(), seed.path("pod-token"));
        let env = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*url), ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &*token)];
        Run { agent: Some(agent), ..seed.run_as(&env).await }
    }

    fn warehouse_port(&self) -> u16 {
        self.world.sandbox.warehouse.address().port()
    }
}

impl Run {
    pub(crate) fn aws(&self) -> &Aws {
        &self.world.sandbox.aws
    }

    /// The database user that the rig's user becomes behind this connection.
    pub(crate) async fn user(&self, conn_id: &str) -> String {
        self.user_as(USER, conn_id).await
    }

    pub(crate) async fn user_as(&self, user: &str, conn_id: &str) -> String {
        let client = self
            .connect(user, conn_id)
            .await
            .unwrap_or_else(|error| panic!("{error:?}\n{}", self.proxy.log()));
        client
            .query_one("select current_user::text", &[])
            .await
            .unwrap()
            .get(0)
    }

    /// How many sessions the proxy was given for itself.
    pub(crate) fn sessions_granted(&self) -> usize {
        self.agent.as_ref().map_or(0, ContainerCredentials::granted)
    }

    pub(crate) async fn connect(
        &self,
        user: &str,
        conn_id: &str,
    ) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let stream = raw::tls(self.proxy.port, self.world.sandbox.ca.pem()).await;
        login_over(stream, user, PASSWORD, conn_id).await
    }

    /// A login that fails: the SQLSTATE that the client reads, and the cause that the log has.
    pub(crate) async fn refused(&self, conn_id: &str) -> (String, String) {
        let before = self.refusals(conn_id).len();
        let error = self.connect(USER, conn_id).await.expect_err("a refusal");
        let (code, message) = refusal(&error);
        let text = without_session(&message);
        until("the log", || self.refusals(conn_id).len(), |count| *count > before).await;
        let event = self.last_refusal(conn_id);
        let cause = event["reason"].as_str().unwrap().to_owned();
        let want = match &*code {
            NOT_NOW if cause.ends_with("is disabled") => format!("connection \"{conn_id}\" is disabled"),
            NOT_AVAILABLE => format!("connection \"{conn_id}\" is not available to the proxy"),
            UNREACHABLE => format!("could not reach the warehouse for \"{conn_id}\""),
            NOT_NOW => format!("cannot open \"{conn_id}\" now"),
            _ => text.to_owned(),
        };
        assert_eq!(text, want);
        (code, cause)
    }

    /// The log's event about the last login refused.
    pub(crate) fn last_refusal(&self, conn_id: &str) -> Value {
        self.refusals(conn_id).pop().unwrap()
    }

    fn refusals(&self, conn_id: &str) -> Vec<Value> {
        let log = self.proxy.log();
        let events = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events
            .filter(|event| event["message"] == "login refused" && event["conn_id"] == conn_id)
            .collect()
    }

    /// The calls so far, in their order: see [`shown`].
    pub(crate) fn calls(&self) -> Vec<String> {
        calls(self.aws())
    }

    #[track_caller]
    pub(crate) fn assert_calls(&self, want: &[&str]) {
        assert_calls(self.aws(), want);
    }
}

pub(crate) fn calls(aws: &Aws) -> Vec<String> {
    aws.journal().iter().map(shown).collect()
}

#[track_caller]
pub(crate) fn assert_calls(aws: &Aws, want: &[&str]) {
    let got = calls(aws);
    assert_eq!(got, want, "\n{}", got.join("\n"));
}

/// A token that is good for an hour.
pub(crate) fn put_web_identity(sandbox: &Sandbox, token: &str, subject: &str) {
    let expires_at = sandbox.logins.now() + std::time::Duration::from_secs(3600);
    sandbox
        .aws
        .put_web_identity(token, WebIdentity { subject: subject.to_owned(), expires_at });
}

/// `Operation{parameter=value,…} by CALLER`, then `[tags]` of the caller's session, and `@REGION`
/// where it is not the sandbox's own. ARNs go without what all of the account's have in common.
pub(crate) fn shown(request: &Request) -> String {
    let short = |text: &str| {
        text.replace("arn:aws:iam::123456789012:", "")
            .replace("arn:aws:sts::123456789012:", "")
    };
    let parameters = request
        .parameters
        .iter()
        .filter(|(name, _)| !["Action", "Version"].contains(&name.as_str()));
    let parameters = parameters
        .map(|(name, value)| format!("{name}={}", short(value)))
        .collect::<Vec<_>>()
        .join(",");
    let caller = if request.caller.is_empty() { "nobody".to_owned() } else { short(&request.caller) };
    let mut shown = format!("{}{{{parameters}}} by {caller}", request.operation);
    if !request.caller_tags.is_empty() {
        let tags = request
            .caller_tags
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>();
        shown.push_str(&format!(" [{}]", tags.join(",")));
    }
    if !request.region.is_empty() && request.region != "ap-southeast-2" {
        shown.push_str(&format!(" @{}", request.region));
    }
    shown
}

/// The faults of a configuration with this connection; empty when it loads.
pub(crate) fn load_faults(connection: &str) -> Vec<String> {
    use redshift_iam_proxy::config::{self, UnknownKeys};
    match config::parse(connection, Path::new("proxy.toml"), &|_| None, UnknownKeys::Refuse) {
        Ok(_) => Vec::new(),
        Err(faults) => faults
            .iter()
            .map(|fault| format!("{}: {}", fault.key, fault.message))
            .collect(),
    }
}
