//! A configuration that is swapped while clients connect.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::clock::SystemClock;
use crate::config::{UnknownKeys, parse};
use crate::session::Live;
use crate::startup::tls::ListenerPem;
use crate::wire;

fn config(tls: &str) -> Config {
    let text = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[listen.tls]\nmode = \"{tls}\"\n\
         [aws]\nregion = \"eu-west-1\"\nendpoint_url = \"http://127.0.0.1:1\"\n\
         [users.ann]\npassword = \"env:PW\"\nconnections = [\"*\"]\n"
    );
    let env = |name: &str| (name == "PW").then(|| "pw".to_owned());
    parse(&text, "proxy.toml".as_ref(), &env, UnknownKeys::Refuse).unwrap()
}

/// Sends ann's startup message in clear, and reads the type of the answer.
async fn answer(client: &mut TcpStream) -> u8 {
    let startup = wire::packet(b"\0\x03\0\0user\0ann\0\0");
    client.write_all(&startup).await.unwrap();
    client.read_u8().await.unwrap()
}

#[tokio::test]
async fn a_connection_keeps_the_configuration_of_its_arrival_when_another_is_swapped_in() {
    let (before, after) = (config("prefer"), config("require"));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let base = Base::with_keys(&before.aws, "AKIA", "secret").await;
    let app = App::start(before, base, Workers::current(), Arc::clone(&clock))
        .await
        .unwrap();
    let connect = || TcpStream::connect(app.addresses()[0]);
    let mut early = connect().await.unwrap();
    while app.counts().tasks == 0 {
        tokio::task::yield_now().await;
    }
    let (network, control, pem) =
        (Network::default(), Handle::current(), ListenerPem { identity: None, clients: None });
    let live = parts::live(&after, &pem, &network, &app.acceptor.shared, &clock, &control).await;
    let (old, new) = (app.acceptor.live.load_full(), Arc::new(live.unwrap()));
    let counted_as = |live: &Live| live.accounts.counted_as("nobody", "nobody");
    assert!(counted_as(&old) == counted_as(&new), "a user that does not exist keeps its bans and salts");
    app.acceptor.live.store(new);
    let mut late = connect().await.unwrap();
    assert_eq!(answer(&mut late).await, b'E', "TLS is required of a client that comes now");
    assert_eq!(answer(&mut early).await, b'R', "the client that came before is asked for its password");
    app.abort().await;
    assert_eq!(app.counts(), Counts::default());
}
