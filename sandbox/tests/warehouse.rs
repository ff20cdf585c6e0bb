//! The warehouse as clients see it: psql, tokio-postgres and a scripted one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test ends by panicking, and what it indexes it made itself"
)]

mod support;

use std::process::Stdio;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use redshift_sandbox::ca::Ca;
use redshift_sandbox::warehouse::{Authentication, Cancel, Statements, WarehouseOptions};
use support::{Rig, Scripted, USER, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::{NoTls, error::SqlState};

#[tokio::test]
async fn psql_logs_in_with_a_minted_login_however_it_is_asked() {
    let rig = Rig::start().await;
    let login = rig.login().await;
    for (how, answers) in [(Authentication::Cleartext, 1), (Authentication::Md5, 2), (Authentication::Scram, 4)] {
        rig.warehouse.ask(how);
        let output = rig
            .query(&login.password, "select current_user, session_user")
            .await;
        assert_eq!(text(&output.stdout), "IAMR:rs01|IAMR:rs01", "{how:?}: {}", text(&output.stderr));
        assert_eq!(rig.warehouse.passwords_seen(), answers, "{how:?}");
    }
    assert_eq!((rig.warehouse.dials(), rig.warehouse.logins()), (3, 3));
}

#[tokio::test]
async fn a_digest_answer_is_judged_by_its_password() {
    let rig = Rig::start().await;
    let login = rig.login().await;
    rig.warehouse.ask(Authentication::Digest);
    for (password, accepted) in [(login.password.as_str(), true), ("wrong", false)] {
        let mut client = Scripted::start(&rig, &[]).await;
        let (kind, body) = client.receive().await;
        assert_eq!((kind, &body[..12]), (b'R', [0, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0, 16].as_slice()));
        let (salt, server_nonce) = (&body[12..28], &body[32..48]);
        let inner = digest(&SHA256, &[password.as_bytes(), salt].concat());
        let answer = digest(&SHA256, &[inner.as_ref(), server_nonce, b"1700000000000"].concat());
        client
            .send(b'd', &[&[0, 0, 0, 32], answer.as_ref(), &[0, 0, 0, 13], b"1700000000000"].concat())
            .await;
        if accepted {
            assert_eq!(client.receive().await, (b'R', vec![0; 4]));
            client.receive_until(b'Z').await;
        } else {
            let said = format!("28000 password authentication failed for user \"{USER}\"");
            assert_eq!(client.refusal().await, (said, "SCMFLR".to_owned()));
        }
    }
}

#[tokio::test]
async fn wrong_expired_and_revoked_passwords_get_one_answer() {
    let rig = Rig::start().await;
    let login = rig.login().await;
    let fails = async |password: &str| {
        for how in [Authentication::Cleartext, Authentication::Md5, Authentication::Scram] {
            rig.warehouse.ask(how);
            let error = rig.connect(password, "").await.err().unwrap();
            let error = error.as_db_error().unwrap();
            assert_eq!(error.code(), &SqlState::INVALID_AUTHORIZATION_SPECIFICATION, "{how:?}");
            assert_eq!(error.message(), "password authentication failed for user \"IAMR:rs01\"");
            assert_eq!((error.severity(), error.routine()), ("FATAL", Some("auth_failed")));
        }
    };
    fails("wrong").await;
    rig.logins.rotate();
    let newer = rig.login().await;
    rig.connect(&login.password, "")
        .await
        .expect("the older one works until it expires");
    rig.connect(&newer.password, "")
        .await
        .expect("and so does the newer one");
    rig.logins.advance(Duration::from_secs(900));
    fails(&login.password).await;
    let third = rig.login().await;
    rig.logins.revoke_all();
    fails(&third.password).await;
}

#[tokio::test]
async fn startup_parameters_are_judged_as_redshift_does() {
    let rig = Rig::start().await;
    let password = rig.login().await.password;
    let unknown = "42704 unrecognized configuration parameter";
    let digits = "22023 3 is outside the valid range for parameter \"extra_float_digits\" (-15 .. 2)";
    for (parameter, expected) in [
        (("IntervalStyle", "iso_8601"), format!("{unknown} \"IntervalStyle\"")),
        (("standard_conforming_strings", "on"), format!("{unknown} \"standard_conforming_strings\"")),
        (("options", "-c jit=off"), format!("{unknown} \"jit\"")),
        (("extra_float_digits", "3"), digits.to_owned()),
        (("options", "-c extra_float_digits=3"), digits.to_owned()),
    ] {
        let mut client = Scripted::log_in(&rig, &password, &[parameter]).await;
        assert_eq!(client.refusal().await, (expected, "SCMFLR".to_owned()));
    }
    let client = rig
        .connect(&password, "-c statement_timeout=12345 -c query_group=x")
        .await
        .unwrap();
    let row = client
        .query_one("show statement_timeout", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "12345ms");
    let startup = rig.warehouse.startups().pop().unwrap();
    assert!(startup.contains(&("options".to_owned(), "-c statement_timeout=12345 -c query_group=x".to_owned())));
}

#[tokio::test]
async fn the_greeting_is_redshifts() {
    let rig = Rig::start().await;
    let password = rig.login().await.password;
    let driver = [
        ("client_encoding", "UTF8"),
        ("client_protocol_version", "2"),
        ("driver_version", "Redshift Python Driver 2.2.0"),
        ("os_version", "Linux"),
        ("driver_discovery_version", "1"),
        ("plugin_name", "none"),
        ("application_name", "bi"),
    ];
    for (parameters, expected, token) in [
        (
            driver.as_slice(),
            [("client_encoding", "UTF8"), ("server_protocol_version", "2"), ("application_name", "bi")],
            true,
        ),
        (&[], [("client_encoding", "UNICODE"), ("server_protocol_version", "0"), ("application_name", "unset")], false),
    ] {
        let mut client = Scripted::log_in(&rig, &password, parameters).await;
        let messages = client.receive_until(b'Z').await;
        let kinds: String = messages.iter().map(|(kind, _)| char::from(*kind)).collect();
        assert_eq!(kinds.replace('S', ""), "RKZ");
        let statuses: Vec<&str> = messages
            .iter()
            .filter(|(kind, _)| *kind == b'S')
            .map(|(_, body)| text(body))
            .collect();
        let has = |name: &str, value: &str| statuses.contains(&format!("{name}\0{value}\0").as_str());
        for (name, value) in expected {
            assert!(has(name, value), "{name}={value} in {statuses:?}");
        }
        assert!(has("server_version", "8.0.2") && has("datestyle", "ISO, MDY") && has("session_authorization", USER));
        for absent in ["standard_conforming_strings", "IntervalStyle", "DateStyle", "in_hot_standby"] {
            assert!(!statuses.iter().any(|status| status.starts_with(absent)), "{absent}");
        }
        assert_eq!(
            statuses
                .iter()
                .any(|status| status.starts_with("driver_token\0")),
            token
        );
    }
}

#[tokio::test]
async fn a_higher_level_extends_the_description_of_results() {
    let rig = Rig::start().await;
    let password = rig.login().await.password;
    let mut client = Scripted::log_in(&rig, &password, &[("client_protocol_version", "3")]).await;
    client.receive_until(b'Z').await;
    client.send(b'Q', b"select 7 as n\0").await;
    let messages = client.receive_until(b'Z').await;
    assert!(messages[0].1.ends_with(b"\0\0n\0\0\x10\0"), "{messages:?}");
    assert_eq!(messages[1], (b'D', b"\0\x01\0\0\0\x017".to_vec()));
}

#[tokio::test]
async fn unknown_protocol_options_and_identity_providers_are_answered_as_such() {
    let rig = Rig::start().await;
    let mut client = Scripted::start(&rig, &[("_pq_.compression", "lz4")]).await;
    assert_eq!(client.receive().await, (b'v', b"\0\x03\0\0\0\0\0\x01_pq_.compression\0".to_vec()));
    assert_eq!(client.receive().await, (b'R', vec![0, 0, 0, 3]));
    let mut client = Scripted::start(&rig, &[("idp_type", "AzureAD")]).await;
    assert_eq!(client.receive().await, (b'R', vec![0, 0, 0, 14]));
}

#[tokio::test]
async fn copy_goes_in_and_out_through_the_relay() {
    let rig = Rig::start().await;
    let password = rig.login().await.password;
    let mut copy = rig.psql(rig.warehouse.address().port(), &password);
    copy.args(["-c", "create table t (n int)", "-c", "\\copy t from pstdin", "-c", "\\copy t to pstdout"]);
    let mut child = copy
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let rows: String = (0..200_000).map(|n| format!("{n}\n")).collect();
    let mut stdin = child.stdin.take().unwrap();
    let (sent, output) = tokio::join!(
        async {
            stdin.write_all(rows.as_bytes()).await.unwrap();
            drop(stdin);
        },
        child.wait_with_output()
    );
    let () = sent;
    assert!(output.unwrap().stdout == rows.as_bytes());
}

#[tokio::test]
async fn a_cancel_request_stops_a_query_in_clear_and_inside_tls() {
    let rig = Rig::start().await;
    let password = rig.login().await.password;
    for inside_tls in [false, true] {
        let client = rig.connect(&password, "").await.unwrap();
        let pid: i32 = client
            .query_one("select pg_backend_pid()", &[])
            .await
            .unwrap()
            .get(0);
        let query = client.batch_execute("select pg_sleep(3600)");
        let cancels = async {
            // A request that overtakes its query stops nothing, so it is sent until it hits.
            loop {
                let token = client.cancel_token();
                let count = rig.warehouse.cancels().len() + 1;
                if inside_tls {
                    token
                        .cancel_query_raw(rig.dial().await, NoTls)
                        .await
                        .unwrap();
                } else {
                    let socket = TcpStream::connect(rig.warehouse.address()).await.unwrap();
                    token.cancel_query_raw(socket, NoTls).await.unwrap();
                }
                rig.warehouse.wait_for_cancels(count).await;
            }
        };
        let error = tokio::select! { ended = query => ended.unwrap_err(), () = cancels => unreachable!() };
        assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
        let pid = u32::try_from(pid).unwrap();
        assert!(
            rig.warehouse
                .cancels()
                .contains(&Cancel { inside_tls, pid })
        );
        assert!(
            !rig.warehouse
                .cancels()
                .contains(&Cancel { inside_tls: !inside_tls, pid })
        );
    }
    assert_eq!(rig.warehouse.logins(), 2);
}

#[tokio::test]
async fn plaintext_is_refused() {
    let rig = Rig::start().await;
    let mut psql = rig.psql(rig.warehouse.address().port(), "x");
    let output = psql
        .env("PGSSLMODE", "disable")
        .args(["-c", "select 1"])
        .output()
        .await
        .unwrap();
    let said = "no pg_hba.conf entry for host \"127.0.0.1\", user \"IAMR:rs01\", database \"dev\", SSL off";
    assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    rig.warehouse.refuse_tls(true);
    let output = rig.query("x", "select 1").await;
    assert!(text(&output.stderr).contains("server does not support SSL"), "{}", text(&output.stderr));
    assert_eq!(rig.warehouse.passwords_seen(), 0);
}

#[tokio::test]
async fn a_missing_database_is_refused_in_postgresqls_words() {
    let rig = Rig::start().await;
    let password = rig.login().await.password;
    let mut client = Scripted::log_in(&rig, &password, &[("database", "nowhere")]).await;
    assert_eq!(client.refusal().await.0, "3D000 database \"nowhere\" does not exist");
}

#[tokio::test]
async fn a_strange_certificate_and_forged_bytes_drive_clients_away() {
    let rig = Rig::start().await;
    rig.warehouse.forge_behind_ssl(Some(b"forged".to_vec()));
    let output = rig.query("x", "select 1").await;
    assert!(text(&output.stderr).contains("received unencrypted data"), "{}", text(&output.stderr));
    rig.warehouse.forge_behind_ssl(None);
    rig.warehouse.present(Ca::new().issue(&["localhost"]));
    let output = rig.query("x", "select 1").await;
    assert!(text(&output.stderr).contains("certificate verify failed"), "{}", text(&output.stderr));
    rig.warehouse.present(rig.ca.issue(&["elsewhere"]));
    let output = rig.query("x", "select 1").await;
    assert!(text(&output.stderr).contains("does not match host name"), "{}", text(&output.stderr));
    assert_eq!((rig.warehouse.startups().len(), rig.warehouse.passwords_seen()), (0, 0));
}

#[tokio::test]
async fn counted_orders_are_carried_out_once_each() {
    let rig = Rig::start().await;
    let password = rig.login().await.password;
    rig.warehouse.reset_logins(1);
    rig.warehouse
        .login_error(1, "57P03", "the database system is starting up");
    rig.warehouse.refuse_logins(1);
    let reset = Scripted::start(&rig, &[])
        .await
        .0
        .read_u8()
        .await
        .unwrap_err();
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    let mut failed = Scripted::start(&rig, &[]).await;
    assert_eq!(failed.refusal().await.0, "57P03 the database system is starting up");
    let mut refused = Scripted::log_in(&rig, &password, &[]).await;
    assert_eq!(refused.refusal().await.0, "28000 password authentication failed for user \"IAMR:rs01\"");
    rig.connect(&password, "")
        .await
        .expect("the orders are used up");
    assert_eq!(rig.warehouse.logins(), 1);
}

#[tokio::test]
async fn a_sleeping_warehouse_lets_logins_wait_until_woken() {
    let rig = Rig::start().await;
    let password = rig.login().await.password;
    rig.warehouse.sleep_until_woken();
    let woken = async {
        rig.warehouse.wait_for_dials(1).await;
        assert_eq!(rig.warehouse.passwords_seen(), 0);
        rig.warehouse.wake();
    };
    let (client, ()) = tokio::join!(rig.connect(&password, ""), woken);
    client.unwrap();
    rig.warehouse.slow_wake(Duration::from_millis(20));
    let started = tokio::time::Instant::now();
    rig.connect(&password, "").await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(20));
}

