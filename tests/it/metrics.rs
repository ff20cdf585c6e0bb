//! `/metrics`: all series are there from the start, and count what happens.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use redshift_sandbox::aws::{Fault, Times};
use tokio::io::AsyncReadExt;

use crate::support::admin::{Admin, metric, promtool};
use crate::support::operated;
use crate::support::process::Proxy;
use crate::support::prometheus::{Prometheus, read_open_metrics};
use crate::support::raw::{self, SSL_REQUEST, message, read_message, send, send_and_wait, try_encrypt, until_closed};
use crate::support::session::Session;
use crate::support::{PASSWORD, Setup, USER, World, closed_port, connection, login_over};

const OPEN_METRICS: (&str, &str) = ("accept", "application/openmetrics-text; version=1.0.0");

const TOKEN: &str = "metrics-admin-token-3d20";

/// The real binary, with an admin address.
struct Operated {
    world: World,
    proxy: Proxy,
    admin: Admin,
}

impl Operated {
    async fn start(config: &str) -> Self {
        let admin = "[admin]\naddress = \"127.0.0.1:0\"\ntoken = \"file:admin-token\"\n\
                     [users.stored]\npassword = \"file:stored\"\nconnections = []\n";
        let world = World::start(&Setup { config: format!("{admin}{config}"), ..Setup::default() }).await;
        let token = world.dir.path().join("admin-token");
        std::fs::write(&token, TOKEN).unwrap();
        std::fs::set_permissions(&token, Permissions::from_mode(0o600)).unwrap();
        std::fs::write(world.dir.path().join("stored"), PASSWORD).unwrap();
        let mut proxy = Proxy::start(&world, &[]).await;
        let admin = Admin::of(&mut proxy, "admin", Some(TOKEN)).await;
        Self { world, proxy, admin }
    }
}

/// The metrics of docs/contract.md, each with the names of its labels. Those of a fleet are another
/// issue's.
fn contract() -> Vec<(String, Vec<String>)> {
    let page = include_str!("../../docs/contract.md");
    let (_, list) = page.split_once("prefix `redshift_iam_proxy_`:").unwrap();
    let (list, _) = list.split_once("; and `process_*`").unwrap();
    // What is said about some in parentheses has commas too.
    let (mut said, mut braces) = (0, 0);
    let mut names = vec![String::new()];
    for letter in list.chars().filter(|letter| !letter.is_whitespace()) {
        match letter {
            '(' => said += 1,
            ')' => said -= 1,
            _ if said > 0 => {}
            ',' if braces == 0 => names.push(String::new()),
            _ => {
                braces += i32::from(letter == '{') - i32::from(letter == '}');
                names.last_mut().unwrap().push(letter);
            }
        }
    }
    let named = names.into_iter().map(|name| match name.split_once('{') {
        Some((name, labels)) => {
            let labels = labels.trim_end_matches('}').split(',');
            (name.to_owned(), labels.map(str::to_owned).collect())
        }
        None => (name, Vec::new()),
    });
    named
        .filter(|(name, _)| !name.starts_with("fleet_"))
        .collect()
}

/// The names of the labels of a metric's first series. `None`: it has no series.
fn labels(text: &str, name: &str) -> Option<BTreeSet<String>> {
    let is_of = |line: &&str| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']))
    };
    let line = text.lines().find(is_of)?;
    let Some((_, labels)) = line.split_once('{') else { return Some(BTreeSet::new()) };
    let (labels, _) = labels.rsplit_once('}').unwrap();
    let names = labels
        .split("\",")
        .map(|label| label.split('=').next().unwrap());
    Some(names.map(str::to_owned).collect())
}

#[tokio::test]
async fn all_series_of_the_contract_are_there_from_the_start_in_both_formats() {
    let operated = Operated::start("").await;
    let text = operated.admin.get("/metrics").await;
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let open_metrics = operated
        .admin
        .request("GET", "/metrics", &[OPEN_METRICS])
        .await;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open_metrics.header("content-type"), Some(content_type));
    let contract = contract();
    assert_eq!(contract.len(), 28, "{contract:?}");
    for (name, wanted) in &contract {
        let name = format!("redshift_iam_proxy_{name}");
        let described = format!("# TYPE {name} ");
        assert!(text.body.contains(&described), "{name}");
        let (of_series, wanted) = match name.as_str() {
            // No credential is held yet.
            "redshift_iam_proxy_credential_expires_seconds" => continue,
            "redshift_iam_proxy_login_seconds" => (format!("{name}_count"), wanted),
            _ => (name, wanted),
        };
        for body in [&text.body, &open_metrics.body] {
            assert_eq!(labels(body, &of_series), Some(wanted.iter().cloned().collect()), "{of_series}");
        }
    }
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
    ] {
        assert!(metric(&text.body, name).unwrap() > 0.0, "{name}");
    }
    assert_eq!(promtool(&text.body).await, Ok(()));
    assert_eq!(read_open_metrics(&open_metrics.body).await, Ok(()));
}

