//! The server's process: started, watched and ended.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;

use tokio::sync::oneshot;

use super::cluster::{Cluster, file};
use crate::ca::Leaf;
use crate::error::StartError;

/// A free port may be taken between our look and PostgreSQL's bind.
const PORT_ATTEMPTS: usize = 5;

/// Lines of the server's log that an error quotes.
const LOG_LINES: usize = 20;

/// The line that PostgreSQL writes once it serves (postmaster.c, with LC_ALL=C).
const READY: &str = "database system is ready to accept connections";

/// A server that accepts connections. Dropping it ends the server, then removes its folder.
pub(super) struct Running {
    child: Child,
    port: u16,
    // Dropped after `Drop::drop` has ended the server that writes there.
    cluster: Cluster,
}

impl Running {
    pub(super) fn socket_dir(&self) -> &Path {
        self.cluster.path()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Creates and starts a server on a thread of its own, which then reads the server's log until that
/// ends.
///
/// The thread matters: the kernel's parent-death signal, which ends the server if this process is
/// killed, is sent when the *thread* that spawned it ends, so it must not be a runtime's.
pub(super) async fn start(leaf: Leaf, max_connections: u16) -> Result<Running, StartError> {
    let (started, start) = oneshot::channel();
    let keeper = move || match launch(&leaf, max_connections) {
        Ok((running, log)) => {
            // If nobody waits any more, the server comes back as the error, and ends by being
            // dropped.
            if started.send(Ok(running)).is_ok() {
                log.for_each(|line| tracing::debug!(target: "postgres", "{line}"));
            }
        }
        Err(error) => drop(started.send(Err(error))),
    };
    thread::Builder::new()
        .name("postgres".to_owned())
        .spawn(keeper)
        .map_err(StartError::Thread)?;
    start
        .await
        .map_err(|closed| StartError::Thread(io::Error::other(closed)))?
}

type Log = Box<dyn Iterator<Item = String>>;

fn launch(leaf: &Leaf, max_connections: u16) -> Result<(Running, Log), StartError> {
    let mut cluster = Cluster::create(leaf, max_connections)?;
    let mut attempts = PORT_ATTEMPTS;
    loop {
        attempts -= 1;
        match launch_once(cluster)? {
            Launch::Ready(running, log) => return Ok((running, log)),
            Launch::PortTaken(back, _) if attempts > 0 => cluster = back,
            Launch::PortTaken(_, log) => return Err(StartError::Program { program: "postgres", log }),
        }
    }
}

enum Launch {
    Ready(Running, Log),
    PortTaken(Cluster, String),
}

fn launch_once(cluster: Cluster) -> Result<Launch, StartError> {
    let port = free_port()?;
    let mut command = cluster.server(port);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(file(Path::new(command.get_program())))?;
    let mut log = lines(child.stderr.take());
    let mut last = VecDeque::new();
    for line in log.by_ref() {
        if line.contains(READY) {
            return Ok(Launch::Ready(Running { child, port, cluster }, log));
        }
        last.truncate(LOG_LINES - 1);
        last.push_front(line);
    }
    end(&mut child);
    let log = last.into_iter().rev().collect::<Vec<_>>().join("\n");
    if log.contains("Address already in use") {
        return Ok(Launch::PortTaken(cluster, log));
    }
    Err(StartError::Program { program: "postgres", log })
}

fn lines(stderr: Option<ChildStderr>) -> Log {
    let lines = stderr
        .into_iter()
        .flat_map(|pipe| BufReader::new(pipe).split(b'\n'));
    Box::new(
        lines
            .map_while(Result::ok)
            .map(|line| String::from_utf8_lossy(&line).into_owned()),
    )
}

fn free_port() -> Result<u16, StartError> {
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let listener = TcpListener::bind(any).and_then(|listener| listener.local_addr());
    listener
        .map(|address: std::net::SocketAddr| address.port())
        .map_err(|source| StartError::Listen { address: any, source })
}

/// Ends a server by its own pid and waits for it. SIGQUIT is PostgreSQL's immediate shutdown: no
/// checkpoint, which nobody would read, and stuck sessions are killed after five seconds.
fn end(child: &mut Child) {
    // Not yet reaped, so the pid is still its own.
    if let Ok(None) = child.try_wait() {
        let told = Command::new("sh")
            .args(["-c", "kill -QUIT \"$0\""])
            .arg(child.id().to_string())
            .status();
        if !told.is_ok_and(|status| status.success()) {
            let _ = child.kill();
        }
    }
    if let Err(error) = child.wait() {
        tracing::error!(%error, "PostgreSQL may still be running");
    }
}