#[tokio::test]
async fn sessions_are_dropped_to_order_and_with_the_warehouse() {
    let rig = Rig::start().await;
    let password = rig.login().await.password;
    let mut client = Scripted::log_in(&rig, &password, &[]).await;
    client.receive_until(b'Z').await;
    rig.warehouse.close_sessions();
    client
        .0
        .read_u8()
        .await
        .expect_err("no byte, and no close_notify");
    let mut client = Scripted::log_in(&rig, &password, &[]).await;
    client.receive_until(b'Z').await;
    drop(rig.warehouse);
    client.0.read_u8().await.unwrap_err();
}

#[tokio::test]
async fn a_login_of_a_cluster_is_its_database_user_s() {
    let rig = Rig::start().await;
    let life = Duration::from_secs(900);
    for user in ["IAM:adam", "IAMA:adam:readers:writers"] {
        let login = rig.logins.mint_as(user, "adam", life).await;
        let mut psql = rig.psql(rig.warehouse.address().port(), &login.password);
        let output = psql
            .env("PGUSER", user)
            .args(["-c", "select current_user"])
            .output()
            .await
            .unwrap();
        assert_eq!(text(&output.stdout), "adam", "{}", text(&output.stderr));
        let startup = rig.warehouse.startups().pop().unwrap();
        assert!(startup.contains(&("user".to_owned(), user.to_owned())), "{startup:?}");
    }
    let hollow = rig.logins.hollow("IAM:eve", "eve", life);
    let mut psql = rig.psql(rig.warehouse.address().port(), &hollow.password);
    let output = psql
        .env("PGUSER", "IAM:eve")
        .args(["-c", "select 1"])
        .output()
        .await
        .unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("password authentication failed for user \"IAM:eve\""), "{said}");
}