/// A user name that nobody has, which a metric must neither show nor choke on.
const HOSTILE: &str = "x\"} 1\n# TYPE y counter\u{1b}[31m\\";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_are_those_that_were_counted_and_prometheus_has_them() {
    let (_taken, refusing) = closed_port();
    let config = connection("down", &[("port", &refusing.to_string())]);
    let mut operated = Operated::start(&config).await;
    let prometheus = Prometheus::scraping(operated.admin.address).await;
    let (port, ca) = (operated.proxy.port, operated.world.sandbox.ca.pem().to_owned());
    let tls = || raw::tls(port, &ca);

    // One session that ends, whose bytes are counted, and one that stays.
    let mut session = Session::open(tls().await, "sales").await;
    let query = message(b'Q', b"select 42\0");
    send(&mut session.stream, &query).await;
    let mut down = 0;
    loop {
        let (tag, body) = read_message(&mut session.stream).await.unwrap();
        down += 5 + body.len();
        if tag == b'Z' {
            break;
        }
    }
    send(&mut session.stream, &message(b'X', b"")).await;
    until_closed(&mut session.stream).await;
    let ended = operated.proxy.wait_for_log("\"session ended\"").await;
    let up = query.len() + 5;
    assert!(ended.contains(&format!("\"bytes_up\":{up},\"bytes_down\":{down}")), "{ended}");
    let stays = Session::open(tls().await, "sales").await;

    // Cancels: with the right key, and with a wrong one.
    let mut request = stays.cancel_request();
    send_and_wait(port, &request).await;
    *request.last_mut().unwrap() ^= 1;
    send_and_wait(port, &request).await;

    // Logins that are refused.
    for (user, password, conn_id, times) in [
        (USER, "wrong", "sales", 2),
        (HOSTILE, "wrong", "sales", 1),
        (USER, PASSWORD, HOSTILE, 1),
        (USER, PASSWORD, "down", 1),
        ("guest", PASSWORD, "sales", 1),
    ] {
        for _ in 0..times {
            assert!(
                login_over(tls().await, user, password, conn_id)
                    .await
                    .is_err()
            );
        }
    }
    // In clear; and a client that does not trust the certificate.
    assert!(
        login_over(raw::tcp(port).await, USER, PASSWORD, "sales")
            .await
            .is_err()
    );
    let other = redshift_sandbox::ca::Ca::new();
    assert!(
        try_encrypt(raw::tcp(port).await, raw::tls_config(other.pem()))
            .await
            .is_err()
    );
    operated
        .proxy
        .wait_for_log("TLS handshake with the client failed")
        .await;

    let stored = format!("file:{}", operated.world.dir.path().join("stored").display());
    let number = |count: usize| f64::from(u32::try_from(count).unwrap());
    let expected = [
        ("connections_accepted_total", 12.0),
        ("handshakes_active", 0.0),
        ("login_oldest_seconds", 0.0),
        ("sessions_active{conn_id=\"sales\"}", 1.0),
        ("sessions_active{conn_id=\"other\"}", 0.0),
        ("session_limit{conn_id=\"sales\"}", 1900.0),
        ("sessions_total{conn_id=\"sales\",end=\"client\"}", 1.0),
        ("sessions_total{conn_id=\"sales\",end=\"refused\"}", 0.0),
        ("sessions_total{conn_id=\"down\",end=\"refused\"}", 1.0),
        ("sessions_total{conn_id=\"other\",end=\"refused\"}", 6.0),
        ("logins_total{conn_id=\"sales\",outcome=\"ok\"}", 2.0),
        ("logins_total{conn_id=\"down\",outcome=\"error\"}", 1.0),
        ("logins_total{conn_id=\"other\",outcome=\"denied\"}", 6.0),
        ("login_seconds_count{conn_id=\"sales\",stage=\"client_auth\"}", 2.0),
        ("login_seconds_count{conn_id=\"sales\",stage=\"upstream_auth\"}", 2.0),
        ("login_seconds_count{conn_id=\"down\",stage=\"connect\"}", 0.0),
        ("bytes_total{conn_id=\"sales\",direction=\"up\"}", number(up)),
        ("bytes_total{conn_id=\"sales\",direction=\"down\"}", number(down)),
        ("dial_attempts_total{conn_id=\"sales\",outcome=\"ok\"}", 2.0),
        ("dial_attempts_total{conn_id=\"down\",outcome=\"error\"}", 1.0),
        ("client_auth_failures_total{reason=\"password\"}", 2.0),
        ("client_auth_failures_total{reason=\"unknown_user\"}", 1.0),
        ("refusals_total{sqlstate=\"28P01\"}", 3.0),
        ("refusals_total{sqlstate=\"3D000\"}", 2.0),
        ("refusals_total{sqlstate=\"28000\"}", 1.0),
        ("refusals_total{sqlstate=\"08001\"}", 1.0),
        ("refusals_total{sqlstate=\"other\"}", 0.0),
        ("user_password_uses_total{slot=\"1\"}", 5.0),
        ("cancels_total{outcome=\"ok\"}", 1.0),
        ("cancels_total{outcome=\"missed\"}", 1.0),
        ("tls_failures_total{side=\"client\",reason=\"alert\"}", 1.0),
        ("credential_waiters", 0.0),
        ("credential_calls_total{operation=\"GetCredentials\",outcome=\"ok\"}", 1.0),
        ("credential_calls_total{operation=\"AssumeRole\",outcome=\"ok\"}", 1.0),
        ("bans_active", 0.0),
        (&format!("reference_errors_total{{ref=\"{stored}\"}}"), 0.0),
        ("log_lines_dropped_total", 0.0),
    ]
    .map(|(series, count)| (format!("redshift_iam_proxy_{series}"), count));
    let text = operated.admin.get("/metrics").await.body;
    for (series, count) in &expected {
        assert_eq!(metric(&text, series), Some(*count), "{series}");
    }
    let left = metric(&text, "redshift_iam_proxy_credential_expires_seconds{conn_id=\"sales\"}").unwrap();
    assert!((600.0..=900.0).contains(&left), "{left}");
    for hidden in ["\u{1b}", "# TYPE y", PASSWORD, USER] {
        assert!(!text.contains(hidden), "{hidden:?}");
    }
    assert_eq!(promtool(&text).await, Ok(()));
    let open_metrics = operated
        .admin
        .request("GET", "/metrics", &[OPEN_METRICS])
        .await;
    assert_eq!(read_open_metrics(&open_metrics.body).await, Ok(()));

    // Prometheus has scraped meanwhile, and does a few times more.
    let scrapes = prometheus
        .wait_for("count_over_time(up[5m])", |scrapes| scrapes >= 10.0)
        .await;
    assert_eq!(prometheus.value("min_over_time(up[5m])").await, Some(1.0), "of {scrapes} scrapes");
    for (series, count) in &expected {
        prometheus.wait_for(series, |value| value == *count).await;
    }
    let within = "histogram_quantile(0.9, redshift_iam_proxy_login_seconds_bucket{conn_id=\"sales\",stage=\"tls\"})";
    assert!(prometheus.value(within).await.unwrap() > 0.0);
    drop(stays);
}

