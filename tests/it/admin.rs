//! The admin addresses of a running proxy: what they answer, to whom, and what they withstand.

use crate::support::admin::{Admin, Reply};
use crate::support::process::{Proxy, run_command};
use crate::support::{self, Setup, World};

const TOKEN: &str = "0123456789abcdef-of-a-test";

const ADDRESSES: &str = "[admin]\naddress = \"127.0.0.1:0\"\nhealth_address = \"127.0.0.1:0\"\n";

/// A running proxy with both admin addresses, and a client of each.
struct Running {
    world: World,
    proxy: Proxy,
    admin: Admin,
    health: Admin,
}

impl Running {
    async fn start() -> Self {
        let config = format!("{ADDRESSES}token = \"token\"\n");
        let world = World::start(&Setup { config, ..Setup::default() }).await;
        std::fs::write(world.dir.path().join("token"), format!("{TOKEN}\n")).unwrap();
        Self::over(world).await
    }

    async fn over(world: World) -> Self {
        let mut proxy = Proxy::start(&world, &[]).await;
        let admin = Admin::of(&mut proxy, "admin", None).await;
        let health = Admin::of(&mut proxy, "health", None).await;
        Self { world, proxy, admin, health }
    }
}

#[track_caller]
fn assert_status(reply: &Reply, status: u16, what: &str) {
    assert_eq!(reply.status, status, "{what}: {reply:?}");
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{what}");
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{what}");
    assert!(
        !reply
            .headers
            .iter()
            .any(|(name, _)| name.starts_with("access-control")),
        "{what}: {reply:?}"
    );
}

#[tokio::test]
async fn each_route_answers_on_loopback() {
    let running = Running::start().await;
    let Running { admin, health, .. } = &running;
    for (path, content_type, holds) in [
        ("/", "text/plain; charset=utf-8", "POST /drain"),
        ("/healthz", "text/plain; charset=utf-8", "ok\n"),
        ("/readyz", "text/plain; charset=utf-8", "ok\n"),
        ("/version", "application/json", "\"version\":\"0.1.0\""),
        ("/status.json", "application/json", "\"sessions\":["),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "redshift_iam_proxy_build_info"),
    ] {
        let reply = admin.get(path).await;
        assert_status(&reply, 200, path);
        assert_eq!(reply.header("content-type"), Some(content_type), "{path}");
        assert!(reply.body.contains(holds), "{path}: {}", reply.body);
        let head = admin.request("HEAD", path, &[]).await;
        assert_status(&head, 200, path);
        assert!(head.body.is_empty(), "{path}");
        let post = admin.post(path).await;
        assert_status(&post, 405, path);
        assert_eq!(post.header("allow"), Some("GET, HEAD"), "{path}");
        let (on_health, want) = (health.get(path).await, ["/healthz", "/readyz", "/metrics"].contains(&path));
        assert_status(&on_health, if want { 200 } else { 404 }, path);
    }
    for path in ["/reload", "/drain", "/shutdown"] {
        let get = admin.get(path).await;
        assert_status(&get, 405, path);
        assert_eq!(get.header("allow"), Some("POST"), "{path}");
        assert_status(&health.post(path).await, 404, path);
    }
    assert_status(&admin.get("/nowhere").await, 404, "/nowhere");
}

#[tokio::test]
async fn an_action_needs_the_token_and_a_wrong_one_is_logged() {
    let Running { world, mut proxy, admin, .. } = Running::start().await;
    for (token, want) in [(None, 401), (Some("Bearer x"), 401), (Some("Basic dXNlcjpwYXNz"), 401)] {
        for path in ["/reload", "/drain", "/shutdown"] {
            let headers: Vec<_> = token
                .map(|token| ("authorization", token))
                .into_iter()
                .collect();
            let reply = admin.request("POST", path, &headers).await;
            assert_status(&reply, want, path);
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{path}");
        }
    }
    let line = proxy.wait_for_log("\"reason\":\"token_wrong\"").await;
    assert!(line.contains("\"client_addr\":\"127.0.0.1\""), "{line}");
    // The token that is in the file is the one that is asked for.
    let right = Admin::on(admin.address.port(), Some(TOKEN));
    let reply = right.post("/reload").await;
    assert!(matches!(reply.status, 200 | 422), "{reply:?}");
    assert!(!proxy.log().contains(TOKEN) && world.dir.path().join("token").exists());
}

