//! Small records of the warehouse's reach a TLS client as few large ones.

use rustls::ServerConnection;

use super::*;

/// What PostgreSQL sends when it flushes after every row.
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
    let (client_config, mut server_config) = configs(&[&rustls::version::TLS13]);
    // They look like application data.
    Arc::make_mut(&mut server_config).send_tls13_tickets = 0;
    let name = ServerName::try_from("localhost").unwrap();
    let (our_client_side, client_socket) = pair().await;
    let (our_upstream_side, mut upstream_socket) = pair().await;

    let client = async {
        let tls = TlsConnector::from(client_config.clone()).connect(name.clone(), client_socket).await.unwrap();
        tls.into_inner()
    };
    let warehouse = async {
        let mut session = ServerConnection::new(server_config.clone()).unwrap();
        while session.is_handshaking() {
            let mut received = [0; 4096];
            let read = upstream_socket.read(&mut received).await.unwrap();
            session.read_tls(&mut &received[..read]).unwrap();
            session.process_new_packets().unwrap();
            let mut answer = Vec::new();
            while session.wants_write() {
                session.write_tls(&mut answer).unwrap();
            }
            upstream_socket.write_all(&answer).await.unwrap();
        }
        session
    };
    let upstream = stream::tls::connect(our_upstream_side, &client_config, name.clone());
    let (upstream, mut session) = tokio::join!(upstream, warehouse);
    let (client_leg, (mut client_socket, _)) =
        tokio::join!(stream::tls::accept(our_client_side, &server_config), client);

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

    let legs = Legs { client: (client_leg.unwrap(), BytesMut::new()), upstream: (upstream.unwrap(), BytesMut::new()) };
    let stop = Stop::default();
    let mut arrived = Vec::new();
    let read = client_socket.read_to_end(&mut arrived);
    let (relayed, read) = tokio::join!(run(legs, &stop, Limits::default(), |_| panic!("nothing to refuse")), read);
    read.unwrap();
    assert_eq!((relayed.end, relayed.bytes_down), (End::Upstream, (RECORDS * RECORD.len()) as u64));
    // Four of 16 KiB at most, and close_notify.
    let count = application_records(&arrived);
    assert!(count <= 5, "{count} records");
}
