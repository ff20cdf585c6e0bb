//! `healthcheck`: whether the proxy of this host answers as PostgreSQL does.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use ipnet::IpNet;

use crate::config::Config;
use crate::startup::proxy_protocol;
use crate::wire::{self, SSL_REQUEST};

/// Asks the first address, as a client does who wants TLS, and leaves at the answer.
///
/// # Errors
/// `Unreachable`: no connection, or no answer in time. `Stranger`: something else listens there.
pub(crate) fn check(config: &Config) -> Result<(), Unhealthy> {
    let address = config
        .listen
        .addresses
        .first()
        .copied()
        .ok_or(Unhealthy::Nowhere)?;
    ask(reachable(address), &config.listen.proxy_protocol_from)
}

/// Why the proxy is not well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unhealthy {
    /// Nothing is configured to listen.
    #[error("there is no address to ask")]
    Nowhere,
    /// No connection, or no answer in time.
    #[error("{address} does not answer")]
    Unreachable {
        /// Who was asked.
        address: SocketAddr,
        /// How it failed.
        source: io::Error,
    },
    /// Some other program.
    #[error("what listens at {0} does not speak PostgreSQL")]
    Stranger(SocketAddr),
}

/// For the connection, and again for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where a listener on every address is met from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// What a client sends that wants TLS.
fn ssl_request() -> Vec<u8> {
    wire::packet(&SSL_REQUEST.to_be_bytes())
}

fn ask(address: SocketAddr, balancers: &[IpNet]) -> Result<(), Unhealthy> {
    let answer = || -> io::Result<u8> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // Where the balancers' header is owed, we owe it too: as one that speaks for itself.
        let is_balancer = proxy_protocol::is_balancer(stream.local_addr()?, balancers);
        let header = if is_balancer { &proxy_protocol::LOCAL[..] } else { &[] };
        stream.write_all(&[header, &ssl_request()].concat())?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        Ok(u8::from_be_bytes(answer))
    };
    match answer() {
        Ok(b'S' | b'N') => Ok(()),
        Ok(_) => Err(Unhealthy::Stranger(address)),
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

    #[test]
    fn only_an_answer_of_postgresql_is_well() {
        assert!(ask(answering(b"S"), &[]).is_ok());
        assert!(ask(answering(b"N"), &[]).is_ok());
        assert!(matches!(ask(answering(b"H"), &[]), Err(Unhealthy::Stranger(_))));
        assert!(matches!(ask(answering(b""), &[]), Err(Unhealthy::Unreachable { .. })));
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        assert!(matches!(ask(free, &[]), Err(Unhealthy::Unreachable { .. })));
    }

    #[test]
    fn where_a_header_is_owed_it_is_sent() {
        let loopback: IpNet = "127.0.0.0/8".parse().unwrap();
        assert!(ask(answering_to(&proxy_protocol::LOCAL, b"S"), &[loopback]).is_ok());
        assert!(ask(answering(b"S"), &["10.0.0.0/8".parse().unwrap()]).is_ok());
    }

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        for (address, want) in [
            ("0.0.0.0:5439", "127.0.0.1:5439"),
            ("[::]:5439", "[::1]:5439"),
            ("10.0.0.1:1", "10.0.0.1:1"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(reachable(address.parse().unwrap()), want.parse().unwrap());
        }
    }
}
