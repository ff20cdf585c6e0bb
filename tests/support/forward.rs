//! A scripted forward proxy, which notes what it is asked and lets nothing through.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// A listening one.
pub(crate) struct ForwardProxy {
    pub(crate) port: u16,
    /// The head of each request, as it came.
    heads: Arc<Mutex<Vec<String>>>,
    listener: AbortHandle,
}

impl ForwardProxy {
    /// Answers every request with this status line's rest, such as `502 Bad Gateway`.
    pub(crate) async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let listening = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match socket.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_gone) => break,
                    }
                }
                seen.lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&head).into_owned());
                // Who is gone already was noted.
                let _ = socket
                    .write_all(format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").as_bytes())
                    .await;
            }
        });
        Self { port, heads, listener: listening.abort_handle() }
    }

    /// The environment that sends everything there: no NO_PROXY.
    pub(crate) fn env(&self) -> Vec<(&'static str, String)> {
        let url = format!("http://planted-user:planted-password@127.0.0.1:{}", self.port);
        let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
        names.map(|name| (name, url.clone())).to_vec()
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.listener.abort();
    }
}
