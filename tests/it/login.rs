//! The main job: a client that knows nothing of AWS reaches a workgroup that takes nothing but IAM
//! credentials.

use std::process::Output;

use crate::support;
use crate::support::process::Proxy;
use crate::support::{PASSWORD, Rig, Setup, USER, World, raw, refusal, without_session};
use redshift_sandbox::warehouse::Authentication;

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
async fn psql_with_verified_tls_becomes_the_roles_database_user() {
    let rig = Rig::start().await;
    assert_eq!(text(&rig.psql("sales", "select current_user").await), "IAMR:rs01");
    assert_eq!(rig.sandbox().aws.calls("AssumeRole"), 1);
    let parameters = rig.sandbox().aws.requests("GetCredentials")[0]
        .parameters
        .clone();
    assert_eq!(
        ["workgroupName", "dbName", "durationSeconds"].map(|name| parameters[name].as_str()),
        ["analytics", "dev", "900"]
    );
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn every_way_a_warehouse_may_ask_for_the_password() {
    let rig = Rig::start().await;
    for way in [Authentication::Cleartext, Authentication::Md5, Authentication::Scram, Authentication::Digest] {
        rig.sandbox().warehouse.ask(way);
        let client = rig
            .connect("sales")
            .await
            .unwrap_or_else(|error| panic!("{way:?}: {error}"));
        let row = client
            .query_one("select current_user::text", &[])
            .await
            .unwrap();
        assert_eq!(row.get::<_, String>(0), "IAMR:rs01", "{way:?}");
    }
    assert_eq!(rig.sandbox().aws.calls("GetCredentials"), 1);
}

#[tokio::test]
async fn plain_postgresql_with_tls_and_scram_is_a_warehouse_too() {
    let rig = Rig::with(Setup { plain_postgres: true, ..Setup::default() }).await;
    assert_eq!(text(&rig.psql("sales", "select current_user").await), "IAMR:rs01");
}

#[tokio::test]
async fn two_passwords_are_good_while_rotating() {
    let verifier = |password: &str| {
        let password = redshift_iam_proxy::secret::Secret::new(password.into());
        redshift_iam_proxy::crypto::Verifier::derive(&password, b"0123456789abcdef", 1).to_string()
    };
    let config = format!(
        "[users.ann]\npassword = [\"{}\", \"{}\"]\nconnections = [\"sales\"]\n",
        verifier("old"),
        verifier("new")
    );
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    for (password, is_good) in [("old", true), ("new", true), ("newer", false)] {
        assert_eq!(rig.connect_as("ann", password, "sales").await.is_ok(), is_good, "{password}");
        // AWS's drivers are asked for it in clear.
        let mut stream = rig.tls().await;
        let pairs = [("user", "ann"), ("database", "sales"), ("client_protocol_version", "3")];
        raw::send(&mut stream, &raw::startup(0, &pairs)).await;
        assert_eq!(raw::read_message(&mut stream).await.unwrap(), (b'R', vec![0, 0, 0, 3]));
        raw::send(&mut stream, &raw::message(b'p', format!("{password}\0").as_bytes())).await;
        let tag = raw::read_message(&mut stream).await.unwrap().0;
        assert_eq!(tag == b'R', is_good, "{password}");
    }
}

#[tokio::test]
async fn passwords_that_expired_read_like_wrong_ones() {
    let config = format!(
        "[users.temp]\npassword = \"{}\"\npassword_expires = 2099-01-01\nconnections = [\"sales\"]\n",
        support::verifier()
    );
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    drop(rig.connect_as("temp", PASSWORD, "sales").await.unwrap());
    rig.clock
        .advance(std::time::Duration::from_secs(80 * 366 * 24 * 3600));
    let error = rig.connect_as("temp", PASSWORD, "sales").await.unwrap_err();
    support::assert_refused(&error, "28P01", "password authentication failed for user \"temp\"", None);
}

#[tokio::test]
async fn wrong_password_unknown_user_and_disabled_user_read_the_same() {
    let rig = Rig::start().await;
    for (user, password) in [(USER, "wrong"), ("nobody", PASSWORD), ("leaver", PASSWORD), ("leaver", "wrong")] {
        let error = rig.connect_as(user, password, "sales").await.unwrap_err();
        let (sqlstate, message) = refusal(&error);
        assert_eq!(sqlstate, "28P01", "{user}");
        assert_eq!(without_session(&message), format!("password authentication failed for user \"{user}\""));
        let error = error.as_db_error().unwrap();
        assert_eq!((error.detail(), error.hint()), (None, None));
    }
    assert_eq!(rig.sandbox().aws.calls("GetCredentials") + rig.sandbox().warehouse.dials(), 0);
}

#[tokio::test]
async fn a_connection_that_is_not_yours_reads_like_one_that_does_not_exist() {
    let rig = Rig::with(Setup { workgroups: vec!["fin-emea"], ..Setup::default() }).await;
    let error = rig.connect("nope").await.unwrap_err();
    let (sqlstate, message) = refusal(&error);
    assert_eq!(
        (&*sqlstate, without_session(&message)),
        ("3D000", "connection \"nope\" does not exist or is not yours")
    );
    assert_eq!(error.as_db_error().unwrap().hint(), Some("you may open: fin-emea, sales"));
    for conn_id in ["nope", "sales"] {
        let error = rig
            .connect_as("guest", PASSWORD, conn_id)
            .await
            .unwrap_err();
        let (sqlstate, message) = refusal(&error);
        let expected = format!("connection \"{conn_id}\" does not exist or is not yours");
        assert_eq!((&*sqlstate, without_session(&message)), ("3D000", &*expected));
        assert_eq!(error.as_db_error().unwrap().hint(), None);
    }
}

#[tokio::test]
async fn a_disabled_connection_is_refused_to_those_who_may_open_it() {
    let disabled = "[connections.old]\ntype = \"redshift-serverless\"\nhost = \"localhost\"\nworkgroup = \"old\"\n\
                    database = \"dev\"\nenabled = false\n";
    let rig = Rig::with(Setup { config: disabled.into(), ..Setup::default() }).await;
    let (sqlstate, message) = refusal(&rig.connect("old").await.unwrap_err());
    assert_eq!((&*sqlstate, without_session(&message)), ("57P03", "connection \"old\" is disabled"));
    assert_eq!(rig.sandbox().aws.calls("GetCredentials"), 0);
}

#[tokio::test]
async fn a_session_in_clear_is_refused_where_tls_is_required() {
    let rig = Rig::start().await;
    let socket = support::raw::tcp(rig.port()).await;
    let error = support::login_over(socket, USER, PASSWORD, "sales")
        .await
        .unwrap_err();
    let (sqlstate, message) = refusal(&error);
    assert_eq!((&*sqlstate, without_session(&message)), ("28000", "TLS is required"));
}

#[tokio::test]
async fn a_session_in_clear_is_served_where_tls_is_preferred() {
    let rig = Rig::with(Setup { tls: "prefer", ..Setup::default() }).await;
    let socket = support::raw::tcp(rig.port()).await;
    let client = support::login_over(socket, USER, PASSWORD, "sales")
        .await
        .unwrap();
    assert_eq!(
        client
            .query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
}

#[tokio::test]
async fn a_client_that_leaves_while_the_warehouse_wakes_gives_its_place_back() {
    let rig = Rig::start().await;
    rig.sandbox().warehouse.sleep_until_woken();
    let stream = rig.tls().await;
    let waiting = tokio::spawn(support::login_over(stream, USER, PASSWORD, "sales"));
    rig.sandbox().warehouse.wait_for_dials(1).await;
    assert_eq!(rig.app.counts().sessions, 1);
    waiting.abort();
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn caps_on_sessions_say_which_one_is_reached() {
    let limits = "[limits]\nmax_sessions = 1\n";
    let rig = Rig::with(Setup { config: limits.into(), ..Setup::default() }).await;
    let first = rig.connect("sales").await.unwrap();
    let error = rig.connect("sales").await.unwrap_err();
    let (sqlstate, message) = refusal(&error);
    assert_eq!((&*sqlstate, without_session(&message)), ("53300", "too many sessions"));
    assert_eq!(error.as_db_error().unwrap().detail(), Some("The proxy serves at most 1 sessions."));
    drop(first);
    rig.wait_until_idle().await;
    rig.connect("sales").await.expect("the place is free again");
}

#[tokio::test]
async fn a_connection_has_a_cap_of_its_own() {
    let small = support::connection("small", &[("max_sessions", "1")]);
    let rig = Rig::with(Setup { config: small, ..Setup::default() }).await;
    let _first = rig.connect("small").await.unwrap();
    let error = rig.connect("small").await.unwrap_err();
    assert_eq!(refusal(&error).0, "53300");
    assert_eq!(error.as_db_error().unwrap().detail(), Some("Connection \"small\" has at most 1 sessions."));
    rig.connect("sales")
        .await
        .expect("another connection has room");
}

#[tokio::test]
async fn as_many_sessions_as_the_limit_on_open_files_allows() {
    let world = World::start(&Setup::default()).await;
    let mut proxy = Proxy::start_with_files(&world, 444).await;
    let warning = proxy.wait_for_log("limits.max_sessions is cut").await;
    assert!(warning.contains("\"fitting\":2"), "{warning}");
    let connect = async || {
        let stream = support::raw::tls(proxy.port, world.sandbox.ca.pem()).await;
        support::login_over(stream, USER, PASSWORD, "sales").await
    };
    let _held = (connect().await.unwrap(), connect().await.unwrap());
    assert_eq!(refusal(&connect().await.unwrap_err()).0, "53300");
}

#[tokio::test]
async fn without_a_region_of_its_own_the_proxy_asks_in_the_connections() {
    let mut world = World::start(&Setup::default()).await;
    world.edit("region = \"ap-southeast-2\"", "");
    world.edit("workgroup = \"analytics\"", "workgroup = \"analytics\"\nregion = \"ap-southeast-2\"");
    let proxy = Proxy::start(&world, &[]).await;
    let output = world
        .psql(proxy.port)
        .args(["-d", "sales", "-c", "select current_user"])
        .output()
        .await
        .unwrap();
    assert_eq!(text(&output), "IAMR:rs01");
}
