//! A line between two parties on this machine, which forwards what they say.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// A listener in front of a target, which can be taken away. Dropping it ends it with all its
/// connections.
pub(crate) struct Line {
    address: SocketAddr,
    target: SocketAddr,
    task: AbortHandle,
}

impl Line {
    /// A line to the endpoint with this URL, on a free port.
    pub(crate) async fn to_url(url: &str) -> Self {
        let target = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), target)
    }

    /// A line from this listener.
    pub(crate) fn new(listener: TcpListener, target: SocketAddr) -> Self {
        Self { address: listener.local_addr().unwrap(), target, task: forward(listener, target) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Cuts the line: connections are refused, until [`Line::repair`] gets the socket back.
    pub(crate) async fn cut(&self) -> TcpSocket {
        self.task.abort();
        loop {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            // Taken until the task is gone.
            if socket.bind(self.address).is_ok() {
                return socket;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Forwards again.
    pub(crate) fn repair(&mut self, socket: TcpSocket) {
        self.task = forward(socket.listen(1024).unwrap(), self.target);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn forward(listener: TcpListener, target: SocketAddr) -> AbortHandle {
    let forwarding = tokio::spawn(async move {
        // Ended with this task.
        let mut connections = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut far = TcpStream::connect(target).await.unwrap();
                // Either side may vanish, which ends it.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    forwarding.abort_handle()
}
