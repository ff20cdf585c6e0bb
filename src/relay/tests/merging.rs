//! Small records of the warehouse's reach a TLS client as few large ones.

use super::*;

/// The messages of a PostgreSQL that flushes after every row.
const RECORDS: usize = 500;
const RECORD: [u8; 100] = [7; 100];

/// Counts the records of application data in a stream of whole TLS records.
fn application_records(mut ciphertext: &[u8]) -> usize {
    let mut count = 0;
    while let [kind, _, _, high, low, rest @ ..] = ciphertext {
        count += usize::from(*kind == 23);
        ciphertext = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
    }
    count
}

#[tokio::test]
async fn records_that_come_together_go_on_as_one() {
    let (legs, client, upstream) = session().await;
    let (mut client_socket, _) = client.into_inner();
    let (mut upstream_socket, mut session) = upstream.into_inner();
    let mut together = Vec::new();
    for _ in 0..RECORDS {
        io::Write::write_all(&mut session.writer(), &RECORD).unwrap();
        session.write_tls(&mut together).unwrap();
    }
    session.send_close_notify();
    session.write_tls(&mut together).unwrap();
    assert!(application_records(&together) > RECORDS);
    // Less than a scratch buffer, so that it is there at once before the relay begins.
    assert!(together.len() < stream::scratch::SCRATCH_BYTES);
    upstream_socket.write_all(&together).await.unwrap();

    let (stop, meter, limits) = (Stop::default(), meter(), SessionLimits::default());
    let mut arrived = Vec::new();
    let read = client_socket.read_to_end(&mut arrived);
    let relay = run(legs, (&stop, &meter), &limits, |_| panic!("nothing to refuse"), nothing_runs);
    let (relayed, read) = tokio::join!(relay, read);
    read.unwrap();
    assert_eq!((relayed.end, relayed.bytes_down), (End::Upstream, (RECORDS * RECORD.len()) as u64));
    // Four of 16 KiB at most, and close_notify.
    let count = application_records(&arrived);
    assert!(count <= 5, "{count} records");
}