impl Running {
    /// Writes the configuration that commands read: these addresses, and more.
    fn write_for_commands(&self, more: &str) {
        let text = format!(
            "[listen]\naddress = \"127.0.0.1:{}\"\n[admin]\naddress = \"{}\"\nhealth_address = \"{}\"\n{more}\n",
            self.proxy.port, self.admin.address, self.health.address
        );
        std::fs::write(self.world.dir.path().join("command.toml"), text).unwrap();
    }
}

#[tokio::test]
async fn commands_tell_the_running_proxy_and_print_what_came_of_it() {
    let mut running = Running::start().await;
    // What is broken elsewhere does not keep a command from its work.
    running.write_for_commands("token = \"token\"\nusers = [\"nobody\"]\n[limits]\nmax_sessions = \"x\"\n[nonsense]");
    let (code, told, complained) = run_command(&running.world, "command.toml", "reload").await;
    assert_eq!(code, Some(0), "{told}{complained}");
    assert!(complained.lines().all(|line| line.starts_with("warning: ")), "{complained}");
    assert!(told.starts_with("reloaded: configuration "), "{told}");
    assert_eq!(
        run_command(&running.world, "command.toml", "healthcheck").await,
        (Some(0), String::new(), String::new())
    );
    running
        .world
        .edit("[admin]", "[limits]\nmax_sessions = 0\nnone = 1\n[admin]");
    let (code, told, complained) = run_command(&running.world, "command.toml", "reload").await;
    assert_eq!((code, told.as_str()), (Some(1), ""));
    let path = running.world.dir.path().join("proxy.toml");
    let lines: Vec<_> = complained.lines().collect();
    assert_eq!(lines.len(), 3, "{complained}");
    assert!(lines[0].starts_with(path.to_str().unwrap()) && lines[0].ends_with("max_sessions: must be at least 1"));
    assert!(lines[1].contains("limits.none: unknown key") && lines[2] == "nothing has changed", "{complained}");

    let (code, told, complained) = run_command(&running.world, "command.toml", "drain").await;
    assert_eq!((code, complained.as_str()), (Some(0), ""));
    assert_eq!(told.lines().last(), Some("drained"));
    let ready = running.health.get("/readyz").await;
    assert_status(&ready, 503, "/readyz");
    assert!(ready.body.contains("drained"), "{}", ready.body);
    assert_status(&running.health.get("/healthz").await, 200, "/healthz");
    let (code, told, _) = run_command(&running.world, "command.toml", "shutdown").await;
    assert_eq!((code, told.lines().last()), (Some(0), Some("drained")));
    assert_eq!(running.proxy.exit_code().await, Some(0));
    for name in ["reload", "drain", "shutdown", "healthcheck"] {
        let (code, told, complained) = run_command(&running.world, "command.toml", name).await;
        assert_eq!((code, told.as_str()), (Some(1), ""), "{name}");
        assert!(complained.contains("answer"), "{name}: {complained}");
    }
}