/// Neither counts as a session or as a failure, whose rates somebody is called for.
#[tokio::test]
async fn consoles_and_health_checks_are_in_no_figure_of_sessions() {
    let mut operated = operated::Operated::start_with(Setup::default(), &[("RUST_LOG", "debug")]).await;
    let console = operated.console().await;
    drop(console);
    operated
        .proxy
        .wait_for_log("\"event\":\"session ended\"")
        .await;
    let mut check = raw::tcp(operated.proxy.port).await;
    send(&mut check, SSL_REQUEST).await;
    let mut answer = [0];
    check.read_exact(&mut answer).await.unwrap();
    drop(check);
    let line = operated
        .proxy
        .wait_for_log("\"event\":\"login refused\"")
        .await;
    assert!(line.contains("\"level\":\"DEBUG\""), "{line}");
    let text = operated.admin.get("/metrics").await.body;
    for line in text.lines() {
        let series = line.trim_start_matches("redshift_iam_proxy_");
        let of_sessions = ["sessions_total{", "logins_total{", "refusals_total{", "tls_failures_total{"];
        if of_sessions.iter().any(|name| series.starts_with(name)) {
            assert!(line.ends_with(" 0"), "{line}");
        }
    }
    // The operator's password is one of a rotation too.
    assert_eq!(metric(&text, "redshift_iam_proxy_user_password_uses_total{slot=\"1\"}"), Some(1.0));
    let stats = operated.console().await.run("SHOW STATS").await.unwrap();
    for name in ["logins", "refusals", "sessions_ended"] {
        assert_eq!(stats[0][name].as_deref(), Some("0"), "{name}");
    }
}

