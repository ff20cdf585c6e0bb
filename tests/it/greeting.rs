//! What passes between startup message and ReadyForQuery: parameters up, parameter statuses and a
//! key down.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support;
use crate::support::raw::{self, Message, field, message, send, startup};
use crate::support::session::{log_in, query, statuses};
use crate::support::{PASSWORD, Rig, Setup, USER, without_session};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

type Tls = TlsStream<TcpStream>;

const OK: &[u8] = &[0; 4];

/// Through the proxy, as the rig's user, to `sales`; all that was said on the way.
async fn through(rig: &Rig, minor: u16, pairs: &[(&str, &str)]) -> (Tls, Vec<Message>) {
    let mut stream = rig.tls().await;
    let all = [&[("user", USER), ("database", "sales")], pairs].concat();
    let messages = log_in(&mut stream, &startup(minor, &all), PASSWORD).await;
    let (tag, body) = messages.last().unwrap();
    assert_eq!((*tag, &**body), (b'Z', &b"I"[..]), "{}", String::from_utf8_lossy(body));
    (stream, messages)
}

/// The same straight to the warehouse, as the role's database user.
async fn directly(rig: &Rig, pairs: &[(&str, &str)]) -> Vec<Message> {
    let login = rig
        .sandbox()
        .logins
        .mint("IAMR:rs01", Duration::from_secs(900))
        .await;
    let mut stream = raw::tls(rig.sandbox().warehouse.address().port(), rig.sandbox().ca.pem()).await;
    let all = [&[("user", &*login.user), ("database", "dev")], pairs].concat();
    log_in(&mut stream, &startup(0, &all), &login.password).await
}

