//! A console and its client, message by message, in front of a proxy that is not there.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::*;
use crate::operations::fake::Fake;
use crate::relay::{End, RelayError};
use crate::stop::Order;
use crate::stream::Io;
use crate::wire::message;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The client of a console.
struct Client {
    stream: DuplexStream,
    stop: Arc<Stop>,
    served: JoinHandle<Relayed>,
    fake: Arc<Fake>,
    tables: Arc<Tables>,
}

/// A message of the console's: its type and body.
type Told = (u8, Vec<u8>);

impl Client {
    /// Opens a console over a connection that holds this many bytes, and reads the greeting.
    async fn open(holds: usize, limits: SessionLimits) -> Self {
        let (stream, theirs) = tokio::io::duplex(holds);
        let (stop, fake) = (Arc::<Stop>::default(), Arc::new(Fake::of("x\x1b[2J")));
        let operations: SharedOperations = Arc::<Fake>::clone(&fake);
        let tables = Arc::<Tables>::default();
        let console = Console::new(Wire::new(Box::new(Io(theirs))), "ops", ADDRESS, operations, Arc::clone(&tables));
        let heard = Arc::clone(&stop);
        let served = tokio::spawn(async move {
            let meter = Meter::new(tokio::time::Instant::now());
            console
                .run((&heard, &meter), &limits, SessionId::random())
                .await
        });
        let mut client = Self { stream, stop, served, fake, tables };
        let greeting = client.until(b'Z').await;
        let tags: Vec<u8> = greeting.iter().map(|(tag, _)| *tag).collect();
        assert!(tags.starts_with(b"RS") && tags.ends_with(b"SKZ"), "{tags:?}");
        client
    }

    async fn usual() -> Self {
        Self::open(1 << 20, SessionLimits::default()).await
    }

