//! tokio-postgres of the driver matrix (`make drivers`): says on stdout what drivers/run.py wants
//! to hear of each check.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "it prints, and a check that fails ends by panic"
)]

mod tls;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use futures_util::{SinkExt, TryStreamExt};
use tls::Tls;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls};

const DB_USER: &str = "IAMR:rs01";
const ROWS: i32 = 100_000;
const COPY_ROWS: i32 = 10_000;

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn config(port: &str, mode: SslMode, password: &str) -> Config {
    let mut config = Config::new();
    config
        .host(setting("PROXY_HOST"))
        .port(setting(port).parse().unwrap())
        .ssl_mode(mode);
    config
        .user(setting("PROXY_USER"))
        .password(password)
        .dbname(setting("PROXY_DATABASE"));
    config
}

async fn connect_tls(ca: &str, password: &str) -> Result<Client, Error> {
    let config = config("PROXY_PORT", SslMode::Require, password);
    let (client, connection) = config.connect(Tls::trusting(&setting(ca))).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn connect_plain(port: &str) -> Result<Client, Error> {
    let (client, connection) = config(port, SslMode::Disable, &setting("PROXY_PASSWORD"))
        .connect(NoTls)
        .await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn session() -> Client {
    connect_tls("PROXY_CA", &setting("PROXY_PASSWORD"))
        .await
        .unwrap()
}

fn assert_refused(refused: Result<Client, Error>, state: &SqlState, text: &str) {
    let error = refused.map(drop).expect_err("a refusal");
    let error = error
        .as_db_error()
        .unwrap_or_else(|| panic!("no answer of the server: {error}"));
    assert_eq!(error.code(), state);
    assert!(error.message().starts_with(text), "{error}");
}

async fn current_user(client: &Client) -> String {
    client
        .query_one("select current_user::text", &[])
        .await
        .unwrap()
        .get(0)
}

async fn login() {
    assert_eq!(current_user(&session().await).await, DB_USER);
}

/// It has no type of its own for numeric.
async fn typed_parameters() {
    let text = "naïve ☃ 𝄞 'quoted' \\ \"too\"";
    let octets: Vec<u8> = (0..=255).collect();
    let hex = |octets: &[u8]| {
        octets
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect::<String>()
    };
    // 2024-02-29 23:59:59.123456
    let moment = SystemTime::UNIX_EPOCH + Duration::from_micros(1_709_251_199_123_456);
    let sql = format!(
        "select $1::int, $2::bigint, $3::text, $4::text, $5::bool, $6::text::numeric::text, $7::timestamp, $8::bytea,
           $1 = 2147483647 and $2 = -9007199254740993 and $3 = convert_from(decode('{}', 'hex'), 'UTF8') and $4 is null
           and $5 and $6::numeric = 12345678901234567890.123456789 and $7 = '2024-02-29 23:59:59.123456'::timestamp
           and $8 = decode('{}', 'hex')",
        hex(text.as_bytes()),
        hex(&octets),
    );
    let (int, bigint, nothing, numeric) =
        (i32::MAX, -9_007_199_254_740_993_i64, None::<&str>, "12345678901234567890.123456789");
    let row = session()
        .await
        .query_one(&sql, &[&int, &bigint, &text, &nothing, &true, &numeric, &moment, &octets])
        .await
        .unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2), row.get(3)), (int, bigint, text, nothing));
    assert_eq!((row.get(4), row.get(5), row.get(6), row.get(7)), (true, numeric, moment, octets));
    assert!(row.get::<_, bool>(8), "the server had other values");
}

async fn rows() {
    let sql = "select n, 'row ' || n from generate_series(1, 100000) n";
    let rows = session().await.query(sql, &[]).await.unwrap();
    let got = rows
        .iter()
        .map(|row| (row.get::<_, i32>(0), row.get::<_, String>(1)));
    assert!(got.eq((1..=ROWS).map(|n| (n, format!("row {n}")))));
}

async fn assert_fails(client: &Client, sql: &str, state: &SqlState) {
    assert_eq!(client.query(sql, &[]).await.unwrap_err().code(), Some(state));
    assert_eq!(
        client
            .query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
}

async fn error() {
    let client = session().await;
    assert_fails(&client, "selec 1", &SqlState::SYNTAX_ERROR).await;
    assert_fails(&client, "select 1 / 0", &SqlState::DIVISION_BY_ZERO).await;
    assert_fails(&client, "select * from no_such_table", &SqlState::UNDEFINED_TABLE).await;
}

async fn cancel() {
    let (client, other) = (session().await, session().await);
    let pid: i32 = client
        .query_one("select pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    let request = async {
        let look = "select 1 from pg_stat_activity where wait_event = 'PgSleep' and pid = $1";
        while other.query(look, &[&pid]).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        client
            .cancel_token()
            .cancel_query(Tls::trusting(&setting("PROXY_CA")))
            .await
            .unwrap();
    };
    let sleep = assert_fails(&client, "select pg_sleep(60)", &SqlState::QUERY_CANCELED);
    tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(sleep, request) })
        .await
        .unwrap();
}

