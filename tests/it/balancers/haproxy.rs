//! A real HAProxy, with the very lines that docs/deploy.md shows: its health checks, its PROXY
//! header, and TLS that it encrypts anew. scripts/install.sh test installs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UnixStream};
use tokio::process::{Child, Command};

use super::support::process::Proxy;
use super::support::{self, PASSWORD, Rig, Setup, USER, World};
use super::{TRUSTED, world};

const DEPLOY: &str = include_str!("../../../docs/deploy.md");

/// The name of its socket as libpq looks for it in a folder, for port 5439.
const CLIENT_SOCKET: &str = ".s.PGSQL.5439";

/// The HAProxy sections of the documentation whose first line is this, with this proxy and CA in
/// place of those shown.
fn documented(first: &str, port: u16, ca: &Path) -> String {
    let blocks = DEPLOY
        .split("```haproxy\n")
        .skip(1)
        .map(|rest| rest.split_once("```").unwrap().0);
    let sections = blocks.flat_map(|block| block.split("\n\n"));
    let found = sections
        .map(|section| section.split_once(first).map(|(_, rest)| rest))
        .find_map(|rest| rest);
    let section = found.unwrap_or_else(|| panic!("docs/deploy.md has no HAProxy section {first:?}"));
    let section = section.replace("redshift-proxy:5439", &format!("127.0.0.1:{port}"));
    format!(
        "{first}{}\n",
        section
            .replace("redshift-proxy", "localhost")
            .replace("ca.crt", ca.to_str().unwrap())
    )
}

/// A HAProxy of our own; it ends with the value.
pub(crate) struct HaProxy {
    _process: Child,
    folder: TempDir,
}

