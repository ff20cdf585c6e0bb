//! The admin addresses of a running proxy: what they answer, to whom, and what they withstand.

use crate::support::admin::{Admin, Reply};
use crate::support::process::Proxy;
use crate::support::{Setup, World};

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
