//! The two ways to drive rustls from a scratch buffer (performance.md, "Goals"), at what they
//! differ in: from received ciphertext to plaintext in a scratch buffer. A: its buffered
//! connection. B, which the proxy goes: the unbuffered one.

#![expect(clippy::disallowed_types, reason = "it measures what the unbuffered API is worth")]

use std::io::{Read, Write};
use std::sync::Arc;

use divan::Bencher;
use divan::counter::BytesCount;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{ClientConfig, ClientConnection, ServerConnection};

use crate::CHUNK_BYTES;
use crate::rig::configs;

/// The plaintext in one TLS record, as PostgreSQL fills them.
const RECORD_BYTES: usize = 8 * 1024;

/// Seven records: with their overhead still one read of a scratch buffer.
const PLAINTEXT_BYTES: usize = 7 * RECORD_BYTES;

/// Way A: rustls keeps the bytes that it reads in buffers of its own.
#[divan::bench(sample_size = 1, sample_count = 5000)]
fn decrypt_a_buffered(bencher: Bencher<'_, '_>) {
    let (client_config, mut server) = warehouse();
    let mut client = ClientConnection::new(client_config, name()).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut flight = Vec::new();
        client.write_tls(&mut flight).unwrap();
        take(&mut server, &flight);
        client.read_tls(&mut &answer(&mut server)[..]).unwrap();
        client.process_new_packets().unwrap();
    }
    let mut plaintext = vec![0; CHUNK_BYTES];
    let ciphertext = || records(&mut server);
    bencher
        .counter(BytesCount::new(PLAINTEXT_BYTES))
        .with_inputs(ciphertext)
        .bench_local_values(|ciphertext| {
            let (mut rest, mut filled) = (&ciphertext[..], 0);
            // It takes 4 KiB at a time.
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                let state = client.process_new_packets().unwrap();
                let readable = state.plaintext_bytes_to_read();
                client
                    .reader()
                    .read_exact(&mut plaintext[filled..filled + readable])
                    .unwrap();
                filled += readable;
            }
            assert_eq!(filled, PLAINTEXT_BYTES);
            ciphertext
        });
}

/// Way B: rustls decrypts the bytes that we have read in place.
#[divan::bench(sample_size = 1, sample_count = 5000)]
fn decrypt_b_unbuffered(bencher: Bencher<'_, '_>) {
    let (client_config, mut server) = warehouse();
    let mut client = UnbufferedClientConnection::new(client_config, name()).unwrap();
    let mut plaintext = vec![0; CHUNK_BYTES];
    while client.is_handshaking() || server.is_handshaking() {
        let mut received = answer(&mut server);
        let (_, flight) = drive(&mut client, &mut received, &mut plaintext);
        take(&mut server, &flight);
    }
    let ciphertext = || records(&mut server);
    bencher
        .counter(BytesCount::new(PLAINTEXT_BYTES))
        .with_inputs(ciphertext)
        .bench_local_values(|mut ciphertext| {
            assert_eq!(drive(&mut client, &mut ciphertext, &mut plaintext).0, PLAINTEXT_BYTES);
            ciphertext
        });
}

/// Takes in all of `received`: how much of `plaintext` is filled, and what there is to say.
fn drive(client: &mut UnbufferedClientConnection, received: &mut [u8], plaintext: &mut [u8]) -> (usize, Vec<u8>) {
    let (mut used, mut filled, mut flight) = (0, 0, Vec::new());
    loop {
        let UnbufferedStatus { mut discard, state } = client.process_tls_records(&mut received[used..]);
        match state.unwrap() {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record.unwrap();
                    discard += record.discard;
                    plaintext[filled..filled + record.payload.len()].copy_from_slice(record.payload);
                    filled += record.payload.len();
                }
            }
            ConnectionState::EncodeTlsData(mut data) => {
                let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) else { panic!("nothing to say") };
                let from = flight.len();
                flight.resize(from + size.required_size, 0);
                data.encode(&mut flight[from..]).unwrap();
            }
            ConnectionState::TransmitTlsData(data) => data.done(),
            _ => return (filled, flight),
        }
        used += discard;
    }
}

fn warehouse() -> (Arc<ClientConfig>, ServerConnection) {
    let (client, mut server) = configs();
    // They would come among the records.
    Arc::make_mut(&mut server).send_tls13_tickets = 0;
    let mut server = ServerConnection::new(server).unwrap();
    server.set_buffer_limit(None);
    (client, server)
}

fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

fn records(server: &mut ServerConnection) -> Vec<u8> {
    for _ in 0..PLAINTEXT_BYTES / RECORD_BYTES {
        server.writer().write_all(&[b'x'; RECORD_BYTES]).unwrap();
    }
    answer(server)
}

fn answer(server: &mut ServerConnection) -> Vec<u8> {
    let mut answer = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut answer).unwrap();
    }
    answer
}

fn take(server: &mut ServerConnection, mut flight: &[u8]) {
    while !flight.is_empty() {
        server.read_tls(&mut flight).unwrap();
        server.process_new_packets().unwrap();
    }
}