async fn transaction() {
    let (mut client, other) = (session().await, session().await);
    let seen = async || {
        let sql = "select coalesce(sum(n), 0) from drivers_tokio_postgres";
        other.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
    };
    client
        .batch_execute("create table drivers_tokio_postgres (n int)")
        .await
        .unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute("insert into drivers_tokio_postgres values ($1)", &[&1])
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(seen().await, 0);
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute("insert into drivers_tokio_postgres values ($1)", &[&2])
        .await
        .unwrap();
    assert_eq!(seen().await, 0);
    transaction.commit().await.unwrap();
    assert_eq!(seen().await, 2);
    client
        .batch_execute("drop table drivers_tokio_postgres")
        .await
        .unwrap();
}

async fn copy() {
    let twice = |n: i32| if n % 10 == 0 { "\\N".to_owned() } else { (n * 2).to_string() };
    let text: String = (1..=COPY_ROWS)
        .map(|n| format!("{n}\trow {n} ☃ \\t \\\\ \\n\t{}\n", twice(n)))
        .collect();
    let client = session().await;
    client
        .batch_execute("create temporary table copied (n int, t text, twice int)")
        .await
        .unwrap();
    let mut into = Box::pin(client.copy_in("copy copied from stdin").await.unwrap());
    // In pieces that end in the middle of lines.
    for piece in text.as_bytes().chunks(1000) {
        into.send(bytes::Bytes::copy_from_slice(piece))
            .await
            .unwrap();
    }
    assert_eq!(into.as_mut().finish().await.unwrap(), 10_000);
    let out = client
        .copy_out("copy (select * from copied order by n) to stdout")
        .await
        .unwrap();
    let pieces: Vec<bytes::Bytes> = out.try_collect().await.unwrap();
    assert!(pieces.concat() == text.as_bytes());
    let sums = client
        .query_one("select count(*), sum(n), sum(twice) from copied", &[])
        .await
        .unwrap();
    assert_eq!((sums.get(0), sums.get(1), sums.get(2)), (10_000_i64, 50_005_000_i64, 90_000_000_i64));
}

async fn tls_modes() {
    let error = connect_tls("PROXY_WRONG_CA", &setting("PROXY_PASSWORD"))
        .await
        .map(drop)
        .unwrap_err();
    let cause = std::error::Error::source(&error)
        .map(ToString::to_string)
        .unwrap_or_default();
    assert!(cause.starts_with("invalid peer certificate"), "{error}: {cause}");
    let state = &SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
    assert_refused(connect_plain("PROXY_PORT").await, state, "TLS is required");
    assert_eq!(current_user(&connect_plain("PROXY_PLAIN_PORT").await.unwrap()).await, DB_USER);
}

async fn wrong_password() {
    let refused = connect_tls("PROXY_CA", "wrong").await;
    assert_refused(refused, &SqlState::INVALID_PASSWORD, "password authentication failed for user");
}

/// Prints what came of a check; whether it passed.
async fn report(name: &str, check: impl Future<Output = ()> + Send + 'static) -> bool {
    let Err(error) = tokio::spawn(check).await else {
        println!("ok {name}");
        return true;
    };
    let payload = error.into_panic();
    let text = payload.downcast_ref::<String>().cloned();
    let text = text
        .or_else(|| {
            payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
        })
        .unwrap_or_default();
    println!("fail {name} {}", text.split_whitespace().collect::<Vec<_>>().join(" "));
    false
}

#[tokio::main]
async fn main() -> ExitCode {
    // The version is the lock file's.
    let lock = include_str!("../../Cargo.lock");
    let (_, version) = lock
        .split_once("name = \"tokio-postgres\"\nversion = \"")
        .unwrap();
    println!("version {}", version.split('"').next().unwrap());
    let passed = [
        report("login", login()).await,
        report("typed parameters", typed_parameters()).await,
        report("100,000 rows", rows()).await,
        report("error", error()).await,
        report("cancel", cancel()).await,
        report("transaction", transaction()).await,
        report("copy", copy()).await,
        report("TLS modes", tls_modes()).await,
        report("wrong password", wrong_password()).await,
    ];
    if passed.contains(&false) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
