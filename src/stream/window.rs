//! Whether a peer that takes no more bytes is still there, asked of the kernel through sock_diag(7).
//!
//! A peer whose receive window is shut acknowledges the kernel's window probes for as long as it is there. TCP_USER_TIMEOUT
//! does not look at that (`tcp_probe_timer`, Linux 5.11 and later): it ends the connection of a peer that is well but reads
//! nothing for a while.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

/// What the kernel says of the peer's receive window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Window {
    /// Something can be sent, or waits to be acknowledged.
    Open,
    /// Nothing can be sent. So many probes in a row have not been acknowledged; one may be on its way.
    Shut { unanswered: u8 },
}

const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// The type of the request, and of an answer that is no error.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
/// `idiag_timer` of a connection whose next event is a window probe; `idiag_retrans` is then the number of probes.
const PROBE_TIMER: u8 = 4;

/// Length of a `nlmsghdr`, and of the request behind it, an `inet_diag_req_v2` (linux/inet_diag.h).
const HEADER_BYTES: usize = 16;
const REQUEST_BYTES: usize = 56;

/// Asks about one connection. It does not block: the kernel answers within the call.
///
/// # Errors
/// The system does not answer such questions (no sock_diag, or a sandbox forbids it), or the connection is gone.
pub(crate) fn window(socket: &TcpStream) -> io::Result<Window> {
    let request = request(socket.local_addr()?, socket.peer_addr()?)?;
    let mut netlink = Socket::new(Domain::from(AF_NETLINK), Type::DGRAM, Some(Protocol::from(NETLINK_SOCK_DIAG)))?;
    netlink.set_nonblocking(true)?;
    netlink.write_all(&request)?;
    let mut answer = [0; 1024];
    let length = netlink.read(&mut answer)?;
    parse(answer.get(..length).unwrap_or_default()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The request for the connection between two addresses. Its numbers are in the byte order of the machine, ports and
/// addresses in that of the network.
fn request(local: SocketAddr, peer: SocketAddr) -> io::Result<Vec<u8>> {
    let family = if local.is_ipv4() { AF_INET } else { AF_INET6 };
    let length = u32::try_from(HEADER_BYTES + REQUEST_BYTES).map_err(io::Error::other)?;
    let mut request = Vec::with_capacity(HEADER_BYTES + REQUEST_BYTES);
    request.extend(length.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(NLM_F_REQUEST.to_ne_bytes());
    // Sequence number and port: of no use to a socket that asks once.
    request.extend([0; 8]);
    // No extensions, one byte of padding, all states.
    request.extend([family, IPPROTO_TCP, 0, 0]);
    request.extend(u32::MAX.to_ne_bytes());
    request.extend(local.port().to_be_bytes());
    request.extend(peer.port().to_be_bytes());
    for address in [local.ip(), peer.ip()] {
        match address {
            IpAddr::V4(address) => {
                request.extend(address.octets());
                request.extend([0; 12]);
            }
            IpAddr::V6(address) => request.extend(address.octets()),
        }
    }
    // Any interface, and any cookie (INET_DIAG_NOCOOKIE).
    request.extend([0; 4]);
    request.extend([0xff; 8]);
    Ok(request)
}

/// An answer: a `nlmsghdr`, then an `inet_diag_msg`, which begins with family, state, timer and retransmissions.
fn parse(answer: &[u8]) -> Option<Window> {
    let kind = answer.get(4..6)?;
    if kind != SOCK_DIAG_BY_FAMILY.to_ne_bytes() {
        return None;
    }
    let (timer, unanswered) = (*answer.get(HEADER_BYTES + 2)?, *answer.get(HEADER_BYTES + 3)?);
    Some(if timer == PROBE_TIMER { Window::Shut { unanswered } } else { Window::Open })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn pair(at: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(at).await.unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (ours.unwrap(), theirs.unwrap().0)
    }

    #[tokio::test]
    async fn a_peer_that_reads_nothing_has_a_shut_window_and_answers_probes() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let (ours, theirs) = pair(at).await;
            assert_eq!(window(&ours).unwrap(), Window::Open, "{at}");
            let mut is_shut = false;
            while !is_shut {
                while ours.try_write(&[0; 65536]).is_ok() {}
                is_shut = matches!(window(&ours).unwrap(), Window::Shut { unanswered: 0 | 1 });
                tokio::task::yield_now().await;
            }
            drop(theirs);
        }
    }

    #[test]
    fn what_is_no_answer_is_none() {
        let answer = |kind: u16, timer: u8, retransmissions: u8| {
            let header = [&[0; 4][..], &kind.to_ne_bytes(), &[0; 10]].concat();
            [&header[..], &[AF_INET, 1, timer, retransmissions]].concat()
        };
        assert_eq!(parse(&answer(20, 4, 7)), Some(Window::Shut { unanswered: 7 }));
        assert_eq!(parse(&answer(20, 1, 7)), Some(Window::Open));
        // NLMSG_ERROR.
        assert_eq!(parse(&answer(2, 4, 7)), None);
        let whole = answer(20, 4, 7);
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), None);
        }
    }
}
