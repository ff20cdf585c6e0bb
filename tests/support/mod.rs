//! The rig: a sandbox (AWS endpoint, Redshift face, PostgreSQL) and a proxy in front of it, in this
//! process or as the real binary, with psql, tokio-postgres and raw sockets as clients.
#![allow(dead_code, reason = "every test program uses another part of it")]

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use redshift_iam_proxy::app::App;
use redshift_iam_proxy::aws::Base;
use redshift_iam_proxy::clock::ManualClock;
use redshift_iam_proxy::config::{self, Config, UnknownKeys};
use redshift_iam_proxy::listener::Workers;
use redshift_iam_proxy::network::Network;
use redshift_sandbox::aws::{AwsOptions, Workgroup};
use redshift_sandbox::sandbox::Sandbox;
use redshift_sandbox::warehouse::WarehouseOptions;
use session::Session;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_postgres::NoTls;
use tokio_rustls::client::TlsStream;

pub(crate) mod activity;
pub(crate) mod admin;
pub(crate) mod aws_driver;
pub(crate) mod client_ca;
pub(crate) mod console;
pub(crate) mod drip;
pub(crate) mod event;
pub(crate) mod forward;
pub(crate) mod frozen;
pub(crate) mod hostile;
pub(crate) mod iam;
pub(crate) mod leavers;
pub(crate) mod line;
pub(crate) mod moto;
pub(crate) mod namespace;
pub(crate) mod operated;
pub(crate) mod pgbench;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod raw;
pub(crate) mod rewrite;
pub(crate) mod scene;
pub(crate) mod scram;
pub(crate) mod scripted;
pub(crate) mod secrets;
pub(crate) mod seeds;
pub(crate) mod session;
pub(crate) mod stand_in;
pub(crate) mod tap;
pub(crate) mod warehouse;

/// The user of the rig's configuration, and its password.
pub(crate) const USER: &str = "demo";
pub(crate) const PASSWORD: &str = "demo-password";

/// The iteration count of the user's verifier: one, so that a thousand logins cost their clients
/// nothing.
const FAST_VERIFIER_ROUNDS: u32 = 1;

/// The options of a rig that a test may change.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Sections and keys, appended to the configuration: `[limits]`, `[credentials]`, more
    /// connections, … `{port}` stands for the port of the warehouse.
    pub(crate) config: String,
    /// `listen.tls.mode`
    pub(crate) tls: &'static str,
    /// Keys of `[upstream]`, besides `ca`.
    pub(crate) upstream: String,
    /// The warehouse of `connections.sales`: the Redshift face, or PostgreSQL itself with TLS and
    /// SCRAM.
    pub(crate) plain_postgres: bool,
    /// More workgroups that the role may open, beside `analytics`.
    pub(crate) workgroups: Vec<&'static str>,
    /// `aws.endpoint_url`, where it is not to be the sandbox's.
    pub(crate) aws: Option<String>,
    /// How names are looked up, and vanished peers noticed; only of a proxy in this process.
    pub(crate) network: Network,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            config: String::new(),
            tls: "require",
            upstream: String::new(),
            plain_postgres: false,
            workgroups: Vec::new(),
            aws: None,
            network: Network::default(),
        }
    }
}

/// The sandbox and a configuration for it.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) keys: (String, String),
    pub(crate) dir: TempDir,
    network: Network,
    toml: String,
}

/// A proxy in this process, in front of a sandbox.
pub(crate) struct Rig {
    pub(crate) app: App,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) world: World,
}

