//! `healthcheck`: asks the proxy of this host for TLS, as a PostgreSQL client does, and its health
//! address whether its threads are alive. The proxy is looked for where it says that it is bound;
//! the configuration is asked where it does not say.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::http;
use crate::address::reachable;
use crate::bound::Bound;
use crate::config::Reach;
use crate::startup::proxy_protocol;
use crate::wire::{self, SSL_REQUEST};

/// The keys that are needed for a look.
pub(crate) const NEEDED: &[&str] = &["listen.address", "listen.proxy_protocol_from", "admin.health_address"];

/// Sends an SSLRequest to the first address that the proxy is bound to, and closes the connection
/// at the answer. Where there is a health address, its `/healthz` has to answer 200.
///
/// # Errors
/// See [`Unhealthy`].
pub(crate) fn check_bound(bound: Bound) -> Result<(), Unhealthy> {
    let address = bound.listen.ok_or(Unhealthy::NoAddress)?;
    ask(address, |_| bound.takes_proxy_header)?;
    bound.health.map_or(Ok(()), ask_health)
}

/// Looks like [`check_bound`] at the addresses of the configuration, which may be others than those
/// that are bound.
///
/// # Errors
/// See [`Unhealthy`].
pub(crate) fn check_configured(reach: &Reach) -> Result<(), Unhealthy> {
    let address = reach
        .listen
        .addresses
        .first()
        .copied()
        .ok_or(Unhealthy::NoAddress)?;
    let balancers = &reach.listen.proxy_protocol_from;
    ask(reachable(address), |peer| proxy_protocol::is_balancer(peer, balancers))?;
    match reach.admin.health_address {
        Some(address) => ask_health(reachable(address)),
        None => Ok(()),
    }
}

/// Asks a health address for `/healthz`.
fn ask_health(address: SocketAddr) -> Result<(), Unhealthy> {
    let unreachable = |source| Unhealthy::Unreachable { address, source };
    let mut answer = http::request(address, "GET", "/healthz", None, MAX_WAIT).map_err(unreachable)?;
    if answer.status == 200 {
        return Ok(());
    }
    let why = answer.line().ok().flatten().unwrap_or_default();
    Err(Unhealthy::Sick { address, why: why.escape_debug().to_string() })
}

/// Why the health check failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unhealthy {
    /// The configuration has no address to ask.
    #[error("there is no address to ask")]
    NoAddress,
    /// No connection could be made, or no answer came in time.
    #[error("{address} does not answer")]
    Unreachable {
        /// The address that was asked.
        address: SocketAddr,
        /// The error of connecting, writing or reading.
        source: io::Error,
    },
    /// The program that listens at this address does not answer as PostgreSQL does.
    #[error("what listens at {0} does not speak PostgreSQL")]
    NotPostgres(SocketAddr),
    /// The health address says that something is wrong.
    #[error("{address}: {why}")]
    Sick {
        /// The health address.
        address: SocketAddr,
        /// The reason that it gives.
        why: String,
    },
}

/// The longest wait for the connection, and again for the answer.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// The message by which a client asks for TLS.
fn ssl_request() -> Vec<u8> {
    wire::packet(&SSL_REQUEST.to_be_bytes())
}

/// Asks an address for TLS. `is_balancer` tells whether a client from here has to send a PROXY
/// header first.
fn ask(address: SocketAddr, is_balancer: impl Fn(SocketAddr) -> bool) -> Result<(), Unhealthy> {
    let answer = || -> io::Result<u8> {
        let mut stream = TcpStream::connect_timeout(&address, MAX_WAIT)?;
        stream.set_read_timeout(Some(MAX_WAIT))?;
        stream.set_write_timeout(Some(MAX_WAIT))?;
        // A peer among the balancers has to send their header first: LOCAL, of a health check.
        let header = if is_balancer(stream.local_addr()?) { &proxy_protocol::LOCAL[..] } else { &[] };
        stream.write_all(&[header, &ssl_request()].concat())?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        Ok(u8::from_be_bytes(answer))
    };
    match answer() {
        Ok(b'S' | b'N') => Ok(()),
        Ok(_) => Err(Unhealthy::NotPostgres(address)),
        Err(source) => Err(Unhealthy::Unreachable { address, source }),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answering(answer: &'static [u8]) -> SocketAddr {
        answering_to(&[], answer)
    }

    fn answering_to(header: &'static [u8], answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; header.len() + ssl_request().len()];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(request, [header, &ssl_request()].concat());
            stream.write_all(answer).unwrap();
        });
        address
    }

    fn no(_: SocketAddr) -> bool {
        false
    }

    #[test]
    fn only_postgresqls_answers_are_healthy() {
        assert!(ask(answering(b"S"), no).is_ok());
        assert!(ask(answering(b"N"), no).is_ok());
        assert!(matches!(ask(answering(b"H"), no), Err(Unhealthy::NotPostgres(_))));
        assert!(matches!(ask(answering(b""), no), Err(Unhealthy::Unreachable { .. })));
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        assert!(matches!(ask(free, no), Err(Unhealthy::Unreachable { .. })));
    }

    #[test]
    fn a_proxy_header_is_sent_where_the_listener_expects_one() {
        assert!(ask(answering_to(&proxy_protocol::LOCAL, b"S"), |peer| peer.ip().is_loopback()).is_ok());
        assert!(ask(answering(b"S"), no).is_ok());
    }
}
