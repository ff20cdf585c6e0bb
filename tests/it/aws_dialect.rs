//! AWS's JDBC, ODBC and Python drivers: the bytes that they send, and what they need back.
//! Scripted: the first two cannot be installed.

use crate::support::activity::Activity;
use crate::support::aws_driver::{ALL, Driver, JDBC, ODBC, PYTHON};
use crate::support::process::Proxy;
use crate::support::raw::{self, SSL_REQUEST, field, message, read_message, send, startup, until_closed};
use crate::support::scene::{TRACE, whole_log};
use crate::support::scripted::{Scripted, Step};
use crate::support::session::{messages_until, query, statuses};
use crate::support::{PASSWORD, Rig, Setup, USER, World, without_session};
use redshift_sandbox::wire::{authentication, parameter_status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// SQLSTATE and text of a FATAL error, which has every field that the drivers look for.
fn fatal(body: &[u8]) -> (String, String) {
    assert_eq!(field(body, b'S'), "FATAL");
    (field(body, b'C'), without_session(&field(body, b'M')).to_owned())
}

#[test]
fn a_startup_message_is_these_bytes() {
    let pairs =
        [("user", "IAMR:rs01"), ("database", "dev"), ("application_name", "rsgate"), ("client_protocol_version", "2")];
    let bytes = b"\0\0\0\x57\0\x03\0\0user\0IAMR:rs01\0database\0dev\0application_name\0rsgate\0\
                  client_protocol_version\x002\0\0";
    assert_eq!(startup(0, &pairs), bytes);
}

#[tokio::test]
async fn each_driver_logs_in_by_cleartext_inside_tls_and_gets_only_messages_it_knows() {
    let rig = Rig::start().await;
    for driver in ALL {
        let mut stream = rig.tls().await;
        let greeted = driver.log_in(&mut stream).await;
        let told = statuses(&greeted.messages);
        let level = told
            .iter()
            .find(|(name, _)| name == "server_protocol_version")
            .unwrap();
        assert_eq!(level.1, driver.level, "{driver:?}");
        assert_eq!(query(&mut stream, "select current_user::text").await, "IAMR:rs01");
        let pid = u32::from_be_bytes(greeted.key[..4].try_into().unwrap());
        assert_eq!(query(&mut stream, "select pg_backend_pid()").await, pid.to_string());
    }
}

#[tokio::test]
async fn a_drivers_keys_reach_the_warehouse_untouched_and_in_order_and_compression_does_not() {
    let rig = Rig::start().await;
    for driver in ALL {
        driver.log_in(&mut rig.tls().await).await;
        let mut expected = vec![("user", "IAMR:rs01"), ("database", "dev")];
        expected.extend(
            driver
                .keys
                .iter()
                .filter(|(name, _)| *name != "_pq_.compression"),
        );
        // Of the template `application_name`, whose default is the client's own: brackets in it
        // become _.
        let name = expected
            .iter_mut()
            .find(|(name, _)| *name == "application_name")
            .unwrap();
        let cleaned = name.1.replace(['[', ']'], "_");
        name.1 = &cleaned;
        if !driver
            .keys
            .iter()
            .any(|(name, _)| *name == "client_encoding")
        {
            expected.push(("client_encoding", "UTF8"));
        }
        let sent = rig.sandbox().warehouse.startups().pop().unwrap();
        let sent: Vec<_> = sent
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(sent, expected);
    }
}

#[tokio::test]
async fn the_keys_of_a_plugin_login_stay_here() {
    let rig = Rig::start().await;
    const PLUGIN: Driver = Driver {
        keys: &[
            ("client_encoding", "UTF8"),
            ("client_protocol_version", "3"),
            ("driver_version", "Redshift JDBC Driver 2.2.2"),
            ("plugin_name", "com.amazon.redshift.plugin.BrowserIdcAuthPlugin"),
            ("idp_type", "AwsIdc"),
            ("provider_name", "x"),
            ("token_type", "ACCESS_TOKEN"),
            ("identity_namespace", "x"),
            ("idc_client_display_name", "x"),
        ],
        ..JDBC
    };
    PLUGIN.log_in(&mut rig.tls().await).await;
    let names: Vec<_> = rig
        .sandbox()
        .warehouse
        .startups()
        .pop()
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["user", "database", "client_encoding", "client_protocol_version", "driver_version"]);
}

/// With an identity provider's token the JDBC driver names no user, and the Python driver an empty
/// one.
#[tokio::test]
async fn a_driver_that_names_no_user_is_refused_with_28000() {
    let rig = Rig::start().await;
    for user in [None, Some("")] {
        let mut stream = rig.tls().await;
        let user = user.map(|user| ("user", user));
        let pairs: Vec<_> = user
            .into_iter()
            .chain([("database", "sales"), ("client_protocol_version", "3")])
            .collect();
        send(&mut stream, &startup(0, &pairs)).await;
        let (sqlstate, text) = fatal(&JDBC.refusal(&mut stream).await);
        assert_eq!((&*sqlstate, &*text), ("28000", "no PostgreSQL user name specified in startup packet"));
    }
}

