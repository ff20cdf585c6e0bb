//! A wire that listens: what a proxy and the AWS endpoint, or the warehouse, say to each other,
//! secrets included.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Forwards to one address, and keeps all that went by. Ends when dropped.
pub(crate) struct Tap {
    address: SocketAddr,
    /// All that went by, in both directions.
    heard: Arc<Mutex<Vec<u8>>>,
    /// The part of it that came from the target.
    answers: Arc<Mutex<Vec<u8>>>,
    task: AbortHandle,
}

impl Tap {
    /// `url`: `http://ADDRESS`.
    pub(crate) async fn start(url: &str) -> Self {
        Self::to(url.strip_prefix("http://").unwrap().parse().unwrap()).await
    }

    /// Starts a tap in front of this address.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, answers) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::default());
        let (all, from_target) = (Arc::clone(&heard), Arc::clone(&answers));
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(target).await else { return };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::spawn(copy(near_in, far_out, vec![Arc::clone(&all)]));
                tokio::spawn(copy(far_in, near_out, vec![Arc::clone(&all), Arc::clone(&from_target)]));
            }
        });
        Self { address, heard, answers, task: task.abort_handle() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// All that came from the target so far.
    pub(crate) fn answers(&self) -> Vec<u8> {
        self.answers.lock().unwrap().clone()
    }

    /// How often these bytes went by.
    pub(crate) fn count(&self, bytes: &[u8]) -> usize {
        self.heard
            .lock()
            .unwrap()
            .windows(bytes.len())
            .filter(|window| *window == bytes)
            .count()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All texts that went by between `begin` and the next of `ends`.
    pub(crate) fn all_between(&self, begin: &str, ends: &[char]) -> Vec<String> {
        let heard = String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned();
        heard
            .split(begin)
            .skip(1)
            .map(|rest| rest.split(ends).next().unwrap_or_default().to_owned())
            .collect()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, heard: Vec<Arc<Mutex<Vec<u8>>>>) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        for heard in &heard {
            heard.lock().unwrap().extend_from_slice(&chunk[..read]);
        }
        if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
    // The other side may be gone.
    let _ = to.shutdown().await;
}
