//! The relay's parts as `benches/relay` gets hold of them; there is no other use for the feature
//! `bench`.
//!
//! Nothing here is generic: what is measured is compiled where the proxy compiles it.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpStream;

use super::dialogue::Dialogue;
use super::direction::{AtEnd, Broken, Direction};
use crate::stream::{Io, Leg, tls};

/// Follows the messages of a session that has just become ready.
#[derive(Default)]
pub struct Follower(Dialogue);

impl Follower {
    /// Takes in what the client sent.
    pub fn client_sent(&mut self, bytes: &[u8]) {
        self.0.client_sent(bytes);
    }

    /// Takes in what the warehouse sent.
    pub fn upstream_sent(&mut self, bytes: &[u8]) {
        self.0.upstream_sent(bytes);
    }
}

/// Whether a relay follows the messages that it moves, as it does in the proxy.
#[derive(Clone, Copy, Debug)]
pub enum Boundaries {
    /// The relay follows the messages, as it does in the proxy.
    Followed,
    /// The relay moves the bytes without following the messages.
    Ignored,
}

/// A session whose two directions are moved by hand.
pub struct Session {
    client: Leg,
    upstream: Leg,
    up: Direction,
    down: Direction,
    followed: Dialogue,
}

impl Session {
    /// Over two sockets; with TLS where there are settings for it, towards an upstream called
    /// `localhost`.
    ///
    /// # Errors
    /// A handshake's.
    pub async fn open(
        (client, client_tls): (TcpStream, Option<Arc<ServerConfig>>),
        (upstream, upstream_tls): (TcpStream, Option<Arc<ClientConfig>>),
    ) -> io::Result<Self> {
        let mut client: Leg = match client_tls {
            Some(config) => tls::accept(client, &config).await?.stream,
            None => Box::new(Io(client)),
        };
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut upstream: Leg = match upstream_tls {
            Some(config) => tls::connect(upstream, &config, name).await?,
            None => Box::new(Io(upstream)),
        };
        client.end_login();
        upstream.end_login();
        let (up, down) = (Direction::new(&[], AtEnd::Close), Direction::new(&[], AtEnd::Leave));
        Ok(Self { client, upstream, up, down, followed: Dialogue::default() })
    }

    /// Relays until this many bytes more have come from the client and from upstream, and are with
    /// the kernel.
    ///
    /// # Errors
    /// That of a side which breaks; `UnexpectedEof` where it ends.
    pub async fn relay(&mut self, from_client: u64, from_upstream: u64, boundaries: Boundaries) -> io::Result<()> {
        let Self { client, upstream, up, down, followed } = self;
        let (up_to, down_to) = (up.bytes() + from_client, down.bytes() + from_upstream);
        poll_fn(|cx| {
            let (sent, received) = match boundaries {
                Boundaries::Followed => (
                    up.poll(cx, client, upstream, |bytes| followed.client_sent(bytes)),
                    down.poll(cx, upstream, client, |bytes| followed.upstream_sent(bytes)),
                ),
                Boundaries::Ignored => (up.poll(cx, client, upstream, |_| ()), down.poll(cx, upstream, client, |_| ())),
            };
            for over in [sent, received] {
                match over {
                    Poll::Ready(Err(Broken::Read(error) | Broken::Write(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(())) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                    Poll::Pending => {}
                }
            }
            let done = up.bytes() >= up_to && down.bytes() >= down_to && up.is_empty() && down.is_empty();
            if done { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    }
}