#[tokio::test]
async fn an_ssl_request_is_answered_with_one_byte_and_no_error() {
    for (mode, answer) in [("require", b'S'), ("prefer", b'S'), ("disable", b'N')] {
        let rig = Rig::with(Setup { tls: mode, ..Setup::default() }).await;
        let mut socket = raw::tcp(rig.port()).await;
        socket.write_all(SSL_REQUEST).await.unwrap();
        assert_eq!(socket.read_u8().await.unwrap(), answer, "{mode}");
        // And then it is the driver's turn: its next words are the first that are answered.
        if answer == b'N' {
            send(&mut socket, &startup(0, &[("user", USER), ("database", "sales")])).await;
            assert_eq!(read_message(&mut socket).await.unwrap().0, b'R');
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_28p01() {
    let rig = Rig::start().await;
    for driver in ALL {
        let mut stream = rig.tls().await;
        driver.ask(&mut stream).await;
        send(&mut stream, &driver.answer("wrong")).await;
        let (sqlstate, text) = fatal(&driver.refusal(&mut stream).await);
        let expected = format!("password authentication failed for user \"{USER}\"");
        assert_eq!((sqlstate, text), ("28P01".to_owned(), expected), "{driver:?}");
    }
    assert_eq!(rig.sandbox().warehouse.dials(), 0);
}

/// By this SQLSTATE the JDBC driver comes back with TLS, where its settings let it.
#[tokio::test]
async fn without_tls_each_driver_is_refused_with_28000_and_not_asked_for_a_password() {
    let rig = Rig::start().await;
    for driver in ALL {
        let mut socket = raw::tcp(rig.port()).await;
        send(&mut socket, &driver.startup()).await;
        let (sqlstate, text) = fatal(&driver.refusal(&mut socket).await);
        assert_eq!((&*sqlstate, &*text), ("28000", "TLS is required"), "{driver:?}");
    }
}

/// Where TLS is not required, a password is not asked for in clear either.
#[tokio::test]
async fn no_driver_is_asked_for_its_password_in_clear() {
    let rig = Rig::with(Setup { tls: "prefer", ..Setup::default() }).await;
    for driver in ALL {
        let mut socket = raw::tcp(rig.port()).await;
        send(&mut socket, &driver.startup()).await;
        let (tag, body) = read_message(&mut socket).await.unwrap();
        assert_eq!((tag, &*field(&body, b'C')), (b'E', "28000"), "{driver:?}: {}", body.escape_ascii());
        driver.log_in(&mut rig.tls().await).await;
    }
}

#[tokio::test]
async fn sixteen_bytes_in_clear_cancel_and_are_answered_by_the_end() {
    let rig = Rig::start().await;
    let activity = Activity::of(rig.sandbox()).await;
    for (count, driver) in [JDBC, ODBC].into_iter().enumerate() {
        let mut stream = rig.tls().await;
        let greeted = driver.log_in(&mut stream).await;
        send(&mut stream, &message(b'Q', b"select pg_sleep(600)\0")).await;
        activity.wait_for("PgSleep").await;

        let mut socket = raw::tcp(rig.port()).await;
        let request = [b"\0\0\0\x10\x04\xd2\x16\x2e", &greeted.key[..]].concat();
        socket.write_all(&request).await.unwrap();
        assert_eq!(until_closed(&mut socket).await, b"");

        let messages = messages_until(&mut stream, b'Z').await;
        let (_, error) = messages
            .iter()
            .find(|(tag, _)| *tag == b'E')
            .expect("an error");
        assert_eq!((&*field(error, b'S'), &*field(error, b'C')), ("ERROR", "57014"));
        assert_eq!(query(&mut stream, "select 1").await, "1", "the session goes on");
        let cancels = rig.sandbox().warehouse.cancels();
        assert_eq!(cancels.len(), count + 1);
        assert!(cancels[count].inside_tls, "to the warehouse it goes inside TLS");
        assert_eq!(cancels[count].pid.to_be_bytes(), greeted.key[..4]);
    }
}

/// Columns of a driver that asked for level 1 or more say more than PostgreSQL's
/// (docs/protocol/redshift-wire.md 3).
#[tokio::test]
async fn descriptions_of_every_level_pass_byte_for_byte() {
    let of_level = |format: u8, more: &[u8]| {
        message(b'T', &[b"\0\x01n\0\0\0\x40\0\0\x01\0\0\0\x17\0\x04\xff\xff\xff\xff\0", &[format][..], more].concat())
    };
    let plain = of_level(0, b"");
    let extended = of_level(0, b"public\0t\0n\0dev\0\x10\x01");
    assert_eq!((&plain[..5], &extended[..5]), (&b"T\0\0\0\x1a"[..], &b"T\0\0\0\x2b"[..]));
    // Level 2 has binary values, level 3 another flag: the column's name has a case.
    let binary = of_level(1, b"public\0t\0n\0dev\0\x10\x01");
    let cased = of_level(1, b"public\0T\0n\0dev\0\x10\x03");
    let question = [
        message(b'P', b"s1\0select n from t where n = $1\0\0\x01\0\0\0\x17"),
        message(b'B', b"\0s1\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x01\0\x01\0\x01"),
        message(b'D', b"P\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'H', b""),
        message(b'S', b""),
    ];
    let levels = [(ODBC, "0", plain), (ODBC, "1", extended), (PYTHON, "2", binary), (JDBC, "3", cased)];
    let mut world = World::start(&Setup::default()).await;
    let warehouse = Scripted::replace(&mut world).await;
    let rig = Rig::over(world).await;
    for (driver, level, description) in levels {
        let answer = [
            message(b'1', b""),
            message(b'2', b""),
            description,
            message(b'D', b"\0\x01\0\0\0\x04\0\0\0\x01"),
            message(b'S', b"padb_version\x001.0.63269\0"),
            message(b'N', b"SNOTICE\0C00000\0Mno V field, as in 8.0\0\0"),
            message(b'C', b"SELECT\0"),
            message(b'Z', b"I"),
        ]
        .concat();
        // A pid above 2^30, as Redshift has them.
        let greeting = [
            parameter_status("server_protocol_version", level),
            message(b'K', b"\x40\0\0\x27test"),
            message(b'Z', b"I"),
        ];
        // What came with the password is the warehouse's too.
        let heard = [driver.behind_password, &question.concat()].concat();
        let mut steps = vec![Step::Say(authentication(3, b"")), Step::Read];
        steps.push(Step::Say([authentication(0, b""), greeting.concat()].concat()));
        steps.extend(vec![Step::Read; usize::from(!driver.behind_password.is_empty()) + question.len()]);
        // No record of TLS ends where a message does.
        steps.extend(answer.chunks(7).map(|part| Step::Say(part.to_vec())));
        steps.push(Step::Hang);
        let (_, name) = driver
            .keys
            .iter()
            .find(|(name, _)| *name == "application_name")
            .unwrap();
        let name = name.replace(['[', ']'], "_");
        warehouse.script(&name, steps);

        let mut stream = rig.tls().await;
        let greeted = driver.log_in(&mut stream).await;
        assert!(statuses(&greeted.messages).contains(&("server_protocol_version".into(), level.into())));
        assert_eq!(greeted.key[..4], *b"\x40\0\0\x27", "the warehouse's pid");
        send(&mut stream, &question.concat()).await;
        let mut read = vec![0; answer.len()];
        stream.read_exact(&mut read).await.unwrap();
        assert_eq!(read, answer, "level {level}");
        let messages = warehouse.seen().messages.remove(&name).unwrap();
        assert_eq!(
            messages[1..]
                .iter()
                .flat_map(|(tag, body)| message(*tag, body))
                .collect::<Vec<_>>(),
            heard
        );
    }
}

#[tokio::test]
async fn a_session_at_each_level_is_described_by_the_warehouse() {
    let rig = Rig::start().await;
    for driver in ALL {
        let mut stream = rig.tls().await;
        driver.log_in(&mut stream).await;
        send(&mut stream, &message(b'Q', b"select 1 as n\0")).await;
        let messages = messages_until(&mut stream, b'Z').await;
        // No table: an int4 column, searchable.
        let expected = b"\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0\0\0n\0\0\x10\0";
        assert_eq!(messages[0], (b'T', expected.to_vec()), "{driver:?}");
    }
}

#[tokio::test]
async fn the_driver_token_reaches_the_client_and_not_the_log() {
    let world = World::start(&Setup::default()).await;
    let mut proxy = Proxy::start(&world, TRACE).await;
    let mut stream = raw::tls(proxy.port, world.sandbox.ca.pem()).await;
    let greeted = PYTHON.log_in(&mut stream).await;
    let (_, token) = statuses(&greeted.messages)
        .into_iter()
        .find(|(name, _)| name == "driver_token")
        .unwrap();
    assert_eq!(token.len(), 36, "a UUID");
    query(&mut stream, "select 1").await;
    drop(stream);
    let log = whole_log(&mut proxy).await;
    assert!(log.contains("session started") && !log.contains(&token) && !log.contains(PASSWORD));
}