impl World {
    /// Starts the sandbox and writes certificates and configuration into a folder.
    pub(crate) async fn start(setup: &Setup) -> Self {
        // A thousand sessions through proxy and warehouse in one process; login shells allow 1024
        // files.
        rlimit::increase_nofile_limit(u64::MAX).unwrap();
        let mut aws = AwsOptions::default();
        let analytics = aws.workgroups["analytics"].clone();
        for name in &setup.workgroups {
            aws.workgroups
                .insert((*name).to_owned(), Workgroup { host: "localhost".into(), ..analytics.clone() });
        }
        let keys = (aws.access_key_id.clone(), aws.secret_access_key.clone());
        let sandbox = Sandbox::start(aws, WarehouseOptions::default())
            .await
            .unwrap();
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("ca.crt"), sandbox.ca.pem()).unwrap();
        let toml = toml(setup, &sandbox);
        std::fs::write(dir.path().join("proxy.toml"), &toml).unwrap();
        let world = Self { sandbox, keys, dir, network: setup.network.clone(), toml };
        world.new_certificate(&["localhost", "127.0.0.1"]);
        world
    }

    /// The configuration, loaded as `serve` loads it.
    pub(crate) fn config(&self) -> Config {
        let path = self.dir.path().join("proxy.toml");
        config::parse(&self.toml, &path, &|_| None, UnknownKeys::Refuse).unwrap()
    }

    /// Changes the configuration file.
    pub(crate) fn edit(&mut self, from: &str, to: &str) {
        self.write(from, self.toml.replacen(from, to, 1));
    }

    /// Replaces every occurrence of a text in the configuration.
    pub(crate) fn edit_all(&mut self, from: &str, to: &str) {
        self.write(from, self.toml.replace(from, to));
    }

    fn write(&mut self, changed: &str, toml: String) {
        assert!(self.toml.contains(changed), "{changed}");
        self.toml = toml;
        std::fs::write(self.dir.path().join("proxy.toml"), &self.toml).unwrap();
    }

    /// Another certificate of the proxy's, and its key.
    pub(crate) fn new_certificate(&self, names: &[&str]) {
        let leaf = self.sandbox.ca.issue(names);
        std::fs::write(self.dir.path().join("server.crt"), leaf.cert_pem).unwrap();
        let key = self.dir.path().join("server.key");
        std::fs::write(&key, leaf.key_pem).unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// The CA that signed every certificate of the rig.
    pub(crate) fn ca_file(&self) -> std::path::PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// psql through a port of the proxy, with verified TLS, ready for `-c` and more.
    pub(crate) fn psql(&self, port: u16) -> Command {
        psql(port, &self.ca_file())
    }
}

impl Rig {
    /// The usual one.
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// Another one. All of it runs on the calling runtime.
    pub(crate) async fn with(setup: Setup) -> Self {
        Box::pin(Self::over(World::start(&setup).await)).await
    }

    /// One in front of a sandbox that is there.
    pub(crate) async fn over(world: World) -> Self {
        let config = world.config();
        let base = Base::with_keys(&config.aws, &world.keys.0, &world.keys.1).await;
        let clock = Arc::new(ManualClock::default());
        let app = App::start_on(&world.network, config, base, Workers::current(), clock.clone());
        let app = Box::pin(app).await.unwrap();
        Self { app, clock, world }
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.world.sandbox
    }

    pub(crate) fn port(&self) -> u16 {
        self.app.addresses()[0].port()
    }

    /// A connection to the proxy, inside verified TLS.
    pub(crate) async fn tls(&self) -> TlsStream<TcpStream> {
        raw::tls(self.port(), self.sandbox().ca.pem()).await
    }

    /// A session of the rig's user on `sales`.
    pub(crate) async fn session(&self) -> Session<TlsStream<TcpStream>> {
        Session::open(self.tls().await, "sales").await
    }

    /// Moves the clocks of the proxy and of the sandbox.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.sandbox().logins.advance(by);
    }

    /// psql, verified TLS, as the rig's user.
    pub(crate) async fn psql(&self, conn_id: &str, sql: &str) -> Output {
        self.world
            .psql(self.port())
            .args(["-d", conn_id, "-c", sql])
            .output()
            .await
            .unwrap()
    }

    /// A session by tokio-postgres inside verified TLS, and its connection on a task of its own.
    pub(crate) async fn connect(&self, conn_id: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        self.connect_as(USER, PASSWORD, conn_id).await
    }

    /// Connects as this user.
    pub(crate) async fn connect_as(
        &self,
        user: &str,
        password: &str,
        conn_id: &str,
    ) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        login_over(self.tls().await, user, password, conn_id).await
    }

    /// Until the proxy holds nothing of any session.
    pub(crate) async fn wait_until_idle(&self) {
        self.wait_until(|counts| counts == redshift_iam_proxy::app::Counts::default())
            .await;
    }

    /// Until the counts are as wanted; fails after a minute.
    pub(crate) async fn wait_until(&self, wanted: impl Fn(redshift_iam_proxy::app::Counts) -> bool) {
        until("the counts", || self.app.counts(), |counts| wanted(*counts)).await;
    }
}

