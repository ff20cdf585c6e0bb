//! PostgreSQL on its own: its TLS door, its roles, and that nothing is left of it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by panicking")]
#![allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "what a test indexes it made itself")]

mod support;

use redshift_sandbox::ca::Ca;
use redshift_sandbox::postgres::{Postgres, PostgresOptions, StartError};
use support::{Rig, text};

#[tokio::test]
async fn a_minted_login_works_at_the_tls_door_with_scram() {
    let rig = Rig::start().await;
    let login = rig.login().await;
    let mut psql = rig.psql(rig.postgres.tls_address().port(), &login.password);
    let output =
        psql.args(["-c", "create table t as select current_user, ssl from pg_stat_ssl where pid = pg_backend_pid()"]);
    let output = output
        .args(["-c", "select * from t"])
        .output()
        .await
        .unwrap();
    assert_eq!(text(&output.stdout), "IAMR:rs01|t", "{}", text(&output.stderr));

    let wrong = rig
        .psql(rig.postgres.tls_address().port(), "wrong")
        .args(["-c", "select 1"])
        .output()
        .await
        .unwrap();
    assert!(text(&wrong.stderr).contains("password authentication failed"), "{}", text(&wrong.stderr));
    let mut clear = rig.psql(rig.postgres.tls_address().port(), &login.password);
    let clear = clear
        .env("PGSSLMODE", "disable")
        .args(["-c", "select 1"])
        .output()
        .await
        .unwrap();
    assert!(text(&clear.stderr).contains("no encryption"), "{}", text(&clear.stderr));
}

#[tokio::test]
async fn names_with_quotes_are_roles_like_any_other() {
    let rig = Rig::start().await;
    let user = r#"IAMR:o'"brien\"#;
    let login = rig
        .logins
        .mint(user, std::time::Duration::from_secs(900))
        .await;
    let mut psql = rig.psql(rig.postgres.tls_address().port(), &login.password);
    let output = psql
        .env("PGUSER", user)
        .args(["-c", "select current_user"])
        .output()
        .await
        .unwrap();
    assert_eq!(text(&output.stdout), user, "{}", text(&output.stderr));
}

#[tokio::test]
async fn dropping_it_ends_the_server_and_removes_its_folder() {
    let ca = Ca::new();
    let postgres = Postgres::start(PostgresOptions::new(&ca)).await.unwrap();
    postgres.execute("create table t (n int)").await.unwrap();
    let (folder, address) = (postgres.socket_dir().to_owned(), postgres.tls_address());
    drop(postgres);
    assert!(!folder.exists());
    std::net::TcpStream::connect(address).unwrap_err();
}

#[tokio::test]
async fn a_server_that_does_not_start_says_why() {
    let ca = Ca::new();
    let options = PostgresOptions { max_connections: 0, ..PostgresOptions::new(&ca) };
    let Err(StartError::Program { program: "postgres", log }) = Postgres::start(options).await else { unreachable!() };
    assert!(log.contains("max_connections"), "{log}");
}
