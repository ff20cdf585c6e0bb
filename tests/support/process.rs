//! The real binary, with its log, its memory and its files in view.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;

use super::World;
use super::raw::SOON;

const BINARY: &str = env!("CARGO_BIN_EXE_redshift-iam-proxy");

/// `serve` with the world's configuration and keys.
fn serving(mut command: Command, world: &World, env: &[(&str, &str)]) -> Command {
    command
        .arg("serve")
        .arg("--config")
        .arg(world.dir.path().join("proxy.toml"));
    command
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", &world.keys.0)
        .env("AWS_SECRET_ACCESS_KEY", &world.keys.1);
    command
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(env.iter().copied());
    command
}

/// Runs a command with this file of the world as its configuration: exit code, output, and
/// complaints.
pub(crate) async fn run_command(world: &World, config: &str, name: &str) -> (Option<i32>, String, String) {
    let output = Command::new(BINARY)
        .arg("--config")
        .arg(world.dir.path().join(config))
        .arg(name)
        .env_clear()
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(SOON, output)
        .await
        .expect("it ends")
        .unwrap();
    let [told, complained] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), told, complained)
}

/// What a line of the log begins with that is not as every line has to be.
const FLAWED: &str = "FLAWED LINE:";

/// The flag of open(2), on Linux.
const O_NONBLOCK: i32 = 0o4000;

/// Sends a signal by its name. The shell's own `kill`: a small system has no other.
pub(crate) async fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -s {name} {pid}")])
        .status()
        .await
        .unwrap();
    assert!(sent.success());
}

/// A proxy process; killed when dropped.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) port: u16,
    log: Arc<Mutex<String>>,
    lines: watch::Receiver<usize>,
    reader: watch::Sender<Reader>,
}

/// The behaviour of the reader of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reader {
    Reads,
    Stalls,
    Leaves,
}

impl Proxy {
    /// Runs `serve` with the world's configuration and waits until it listens.
    pub(crate) async fn start(world: &World, env: &[(&str, &str)]) -> Self {
        Self::run(Command::new(BINARY), world, env).await
    }

    /// Starts a proxy without the base keys: `env` gives it another identity.
    pub(crate) async fn start_as(world: &World, env: &[(&str, &str)]) -> Self {
        let mut bare = Command::new("sh");
        bare.args(["-c", "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; exec \"$0\" \"$@\"", BINARY]);
        Self::run(bare, world, env).await
    }