/// What tools say to Redshift and PostgreSQL would refuse, and what they ask its catalog: in the
/// words of sqlalchemy-redshift, dlt, SQLMesh and AWS's Python driver, abridged.
#[tokio::test]
async fn statements_in_redshifts_words_are_understood() {
    let rig = Rig::with(WarehouseOptions { statements: Statements::Redshift, ..WarehouseOptions::default() }).await;
    let password = rig.login().await.password;
    let create = "create table item (id int primary key, name varchar(max) not null, tags super, raw varbyte(20))";
    let view = "create view cheap as select id from item with no schema binding";
    for (sql, want) in [
        (create, ""),
        (view, ""),
        ("insert into item values (1, 'a\\'b', json_parse('[1]'), '\\\\x00')", ""),
        ("select name, tags from item where 1 and id = 1", "a'b|[1]"),
        (
            "select table_name, table_type from svv_tables where table_schema = 'public' order by 1",
            "cheap|VIEW\nitem|BASE TABLE",
        ),
        (
            "select column_name, data_type from svv_columns where table_name = 'item' and ordinal_position = 2",
            "name|character varying",
        ),
        (
            "select database_name, schema_name from svv_redshift_schemas where schema_name !~ '^(pg_|info)'",
            "dev|public",
        ),
        (
            "select \"column\", type, encoding from pg_table_def where tablename = 'item' and \"column\" = 'tags'",
            "tags|super|none",
        ),
        ("select \"table\", diststyle from svv_table_info", "item|EVEN"),
        (
            "select c.relname, c.reldiststyle from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where c.relkind = 'r' and n.nspname !~ '^pg_' and schema = 'public' \
             union select t.tablename, null from svv_external_tables t where 1 and relname = 'item'",
            "item|0",
        ),
        ("show tables from schema dev.public like 'i%'", "dev|public|item|TABLE||||||EVEN|REGULAR TABLE"),
        ("SHOW CONSTRAINTS PRIMARY KEYS FROM TABLE public.item;", "dev|public|item|id|1|item_pkey"),
        ("show timezone", "UTC"),
    ] {
        let output = rig.query(&password, sql).await;
        let (rows, said) = (text(&output.stdout), text(&output.stderr));
        let rows: Vec<_> = rows.lines().map(|row| row.trim_end().to_owned()).collect();
        assert_eq!((rows.join("\n").as_str(), output.status.success()), (want, true), "{sql}: {said}");
    }
    let client = rig.connect(&password, "").await.unwrap();
    let rows = client
        .query("SHOW COLUMNS FROM TABLE $1.$2.$3;", &[&"dev", &"public", &"item"])
        .await
        .unwrap();
    assert_eq!(
        rows.iter()
            .map(|row| row.get("column_name"))
            .collect::<Vec<&str>>(),
        ["id", "name", "tags", "raw"]
    );
}
