//! The real binary with an admin address and a console, for the families about its operation.

use std::fmt::Write;
use std::path::PathBuf;

use super::admin::Admin;
use super::console::Console;
use super::process::Proxy;
use super::{Setup, World, verifier};

/// The token of the admin address.
pub(crate) const TOKEN: &str = "operated-admin-token-7c41e0";

/// The user of the console, that of its SHOW alone, and one without a right to it.
pub(crate) const OPS: &str = "ops";
pub(crate) const MONITOR: &str = "monitor";
pub(crate) const OUTSIDER: &str = "outsider";

/// A proxy, and the ways to operate it.
pub(crate) struct Operated {
    pub(crate) world: World,
    pub(crate) proxy: Proxy,
    pub(crate) admin: Admin,
}

/// `[admin]` on a free port, and its users, for [`Setup::config`].
pub(crate) fn section() -> String {
    let mut config = format!(
        "[admin]\naddress = \"127.0.0.1:0\"\ntoken = \"file:admin-token\"\nusers = [\"{OPS}\"]\nstats_users = [\"{MONITOR}\"]\n"
    );
    for user in [OPS, MONITOR, OUTSIDER] {
        writeln!(config, "[users.{user}]\npassword = \"{}\"\nconnections = []", verifier()).unwrap();
    }
    config
}

/// Puts the file with the token beside the configuration.
pub(crate) fn put_token(world: &World) {
    let path = world.dir.path().join("admin-token");
    std::fs::write(&path, TOKEN).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

impl Operated {
    /// Starts a proxy with this configuration and [`section`] behind it.
    pub(crate) async fn start(setup: Setup) -> Self {
        Self::start_with(setup, &[]).await
    }

    /// Starts one with variables in its environment.
    pub(crate) async fn start_with(mut setup: Setup, env: &[(&str, &str)]) -> Self {
        setup.config = format!("[log]\nformat = \"json\"\n{}{}", section(), setup.config);
        let world = World::start(&setup).await;
        put_token(&world);
        Self::over(world, env).await
    }

    /// Starts one in a world whose configuration has [`section`] already.
    pub(crate) async fn over(world: World, env: &[(&str, &str)]) -> Self {
        let mut proxy = Proxy::start(&world, env).await;
        let port = admin_port(&mut proxy).await;
        Self { world, proxy, admin: Admin::on(port, Some(TOKEN)) }
    }

    /// The path of the configuration.
    pub(crate) fn file(&self) -> PathBuf {
        self.world.dir.path().join("proxy.toml")
    }

    /// The configuration as it was at the start.
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    /// The console, as the user who may do all of it.
    pub(crate) async fn console(&self) -> Console {
        Console::open(&self.world, self.proxy.port, OPS)
            .await
            .unwrap()
    }
}

/// The port of the admin address, which the log has.
pub(crate) async fn admin_port(proxy: &mut Proxy) -> u16 {
    let line = proxy.wait_for_log("\"serves\":\"admin\"").await;
    let (_, address) = line.split_once("127.0.0.1:").unwrap();
    address.split_once('"').unwrap().0.parse().unwrap()
}

/// All tables of the console.
pub(crate) const TABLES: [&str; 19] = [
    "HELP",
    "SESSIONS",
    "CLIENTS",
    "SERVERS",
    "CONNECTIONS",
    "USERS",
    "CREDENTIALS",
    "STATS",
    "CONFIG",
    "VERSION",
    "BANS",
    "DRAIN",
    "LIMITS",
    "LISTENERS",
    "REFERENCES",
    "CERTIFICATES",
    "ERRORS",
    "ACTIONS",
    "FLEET",
];

/// The name of the scrape in the older text format among [`all_shown`].
pub(crate) const METRICS_TEXT: &str = "/metrics as text";

/// What every way to look at the proxy shows, each with its name.
pub(crate) async fn all_shown(admin: &Admin, console: &Console) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for path in ["/", "/status.json", "/metrics", "/healthz", "/readyz", "/version"] {
        let reply = admin.get(path).await;
        all.push((path.to_owned(), format!("{:?}\n{}", reply.headers, reply.body)));
    }
    all.push((METRICS_TEXT.to_owned(), admin.scrape_text().await));
    for table in TABLES {
        all.push((table.to_owned(), console.all(&format!("SHOW {table}")).await));
    }
    all
}
