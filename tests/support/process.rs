//! The real binary, with its log, its memory and its files in view.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::World;

const BINARY: &str = env!("CARGO_BIN_EXE_redshift-iam-proxy");

/// Sends a signal by its name. The shell's own `kill`: a small system has no other.
pub(crate) async fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -s {name} {pid}")]).status().await.unwrap();
    assert!(sent.success());
}

/// A proxy process; killed when dropped.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) port: u16,
    log: Arc<Mutex<String>>,
    lines: watch::Receiver<usize>,
}

impl Proxy {
    /// Runs `serve` with the world's configuration and waits until it listens.
    pub(crate) async fn start(world: &World, env: &[(&str, &str)]) -> Self {
        Self::run(Command::new(BINARY), world, env).await
    }

    /// The same without the base keys: who the proxy is, `env` says.
    pub(crate) async fn start_as(world: &World, env: &[(&str, &str)]) -> Self {
        let mut bare = Command::new("sh");
        bare.args(["-c", "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; exec \"$0\" \"$@\"", BINARY]);
        Self::run(bare, world, env).await
    }

    /// The same under a hard limit on open files.
    pub(crate) async fn start_with_files(world: &World, open_files: u32) -> Self {
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -n {open_files}; exec \"$0\" \"$@\""), BINARY]);
        Self::run(limited, world, &[]).await
    }

    async fn run(mut command: Command, world: &World, env: &[(&str, &str)]) -> Self {
        command.arg("serve").arg("--config").arg(world.dir.path().join("proxy.toml"));
        command.env_clear().env("AWS_ACCESS_KEY_ID", &world.keys.0).env("AWS_SECRET_ACCESS_KEY", &world.keys.1);
        command.env("AWS_EC2_METADATA_DISABLED", "true").envs(env.iter().copied());
        Self::run_bare(command).await
    }

    /// Runs a command line that serves, with the environment that it has been given, and waits until it listens.
    pub(crate) async fn run_bare(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let (log, (written, lines)) = (Arc::new(Mutex::new(String::new())), watch::channel(0));
        let all = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = stderr.next_line().await {
                let mut all = all.lock().unwrap();
                all.push_str(&line);
                all.push('\n');
                written.send_modify(|count| *count += 1);
            }
        });
        let mut proxy = Self { child, port: 0, log, lines };
        // In either format.
        let line = proxy.wait_for_log("listening").await;
        let (_, address) = line.split_once("127.0.0.1:").unwrap();
        proxy.port = address.split_once('"').unwrap().0.parse().unwrap();
        proxy
    }

    /// The first line that holds `text`, once it is there. Fails when the process ends before, or after a minute.
    pub(crate) async fn wait_for_log(&mut self, text: &str) -> String {
        let found = async {
            loop {
                let found = self.log().lines().find(|line| line.contains(text)).map(str::to_owned);
                if let Some(line) = found {
                    return line;
                }
                if self.lines.changed().await.is_err() {
                    panic!("the log ended without {text}:\n{}", self.log());
                }
            }
        };
        tokio::time::timeout(super::raw::SOON * 2, found).await.unwrap_or_else(|_| panic!("no {text} in the log"))
    }

    /// All lines so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Resident memory, in KiB (VmRSS of proc(5)).
    pub(crate) fn rss_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    /// Resident memory at its highest, in KiB (VmHWM).
    pub(crate) fn peak_rss_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    fn memory_kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// Open files.
    pub(crate) fn fds(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Until no more than `wanted` files are open; fails after a minute.
    pub(crate) async fn wait_for_fds(&self, wanted: usize) {
        super::until(&format!("{wanted} open files"), || self.fds(), |open| *open <= wanted).await;
    }

    /// Sends a signal by its name, as kill(1) knows it.
    pub(crate) async fn signal(&self, name: &str) {
        signal(self.pid(), name).await;
    }

    /// Until the process has ended: its exit code.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        tokio::time::timeout(super::raw::SOON * 2, self.child.wait()).await.expect("it ends").unwrap().code()
    }
}
