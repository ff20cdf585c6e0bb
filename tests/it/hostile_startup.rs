//! Hostile startup packets: lengths, versions, other protocols, odd names.

use crate::support;
use crate::support::drip::Drip;
use crate::support::hostile::{
    LENGTHS, MECHANISM, Verdict, asked, assert_unharmed, connection, demo, prefer, startup_of, told, verdict,
};
use crate::support::raw::{
    GSSENC_REQUEST, SSL_REQUEST, Stream, field, handshake, message, read_message, say, startup, tcp, tls_config,
    unknown_cancel_request,
};
use crate::support::scram::{Scram, initial_response};
use crate::support::{PASSWORD, Rig, Setup, USER, login_over, without_session};
use redshift_sandbox::wire::packet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn startup_packets_cut_anywhere_are_closed_without_words() {
    let rig = prefer().await;
    for encrypted in [false, true] {
        for packet in [demo(), SSL_REQUEST.to_vec(), GSSENC_REQUEST.to_vec()] {
            for cut in 0..packet.len() {
                let mut stream = connection(&rig, encrypted).await;
                say(&mut stream, &packet[..cut]).await;
                stream.shutdown().await.unwrap();
                assert_eq!(verdict(&mut stream).await, Verdict::Silence, "{encrypted} {cut}");
            }
        }
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn a_login_split_at_every_byte_succeeds() {
    let rig = prefer().await;
    for encrypted in [false, true] {
        let mut socket = tcp(rig.port()).await;
        socket.set_nodelay(true).unwrap();
        let client = if encrypted {
            Drip::new(&mut socket).write_all(SSL_REQUEST).await.unwrap();
            assert_eq!(socket.read_u8().await.unwrap(), b'S');
            let stream = handshake(socket, tls_config(rig.sandbox().ca.pem()))
                .await
                .unwrap();
            login_over(Drip::new(stream), USER, PASSWORD, "sales").await
        } else {
            login_over(Drip::new(socket), USER, PASSWORD, "sales").await
        };
        let client = client.unwrap_or_else(|error| panic!("{encrypted}: {error}"));
        assert_eq!(
            client
                .query_one("select 1", &[])
                .await
                .unwrap()
                .get::<_, i32>(0),
            1
        );
    }
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn startup_packets_over_10_000_bytes_are_closed_without_words() {
    let rig = prefer().await;
    for encrypted in [false, true] {
        for fill in ["user", "database", "application_name", "options"] {
            for bytes in [10_001, 65_536] {
                let verdict = told(&rig, encrypted, &startup_of(bytes, fill)).await;
                assert_eq!(verdict, Verdict::Silence, "{encrypted} {fill} {bytes}");
            }
            // The largest that is taken.
            drop(asked(&rig, encrypted, &startup_of(10_000, fill)).await);
        }
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn impossible_lengths_of_startup_packets_are_closed_without_words() {
    let rig = prefer().await;
    for encrypted in [false, true] {
        for length in LENGTHS.into_iter().chain([5, 7]) {
            for behind in [&b""[..], &demo()[4..]] {
                let packet = [&length.to_be_bytes()[..], behind].concat();
                assert_eq!(told(&rig, encrypted, &packet).await, Verdict::Silence, "{encrypted} {length}");
            }
        }
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn malformed_startup_messages_are_closed_without_words() {
    let rig = prefer().await;
    for encrypted in [false, true] {
        for body in [
            // No end, no value, something behind the end, not UTF-8.
            &b"\0\x03\0\0"[..],
            b"\0\x03\0\0user\0demo\0",
            b"\0\x03\0\0user\0\0database",
            b"\0\x03\0\0user\0demo\0\0more",
            b"\0\x03\0\0user\0d\xffmo\0\0",
            b"\0\x03\0\0user\0\xc3\0\0",
            b"\0\x03\0\0\xff\0demo\0\0",
            // Requests with the wrong body.
            b"\x04\xd2\x16\x2fx",
            b"\x04\xd2\x16\x30x",
            b"\x04\xd2\x16\x2e",
            b"\x04\xd2\x16\x2e\0\0\0\x01",
            b"\x04\xd2\x16\x2e\0\0\0\x01abc",
        ] {
            let packet = packet(body);
            assert_eq!(told(&rig, encrypted, &packet).await, Verdict::Silence, "{}", body.escape_ascii());
        }
        // Cancel requests for nobody look the same, whatever the key; one that is too long as well.
        for key in [4, 32, 256, 257, 4000] {
            let packet = packet(&[b"\x04\xd2\x16\x2e\0\0\0\x01", &vec![7; key][..]].concat());
            assert_eq!(told(&rig, encrypted, &packet).await, Verdict::Silence, "{key}");
        }
    }
    assert_unharmed(&rig).await;
}

/// What each state answers to a packet: the next one may be asked, or that was the end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Byte(u8),
    Challenge,
    Refusal(&'static str),
    Closed,
}

/// Every packet without a type byte, in every state that a client can be in before its proof: a
/// state has the transitions of this table and no others (CVE-2026-107350).
#[tokio::test]
async fn every_startup_packet_in_every_state_leads_where_it_should() {
    use Answer::{Byte, Challenge, Closed, Refusal};
    let cancel = unknown_cancel_request();
    let [mut two, mut four] = [demo(), demo()];
    two[5] = 2;
    four[5] = 4;
    let newer = startup(9999, &[("user", USER), ("database", "sales")]);
    let packets =
        [&demo(), &newer, &two, &four, &cancel, &SSL_REQUEST.to_vec(), &GSSENC_REQUEST.to_vec()].map(Vec::clone);
    // In clear, with TLS here and without; each row: what was asked before, then the answer to each
    // packet.
    let refused = Refusal("08P01");
    let ends = [Challenge, Challenge, refused, refused, Closed];
    let row = |ssl: Answer, gss: Answer| ends.into_iter().chain([ssl, gss]).collect::<Vec<_>>();
    let (ssl, gss) = (SSL_REQUEST, GSSENC_REQUEST);
    let table = [
        ("prefer", vec![], row(Byte(b'S'), Byte(b'N'))),
        ("prefer", vec![gss], row(Byte(b'S'), Closed)),
        ("disable", vec![], row(Byte(b'N'), Byte(b'N'))),
        ("disable", vec![gss], row(Byte(b'N'), Closed)),
        ("disable", vec![ssl], row(Closed, Byte(b'N'))),
        ("disable", vec![ssl, gss], row(Closed, Closed)),
        ("disable", vec![gss, ssl], row(Closed, Closed)),
    ];
    for mode in ["prefer", "disable"] {
        let rig = Rig::with(Setup { tls: mode, ..Setup::default() }).await;
        for (_, asked, answers) in table.iter().filter(|(of, ..)| *of == mode) {
            for (packet, want) in packets.iter().zip(answers) {
                let mut stream = connection(&rig, false).await;
                for request in asked {
                    say(&mut stream, request).await;
                    assert_eq!(stream.read_u8().await.unwrap(), b'N');
                }
                assert_eq!(answer(&mut stream, packet).await, *want, "{mode} {asked:?} {}", packet.escape_ascii());
            }
        }
        if mode == "prefer" {
            for (packet, want) in packets.iter().zip(row(Closed, Closed)) {
                let mut stream = connection(&rig, true).await;
                assert_eq!(answer(&mut stream, packet).await, want, "encrypted {}", packet.escape_ascii());
            }
            // After the challenge only an answer to it has a place.
            for encrypted in [false, true] {
                for packet in &packets {
                    let mut stream = asked(&rig, encrypted, &demo()).await;
                    say(&mut stream, packet).await;
                    stream.shutdown().await.unwrap();
                    let verdict = verdict(&mut stream).await;
                    assert!(verdict == Verdict::Silence || verdict.is("08P01"), "{encrypted} {verdict:?}");
                }
            }
            assert_unharmed(&rig).await;
        }
        rig.wait_until_idle().await;
    }
}

/// What comes next; whoever is refused, or not answered, is gone.
async fn answer(stream: &mut Stream, packet: &[u8]) -> Answer {
    say(stream, packet).await;
    let Ok(first) = stream.read_u8().await else { return Answer::Closed };
    if matches!(first, b'S' | b'N') {
        return Answer::Byte(first);
    }
    let mut body = vec![0; stream.read_u32().await.unwrap() as usize - 4];
    stream.read_exact(&mut body).await.unwrap();
    match first {
        b'R' => Answer::Challenge,
        b'v' => {
            assert_eq!(read_message(stream).await.unwrap().0, b'R');
            Answer::Challenge
        }
        b'E' => {
            assert_eq!((field(&body, b'S').as_str(), field(&body, b'C').as_str()), ("FATAL", "08P01"));
            assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
            Answer::Refusal("08P01")
        }
        other => panic!("{other:#x}"),
    }
}

#[tokio::test]
async fn other_protocols_are_closed_without_words() {
    let rig = Rig::start().await;
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
        b"\r\n\r\n\0\r\nQUIT\n",
        b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0",
        b"Q\0\0\0\x0dselect 1\0",
    ] {
        assert_eq!(told(&rig, false, bytes).await, Verdict::Silence, "{}", bytes.escape_ascii());
        assert_eq!(told(&rig, true, bytes).await, Verdict::Silence, "{}", bytes.escape_ascii());
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn versions_other_than_three_are_named_in_the_refusal() {
    let rig = prefer().await;
    for encrypted in [false, true] {
        for (major, minor) in [(2, 0), (4, 0), (1, 0), (0, 0), (2, 1), (1234, 5681), (65_535, 65_535)] {
            let (major, minor) = (u16::to_be_bytes(major), u16::to_be_bytes(minor));
            let mut packet = demo();
            packet[4..6].copy_from_slice(&major);
            packet[6..8].copy_from_slice(&minor);
            let (major, minor) = (u16::from_be_bytes(major), u16::from_be_bytes(minor));
            let expected = Verdict::refused("08P01", &format!("unsupported protocol version {major}.{minor}"));
            assert_eq!(told(&rig, encrypted, &packet).await, expected);
        }
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn protocol_2_0_is_refused_in_clear_where_tls_is_required() {
    let rig = Rig::start().await;
    let packet = [&296u32.to_be_bytes()[..], &[0, 2, 0, 0], &[0; 288]].concat();
    assert_eq!(told(&rig, false, &packet).await, Verdict::refused("08P01", "unsupported protocol version 2.0"));
    assert_eq!(told(&rig, false, &demo()).await, Verdict::refused("28000", "TLS is required"));
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn odd_user_names_are_refused_like_unknown_users() {
    let rig = prefer().await;
    for encrypted in [false, true] {
        for pairs in [&[("database", "sales")][..], &[("user", ""), ("database", "sales")], &[]] {
            let expected = Verdict::refused("28000", "no PostgreSQL user name specified in startup packet");
            assert_eq!(told(&rig, encrypted, &startup(0, pairs)).await, expected);
        }
        let longest = "u".repeat(10_000 - startup(0, &[("user", "")]).len());
        let names =
            [&"u".repeat(9_000), &longest, "ü", "a\nb", "\u{1b}[31m", "'; drop table x; --", "*", "{user}", " "];
        for user in names {
            let mut stream = asked(&rig, encrypted, &startup(0, &[("user", user)])).await;
            let scram = Scram::default();
            say(&mut stream, &initial_response(MECHANISM, scram.first().as_bytes())).await;
            let (_, body) = read_message(&mut stream).await.unwrap();
            let last = scram.last(std::str::from_utf8(&body[4..]).unwrap(), PASSWORD);
            say(&mut stream, &message(b'p', last.as_bytes())).await;
            let expected = format!("password authentication failed for user \"{user}\"");
            assert_eq!(verdict(&mut stream).await, Verdict::refused("28P01", &expected));
        }
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn odd_database_names_are_connections_that_do_not_exist() {
    let rig = prefer().await;
    let longest = "d".repeat(10_000 - startup(0, &[("user", USER), ("database", "")]).len() - 40);
    let names = ["a\nb", "\u{1b}[2J", "\u{7f}", "sales ", "SALES", "../sales", "*", "sa*", "sales\r", &longest];
    for database in names {
        let (sqlstate, message) = support::refusal(&rig.connect(database).await.unwrap_err());
        let expected = format!("connection \"{database}\" does not exist or is not yours");
        assert_eq!((&*sqlstate, without_session(&message)), ("3D000", &*expected));
    }
    assert_eq!(rig.sandbox().aws.calls("AssumeRole") + rig.sandbox().warehouse.dials(), 0);
    assert_unharmed(&rig).await;
}