    /// Starts a proxy under a hard limit on open files.
    pub(crate) async fn start_with_files(world: &World, open_files: u32) -> Self {
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -n {open_files}; exec \"$0\" \"$@\""), BINARY]);
        Self::run(limited, world, &[]).await
    }

    /// Starts a proxy whose name server is that of `resolv.conf` beside its configuration. As root
    /// only.
    pub(crate) async fn start_without_names(world: &World) -> Self {
        let mut unshared = Command::new("unshare");
        let script = "mount --bind \"${4%/*}/resolv.conf\" /etc/resolv.conf && exec \"$@\"";
        unshared.args(["--mount", "sh", "-c", script, "sh", BINARY]);
        Self::run(unshared, world, &[("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")]).await
    }

    /// Starts a proxy with its standard error redirected by the shell: there is no log to be
    /// seen.
    pub(crate) async fn start_redirected(world: &World, stderr: &str, env: &[(&str, &str)]) -> Self {
        let mut redirected = Command::new("sh");
        redirected.args(["-c", &format!("exec \"$0\" \"$@\" {stderr}"), BINARY]);
        let mut proxy = Self::spawn(serving(redirected, world, env));
        let pid = proxy.pid();
        super::until("a port", || listening_port(pid), Option::is_some).await;
        proxy.port = listening_port(pid).unwrap();
        proxy
    }

    async fn run(command: Command, world: &World, env: &[(&str, &str)]) -> Self {
        Self::run_bare(serving(command, world, env)).await
    }

    /// Runs a command line that serves, with the environment that it has been given, and waits
    /// until it listens.
    pub(crate) async fn run_bare(command: Command) -> Self {
        let mut proxy = Self::spawn(command);
        // In either format.
        let line = proxy.wait_for_log("listening").await;
        let (_, address) = line.split_once("127.0.0.1:").unwrap();
        proxy.port = address.split_once('"').unwrap().0.parse().unwrap();
        proxy
    }

    fn spawn(mut command: Command) -> Self {
        command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (log, (written, lines)) = (Arc::new(Mutex::new(String::new())), watch::channel(0));
        let (reader, does) = watch::channel(Reader::Reads);
        tokio::spawn(read(stderr, Arc::clone(&log), written, does));
        Self { child, port: 0, log, lines, reader }
    }

    /// Nobody reads the log any more, until [`Proxy::read_log`]; its pipe takes not a byte more.
    pub(crate) fn stall_log(&self) {
        self.reader.send_replace(Reader::Stalls);
        let pipe = format!("/proc/{}/fd/2", self.pid());
        // Its own description of the same pipe, so that the proxy's stays one that blocks.
        let mut pipe = OpenOptions::new()
            .write(true)
            .custom_flags(O_NONBLOCK)
            .open(pipe)
            .unwrap();
        for filler in [[b'\n'; 4096].as_slice(), b"\n"] {
            while pipe.write(filler).is_ok() {}
            assert_eq!(pipe.write(filler).unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    }

    /// Reads on where it was left.
    pub(crate) fn read_log(&self) {
        self.reader.send_replace(Reader::Reads);
    }

    /// Closes the reader's end of the log.
    pub(crate) fn leave_log(&self) {
        self.reader.send_replace(Reader::Leaves);
    }

    /// The first line that holds `text`, once it is there. Fails when the process ends before, or
    /// after a minute.
    pub(crate) async fn wait_for_log(&mut self, text: &str) -> String {
        let found = async {
            let mut seen = 0;
            loop {
                {
                    let log = self.log.lock().unwrap();
                    assert!(!log[seen..].contains(FLAWED), "{}", *log);
                    if let Some(line) = log[seen..].lines().find(|line| line.contains(text)) {
                        return line.to_owned();
                    }
                    seen = log.len();
                }
                if self.lines.changed().await.is_err() {
                    panic!("the log ended without {text}:\n{}", self.log());
                }
            }
        };
        tokio::time::timeout(super::raw::SOON * 2, found)
            .await
            .unwrap_or_else(|_| panic!("no {text} in the log"))
    }

    /// All lines so far.
    pub(crate) fn log(&self) -> String {
        let log = self.log.lock().unwrap().clone();
        assert!(!log.contains(FLAWED), "{log}");
        log
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
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// Open files.
    pub(crate) fn fds(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            .count()
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
        tokio::time::timeout(super::raw::SOON * 2, self.child.wait())
            .await
            .expect("it ends")
            .unwrap()
            .code()
    }
}

/// Collects the lines of a log, as long as its reader is told to.
async fn read(
    stderr: ChildStderr,
    log: Arc<Mutex<String>>,
    written: watch::Sender<usize>,
    mut does: watch::Receiver<Reader>,
) {
    let mut stderr = BufReader::new(stderr).lines();
    loop {
        let reader = *does.borrow_and_update();
        tokio::select! {
            // First: a reader that has stalled takes nothing more.
            biased;
            changed = does.changed() => {
                // Whoever has dropped the process does not look at the rest.
                if changed.is_err() || *does.borrow() == Reader::Leaves {
                    return;
                }
            }
            line = stderr.next_line(), if reader == Reader::Reads => {
                let Ok(Some(mut line)) = line else { return };
                if let Err(flaw) = super::event::checked(&line) {
                    line = format!("{FLAWED} {flaw}: {line}");
                }
                let mut log = log.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
                written.send_modify(|count| *count += 1);
            }
        }
    }
}

/// A port that the process listens on in IPv4, by proc(5).
fn listening_port(pid: u32) -> Option<u16> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    let sockets: HashSet<_> = links
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?;
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let is_ours = fields[3] == "0A" && sockets.contains(&format!("socket:[{}]", fields[9]));
        let (_, port) = fields[1].split_once(':')?;
        is_ours.then(|| u16::from_str_radix(port, 16).unwrap())
    })
}