/// The workgroup of a connection is its name, and AWS answers for each in its own way.
#[tokio::test]
async fn outcomes_of_logins_and_of_calls_to_aws_are_told_apart() {
    let faults =
        [("refused", Fault::Deny), ("busy", Fault::Throttle), ("silent", Fault::Hang), ("broken", Fault::Close)];
    let mut config = "[credentials]\ntimeout = \"2s\"\n".to_owned();
    for (name, _) in &faults {
        config += &connection(name, &[("workgroup", &format!("\"{name}\""))]);
    }
    let operated = Operated::start(&config).await;
    for (name, fault) in faults {
        let aws = &operated.world.sandbox.aws;
        aws.fault_where("GetCredentials", ("workgroupName", name), fault, Times::Always);
    }
    for (conn_id, outcome, sqlstate) in [
        ("refused", "denied", "08004"),
        ("busy", "throttled", "57P03"),
        ("silent", "timeout", "57P03"),
        ("broken", "error", "57P03"),
    ] {
        let told = format!("redshift_iam_proxy_refusals_total{{sqlstate=\"{sqlstate}\"}}");
        let before = operated.admin.metric(&told).await.unwrap();
        let stream = raw::tls(operated.proxy.port, operated.world.sandbox.ca.pem()).await;
        assert!(login_over(stream, USER, PASSWORD, conn_id).await.is_err());
        let text = operated.admin.get("/metrics").await.body;
        assert_eq!(metric(&text, &told), Some(before + 1.0), "{conn_id}");
        for (series, count) in [
            (format!("logins_total{{conn_id=\"{conn_id}\",outcome=\"{outcome}\"}}"), 1.0),
            (format!("logins_total{{conn_id=\"{conn_id}\",outcome=\"ok\"}}"), 0.0),
            (format!("sessions_total{{conn_id=\"{conn_id}\",end=\"refused\"}}"), 1.0),
            (format!("credential_calls_total{{operation=\"GetCredentials\",outcome=\"{outcome}\"}}"), 1.0),
        ] {
            assert_eq!(metric(&text, &format!("redshift_iam_proxy_{series}")), Some(count), "{series}");
        }
    }
}

#[tokio::test]
async fn reloads_are_counted_by_their_outcome() {
    let operated = Operated::start("").await;
    let count = async |series: &str| {
        let series = format!("redshift_iam_proxy_config_{series}");
        operated.admin.metric(&series).await.unwrap()
    };
    let started = count("last_reload_success_timestamp_seconds").await;
    assert!(started > 1.7e9);
    assert_eq!(operated.admin.post("/reload").await.status, 200);
    let reloaded = count("last_reload_success_timestamp_seconds").await;
    assert!(reloaded > started, "{reloaded} {started}");
    let file = operated.world.dir.path().join("proxy.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "nonsense = 1").unwrap();
    assert_ne!(operated.admin.post("/reload").await.status, 200);
    assert_eq!(count("reloads_total{outcome=\"ok\"}").await, 1.0);
    assert_eq!(count("reloads_total{outcome=\"error\"}").await, 1.0);
    assert_eq!(count("last_reload_success_timestamp_seconds").await, reloaded);
    // A connection that comes by a reload has its series at once.
    std::fs::write(&file, text + &connection("newcomer", &[("port", "5439")])).unwrap();
    assert_eq!(operated.admin.post("/reload").await.status, 200);
    let series = "redshift_iam_proxy_logins_total{conn_id=\"newcomer\",outcome=\"ok\"}";
    assert_eq!(operated.admin.metric(series).await, Some(0.0));
}
