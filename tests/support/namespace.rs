//! Network namespaces of a test's own: the test program runs once more inside one, with a peer in
//! another, and a wire between the two that can be cut so that packets vanish without a word.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Set inside.
const INSIDE: &str = "TEST_NAMESPACE";

/// This side of the wire, and the peer's.
pub(crate) const HERE: &str = "10.213.0.1";
pub(crate) const THERE: &str = "10.213.0.2";

/// Whether this process is the one inside.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Set by who cannot make namespaces and runs the other tests.
const SKIP: &str = "SKIP_NAMESPACE_TESTS";

/// Runs one test of this program in a network namespace of its own, as root or by sudo. Where it
/// may not, that is a failure, unless [`SKIP`] is set.
#[expect(clippy::print_stderr, reason = "a test that does not run says so")]
pub(crate) async fn run_inside(test: &str) {
    let is_root = status("sh", &["-c", "[ $(id -u) = 0 ]"]).await;
    let may_sudo = !is_root && status("sudo", &["-n", "true"]).await;
    if !is_root && !may_sudo && std::env::var_os(SKIP).is_some() {
        eprintln!("{test}: not run, for {SKIP} is set");
        return;
    }
    assert!(
        is_root || may_sudo,
        "{test} makes network namespaces: run it as root, or where sudo asks for no password (sudo -v), or set {SKIP}=1 to \
         leave it out"
    );
    let mut command = if is_root { Command::new("env") } else { Command::new("sudo") };
    if !is_root {
        command.args(["-n", "-E", "env", &format!("PATH={}", std::env::var("PATH").unwrap())]);
    }
    let script = "ip link set lo up && exec \"$0\" --exact \"$1\" --nocapture";
    command
        .arg(format!("{INSIDE}=1"))
        .args(["unshare", "--net", "sh", "-c", script]);
    let done = command
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .status()
        .await
        .unwrap();
    assert!(done.success(), "{test}");
}

/// A peer in a namespace of its own, at [`THERE`].
pub(crate) struct Peer {
    /// The process that keeps the namespace alive.
    holder: Child,
    forwarders: Vec<Child>,
}

impl Peer {
    /// Makes the namespace and the wire. Only inside a namespace of the test's own.
    pub(crate) async fn start() -> Self {
        assert!(is_inside());
        let mut holder = Command::new("unshare");
        holder.args(["--net", "sh", "-c", "ip link set lo up; echo up; exec sleep 3600"]);
        let holder = says(holder, "up").await;
        let peer = Self { holder, forwarders: Vec::new() };
        let pid = peer.pid();
        ip(&["link", "add", "near", "type", "veth", "peer", "name", "far", "netns", &pid]).await;
        ip(&["address", "add", &format!("{HERE}/30"), "dev", "near"]).await;
        ip(&["link", "set", "near", "up"]).await;
        peer.ip(&["address", "add", &format!("{THERE}/30"), "dev", "far"])
            .await;
        peer.ip(&["link", "set", "far", "up"]).await;
        peer
    }

    /// Passes connections to a port at [`THERE`] on to a port at [`HERE`], from there.
    pub(crate) async fn forward(&mut self, port: u16, to: u16) {
        let mut command = Command::new("nsenter");
        command.args([
            "-t",
            &self.pid(),
            "-n",
            "python3",
            "-c",
            FORWARD,
            THERE,
            &port.to_string(),
            HERE,
            &to.to_string(),
        ]);
        self.forwarders.push(says(command, "up").await);
    }

    /// Lets all packets to and from the peer vanish from now on: its address is gone,
    /// and nobody says so.
    pub(crate) async fn vanish(&self) {
        let mut show = Command::new("nsenter");
        show.args(["-t", &self.pid(), "-n", "ip", "-o", "link", "show", "far"]);
        let shown = String::from_utf8(show.output().await.unwrap().stdout).unwrap();
        let (_, rest) = shown.split_once("link/ether ").unwrap();
        let lladdr = rest.split_whitespace().next().unwrap();
        // Else the kernel would soon know that nobody is there, and tell.
        ip(&["neigh", "replace", THERE, "lladdr", lladdr, "dev", "near", "nud", "permanent"]).await;
        self.ip(&["address", "del", &format!("{THERE}/30"), "dev", "far"])
            .await;
    }

    fn pid(&self) -> String {
        self.holder.id().unwrap().to_string()
    }

    async fn ip(&self, args: &[&str]) {
        let pid = self.pid();
        let all = [&["-t", &pid, "-n", "ip"], args].concat();
        assert!(status("nsenter", &all).await, "{args:?}");
    }
}

/// Listens at an address and port, and passes each connection on to another.
const FORWARD: &str = r#"
import socket, sys, threading
def pump(a, b):
    try:
        while True:
            data = a.recv(65536)
            if not data:
                break
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("up", flush=True)
while True:
    client, _ = listener.accept()
    server = socket.create_connection((sys.argv[3], int(sys.argv[4])))
    for a, b in ((client, server), (server, client)):
        threading.Thread(target=pump, args=(a, b), daemon=True).start()
"#;

/// Starts a program and waits for its first line.
async fn says(mut command: Command, line: &str) -> Child {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some(line));
    child
}

async fn ip(args: &[&str]) {
    assert!(status("ip", args).await, "ip {args:?}");
}

async fn status(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.status().await.is_ok_and(|status| status.success())
}
