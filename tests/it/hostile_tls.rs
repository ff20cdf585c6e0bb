//! Hostile encryption: requests for it, what comes ahead of and behind their answer, direct TLS.

use crate::support::drip::Drip;
use crate::support::hostile::{Verdict, assert_unharmed, demo, prefer, told};
use crate::support::raw::{
    GSSENC_REQUEST, SSL_REQUEST, client_hello, handshake, message, say, tcp, tls_config, until_closed,
};
use crate::support::{PASSWORD, Rig, Setup, USER, login_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn tls_handshakes_cut_anywhere_are_closed() {
    let rig = prefer().await;
    let hello = client_hello(tls_config(rig.sandbox().ca.pem()));
    for direct in [false, true] {
        for cut in (1..hello.len()).step_by(7) {
            let mut socket = tcp(rig.port()).await;
            if !direct {
                socket.write_all(SSL_REQUEST).await.unwrap();
                assert_eq!(socket.read_u8().await.unwrap(), b'S');
            }
            say(&mut socket, &hello[..cut]).await;
            socket.shutdown().await.unwrap();
            let said = until_closed(&mut socket).await;
            // An alert, if anything.
            assert!(said.is_empty() || said[0] == 0x15, "{cut}: {said:?}");
        }
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn a_tls_handshake_split_at_every_byte_succeeds() {
    let rig = Rig::start().await;
    let socket = tcp(rig.port()).await;
    socket.set_nodelay(true).unwrap();
    let mut config = tls_config(rig.sandbox().ca.pem());
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let stream = connector
        .connect("localhost".try_into().unwrap(), Drip::new(socket))
        .await
        .unwrap();
    let client = login_over(stream, USER, PASSWORD, "sales").await.unwrap();
    assert_eq!(
        client
            .query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
    drop(client);
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn encryption_may_be_asked_for_in_either_order() {
    let rig = Rig::start().await;
    let mut socket = tcp(rig.port()).await;
    socket.write_all(GSSENC_REQUEST).await.unwrap();
    assert_eq!(socket.read_u8().await.unwrap(), b'N');
    socket.write_all(SSL_REQUEST).await.unwrap();
    assert_eq!(socket.read_u8().await.unwrap(), b'S');
    let stream = handshake(socket, tls_config(rig.sandbox().ca.pem()))
        .await
        .unwrap();
    login_over(stream, USER, PASSWORD, "sales").await.unwrap();
    rig.wait_until_idle().await;

    let rig = Rig::with(Setup { tls: "disable", ..Setup::default() }).await;
    for requests in [&[SSL_REQUEST, GSSENC_REQUEST][..], &[GSSENC_REQUEST, SSL_REQUEST], &[SSL_REQUEST], &[]] {
        let mut socket = tcp(rig.port()).await;
        for request in requests {
            socket.write_all(request).await.unwrap();
            assert_eq!(socket.read_u8().await.unwrap(), b'N');
        }
        let client = login_over(socket, USER, PASSWORD, "sales").await.unwrap();
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
async fn encryption_asked_for_twice_is_closed() {
    let rig = Rig::with(Setup { tls: "disable", ..Setup::default() }).await;
    for requests in [
        &[SSL_REQUEST, SSL_REQUEST][..],
        &[GSSENC_REQUEST, GSSENC_REQUEST],
        &[SSL_REQUEST, GSSENC_REQUEST, SSL_REQUEST],
        &[GSSENC_REQUEST, SSL_REQUEST, GSSENC_REQUEST],
    ] {
        let mut socket = tcp(rig.port()).await;
        let (last, before) = requests.split_last().unwrap();
        for request in before {
            socket.write_all(request).await.unwrap();
            assert_eq!(socket.read_u8().await.unwrap(), b'N');
        }
        say(&mut socket, last).await;
        assert_eq!(until_closed(&mut socket).await, b"");
    }
    login_over(tcp(rig.port()).await, USER, PASSWORD, "sales")
        .await
        .unwrap();
    rig.wait_until_idle().await;

    let rig = Rig::start().await;
    for request in [SSL_REQUEST, GSSENC_REQUEST] {
        assert_eq!(told(&rig, true, request).await, Verdict::Silence);
    }
    let mut socket = tcp(rig.port()).await;
    for _ in 0..2 {
        say(&mut socket, GSSENC_REQUEST).await;
    }
    assert!([&b""[..], b"N"].contains(&&until_closed(&mut socket).await[..]));
    assert_unharmed(&rig).await;
}

/// CVE-2021-23214, CVE-2021-3935, CVE-2021-43766: such bytes must not count as said inside TLS, nor
/// be answered.
#[tokio::test]
async fn bytes_ahead_of_the_answer_to_an_encryption_request_are_closed() {
    for mode in ["require", "prefer", "disable"] {
        let rig = Rig::with(Setup { tls: mode, ..Setup::default() }).await;
        let hello = client_hello(tls_config(rig.sandbox().ca.pem()));
        for request in [SSL_REQUEST, GSSENC_REQUEST] {
            for ahead in [
                &demo()[..],
                &message(b'Q', b"select 1\0"),
                &message(b'p', b"password\0"),
                &hello,
                SSL_REQUEST,
                GSSENC_REQUEST,
                b"\0",
            ] {
                let mut socket = tcp(rig.port()).await;
                say(&mut socket, &[request, ahead].concat()).await;
                assert_eq!(until_closed(&mut socket).await, b"", "{mode} {}", ahead.escape_ascii());
            }
        }
        if mode == "disable" {
            login_over(tcp(rig.port()).await, USER, PASSWORD, "sales")
                .await
                .unwrap();
            rig.wait_until_idle().await;
        } else {
            assert_unharmed(&rig).await;
        }
    }
}

#[tokio::test]
async fn bytes_in_clear_behind_the_answer_are_not_taken_for_tls() {
    let rig = prefer().await;
    for bytes in [demo(), message(b'Q', b"select 1\0"), SSL_REQUEST.to_vec(), vec![0x16; 2000]] {
        let mut socket = tcp(rig.port()).await;
        socket.write_all(SSL_REQUEST).await.unwrap();
        assert_eq!(socket.read_u8().await.unwrap(), b'S');
        say(&mut socket, &bytes).await;
        socket.shutdown().await.unwrap();
        let said = until_closed(&mut socket).await;
        assert!(said.is_empty() || said[0] == 0x15, "{said:?}");
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn direct_tls_needs_alpn_postgresql() {
    let rig = Rig::start().await;
    for offered in [&["postgresql"][..], &["h2", "postgresql"]] {
        let mut config = tls_config(rig.sandbox().ca.pem());
        config.alpn_protocols = offered
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let stream = handshake(tcp(rig.port()).await, config).await.unwrap();
        let client = login_over(stream, USER, PASSWORD, "sales").await.unwrap();
        assert_eq!(
            client
                .query_one("select 1", &[])
                .await
                .unwrap()
                .get::<_, i32>(0),
            1
        );
    }
    for offered in [&[][..], &["h2"], &["http/1.1", "h2"], &["postgres"]] {
        let mut config = tls_config(rig.sandbox().ca.pem());
        config.alpn_protocols = offered
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        // With strange names only the handshake itself fails, and says why.
        let mut stream = match handshake(tcp(rig.port()).await, config).await {
            Ok(stream) => stream,
            Err(error) => {
                assert!(!offered.is_empty() && format!("{error:?}").contains("NoApplicationProtocol"), "{error:?}");
                continue;
            }
        };
        assert!(offered.is_empty(), "{offered:?}");
        say(&mut stream, &demo()).await;
        assert_eq!(until_closed(&mut stream).await, b"", "{offered:?}");
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn direct_tls_is_closed_without_words_where_tls_is_disabled() {
    let rig = Rig::with(Setup { tls: "disable", ..Setup::default() }).await;
    let mut socket = tcp(rig.port()).await;
    say(&mut socket, &client_hello(tls_config(rig.sandbox().ca.pem()))).await;
    assert_eq!(until_closed(&mut socket).await, b"");
    login_over(tcp(rig.port()).await, USER, PASSWORD, "sales")
        .await
        .unwrap();
    rig.wait_until_idle().await;
}
