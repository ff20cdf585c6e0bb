//! pgbench as a load, for as long as a test wants it.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{PASSWORD, USER, World};

/// What each client does, again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Script {
    /// A transaction that reads, by the extended protocol; no tables are needed.
    Reads,
    /// Like [`Script::Reads`], each transaction by a session of its own.
    ReadsAnew,
    /// This transaction, by a session of its own.
    Anew(&'static str),
}

impl Script {
    fn text(self) -> &'static str {
        match self {
            Self::Reads | Self::ReadsAnew => "begin;\nselect 1;\nselect generate_series(1, 10);\ncommit;\n",
            Self::Anew(text) => text,
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Reads => &[],
            Self::ReadsAnew | Self::Anew(_) => &["-C"],
        }
    }
}

/// The transactions of each client in one run: enough that clients overlap, and few enough that a
/// run ends soon.
const TRANSACTIONS: &str = "20";

/// Clients that run transactions, and log in anew every few of them, until they are stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    transactions: Arc<AtomicU64>,
    runs: watch::Receiver<usize>,
    running: JoinHandle<Result<(), String>>,
}

impl Load {
    /// Starts so many clients as the rig's user on this connection, inside verified TLS, in runs of
    /// pgbench one behind the other.
    pub(crate) fn start(world: &World, port: u16, conn_id: &str, clients: usize) -> Self {
        Self::of(world, port, conn_id, clients, Script::Reads)
    }

    /// Like [`Load::start`], with another script.
    pub(crate) fn of(world: &World, port: u16, conn_id: &str, clients: usize, does: Script) -> Self {
        let script = world.dir.path().join("load.sql");
        std::fs::write(&script, does.text()).unwrap();
        let (stop, transactions) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ran, runs) = watch::channel(0);
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&transactions));
        let (ca, conn_id) = (world.ca_file(), conn_id.to_owned());
        let running = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                counted
                    .fetch_add(run(&script, &ca, port, &conn_id, (clients, does.options())).await?, Ordering::Relaxed);
                ran.send_modify(|runs| *runs += 1);
            }
            Ok(())
        });
        Self { stop, transactions, runs, running }
    }

    /// Waits until so many more runs are over.
    pub(crate) async fn runs(&self, more: usize) {
        let mut runs = self.runs.clone();
        let wanted = *runs.borrow() + more;
        let waited = tokio::time::timeout(2 * super::raw::SOON, runs.wait_for(|runs| *runs >= wanted));
        // Where the load has failed, `stop` tells how.
        let _ = waited.await.expect("pgbench runs on");
    }

    /// Lets the last run end: how many transactions there were in all.
    ///
    /// # Errors
    /// What pgbench said, where a transaction or a login failed.
    pub(crate) async fn stop(self) -> Result<u64, String> {
        self.stop.store(true, Ordering::Relaxed);
        self.running.await.unwrap()?;
        Ok(self.transactions.load(Ordering::Relaxed))
    }
}

/// One run of pgbench: how many transactions there were.
async fn run(
    script: &Path,
    ca: &Path,
    port: u16,
    conn_id: &str,
    (clients, options): (usize, &[&str]),
) -> Result<u64, String> {
    let clients = clients.to_string();
    let mut pgbench = Command::new(program());
    pgbench.args(["-n", "-M", "extended", "-j", "1", "-c", &clients, "-t", TRANSACTIONS, "-f"]);
    pgbench
        .arg(script)
        .args(options)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", "/nonexistent");
    pgbench.arg(format!(
        "host=localhost port={port} user={USER} password={PASSWORD} dbname={conn_id} sslmode=verify-full sslrootcert={}",
        ca.display()
    ));
    let output = pgbench
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let processed = said
        .lines()
        .find_map(|line| line.strip_prefix("number of transactions actually processed: "))
        .and_then(|count| count.split('/').next()?.parse().ok());
    match processed {
        Some(count) if output.status.success() && said.contains("number of failed transactions: 0 ") => Ok(count),
        _ => Err(said),
    }
}

/// pgbench, which Debian links into the PATH and others leave beside the server.
fn program() -> OsString {
    let folders = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let found = folders
        .filter_map(|folder| Some(folder.ok()?.path().join("bin/pgbench")))
        .find(|path| path.exists());
    found.map_or_else(|| "pgbench".into(), Into::into)
}
