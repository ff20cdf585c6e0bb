//! A warehouse that says exactly what a test wants said: hostile, broken, or just another than the
//! sandbox's.

use std::collections::HashMap;
use std::io::Result;
use std::sync::{Arc, Mutex};

use redshift_sandbox::wire::{self, PROTOCOL_3_0, Packet, parameter_status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::World;
use super::raw::{message, read_message};
use super::warehouse::{agree, read_request, send};

/// Makes bytes out of the last message that came.
pub(crate) type Answer = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// One step of a script. Behind the last one the connection is closed.
#[derive(Clone)]
pub(crate) enum Step {
    Say(Vec<u8>),
    /// Reads one message.
    Read,
    Answer(Answer),
    /// Says it over and over, as long as it is taken.
    Repeat(Vec<u8>),
    /// Says nothing more, until the other side ends.
    Hang,
}

/// The answer to an SSLRequest.
#[derive(Clone)]
pub(crate) enum Door {
    /// TLS, then the script.
    Open,
    /// Says this in clear. What comes then is taken down, until the other side ends.
    Say(Vec<u8>),
    /// Says this in clear and closes.
    SayAndClose(Vec<u8>),
    /// Agrees to TLS, and says this to the ClientHello.
    AnswerHello(Vec<u8>),
}

/// The messages and connections that came in.
#[derive(Default)]
pub(crate) struct Seen {
    /// All bytes in clear of each connection that was not let into TLS.
    pub(crate) in_clear: Vec<Vec<u8>>,
    /// Messages behind the startup message, by script.
    pub(crate) messages: HashMap<String, Vec<(u8, Vec<u8>)>>,
    pub(crate) dials: usize,
    pub(crate) cancels: usize,
}

/// Listening.
pub(crate) struct Scripted {
    shared: Arc<Shared>,
    listener: AbortHandle,
}

struct Shared {
    acceptor: TlsAcceptor,
    door: Mutex<Door>,
    /// The scripts by the application_name of the startup message.
    scripts: Mutex<HashMap<String, Vec<Step>>>,
    seen: Mutex<Seen>,
}

impl Scripted {
    /// Takes the place of the warehouse behind every connection.
    pub(crate) async fn replace(world: &mut World) -> Self {
        let (listener, acceptor) = world.take_warehouse(true).await;
        let (door, scripts, seen) = (Mutex::new(Door::Open), Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { acceptor, door, scripts, seen });
        let listening = tokio::spawn(listen(listener, Arc::clone(&shared)));
        Self { shared, listener: listening.abort_handle() }
    }

    pub(crate) fn door(&self, door: Door) {
        *self.shared.door.lock().unwrap() = door;
    }

    /// Sets the script for clients of this application_name.
    pub(crate) fn script(&self, name: &str, steps: Vec<Step>) {
        self.shared
            .scripts
            .lock()
            .unwrap()
            .insert(name.to_owned(), steps);
    }

    /// Takes all that came in since the last call.
    pub(crate) fn seen(&self) -> Seen {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            shared.seen.lock().unwrap().dials += 1;
            // Whoever leaves ends it, at whatever point.
            let _ = serve(socket, &shared).await;
        });
    }
}

async fn serve(mut socket: TcpStream, shared: &Shared) -> Result<()> {
    socket.set_nodelay(true)?;
    let request = read_request(&mut socket).await?;
    let door = shared.door.lock().unwrap().clone();
    let said = match door {
        Door::Open => {
            let mut stream = agree(socket, request, &shared.acceptor).await?;
            play(&mut stream, shared).await?;
            return stream.shutdown().await;
        }
        Door::Say(said) => {
            socket.write_all(&said).await?;
            let mut rest = Vec::new();
            let _ = socket.read_to_end(&mut rest).await;
            rest
        }
        Door::SayAndClose(said) => {
            socket.write_all(&said).await?;
            Vec::new()
        }
        Door::AnswerHello(said) => {
            socket.write_all(b"S").await?;
            let mut came = vec![0; 4096];
            let hello = socket.read(&mut came).await?;
            came.truncate(hello);
            socket.write_all(&said).await?;
            let _ = socket.read_to_end(&mut came).await;
            came
        }
    };
    shared
        .seen
        .lock()
        .unwrap()
        .in_clear
        .push([&request[..], &said].concat());
    Ok(())
}

async fn play<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, shared: &Shared) -> Result<()> {
    let parameters = match wire::read_packet(stream).await? {
        // Never dealt with.
        Packet::Cancel { .. } => {
            shared.seen.lock().unwrap().cancels += 1;
            return hang(stream).await;
        }
        Packet::Startup { version, parameters } => {
            assert_eq!(version, PROTOCOL_3_0);
            parameters
        }
        packet => panic!("{packet:?} inside TLS"),
    };
    let name = parameters
        .into_iter()
        .find(|(name, _)| name == "application_name");
    let (_, name) = name.expect("an application_name");
    let steps = shared.scripts.lock().unwrap().get(&name).cloned();
    let mut last = Vec::new();
    for step in steps.unwrap_or_else(|| panic!("no script for {name:?}")) {
        match step {
            Step::Say(bytes) => send(stream, &bytes).await?,
            Step::Read => {
                let (tag, body) = read_message(stream).await?;
                last.clone_from(&body);
                shared
                    .seen
                    .lock()
                    .unwrap()
                    .messages
                    .entry(name.clone())
                    .or_default()
                    .push((tag, body));
            }
            Step::Answer(answer) => send(stream, &answer(&last)).await?,
            Step::Repeat(bytes) => loop {
                send(stream, &bytes).await?;
            },
            Step::Hang => hang(stream).await?,
        }
    }
    Ok(())
}

async fn hang<S: AsyncRead + Unpin>(stream: &mut S) -> Result<()> {
    let mut byte = [0];
    while stream.read(&mut byte).await? > 0 {}
    Ok(())
}

/// The messages of a warehouse behind AuthenticationOk: statuses, key, ready.
pub(crate) fn greeting() -> Vec<u8> {
    let key = message(b'K', &[0, 0, 0, 7, 1, 2, 3, 4]);
    [parameter_status("server_version", "8.0.2"), parameter_status("client_encoding", "UTF8"), key, message(b'Z', b"I")]
        .concat()
}