/// What the warehouse got of a client that sent these.
async fn passed_on(rig: &Rig, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    through(rig, 0, pairs).await;
    rig.sandbox().warehouse.startups().pop().unwrap()
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The pid of BackendKeyData, and the key.
fn backend_key(messages: &[Message]) -> ([u8; 4], Vec<u8>) {
    let (_, body) = messages
        .iter()
        .find(|(tag, _)| *tag == b'K')
        .expect("BackendKeyData");
    (body[..4].try_into().unwrap(), body[4..].to_vec())
}

#[tokio::test]
async fn parameter_statuses_are_the_warehouses_own() {
    let rig = Rig::start().await;
    let pairs = [("client_encoding", "UTF8"), ("application_name", "psql"), ("TimeZone", "Asia/Tokyo")];
    let (_, messages) = through(&rig, 0, &pairs).await;
    let (ours, theirs) = (statuses(&messages), statuses(&directly(&rig, &pairs).await));
    // All but the id of the session: the same, in the same order.
    let same = |all: &[(String, String)]| {
        all.iter()
            .filter(|(name, _)| name != "session_id")
            .cloned()
            .collect()
    };
    let (ours_same, theirs_same): (Vec<_>, Vec<_>) = (same(&ours), same(&theirs));
    assert_eq!((ours.len(), ours_same), (theirs.len(), theirs_same));
    let ours = ours.into_iter().collect::<BTreeMap<_, _>>();
    for (name, value) in [
        ("server_version", "8.0.2"),
        ("session_authorization", "IAMR:rs01"),
        ("application_name", "psql"),
        ("TimeZone", "Asia/Tokyo"),
    ] {
        assert_eq!(ours[name], value);
    }
}

#[tokio::test]
async fn the_greeting_is_statuses_then_key_then_ready() {
    let rig = Rig::start().await;
    let (_, messages) = through(&rig, 0, &[]).await;
    let ok = messages
        .iter()
        .position(|(tag, body)| *tag == b'R' && body == OK)
        .expect("AuthenticationOk");
    let tags = messages[ok + 1..]
        .iter()
        .map(|(tag, _)| *tag)
        .collect::<Vec<_>>();
    let expected = [vec![b'S'; statuses(&messages).len()], b"KZ".to_vec()].concat();
    assert_eq!(tags, expected);
}

#[tokio::test]
async fn a_client_that_names_no_encoding_gets_utf8() {
    let rig = Rig::start().await;
    let (_, messages) = through(&rig, 0, &[]).await;
    assert!(statuses(&messages).contains(&("client_encoding".into(), "UTF8".into())));
    let (_, messages) = through(&rig, 0, &[("Client_Encoding", "LATIN1")]).await;
    assert!(statuses(&messages).contains(&("client_encoding".into(), "LATIN1".into())));
}

/// redshift_connector: no SASL, and a Flush right behind the password.
#[tokio::test]
async fn an_aws_driver_is_asked_for_the_password_and_its_parameters_are_answered() {
    let rig = Rig::start().await;
    let driver = [
        ("client_protocol_version", "2"),
        ("driver_version", "Redshift Python Driver 2.1"),
        ("os_version", "Linux"),
        ("driver_discovery_version", "1"),
        ("plugin_name", "none"),
    ];
    let mut stream = rig.tls().await;
    let all = [&[("user", USER), ("database", "sales")], &driver[..]].concat();
    send(&mut stream, &startup(0, &all)).await;
    assert_eq!(raw::read_message(&mut stream).await.unwrap(), (b'R', vec![0, 0, 0, 3]));
    let password = message(b'p', &[PASSWORD.as_bytes(), b"\0"].concat());
    // The rest of the dialogue, which begins with AuthenticationOk.
    let messages = log_in(&mut stream, &[password, message(b'H', b"")].concat(), "").await;
    assert_eq!(messages[0], (b'R', OK.to_vec()));
    assert_eq!(messages.last(), Some(&(b'Z', b"I".to_vec())));
    let statuses = statuses(&messages).into_iter().collect::<BTreeMap<_, _>>();
    assert_eq!(statuses["server_protocol_version"], "2");
    assert_eq!(statuses["driver_token"].len(), 36);
    assert_eq!(query(&mut stream, "select current_user::text").await, "IAMR:rs01");

    let expected = [&[("user", "IAMR:rs01"), ("database", "dev")], &driver[..], &[("client_encoding", "UTF8")]];
    assert_eq!(rig.sandbox().warehouse.startups(), [owned(&expected.concat())]);
}

#[tokio::test]
async fn the_pid_is_the_warehouses_and_the_key_is_not() {
    let rig = Rig::start().await;
    let (mut stream, messages) = through(&rig, 0, &[]).await;
    let (pid, key) = backend_key(&messages);
    assert_eq!(query(&mut stream, "select pg_backend_pid()").await, i32::from_be_bytes(pid).to_string());
    assert_eq!(key.len(), 4);

    // With this key the warehouse itself cancels nothing: a query that waits goes on waiting.
    let holder = rig.connect("sales").await.unwrap();
    holder
        .batch_execute("select pg_advisory_lock(1)")
        .await
        .unwrap();
    let waiting = query(&mut stream, "select 'locked' from pg_advisory_lock(1)");
    let cancel = async {
        let is_waiting = "select exists (select from pg_locks where locktype = 'advisory' and not granted)";
        while !holder
            .query_one(is_waiting, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
        {}
        let request = [&[0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e][..], &pid, &key].concat();
        let mut itself = raw::tls(rig.sandbox().warehouse.address().port(), rig.sandbox().ca.pem()).await;
        send(&mut itself, &request).await;
        // PostgreSQL closes when it has looked at the key.
        let mut nothing = Vec::new();
        itself.read_to_end(&mut nothing).await.unwrap();
        rig.sandbox().warehouse.wait_for_cancels(1).await;
        holder
            .batch_execute("select pg_advisory_unlock(1)")
            .await
            .unwrap();
    };
    let (locked, ()) = tokio::join!(waiting, cancel);
    assert_eq!(locked, "locked");
}

#[tokio::test]
async fn startup_parameters_arrive_in_order_with_our_user_and_database() {
    let rig = Rig::start().await;
    let sent = [
        ("DateStyle", "ISO"),
        ("application_name", "Tableau 2026.1"),
        ("user", USER),
        ("client_encoding", "UTF8"),
        ("search_path", "mart, public"),
        ("query_group", "bi"),
        ("options", "-c statement_timeout=1h"),
        ("statement_timeout", "60000"),
    ];
    let mut expected = vec![("user", "IAMR:rs01"), ("database", "dev")];
    expected.extend(sent.iter().filter(|(name, _)| *name != "user"));
    assert_eq!(passed_on(&rig, &sent).await, owned(&expected));
}

#[tokio::test]
async fn parameters_for_the_client_alone_are_not_passed_on() {
    let rig = Rig::start().await;
    let sent = [
        ("_pq_.compression", "zstd:1"),
        ("_pq_.command_tag_format", "x"),
        ("replication", "false"),
        ("sslmode", "require"),
        ("password", "x"),
        ("ssl_renegotiation_limit", "0"),
        ("lc_monetary", "C"),
        ("default_transaction_read_only", "off"),
        ("idp_type", "AzureAD"),
        ("provider_name", "x"),
        ("token_type", "x"),
        ("identity_namespace", "x"),
        ("idc_client_display_name", "x"),
        ("plugin_name", "com.amazon.redshift.plugin.BrowserAzureCredentialsProvider"),
        ("IntervalStyle", "iso_8601"),
        ("client_encoding", "UTF8"),
    ];
    let expected = [("user", "IAMR:rs01"), ("database", "dev"), ("client_encoding", "UTF8")];
    assert_eq!(passed_on(&rig, &sent).await, owned(&expected));
}

/// The connection is PostgreSQL's own, which knows the parameter: a client that asked for read-only
/// cannot write.
#[tokio::test]
async fn a_client_that_asks_for_read_only_cannot_write() {
    let rig = Rig::with(Setup { plain_postgres: true, ..Setup::default() }).await;
    for options in ["-c default_transaction_read_only=on", "--default-transaction-read-only=true -c jit=off"] {
        let mut psql = rig.world.psql(rig.port());
        psql.env("PGOPTIONS", options)
            .args(["-d", "sales", "-c", "create table written (n int)"]);
        let output = psql.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("read-only transaction"), "{options}: {said}");
    }
}

/// Redshift's face does not know it: the client reads so, and the log names the setting that leaves
/// it out.
#[tokio::test]
async fn read_only_that_the_warehouse_does_not_know_ends_the_login() {
    let rig = Rig::start().await;
    let mut stream = rig.tls().await;
    let pairs = [("user", USER), ("database", "sales"), ("default_transaction_read_only", "on")];
    let messages = log_in(&mut stream, &startup(0, &pairs), PASSWORD).await;
    let (tag, body) = messages.last().unwrap();
    let told = "unrecognized configuration parameter \"default_transaction_read_only\"";
    assert_eq!((*tag, &*field(body, b'C'), &*field(body, b'M')), (b'E', "42704", told));
}

/// Refused after the proof, and before anything is fetched or dialled: the replication commands of
/// such a client would be read as SQL.
#[tokio::test]
async fn replication_is_refused_once_the_client_has_proved_itself() {
    let rig = Rig::start().await;
    for value in ["database", "true", "on", "1", "yes"] {
        let mut stream = rig.tls().await;
        let pairs = [("user", USER), ("database", "sales"), ("replication", value)];
        let messages = log_in(&mut stream, &startup(0, &pairs), PASSWORD).await;
        let (tag, body) = messages.last().unwrap();
        let text = field(body, b'M');
        let told = (*tag, field(body, b'C'), without_session(&text));
        assert_eq!(told, (b'E', "0A000".to_owned(), "replication connections are not supported"), "{value}");
        let ok = (b'R', vec![0, 0, 0, 0]);
        assert!(!messages.contains(&ok), "{value}: never AuthenticationOk");
    }
    assert!(rig.sandbox().warehouse.startups().is_empty());
    for value in ["false", "off", "no", "0", ""] {
        let pairs = passed_on(&rig, &[("replication", value)]).await;
        assert!(pairs.iter().all(|(name, _)| name != "replication"), "{pairs:?}");
    }
}

#[tokio::test]
async fn extra_float_digits_are_cut_to_what_redshift_takes() {
    let rig = Rig::start().await;
    for (sent, passed) in [("3", "2"), ("2", "2"), ("0", "0"), ("-15", "-15")] {
        let pairs = passed_on(&rig, &[("extra_float_digits", sent)]).await;
        assert!(pairs.contains(&("extra_float_digits".into(), passed.into())), "{pairs:?}");
    }
}

#[tokio::test]
async fn parameters_inside_options_are_dropped_and_replaced_too() {
    let rig = Rig::start().await;
    for (sent, passed) in [
        (
            "-c extra_float_digits=3 -c lock_timeout=0 -c search_path=mart",
            "-c extra_float_digits=2 -c search_path=mart",
        ),
        ("--extra-float-digits=3 -cgeqo=off --statement_timeout=0", "-c extra_float_digits=2 --statement_timeout=0"),
        ("  -c  application_name=a\\ b", "  -c  application_name=a\\ b"),
    ] {
        let pairs = passed_on(&rig, &[("options", sent)]).await;
        assert_eq!(pairs[2], ("options".to_owned(), passed.to_owned()));
    }
    let pairs = passed_on(&rig, &[("options", "-c jit=off"), ("client_encoding", "UTF8")]).await;
    assert_eq!(pairs[2..], owned(&[("client_encoding", "UTF8")]));
}

#[tokio::test]
async fn connection_settings_override_names_and_parameters_of_the_client() {
    let policy = "startup_parameters = { drop = [\"search_path\"], set = { statement_timeout = \"61000\" } }";
    let template = ("application_name", "\"{application_name} [{user} {conn_id} {client_addr} {session_id}]\"");
    let config = support::connection("governed", &[template]) + policy + "\n";
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    for sent in [
        &[("application_name", "b]i"), ("search_path", "x"), ("statement_timeout", "1")][..],
        &[("application_name", "b]i"), ("options", "-c application_name=x --search-path=x -cStatement_Timeout=1 -e")],
        &[("options", "--Application-Name=b]i -c statement_timeout=1")],
    ] {
        let mut stream = rig.tls().await;
        let all = [&[("user", USER), ("database", "governed")], sent].concat();
        let messages = log_in(&mut stream, &startup(0, &all), PASSWORD).await;
        assert_eq!(messages.last(), Some(&(b'Z', b"I".to_vec())));
        let mut pairs = rig.sandbox().warehouse.startups().pop().unwrap();
        let name = pairs
            .iter()
            .position(|(name, _)| name == "application_name")
            .unwrap();
        let (_, name) = pairs.remove(name);
        let session = name
            .strip_prefix("b_i [demo governed 127.0.0.1 ")
            .and_then(|rest| rest.strip_suffix("]"));
        assert_eq!(session.expect(&name).len(), 12);
        let expected =
            [("user", "IAMR:rs01"), ("database", "dev"), ("statement_timeout", "61000"), ("client_encoding", "UTF8")];
        assert_eq!(pairs, owned(&expected), "{sent:?}");
        assert_eq!(query(&mut stream, "show statement_timeout").await, "61s");
        assert!(
            query(&mut stream, "show application_name")
                .await
                .starts_with("b_i [demo governed")
        );
    }
}

#[tokio::test]
async fn a_newer_protocol_version_is_negotiated_down_to_3_0() {
    let rig = Rig::start().await;
    for minor in [2, 9999] {
        let (mut stream, messages) = through(&rig, minor, &[("_pq_.x", "1"), ("_pq_.y", "")]).await;
        let told = [&196_608u32.to_be_bytes()[..], &[0, 0, 0, 2], b"_pq_.x\0_pq_.y\0"].concat();
        assert_eq!(messages[0], (b'v', told), "before anything else");
        assert_eq!(messages.iter().filter(|(tag, _)| *tag == b'v').count(), 1);
        assert_eq!(backend_key(&messages).1.len(), 4, "a key as in 3.0");
        assert_eq!(query(&mut stream, "select 1").await, "1");
    }
}

#[tokio::test]
async fn a_client_that_asks_for_3_0_is_told_nothing_of_versions() {
    let rig = Rig::start().await;
    let (mut stream, messages) = through(&rig, 0, &[("_pq_.compression", "zstd")]).await;
    assert!(messages.iter().all(|(tag, _)| *tag != b'v'));
    assert_eq!(query(&mut stream, "select 1").await, "1");
}
