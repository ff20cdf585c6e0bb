//! A Prometheus that scrapes an address every second, and what it knows; and promtool's reader of
//! OpenMetrics.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval, timeout};

use super::admin::Admin;
use super::raw::SOON;

/// A Prometheus of its own; killed when dropped.
pub(crate) struct Prometheus {
    _process: Child,
    _dir: TempDir,
    http: Admin,
}

impl Prometheus {
    /// Starts one that scrapes `/metrics` of this address.
    pub(crate) async fn scraping(target: SocketAddr) -> Self {
        let dir = TempDir::new().unwrap();
        let config = dir.path().join("prometheus.yml");
        let job = format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: proxy\n    static_configs: [{{ targets: [\"{target}\"] }}]\n"
        );
        std::fs::write(&config, job).unwrap();
        let mut process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("no prometheus: scripts/install.sh test");
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let listening = async {
            while let Some(line) = log.next_line().await.unwrap() {
                if let Some((_, address)) = line.split_once("address=127.0.0.1:")
                    && line.contains("Listening on")
                {
                    return address.split([' ', '"']).next().unwrap().parse().unwrap();
                }
            }
            panic!("Prometheus ended before it listened");
        };
        let port: u16 = timeout(SOON, listening).await.expect("Prometheus starts");
        // It goes on logging.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self { _process: process, _dir: dir, http: Admin::on(port, None) }
    }

    /// The value of a query that has one. `None`: it has none yet.
    pub(crate) async fn value(&self, query: &str) -> Option<f64> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let reply = self
            .http
            .get(&format!("/api/v1/query?query={encoded}"))
            .await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
        let value = &reply.json()["data"]["result"][0]["value"][1];
        value.as_str().map(|value| value.parse().unwrap())
    }

    /// Asks until the value is as wanted; fails after half a minute with what it was last.
    pub(crate) async fn wait_for(&self, query: &str, wanted: impl Fn(f64) -> bool) -> f64 {
        let until = Instant::now() + SOON;
        let mut turns = interval(Duration::from_millis(100));
        loop {
            turns.tick().await;
            let value = self.value(query).await;
            match value {
                Some(value) if wanted(value) => return value,
                _ => assert!(Instant::now() < until, "{query} is still {value:?}"),
            }
        }
    }
}

/// Lets promtool read a text of OpenMetrics, as strictly as Prometheus does: its complaints. It
/// wants a time behind each sample.
pub(crate) async fn read_open_metrics(text: &str) -> Result<(), String> {
    let dir = TempDir::new().unwrap();
    let (file, blocks) = (dir.path().join("metrics"), dir.path().join("blocks"));
    let timed: String = text
        .lines()
        .map(|line| if line.starts_with('#') { format!("{line}\n") } else { format!("{line} 1700000000\n") })
        .collect();
    std::fs::write(&file, timed).unwrap();
    let read = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&file, &blocks])
        .kill_on_drop(true)
        .output();
    let read = timeout(SOON, read)
        .await
        .expect("promtool ends")
        .expect("no promtool: scripts/install.sh test");
    let said = [read.stdout, read.stderr].concat();
    if read.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}