#[tokio::test]
async fn a_command_that_cannot_reach_the_proxy_says_why() {
    let running = Running::start().await;
    for (more, code, want) in [
        ("", 78, "admin.token is not set: nothing is done without it"),
        ("token = \"nowhere-to-be-found\"", 78, "admin.token: no such file"),
        ("token = \"other\"", 1, "the running proxy has another token: it reads admin.token again every two minutes"),
    ] {
        std::fs::write(running.world.dir.path().join("other"), "another-token-0123").unwrap();
        running.write_for_commands(more);
        for name in ["reload", "drain", "shutdown"] {
            let (exit, told, complained) = run_command(&running.world, "command.toml", name).await;
            assert_eq!((exit, told.as_str()), (Some(code), ""), "{name} {more}: {complained}");
            assert!(complained.contains(want) && !complained.contains("nowhere-to-be"), "{name} {more}: {complained}");
        }
        assert_eq!(
            run_command(&running.world, "command.toml", "healthcheck")
                .await
                .0,
            Some(0),
            "it needs no token"
        );
    }
    let file = running.world.dir.path().join("command.toml");
    for (text, want) in [
        ("", "admin.address is not set: this command goes through it\n"),
        ("[admin]\naddress = \"nowhere\"", "2: admin.address: "),
        ("[admin", "1: "),
    ] {
        std::fs::write(&file, text).unwrap();
        let (exit, _, complained) = run_command(&running.world, "command.toml", "reload").await;
        assert_eq!(exit, Some(78), "{text}: {complained}");
        assert!(complained.contains(want), "{text}: {complained}");
    }
    // A listener that answers beside a health address that does not.
    running.write_for_commands("token = \"token\"");
    let text = std::fs::read_to_string(&file).unwrap();
    let health = running.health.address.to_string();
    let (_socket, closed) = support::closed_port();
    std::fs::write(&file, text.replace(&health, &format!("127.0.0.1:{closed}"))).unwrap();
    let (exit, _, complained) = run_command(&running.world, "command.toml", "healthcheck").await;
    assert_eq!(exit, Some(1), "{complained}");
    assert!(complained.contains(&format!("127.0.0.1:{closed} does not answer")), "{complained}");
}

/// The token in the file is read again with a reload, and the old one is none any more.
#[tokio::test]
async fn a_reload_swaps_the_token() {
    let Running { world, admin, proxy: _proxy, .. } = Running::start().await;
    let by = |token| Admin::on(admin.address.port(), Some(token));
    std::fs::write(world.dir.path().join("token"), "another-token-0123").unwrap();
    assert_status(&by(TOKEN).post("/reload").await, 200, "the old token is still the one in force");
    assert_status(&by(TOKEN).post("/reload").await, 401, "the old token");
    assert_status(&by("another-token-0123").post("/reload").await, 200, "the new token");
    let status = by("another-token-0123").get("/status.json").await.json();
    let listeners = status["listeners"].as_array().unwrap();
    let serves: Vec<_> = listeners
        .iter()
        .map(|listener| listener["serves"].as_str().unwrap())
        .collect();
    assert_eq!(serves, ["clients", "admin", "health"]);
    assert!(!status.to_string().contains("another-token"), "{status}");
}

#[tokio::test]
async fn an_admin_address_that_is_taken_stops_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for key in ["address", "health_address"] {
        let config = format!("[admin]\n{key} = \"{address}\"\n");
        let world = World::start(&Setup { config, ..Setup::default() }).await;
        std::fs::write(
            world.dir.path().join("command.toml"),
            std::fs::read(world.dir.path().join("proxy.toml")).unwrap(),
        )
        .unwrap();
        let (code, _, complained) = run_command(&world, "command.toml", "serve").await;
        assert_eq!(code, Some(1), "{complained}");
        assert!(complained.contains(&format!("cannot listen on {address}")), "{complained}");
    }
}

/// Everything answers while the data path takes nobody any more, and AWS is dead.
#[tokio::test]
async fn a_full_proxy_answers_and_is_ready() {
    let (_socket, dead) = support::closed_port();
    let config = format!("{ADDRESSES}[limits]\nmax_handshakes = 4\nmax_sessions = 1\n");
    let aws = Some(format!("http://127.0.0.1:{dead}"));
    let world = World::start(&Setup { config, aws, ..Setup::default() }).await;
    let Running { proxy, admin, health, .. } = Running::over(world).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(
            tokio::net::TcpStream::connect(("127.0.0.1", proxy.port))
                .await
                .unwrap(),
        );
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_status(&health.get(path).await, 200, path);
        assert_status(&admin.get(path).await, 200, path);
    }
    let status = admin.get("/status.json").await.json();
    assert_eq!((&status["readiness"], &status["health"]), (&"ok".into(), &"ok".into()), "{status}");
}
