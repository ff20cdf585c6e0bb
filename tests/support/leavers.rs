//! Clients that leave before they are known.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::hostile::{MECHANISM, demo};
use super::raw::{SSL_REQUEST, encrypt, handshake, read_message, say, tls_config};
use super::scram::{Scram, initial_response};

/// How many ways there are; the last two shake hands.
pub(crate) const WAYS: usize = 10;

/// One of the ways to leave before the login.
pub(crate) async fn leave(mut socket: TcpStream, ca_pem: &str, hello: &[u8], way: usize) {
    if way % 2 == 1 {
        // A reset rather than an end.
        socket.set_zero_linger().unwrap();
    }
    match way % WAYS {
        0 | 1 => {}
        2 => say(&mut socket, &SSL_REQUEST[..4]).await,
        3 => say(&mut socket, SSL_REQUEST).await,
        4 => {
            say(&mut socket, SSL_REQUEST).await;
            assert_eq!(socket.read_u8().await.unwrap(), b'S');
            say(&mut socket, &hello[..hello.len() / 2]).await;
        }
        5 => say(&mut socket, &hello[..hello.len() / 2]).await,
        6 => say(&mut socket, &demo()).await,
        7 => {
            say(&mut socket, &demo()).await;
            assert_eq!(read_message(&mut socket).await.unwrap().0, b'R');
            say(&mut socket, &initial_response(MECHANISM, Scram::default().first().as_bytes())).await;
            assert_eq!(read_message(&mut socket).await.unwrap().0, b'R');
        }
        8 => {
            say(&mut socket, SSL_REQUEST).await;
            assert_eq!(socket.read_u8().await.unwrap(), b'S');
            let mut stream = handshake(socket, tls_config(ca_pem)).await.unwrap();
            say(&mut stream, &demo()).await;
        }
        _ => {
            let mut stream = encrypt(socket, tls_config(ca_pem)).await;
            say(&mut stream, &demo()).await;
            assert_eq!(read_message(&mut stream).await.unwrap().0, b'R');
            say(&mut stream, &initial_response(MECHANISM, Scram::default().first().as_bytes())).await;
            assert_eq!(read_message(&mut stream).await.unwrap().0, b'R');
        }
    }
}