impl HaProxy {
    pub(crate) async fn start(sections: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("stats");
        let config = format!(
            "global\n    stats socket {} mode 600 level admin\ndefaults\n    mode tcp\n    timeout connect 10s\n    \
             timeout client 60s\n    timeout server 60s\n    timeout check 10s\n    default-server inter 100ms fall 1 rise 1\n\
             {sections}",
            socket.display()
        );
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, config.replace("FOLDER", folder.path().to_str().unwrap())).unwrap();
        let checked = Command::new(binary())
            .arg("-c")
            .arg("-f")
            .arg(&file)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success(), "{said}\n{config}");
        let mut command = Command::new(binary());
        command
            .arg("-db")
            .arg("-f")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = command.kill_on_drop(true).spawn().unwrap();
        support::until("HAProxy's socket", || std::os::unix::net::UnixStream::connect(&socket).is_ok(), |is| *is).await;
        Self { _process: process, folder }
    }

    /// Status and result of the last check of a backend's server, such as `UP` and `L7OK`.
    async fn health(&self, backend: &str) -> (String, String) {
        self.health_of(backend, "proxy").await
    }

    /// Gives HAProxy a command: what it answers.
    pub(crate) async fn say(&self, command: &str) -> String {
        let mut socket = UnixStream::connect(self.folder.path().join("stats"))
            .await
            .unwrap();
        socket.write_all(command.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Status and result of the last check of a server of this name.
    pub(crate) async fn health_of(&self, backend: &str, name: &str) -> (String, String) {
        let csv = self.say("show stat\n").await;
        let mut lines = csv
            .lines()
            .map(|line| line.trim_start_matches("# ").split(',').collect::<Vec<_>>());
        let head = lines.next().unwrap();
        let column = |name: &str| head.iter().position(|column| *column == name).unwrap();
        let server = lines
            .find(|row| row[0] == backend && row[1] == name)
            .expect("the backend's server");
        (
            server[column("status")].to_owned(),
            server[column("check_status")]
                .trim_start_matches("* ")
                .to_owned(),
        )
    }

    /// Waits for the result of a check; initially there is none.
    async fn checked(&self, backend: &str) -> (String, String) {
        loop {
            let (status, check) = self.health(backend).await;
            if !check.is_empty() && check != "INI" {
                return (status, check);
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// psql in clear, through a UNIX socket.
    fn psql_in_clear(&self) -> Command {
        let mut psql = Command::new("psql");
        psql.args(["-XAtq", "-p", "5439", "-U", USER, "-d", "sales", "-h"])
            .arg(self.folder.path());
        psql.env("PGPASSWORD", PASSWORD)
            .env("PGCONNECT_TIMEOUT", "60");
        psql
    }
}

/// Debian puts it where the PATH of users does not lead.
fn binary() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = folders
        .map(|folder| folder.join("haproxy"))
        .find(|file| file.is_file());
    found.expect("no haproxy: scripts/install.sh test")
}

/// A port that nobody else is given, and that HAProxy may still listen on, since it sets
/// SO_REUSEPORT as well.
pub(crate) fn reserved_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

async fn binding(how: &str) -> World {
    let mut world = World::start(&Setup::default()).await;
    world.edit("[listen.tls]\n", &format!("[listen.tls]\nchannel_binding = \"{how}\"\n"));
    world
}

#[tokio::test]
async fn each_health_check_of_the_documentation_finds_the_proxy_up() {
    let world = World::start(&Setup::default()).await;
    let proxy = Proxy::start(&world, &[]).await;
    let ca = world.ca_file();
    let backends = ["plain_tcp", "ssl_request", "pgsql_in_tls"];
    let sections: String = backends
        .iter()
        .map(|name| documented(&format!("backend {name}\n"), proxy.port, &ca))
        .collect();
    let in_clear = format!(
        "backend pgsql_in_clear\n    option pgsql-check user haproxy\n    server proxy 127.0.0.1:{} check\n",
        proxy.port
    );
    let haproxy = HaProxy::start(&(sections + &in_clear)).await;
    for (backend, result) in [("plain_tcp", "L4OK"), ("ssl_request", "L7OK"), ("pgsql_in_tls", "L7OK")] {
        let (status, check) = haproxy.checked(backend).await;
        assert_eq!((status.as_str(), check.as_str()), ("UP", result), "{backend}");
    }
    // As the documentation says, this one stays down: it asks in clear.
    let (status, check) = haproxy.checked("pgsql_in_clear").await;
    assert_eq!((status.as_str(), check.as_str()), ("DOWN", "L7RSP"));
    // None of them is told of above debug: they come every few seconds, for ever.
    let log = proxy.log();
    assert!(log.contains("listening") && !log.contains("client_addr") && !log.contains("login refused"), "{log}");
}

/// Where clients may come in clear, so may a health check.
#[tokio::test]
async fn pgsql_check_in_clear_goes_green_where_tls_is_not_required() {
    let rig = Rig::with(Setup { tls: "prefer", ..Setup::default() }).await;
    let section = format!(
        "backend pgsql_in_clear\n    option pgsql-check user haproxy\n    server proxy 127.0.0.1:{} check\n",
        rig.port()
    );
    let haproxy = HaProxy::start(&section).await;
    assert_eq!(haproxy.checked("pgsql_in_clear").await, ("UP".to_owned(), "L7OK".to_owned()));
    drop(haproxy);
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn haproxy_in_tcp_mode_leaves_tls_and_channel_binding_to_the_proxy() {
    let rig = Rig::over(world(TRUSTED, "").await).await;
    let (held, port) = reserved_port();
    let section = documented("listen redshift\n", rig.port(), &rig.world.ca_file());
    let haproxy = HaProxy::start(&section.replace("bind :5439", &format!("bind 127.0.0.1:{port}"))).await;
    assert_eq!(haproxy.checked("redshift").await, ("UP".to_owned(), "L4OK".to_owned()));
    let mut psql = rig.world.psql(port);
    let output = psql
        .env("PGCHANNELBINDING", "require")
        .args(["-d", "sales", "-c", "select 1"])
        .output()
        .await
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1", "{}", String::from_utf8_lossy(&output.stderr));
    drop((haproxy, held));
    rig.wait_until_idle().await;
}

/// libpq refuses SCRAM-SHA-256-PLUS outside TLS, for somebody could have taken the TLS away.
#[tokio::test]
async fn psql_behind_a_haproxy_that_encrypts_anew_needs_channel_binding_off() {
    for (how, gets_in) in [("auto", false), ("off", true)] {
        let rig = Rig::over(binding(how).await).await;
        let encrypted = documented("backend encrypted\n", rig.port(), &rig.world.ca_file());
        let frontend =
            format!("frontend clients\n    bind unix@FOLDER/{CLIENT_SOCKET}\n    default_backend encrypted\n");
        let haproxy = HaProxy::start(&(frontend + &encrypted)).await;
        let output = haproxy
            .psql_in_clear()
            .args(["-c", "select 1"])
            .output()
            .await
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if gets_in {
            assert_eq!(out, "1\n", "{err}");
        } else {
            let told = "server offered SCRAM-SHA-256-PLUS authentication over a non-SSL connection";
            assert!(!output.status.success() && err.contains(told), "{out}{err}");
        }
        drop(haproxy);
        rig.wait_until_idle().await;
    }
}
