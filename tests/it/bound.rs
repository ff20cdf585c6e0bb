//! Commands find the proxy that runs, whatever has become of its file since.

use crate::support::admin::Admin;
use crate::support::process::{Proxy, run_command};
use crate::support::raw::SOON;
use crate::support::{Setup, World};

const TOKEN: &str = "0123456789abcdef-of-a-test";

const ADMIN: &str =
    "[admin]\naddress = \"127.0.0.1:0\"\nhealth_address = \"127.0.0.1:0\"\ntoken = \"token\"\nwatch = false\n";

/// A proxy that runs, and the file of its configuration.
struct Running {
    world: World,
    proxy: Proxy,
}

impl Running {
    /// Starts a proxy, and waits until it has told where it is bound: no port of the file is one
    /// that could be asked.
    async fn start(config: &str) -> Self {
        let config = format!("{ADMIN}{config}");
        let world = World::start(&Setup { config, ..Setup::default() }).await;
        std::fs::write(world.dir.path().join("token"), TOKEN).unwrap();
        let proxy = Proxy::start(&world, &[]).await;
        let running = Self { world, proxy };
        let told = async { while running.command("healthcheck").await.0 != Some(0) {} };
        tokio::time::timeout(SOON, told).await.expect("it is found");
        running
    }

    /// Runs a command with the configuration of the proxy: exit code, what it printed, and what it
    /// complained of.
    async fn command(&self, name: &str) -> (Option<i32>, String, String) {
        run_command(&self.world, "proxy.toml", name).await
    }

    /// Breaks the file: `None` removes it.
    fn replace_file(&self, text: Option<&str>) {
        let file = self.world.dir.path().join("proxy.toml");
        match text {
            Some(text) => std::fs::write(file, text).unwrap(),
            None => std::fs::remove_file(file).unwrap(),
        }
    }

    async fn assert_healthy(&self, what: &str) {
        let looked = self.command("healthcheck").await;
        assert_eq!(looked, (Some(0), String::new(), String::new()), "{what}");
    }
}

#[tokio::test]
async fn addresses_that_wait_for_a_restart_do_not_hide_the_proxy() {
    let mut running = Running::start("").await;
    let reloaded = running.command("reload").await;
    assert_eq!(reloaded.0, Some(0), "{reloaded:?}");
    running
        .world
        .edit("[listen]\naddress = \"127.0.0.1:0\"", "[listen]\naddress = \"127.0.0.2:1\"");
    running
        .world
        .edit("[admin]\naddress = \"127.0.0.1:0\"", "[admin]\naddress = \"127.0.0.3:1\"");
    for _ in 0..2 {
        let (code, told, complained) = running.command("reload").await;
        assert_eq!(code, Some(0), "{told}{complained}");
        for (key, new) in [("listen.address", "127.0.0.2:1"), ("admin.address", "127.0.0.3:1")] {
            let waits = format!("needs a restart: {key}: 127.0.0.1:0 in force, {new} in the file");
            assert!(told.contains(&waits), "{told}");
        }
        running.assert_healthy("a reload").await;
    }
    for (name, last) in [("drain", "drained"), ("shutdown", "drained")] {
        let (code, told, complained) = running.command(name).await;
        assert_eq!((code, told.lines().last()), (Some(0), Some(last)), "{name}: {complained}");
    }
    assert_eq!(running.proxy.exit_code().await, Some(0));
    // Nobody tells any more where it is, so that the file has to.
    let (code, _, complained) = running.command("healthcheck").await;
    assert_eq!(code, Some(1), "{complained}");
    assert!(complained.contains("127.0.0.2:1 does not answer"), "{complained}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_fails_no_health_check_and_refuses_a_reload() {
    let mut running = Running::start("").await;
    let path = running.world.dir.path().join("proxy.toml");
    let path = path.to_str().unwrap();
    for (file, faults) in [
        (Some("[listen"), format!("{path}:1: ")),
        (None, format!("{path}: cannot be read: ")),
        (Some(""), "warning: ".to_owned()),
        (Some("[admin]\ntoken = \"gone\"\n[limits]\nmax_sessions = 0\n"), format!("{path}:4: limits.max_sessions: ")),
    ] {
        running.replace_file(file);
        running.assert_healthy(&format!("{file:?}")).await;
        for name in ["reload", "drain", "shutdown"] {
            let (code, told, complained) = running.command(name).await;
            assert_eq!((code, told.as_str()), (Some(1), ""), "{name} {file:?}: {complained}");
            assert!(complained.contains(&faults), "{name} {file:?}: {complained}");
            let last = complained.lines().last().unwrap();
            assert!(last.starts_with("admin.token is not set") && last.ends_with("SIGTERM need none"), "{last}");
        }
    }
    // The token is all that a command needs of the file: the proxy tells the rest of what is wrong.
    running.replace_file(Some("[admin]\ntoken = \"token\"\n[limits]\nmax_sessions = 0\n"));
    let (code, told, complained) = running.command("reload").await;
    assert_eq!((code, told.as_str()), (Some(1), ""), "{complained}");
    assert!(complained.contains(":4: limits.max_sessions: ") && complained.ends_with("nothing has changed\n"));
    running.proxy.wait_for_log("\"reload refused\"").await;
    running.replace_file(None);
    running.proxy.signal("KILL").await;
    running.proxy.exit_code().await;
    for (name, want) in [("healthcheck", 1), ("reload", 78)] {
        assert_eq!(running.command(name).await.0, Some(want), "{name}: no proxy and no file");
    }
}

#[tokio::test]
async fn a_proxy_header_is_sent_where_the_running_proxy_expects_one() {
    let mut running = Running::start("").await;
    let balancers = "[listen]\nproxy_protocol_from = [\"127.0.0.0/8\"]\n";
    running.world.edit("[listen]\n", balancers);
    assert_eq!(running.command("reload").await.0, Some(0));
    running.replace_file(None);
    running.assert_healthy("a header is expected").await;
    let health = Admin::of(&mut running.proxy, "health", None).await;
    assert_eq!(health.get("/healthz").await.status, 200);
}