/// Looks until what is seen is as `wanted`; fails after a minute with what was seen last.
pub(crate) async fn until<T: std::fmt::Debug>(name: &str, look: impl Fn() -> T, wanted: impl Fn(&T) -> bool) {
    for _ in 0..6000 {
        if wanted(&look()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited for {name}: still {:?}", look());
}

/// tokio-postgres over a stream that is already connected (and encrypted, or not).
pub(crate) async fn login_over<S>(
    stream: S,
    user: &str,
    password: &str,
    conn_id: &str,
) -> Result<tokio_postgres::Client, tokio_postgres::Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut config = tokio_postgres::Config::new();
    config
        .user(user)
        .password(password)
        .dbname(conn_id)
        .ssl_mode(tokio_postgres::config::SslMode::Disable);
    let (client, connection) = config.connect_raw(stream, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// SQLSTATE and primary message of a refusal.
pub(crate) fn refusal(error: &tokio_postgres::Error) -> (String, String) {
    let error = error
        .as_db_error()
        .unwrap_or_else(|| panic!("no ErrorResponse: {error:?}"));
    (error.code().code().to_owned(), error.message().to_owned())
}

/// Checks all that a refused client reads. The session id at the message's end is not among what is
/// given.
#[track_caller]
pub(crate) fn assert_refused(error: &tokio_postgres::Error, sqlstate: &str, message: &str, hint: Option<&str>) {
    let (code, text) = refusal(error);
    assert_eq!((&*code, without_session(&text)), (sqlstate, message));
    let error = error.as_db_error().unwrap();
    assert_eq!((error.severity(), error.detail(), error.hint()), ("FATAL", None, hint));
}

/// A connection for [`Setup::config`]: like `sales`, where `keys` do not say otherwise. `""` leaves
/// a key out.
pub(crate) fn connection(conn_id: &str, keys: &[(&str, &str)]) -> String {
    let mut all = std::collections::BTreeMap::from([
        ("type", "\"redshift-serverless\""),
        ("host", "\"localhost\""),
        ("port", "{port}"),
        ("workgroup", "\"analytics\""),
        ("database", "\"dev\""),
        ("role_arn", "\"arn:aws:iam::123456789012:role/rs01\""),
        ("external_id", "\"/lava/demo/rs01-external-id\""),
    ]);
    all.extend(keys.iter().copied());
    all.retain(|_, value| !value.is_empty());
    let keys = all
        .iter()
        .map(|(key, value)| format!("{key} = {value}\n"))
        .collect::<String>();
    format!("[connections.{conn_id}]\n{keys}")
}

/// A port of 127.0.0.1 that stays taken while the socket lives, and refuses whoever connects.
pub(crate) fn closed_port() -> (tokio::net::TcpSocket, u16) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// Raises the limit on open files, of which a test needs so many, as does the proxy that it starts.
/// Fails where the hard limit is lower: a smaller test would show less than its name says.
pub(crate) fn require_open_files(count: u64) {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    assert!(limit >= count, "this test needs {count} open files: the hard limit, {limit}, is too low (ulimit -Hn)");
}

/// A refusal's text without its session id, whose form is checked.
pub(crate) fn without_session(message: &str) -> &str {
    let (text, id) = message
        .rsplit_once(" (session ")
        .unwrap_or_else(|| panic!("no session id: {message}"));
    let id = id.strip_suffix(')').unwrap();
    assert!(
        id.len() == 12
            && id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
        "{message}"
    );
    text
}

fn psql(port: u16, ca: &Path) -> Command {
    let mut command = Command::new("psql");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", "/nonexistent");
    command
        .env("PGHOST", "localhost")
        .env("PGPORT", port.to_string())
        .env("PGCONNECT_TIMEOUT", "60");
    command.env("PGUSER", USER).env("PGPASSWORD", PASSWORD);
    command
        .env("PGSSLMODE", "verify-full")
        .env("PGSSLROOTCERT", ca);
    command.args(["-X", "-A", "-t", "-q"]).kill_on_drop(true);
    command
}

/// A verifier of [`PASSWORD`] that is cheap to use.
pub(crate) fn verifier() -> String {
    let password = redshift_iam_proxy::secret::Secret::new(PASSWORD.into());
    redshift_iam_proxy::crypto::Verifier::derive(&password, b"0123456789abcdef", FAST_VERIFIER_ROUNDS).to_string()
}

fn toml(setup: &Setup, sandbox: &Sandbox) -> String {
    let Setup { config, tls, upstream, .. } = setup;
    let warehouse = if setup.plain_postgres { sandbox.postgres.tls_address() } else { sandbox.warehouse.address() };
    let verifier = verifier();
    let aws = setup.aws.clone().unwrap_or_else(|| sandbox.aws.url());
    let workgroup = |name: &&str| connection(name, &[("workgroup", &format!("\"{name}\""))]);
    let connections = connection("sales", &[]) + &setup.workgroups.iter().map(workgroup).collect::<String>();
    let toml = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[listen.tls]\nmode = \"{tls}\"\ncert = \"server.crt\"\nkey = \"server.key\"\n\
         [aws]\nregion = \"ap-southeast-2\"\nendpoint_url = \"{aws}\"\n\
         [upstream]\nca = \"ca.crt\"\n{upstream}\n{connections}\
         [users.{USER}]\npassword = \"{verifier}\"\nconnections = [\"*\"]\n\
         [users.guest]\npassword = \"{verifier}\"\nconnections = []\n\
         [users.leaver]\npassword = \"{verifier}\"\nenabled = false\nconnections = [\"*\"]\n\
         {config}\n"
    );
    toml.replace("{port}", &warehouse.port().to_string())
}