    async fn send(&mut self, messages: &[(u8, &[u8])]) {
        let bytes: Vec<_> = messages
            .iter()
            .flat_map(|(tag, body)| message(*tag, body))
            .collect();
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// Sends a Query, and reads its answer.
    async fn query(&mut self, text: &str) -> Vec<Told> {
        self.send(&[(b'Q', format!("{text}\0").as_bytes())]).await;
        self.until(b'Z').await
    }

    /// Sends messages and a Sync, and reads the answer.
    async fn sync(&mut self, messages: &[(u8, &[u8])]) -> Vec<Told> {
        self.send(messages).await;
        self.send(&[(b'S', b"")]).await;
        self.until(b'Z').await
    }

    /// Reads up to a message of this type.
    async fn until(&mut self, last: u8) -> Vec<Told> {
        let mut told = Vec::new();
        loop {
            let tag = self.stream.read_u8().await.unwrap();
            let length = self.stream.read_u32().await.unwrap();
            let mut body = vec![0; length as usize - 4];
            self.stream.read_exact(&mut body).await.unwrap();
            told.push((tag, body));
            if tag == last {
                return told;
            }
        }
    }

    /// The end of the console, and what it said last.
    async fn end(mut self) -> (Relayed, Vec<u8>) {
        let mut last = Vec::new();
        self.stream.read_to_end(&mut last).await.unwrap();
        drop(self.stream);
        (self.served.await.unwrap(), last)
    }
}

fn tags(told: &[Told]) -> String {
    told.iter().map(|(tag, _)| char::from(*tag)).collect()
}

/// The SQLSTATE of the one error.
fn sqlstate(told: &[Told]) -> String {
    let mut errors = told.iter().filter(|(tag, _)| *tag == b'E');
    let (_, body) = errors.next().unwrap_or_else(|| panic!("{told:?}"));
    assert!(errors.next().is_none(), "{told:?}");
    assert!(body.starts_with(b"SERROR\0"), "{told:?}");
    let code = body
        .split(|byte| *byte == 0)
        .find(|field| field.first() == Some(&b'C'));
    String::from_utf8(code.unwrap()[1..].to_vec()).unwrap()
}

#[tokio::test]
async fn a_query_holds_several_commands_and_stops_at_the_first_that_fails() {
    let mut client = Client::usual().await;
    let told = client
        .query("SHOW VERSION; KILL USER ann; SHOW FLEET;")
        .await;
    assert_eq!(tags(&told), "TDCCTDCZ");
    assert_eq!(told[3].1, b"KILL 3\0");
    assert_eq!(tags(&client.query(" ; -- \n").await), "IZ");
    let told = client.query("SHOW VERSION; DISABLE nosuch; KILL ALL").await;
    assert_eq!((tags(&told), &*sqlstate(&told)), ("TDCEZ".to_owned(), "42704"));
    let before = client.fake.actions.lock().len();
    let told = client.query("KILL ALL; SHWO VERSION").await;
    assert_eq!((tags(&told), &*sqlstate(&told)), ("EZ".to_owned(), "42601"));
    assert_eq!(client.fake.actions.lock().len(), before, "a text with a fault does nothing at all");
    client.send(&[(b'X', b"")]).await;
    let (relayed, last) = client.end().await;
    assert_eq!((relayed.end, relayed.error.is_none(), &*last), (End::Client, true, &b""[..]));
}

#[tokio::test]
async fn what_drivers_send_by_habit_is_answered() {
    let mut client = Client::usual().await;
    assert_eq!(client.query("BEGIN").await, [(b'C', b"BEGIN\0".to_vec()), (b'Z', b"T".to_vec())]);
    let told = client
        .query("SET extra_float_digits = 3; SELECT 1; SHOW transaction_isolation")
        .await;
    assert_eq!(tags(&told), "CTDCTDCZ");
    assert_eq!((&*told[3].1, &*told[2].1), (&b"SELECT 1\0"[..], &b"\0\x01\0\0\0\x011"[..]));
    assert_eq!(client.query("COMMIT").await.last().unwrap().1, b"I");
}

#[tokio::test]
async fn text_of_others_is_harmless_to_a_terminal() {
    let mut client = Client::usual().await;
    for (name, _) in crate::console::parse::SHOWS {
        let told = client.query(&format!("SHOW {name}")).await;
        assert!(tags(&told).starts_with("TD"), "{name}");
        let bytes: Vec<u8> = told
            .into_iter()
            .filter(|(tag, _)| *tag == b'D')
            .flat_map(|(_, body)| body)
            .collect();
        assert!(!bytes.windows(2).any(|bytes| bytes == b"\x1b["), "{name}");
    }
    let told = client.query("SHOW \x1b[2J").await;
    assert_eq!(sqlstate(&told), "42601");
    assert!(!told[0].1.contains(&0x1b));
}

#[tokio::test]
async fn the_extended_protocol_describes_binds_and_executes() {
    let mut client = Client::usual().await;
    let told = client
        .sync(&[
            (b'P', b"s1\0SHOW VERSION\0\0\0"),
            (b'D', b"Ss1\0"),
            (b'B', b"p1\0s1\0\0\0\0\0\0\x01\0\x01"),
            (b'D', b"Pp1\0"),
            (b'E', b"p1\0\0\0\0\0"),
        ])
        .await;
    assert_eq!(tags(&told), "1tT2TDCZ");
    assert_eq!(told[1].1, b"\0\0");
    // The same columns, the second time in binary format.
    let (first, second) = (&told[2].1, &told[4].1);
    assert_eq!(first.len(), second.len());
    assert!(first.ends_with(b"\0\0") && second.ends_with(b"\0\x01"));
    // The statement is still there, and is closed; the portal is gone with the Sync.
    let told = client.sync(&[(b'D', b"Pp1\0")]).await;
    assert_eq!(sqlstate(&told), "34000");
    let told = client.sync(&[(b'C', b"Ss1\0"), (b'D', b"Ss1\0")]).await;
    assert_eq!((tags(&told), &*sqlstate(&told)), ("3EZ".to_owned(), "26000"));
    // Without a name, empty, and by tag alone.
    let told = client
        .sync(&[
            (b'P', b"\0\0\0\0"),
            (b'D', b"S\0"),
            (b'B', b"\0\0\0\0\0\0\0\0"),
            (b'E', b"\0\0\0\0\0"),
            (b'P', b"\0KILL ALL\0\0\0"),
            (b'B', b"\0\0\0\0\0\0\0\0"),
            (b'D', b"P\0"),
            (b'E', b"\0\0\0\0\0"),
        ])
        .await;
    assert_eq!(tags(&told), "1tn2I12nCZ");
}

#[tokio::test]
async fn rows_are_sent_as_many_as_the_client_wants_at_a_time() {
    let mut client = Client::usual().await;
    client.query("BEGIN").await;
    let told = client
        .sync(&[(b'P', b"\0SHOW HELP\0\0\0"), (b'B', b"c\0\0\0\0\0\0\0\0"), (b'E', b"c\0\0\0\0\x02")])
        .await;
    assert_eq!(tags(&told), "12DDsZ");
    // The portal outlives the Sync within what the client takes for a transaction.
    let told = client
        .sync(&[(b'E', b"c\0\0\0\0\x01"), (b'E', b"c\0\0\0\0\0")])
        .await;
    assert!(tags(&told).starts_with("DsDD") && tags(&told).ends_with("DCZ"), "{}", tags(&told));
    let told = client
        .sync(&[(b'P', b"\0COMMIT\0\0\0"), (b'B', b"\0\0\0\0\0\0\0\0"), (b'E', b"\0\0\0\0\0")])
        .await;
    assert_eq!(tags(&told), "12CZ");
    assert_eq!(sqlstate(&client.sync(&[(b'E', b"c\0\0\0\0\0")]).await), "34000");
}

#[tokio::test]
async fn behind_an_error_everything_is_dropped_up_to_the_sync() {
    let mut client = Client::usual().await;
    let parameters: &[u8] = b"\0SHOW ERRORS $1\0\0\x01\0\0\0\x19";
    for (bad, want) in [
        ((b'P', &b"\0SHOW POOLS\0\0\0"[..]), "42601"),
        ((b'P', parameters), "0A000"),
        ((b'P', b"\0SHOW ERRORS $1\0\0\0"), "0A000"),
        ((b'P', b"\0SHOW HELP; KILL ALL\0\0\0"), "42601"),
        ((b'P', b"short"), "08P01"),
        ((b'B', b"\0nosuch\0\0\0\0\0\0\0"), "26000"),
        ((b'B', b"\0\0\0\0\0\x01\0\0\0\x01x\0\0"), "26000"),
        ((b'E', b"nosuch\0\0\0\0\0"), "34000"),
        ((b'D', b"Xx\0"), "08P01"),
    ] {
        let told = client
            .sync(&[bad, (b'P', b"\0KILL ALL\0\0\0"), (b'Q', b"KILL ALL\0")])
            .await;
        assert_eq!((tags(&told), &*sqlstate(&told)), ("EZ".to_owned(), want), "{bad:?}");
    }
    // The error does not wait for the Sync, nor does asyncpg send one before it has read it.
    client
        .send(&[(b'P', b"\0SHOW POOLS\0\0\0"), (b'H', b"")])
        .await;
    assert_eq!(tags(&client.until(b'E').await), "E");
    assert_eq!(tags(&client.sync(&[]).await), "Z");
    // In the simple protocol too, and for what has no place here at all.
    for (bad, want) in [((b'Q', &b"\xff\0"[..]), "08P01"), ((b'F', b"\0\0\0\x01"), "0A000")] {
        client.send(&[bad]).await;
        let told = client.until(b'Z').await;
        assert_eq!((tags(&told), &*sqlstate(&told)), ("EZ".to_owned(), want), "{bad:?}");
    }
    client
        .send(&[(b'd', b"data of a COPY"), (b'c', b""), (b'H', b"")])
        .await;
    assert_eq!(tags(&client.query("SHOW FLEET").await), "TDCZ");
    let told = client
        .sync(&[(b'P', b"\0SHOW HELP\0\0\0"), (b'B', b"\0\0\0\0\0\x01\0\0\0\x01x\0\0")])
        .await;
    assert_eq!((tags(&told), &*sqlstate(&told)), ("1EZ".to_owned(), "08P01"));
    assert!(client.fake.actions.lock().is_empty());
}

#[tokio::test]
async fn statements_and_portals_are_bounded() {
    let mut client = Client::usual().await;
    let names: Vec<_> = (0..300).map(|n| format!("s{n}\0SHOW HELP\0\0\0")).collect();
    let parses: Vec<_> = names.iter().map(|body| (b'P', body.as_bytes())).collect();
    let told = client.sync(&parses).await;
    assert_eq!((told.len(), &*sqlstate(&told)), (256 + 2, "54000"));
    assert_eq!(sqlstate(&client.sync(&[(b'P', b"s1\0SHOW HELP\0\0\0")]).await), "42P05");
    assert_eq!(tags(&client.query("DEALLOCATE s1").await), "CZ");
    assert_eq!(sqlstate(&client.query("DEALLOCATE s1").await), "26000");
    let portals: Vec<_> = (0..5).map(|n| format!("p{n}\0s2\0\0\0\0\0\0\0")).collect();
    let binds: Vec<_> = portals.iter().map(|body| (b'B', body.as_bytes())).collect();
    let told = client.sync(&binds).await;
    assert_eq!((tags(&told), &*sqlstate(&told)), ("2222EZ".to_owned(), "54000"));
    assert_eq!(tags(&client.query("DISCARD ALL").await), "CZ");
    assert_eq!(sqlstate(&client.sync(&[(b'D', b"Ss2\0")]).await), "26000");
    let long = [&b"\0"[..], "x".repeat(300).as_bytes(), b"\0\0\0"].concat();
    assert_eq!(sqlstate(&client.sync(&[(b'P', &long)]).await), "42601");
    let long = ["x".repeat(300).as_bytes(), b"\0SHOW HELP\0\0\0"].concat();
    assert_eq!(sqlstate(&client.sync(&[(b'P', &long)]).await), "22023");
}

/// All of the room is another table's, which the same user has not read.
#[tokio::test]
async fn a_table_without_room_is_an_error_and_a_portal_keeps_its_room_until_it_is_closed() {
    let mut client = Client::usual().await;
    let ops: Arc<str> = "ops".into();
    let mut rows = Rows::new(Vec::new(), Vec::new());
    rows.bytes = usize::MAX / 4;
    let room = client.tables.hold(&ops, &rows).unwrap();
    let told = client.query("SHOW HELP").await;
    assert_eq!((tags(&told), &*sqlstate(&told)), ("EZ".to_owned(), "54000"));
    drop(room);
    client.query("BEGIN").await;
    let told = client
        .sync(&[(b'P', b"\0SHOW HELP\0\0\0"), (b'B', b"c\0\0\0\0\0\0\0\0"), (b'E', b"c\0\0\0\0\x01")])
        .await;
    assert_eq!(tags(&told), "12DsZ");
    assert!(client.tables.hold(&ops, &rows).is_err());
    client.query("COMMIT").await;
    assert!(client.tables.hold(&ops, &rows).is_ok());
}

/// The client's thread and the tables' own go on meanwhile.
#[tokio::test]
async fn a_table_is_made_by_a_thread_of_its_own() {
    let mut client = Client::usual().await;
    let turn = client.tables.turn("other").await;
    client.send(&[(b'Q', b"SHOW VERSION\0")]).await;
    {
        let mut waiting = Box::pin(client.until(b'Z'));
        for _ in 0..100 {
            assert!(futures_util::poll!(&mut waiting).is_pending(), "there is one turn for all");
            tokio::task::yield_now().await;
        }
        drop(turn);
        assert!(tags(&waiting.await).starts_with("TD"));
    }
    let here = std::thread::current().id();
    assert!(
        client
            .fake
            .asked_by
            .lock()
            .iter()
            .all(|thread| *thread != here)
    );
}

#[tokio::test]
async fn a_message_that_is_none_ends_the_console() {
    for (bytes, last) in [
        (message(b'p', b"password\0"), &b"protocol error: expected a query"[..]),
        (message(0, b""), b"protocol error: expected a query"),
        (b"Q\0\x01\0\x01".to_vec(), b"protocol error: expected a message of at most 64 KiB"),
        (b"Q\xff\xff\xff\xff".to_vec(), b"protocol error: expected a message of at most 64 KiB"),
    ] {
        let mut client = Client::usual().await;
        client.stream.write_all(&bytes).await.unwrap();
        client.stream.shutdown().await.unwrap();
        let (relayed, said) = client.end().await;
        assert!(matches!(relayed.error, Some(RelayError::Client(_))), "{relayed:?}");
        assert!(said.windows(last.len()).any(|part| part == last) && said.starts_with(b"E"), "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_in_mid_message_or_does_not_read_is_dropped() {
    let mut client = Client::usual().await;
    client.stream.write_all(b"Q\0\0\0\x0aSH").await.unwrap();
    let began = tokio::time::Instant::now();
    let relayed = (&mut client.served).await.unwrap();
    assert!(matches!(relayed.error, Some(RelayError::Client(_))), "{relayed:?}");
    assert!(began.elapsed() < Duration::from_secs(40));

    let mut client = Client::open(512, SessionLimits::default()).await;
    client.send(&[(b'Q', b"SHOW HELP\0")]).await;
    let began = tokio::time::Instant::now();
    let relayed = (&mut client.served).await.unwrap();
    assert!(matches!(relayed.error, Some(RelayError::Client(_))), "{relayed:?}");
    assert!(began.elapsed() < Duration::from_secs(40));
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_lifetime_and_orders_end_a_console_with_a_reason() {
    for (idle_timeout, seconds) in [(Some(Duration::from_secs(60)), 60), (None, 3600)] {
        let idle = SessionLimits { idle_timeout, ..SessionLimits::default() };
        let client = Client::open(1 << 20, idle).await;
        let since = tokio::time::Instant::now();
        let (relayed, last) = client.end().await;
        assert_eq!((relayed.end, since.elapsed().as_secs()), (End::Idle, seconds));
        assert!(last.windows(5).any(|part| part == b"57P05"), "{last:?}");
    }
    let aged = SessionLimits { session_lifetime: Some(Duration::from_secs(60)), ..SessionLimits::default() };
    let (relayed, last) = Client::open(1 << 20, aged).await.end().await;
    assert_eq!(relayed.end, End::Lifetime);
    assert!(last.windows(5).any(|part| part == b"57P01"), "{last:?}");
    for (order, end) in [(Order::DrainConsoles, End::Drain), (Order::Kill, End::Killed), (Order::Revoke, End::Revoked)]
    {
        let mut client = Client::usual().await;
        client.stop.give(Order::Drain);
        assert_eq!(tags(&client.query("SHOW DRAIN").await), "TDCZ", "a drain leaves consoles alone");
        client.stop.give(order);
        let (relayed, last) = client.end().await;
        assert_eq!(relayed.end, end);
        assert!(last.windows(5).any(|part| part == b"57P01"), "{last:?}");
    }
}
