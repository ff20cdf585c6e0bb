//! Peers that are there and read nothing, while all that is for them is with the kernel.

use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::network::Probes;
use crate::stream::KeepAlive;

/// More bytes than the kernel takes for a peer that does not read.
const BODY: usize = 300_000;

/// A leg as the proxy makes it, and its peer, which has little room for what it does not read.
async fn leg(keepalive: KeepAlive) -> ((Leg, BytesMut), TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpSocket::new_v4().unwrap();
    peer.set_recv_buffer_size(8192).unwrap();
    let (peer, ours) = tokio::join!(peer.connect(listener.local_addr().unwrap()), listener.accept());
    let (ours, _) = ours.unwrap();
    keepalive.set(&ours).unwrap();
    ((Box::new(Io(ours)), BytesMut::new()), peer.unwrap())
}

fn long(tag: u8) -> Vec<u8> {
    let length = u32::try_from(BODY + 4).unwrap();
    [&[tag][..], &length.to_be_bytes(), &[b'x'; BODY]].concat()
}

#[tokio::test]
async fn peers_that_read_nothing_for_longer_than_the_limit_get_all_of_it_later() {
    let second = Duration::from_secs(1);
    let keepalive =
        KeepAlive { idle: Some(second), probes: Probes { interval: second, count: 1, unacknowledged: 2 * second } };
    let ((client_leg, mut client), (upstream_leg, mut upstream)) = tokio::join!(leg(keepalive), leg(keepalive));
    let (stop, meter, limits) = (Stop::default(), meter(), SessionLimits { keepalive, ..SessionLimits::default() });
    let legs = Legs { client: client_leg, upstream: upstream_leg };
    let relaying = run(legs, (&stop, &meter), &limits, |_| LAST_WORD.into(), |_| None::<Ready<()>>);
    let peers = async {
        let (query, row) = (long(b'Q'), long(b'D'));
        // Neither waits for the other to read.
        let (sent, received) = tokio::join!(client.write_all(&query), upstream.write_all(&row));
        sent.and(received).unwrap();
        // The kernel counts it.
        let begun = Instant::now();
        sleep(5 * second).await;
        let (mut got_query, mut got_row) = (vec![0; query.len()], vec![0; row.len()]);
        let all = async { tokio::join!(upstream.read_exact(&mut got_query), client.read_exact(&mut got_row)) };
        let (uploaded, downloaded) = timeout(60 * second, all).await.expect("both go on");
        uploaded
            .and(downloaded)
            .unwrap_or_else(|error| panic!("{error} after {:?}", begun.elapsed()));
        assert!(got_query == query && got_row == row);
        drop(client);
    };
    let (relayed, ()) = tokio::join!(relaying, peers);
    assert_eq!((relayed.end, relayed.error.is_none()), (End::Client, true));
}
