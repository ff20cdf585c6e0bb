//! A warehouse that says, byte for byte, what a test wants said once a session is ready.

use std::io::Result;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::World;
use super::raw::{SSL_REQUEST, message, read_message, send};
use super::stand_in::acceptor;

/// What is said in one session.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// ParameterStatus `server_protocol_version`.
    pub(crate) level: &'static str,
    /// What is waited for.
    pub(crate) question: Vec<u8>,
    /// What is said then.
    pub(crate) answer: Vec<u8>,
}

/// A listening one. Ends when dropped.
pub(crate) struct Scripted {
    heard: Arc<Mutex<Vec<u8>>>,
    listener: AbortHandle,
}

impl Scripted {
    /// Takes the place of the warehouse behind `sales`. One session for each script, in their order.
    pub(crate) async fn replace(world: &mut World, scripts: Vec<Script>) -> Self {
        let acceptor = acceptor(&world.sandbox.ca.issue(&["localhost"]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let warehouse = world.sandbox.warehouse.address().port();
        world.edit(&format!("port = {warehouse}\n"), &format!("port = {port}\n"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&heard);
        let serving = tokio::spawn(async move {
            for script in scripts {
                let (socket, _) = listener.accept().await.unwrap();
                serve(socket, &acceptor, &script, &all).await.unwrap();
            }
        });
        Self { heard, listener: serving.abort_handle() }
    }

    /// What it has been asked since this was called last.
    pub(crate) fn heard(&self) -> Vec<u8> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn serve(mut socket: TcpStream, acceptor: &TlsAcceptor, script: &Script, heard: &Mutex<Vec<u8>>) -> Result<()> {
    let mut request = [0; SSL_REQUEST.len()];
    socket.read_exact(&mut request).await?;
    assert_eq!(request, SSL_REQUEST);
    socket.write_all(b"S").await?;
    let mut stream = acceptor.accept(socket).await?;
    log_in(&mut stream, script.level).await?;
    let mut asked = vec![0; script.question.len()];
    stream.read_exact(&mut asked).await?;
    heard.lock().unwrap().extend(asked);
    // No record of TLS ends where a message does.
    for part in script.answer.chunks(7) {
        send(&mut stream, part).await;
    }
    // Until the client has read it all and left, in whatever way.
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    Ok(())
}

/// Takes any password.
async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, level: &str) -> Result<()> {
    let startup = stream.read_u32().await?;
    stream.read_exact(&mut vec![0; startup as usize - 4]).await?;
    send(stream, &message(b'R', &[0, 0, 0, 3])).await;
    assert_eq!(read_message(stream).await?.0, b'p');
    let status = |name: &str, value: &str| message(b'S', format!("{name}\0{value}\0").as_bytes());
    let greeting = [
        message(b'R', &[0; 4]),
        status("client_encoding", "UTF8"),
        status("server_protocol_version", level),
        // A pid above 2^30, as Redshift has them.
        message(b'K', b"\x40\0\0\x27test"),
        message(b'Z', b"I"),
    ];
    send(stream, &greeting.concat()).await;
    Ok(())
}
