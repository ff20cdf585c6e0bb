//! The addresses of a running proxy, told to commands of the same user on the same machine.
//!
//! A command that asks for something of the running proxy cannot find it by the file: an edit may
//! wait for a restart, or be no TOML. So the proxy itself says where it is bound, to whoever
//! connects to a Unix socket in Linux's abstract namespace, which needs no folder and ends with the
//! process. Its name is made of what both sides know: the REF of the configuration, the user and
//! the PID namespace, so that containers that share a network do not take each other for
//! themselves. Any local user may take a name, therefore the peer has to be of the same user before
//! it is believed.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::config::Reference;
use crate::config::value::reference;

/// The longest that a peer may take for its part.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// The most bytes of an answer.
const MAX_ANSWER: u64 = 4096;

/// The time until a name that another process has is tried again.
const TAKEN_PAUSE: Duration = Duration::from_secs(5);

/// Pause after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The addresses that a running proxy is bound to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Bound {
    /// The first address for clients. Each is one that can be dialled: loopback for all addresses.
    pub(crate) listen: Option<SocketAddr>,
    /// Whether a client of this machine has to send a PROXY header there.
    pub(crate) takes_proxy_header: bool,
    /// The address that `admin.address` is bound to.
    pub(crate) admin: Option<SocketAddr>,
    /// The address that `admin.health_address` is bound to.
    pub(crate) health: Option<SocketAddr>,
}

impl Bound {
    fn to_line(self) -> String {
        let text = |address: Option<SocketAddr>| address.map(|address| address.to_string());
        let Self { listen, takes_proxy_header, admin, health } = self;
        let (listen, admin, health) = (text(listen), text(admin), text(health));
        json!({ "listen": listen, "proxy_header": takes_proxy_header, "admin": admin, "health": health }).to_string()
    }

    fn from_line(line: &[u8]) -> Option<Self> {
        let told: Value = serde_json::from_slice(line).ok()?;
        let address = |name| match told.get(name)? {
            Value::Null => Some(None),
            address => Some(Some(address.as_str()?.parse().ok()?)),
        };
        Some(Self {
            listen: address("listen")?,
            takes_proxy_header: told.get("proxy_header")?.as_bool()?,
            admin: address("admin")?,
            health: address("health")?,
        })
    }
}

/// Takes the name for the proxy of this REF. It is taken before anything else is bound, so that a
/// proxy that listens has all its sockets.
pub(crate) fn bind(config: &str) -> io::Result<UnixListener> {
    name(config).and_then(UnixListener::bind)
}

/// Tells each who connects where the proxy that was started with this REF is bound. Never ends:
/// while another process has the name, such as the one that this one takes over from, it is tried
/// again.
pub(crate) async fn tell(config: String, taken: io::Result<UnixListener>, bound: impl Fn() -> Bound) {
    let mut taken = taken;
    let listener = loop {
        match taken {
            Ok(listener) => break listener,
            Err(error) => {
                let error = error.to_string();
                debug!(event = "bound addresses untold", error = error.as_str(), "commands find the proxy by the file");
                sleep(TAKEN_PAUSE).await;
                taken = bind(&config);
            }
        }
    };
    loop {
        match listener.accept().await {
            // The line fits into the socket: no peer makes another one wait.
            Ok((mut peer, _)) => {
                let line = bound().to_line();
                let _gone = timeout(MAX_WAIT, peer.write_all(line.as_bytes())).await;
            }
            Err(_exhausted) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Asks the proxy that was started with this REF where it is bound. `None`: none of the same user
/// runs here, or it does not answer.
pub(crate) fn ask(config: &str) -> Option<Bound> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    runtime.block_on(async {
        timeout(MAX_WAIT, ask_at(&name(config).ok()?))
            .await
            .ok()?
            .ok()?
    })
}

async fn ask_at(name: &Path) -> io::Result<Option<Bound>> {
    let peer = UnixStream::connect(name).await?;
    if !is_of(&peer, uid()?)? {
        return Ok(None);
    }
    let mut line = Vec::new();
    peer.take(MAX_ANSWER).read_to_end(&mut line).await?;
    Ok(Bound::from_line(&line))
}

/// Whether the process at the other end runs as this user, in a PID namespace that is seen from
/// here: else its user may be another one by the same number.
fn is_of(peer: &UnixStream, uid: u32) -> io::Result<bool> {
    let peer = peer.peer_cred()?;
    Ok(peer.uid() == uid && peer.pid().is_some_and(|pid| pid > 0))
}

/// The user of this process, as the kernel tells it to a peer.
fn uid() -> io::Result<u32> {
    let (ours, _other) = UnixStream::pair()?;
    Ok(ours.peer_cred()?.uid())
}

/// The name of the socket: a zero byte, as Tokio wants it for the abstract namespace, and a hash.
fn name(config: &str) -> io::Result<PathBuf> {
    let config = match reference(config) {
        // The links on the way are not followed: the file may be gone.
        Ok(Reference::File(path)) => std::path::absolute(path)?.into_os_string(),
        _ => OsString::from(config),
    };
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let known = format!("{}\0{}\0{}", uid()?, namespace.display(), config.display());
    let hash: String = digest(&SHA256, known.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(PathBuf::from(format!("\0redshift-iam-proxy/{hash}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_were_written() {
        let all = Bound {
            listen: "127.0.0.1:5439".parse().ok(),
            takes_proxy_header: true,
            admin: "[::1]:9439".parse().ok(),
            health: None,
        };
        let line = all.to_line();
        assert_eq!(Bound::from_line(line.as_bytes()), Some(all));
        for odd in ["", "{}", "null", &line[..line.len() - 1], &line.replace("127.0.0.1:5439", "localhost:1")] {
            assert_eq!(Bound::from_line(odd.as_bytes()), None, "{odd}");
        }
    }

    #[tokio::test]
    async fn a_ref_has_one_name_however_it_is_written() {
        let here = std::env::current_dir().unwrap();
        let absolute = here.join("proxy.toml");
        let same = ["proxy.toml", "./proxy.toml", "file:proxy.toml", absolute.to_str().unwrap()];
        for text in same {
            assert_eq!(name(text).unwrap(), name("proxy.toml").unwrap(), "{text}");
        }
        for other in ["other.toml", "env:CONFIG", "ssm:/proxy.toml"] {
            assert_ne!(name(other).unwrap(), name("proxy.toml").unwrap(), "{other}");
        }
    }

    #[tokio::test]
    async fn a_peer_of_another_user_is_not_believed() {
        let (ours, _peer) = UnixStream::pair().unwrap();
        let uid = uid().unwrap();
        assert!(is_of(&ours, uid).unwrap() && !is_of(&ours, uid + 1).unwrap());
    }

    #[tokio::test]
    async fn a_name_is_taken_over_once_it_is_free() {
        let config = format!("env:bound_{}", std::process::id());
        let at = |port| Bound {
            listen: Some(([127, 0, 0, 1], port).into()),
            takes_proxy_header: false,
            admin: None,
            health: None,
        };
        let first = tokio::spawn(tell(config.clone(), bind(&config), move || at(1)));
        let name = name(&config).unwrap();
        while UnixStream::connect(&name).await.is_err() {
            tokio::task::yield_now().await;
        }
        tokio::time::pause();
        let _second = tokio::spawn(tell(config.clone(), bind(&config), move || at(2)));
        assert_eq!(ask_at(&name).await.unwrap(), Some(at(1)));
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        while UnixStream::connect(&name).await.is_err() {
            sleep(TAKEN_PAUSE).await;
        }
        assert_eq!(ask_at(&name).await.unwrap(), Some(at(2)));
    }
}
