//! Bytes on their way to a peer that the kernel still holds, and the time since the peer was last
//! heard, asked through sock_diag(7).
//!
//! TCP_USER_TIMEOUT would judge by the same, but not well: it ends the connection of a peer that
//! answers and just reads nothing for a while (`tcp_probe_timer`, Linux 5.11 and later;
//! `tcp_rtx_probe0_timed_out`).

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

/// The state of the way to one peer, as the kernel sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Outgoing {
    /// Bytes that the kernel took and the peer has not acknowledged: on their way, or waiting for
    /// room at the peer's.
    pub(crate) bytes: u32,
    /// For a peer whose receive window is shut, the window probes sent since it was last heard; the
    /// latest may be on its way. Linux sends them up to 120 s apart.
    pub(crate) probes: Option<u8>,
    /// For how long neither bytes nor an acknowledgement have come.
    pub(crate) silence: Duration,
}

const ENOMEM: i32 = 12;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOBUFS: i32 = 105;

const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// The type of the request, and of an answer that is no error.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
/// The attribute that holds a `tcp_info`, and its bit in a request.
const INET_DIAG_INFO: u16 = 2;
const WITH_INFO: u8 = 1 << (INET_DIAG_INFO - 1);
/// `idiag_timer` of a connection whose next event is a window probe; `idiag_retrans` is then the
/// number of probes.
const PROBE_TIMER: u8 = 4;

/// Length of a `nlmsghdr`, of the request behind it, an `inet_diag_req_v2`, and of an
/// `inet_diag_msg` (linux/inet_diag.h).
const HEADER_BYTES: usize = 16;
const REQUEST_BYTES: usize = 56;
const MESSAGE_BYTES: usize = 72;
/// Where things are in an `inet_diag_msg`.
const TIMER: usize = 2;
const RETRANS: usize = 3;
const WQUEUE: usize = 60;
/// Where things are in a `tcp_info` (linux/tcp.h), in milliseconds.
const LAST_DATA_RECV: usize = 52;
const LAST_ACK_RECV: usize = 56;

/// Asks about one connection. It does not block: the kernel answers within the call.
///
/// # Errors
/// The system does not answer such questions (no sock_diag, or a sandbox forbids it), no file is
/// free for the question, or the connection is gone.
pub(crate) fn outgoing(socket: &TcpStream) -> io::Result<Outgoing> {
    let request = request(socket.local_addr()?, socket.peer_addr()?)?;
    let mut netlink = Socket::new(Domain::from(AF_NETLINK), Type::DGRAM, Some(Protocol::from(NETLINK_SOCK_DIAG)))?;
    netlink.set_nonblocking(true)?;
    netlink.write_all(&request)?;
    let mut answer = [0; 1024];
    let length = netlink.read(&mut answer)?;
    parse(answer.get(..length).unwrap_or_default()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Whether an error of [`outgoing`] says that the system is short of files or memory just now,
/// rather than that it does not answer at all.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE | ENOBUFS))
}

/// The request for the connection between two addresses. Its numbers are in the byte order of the
/// machine, ports and addresses in that of the network.
fn request(local: SocketAddr, peer: SocketAddr) -> io::Result<Vec<u8>> {
    let family = if local.is_ipv4() { AF_INET } else { AF_INET6 };
    let length = u32::try_from(HEADER_BYTES + REQUEST_BYTES).map_err(io::Error::other)?;
    let mut request = Vec::with_capacity(HEADER_BYTES + REQUEST_BYTES);
    request.extend(length.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(NLM_F_REQUEST.to_ne_bytes());
    // Sequence number and port: of no use to a socket that asks once.
    request.extend([0; 8]);
    // One byte of padding, all states.
    request.extend([family, IPPROTO_TCP, WITH_INFO, 0]);
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

/// An answer: a `nlmsghdr`, an `inet_diag_msg`, and attributes, each behind its length and type and
/// padded to four bytes.
fn parse(answer: &[u8]) -> Option<Outgoing> {
    if answer.get(4..6)? != SOCK_DIAG_BY_FAMILY.to_ne_bytes() {
        return None;
    }
    let (message, mut attributes) = answer
        .get(HEADER_BYTES..)?
        .split_at_checked(MESSAGE_BYTES)?;
    let (timer, retrans) = (*message.get(TIMER)?, *message.get(RETRANS)?);
    loop {
        let length = usize::from(u16::from_ne_bytes(*attributes.first_chunk()?)).max(4);
        let attribute = attributes.get(..length)?;
        if attribute.get(2..4)? == INET_DIAG_INFO.to_ne_bytes() {
            let info = attribute.get(4..)?;
            let silence = number(info, LAST_DATA_RECV)?.min(number(info, LAST_ACK_RECV)?);
            return Some(Outgoing {
                bytes: number(message, WQUEUE)?,
                probes: (timer == PROBE_TIMER).then_some(retrans),
                silence: Duration::from_millis(silence.into()),
            });
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
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
        for at in ["127.0.0.1:0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
            let (ours, theirs) = pair(at).await;
            let seen = outgoing(&ours).unwrap();
            assert_eq!((seen.bytes, seen.probes), (0, None), "{at}");
            let mut is_shut = false;
            while !is_shut {
                while ours.try_write(&[0; 65536]).is_ok() {}
                let seen = outgoing(&ours).unwrap();
                assert!(seen.bytes > 0 && seen.silence < Duration::from_secs(60), "{at}: {seen:?}");
                is_shut = matches!(seen.probes, Some(0 | 1));
                tokio::task::yield_now().await;
            }
            drop(theirs);
        }
    }

    /// An answer with an attribute that we did not ask for, and the one that we did.
    fn answer(kind: u16, timer: u8) -> Vec<u8> {
        let mut answer = [&[0; 4][..], &kind.to_ne_bytes(), &[0; 10]].concat();
        answer.extend([&[AF_INET, 1, timer, 7][..], &[0; 56], &9_u32.to_ne_bytes(), &[0; 8]].concat());
        answer.extend([&5_u16.to_ne_bytes()[..], &8_u16.to_ne_bytes(), &[0; 4]].concat());
        answer.extend([&64_u16.to_ne_bytes()[..], &2_u16.to_ne_bytes(), &[0; 52]].concat());
        answer.extend([3_000_u32.to_ne_bytes(), 2_000_u32.to_ne_bytes()].concat());
        answer
    }

    #[test]
    fn error_and_truncated_answers_of_the_kernel_are_none() {
        let silence = Duration::from_secs(2);
        assert_eq!(parse(&answer(20, 4)), Some(Outgoing { bytes: 9, probes: Some(7), silence }));
        assert_eq!(parse(&answer(20, 1)), Some(Outgoing { bytes: 9, probes: None, silence }));
        // NLMSG_ERROR.
        assert_eq!(parse(&answer(2, 4)), None);
        let whole = answer(20, 4);
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), None);
        }
    }
}
