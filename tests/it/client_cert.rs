//! TLS client certificates: whose they are, which are taken, what else they are asked for.

use std::os::unix::fs::PermissionsExt;

use crate::support::client_ca::{Client, ClientCa, Wanted, ask, write};
use crate::support::raw::{tcp, tls_config_as, try_encrypt};
use crate::support::{PASSWORD, Rig, Setup, USER, World, login_over, raw, refusal, without_session};
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;

const USERS: &str = "[users.ann]\nauth = \"cert\"\nconnections = [\"sales\"]\n\
                     [users.bob]\nauth = \"cert\"\nconnections = [\"sales\"]\n\
                     [users.gone]\nauth = \"cert\"\nenabled = false\nconnections = [\"sales\"]\n";

/// What becomes of a login.
#[derive(Debug, Eq, PartialEq)]
enum End {
    In,
    Refused(String, String),
    /// The proxy broke the handshake off, with this alert.
    Alert(rustls::AlertDescription),
}

fn refused(sqlstate: &str, message: &str) -> End {
    End::Refused(sqlstate.to_owned(), message.to_owned())
}

fn wrong(user: &str) -> End {
    refused("28P01", &format!("password authentication failed for user \"{user}\""))
}

fn required() -> End {
    refused("28000", "a client certificate is required")
}

async fn rig(ca: &ClientCa, more: &str) -> Rig {
    let mut world = World::start(&Setup { config: USERS.into(), ..Setup::default() }).await;
    ask(&mut world, ca, more);
    Rig::over(world).await
}

async fn encrypt(rig: &Rig, client: Option<&Client>) -> std::io::Result<TlsStream<TcpStream>> {
    try_encrypt(tcp(rig.port()).await, tls_config_as(rig.sandbox().ca.pem(), client)).await
}

async fn login(rig: &Rig, user: &str, password: &str, client: Option<&Client>) -> End {
    let stream = match encrypt(rig, client).await {
        Ok(stream) => stream,
        Err(error) => return End::Alert(alert(&error)),
    };
    match login_over(stream, user, password, "sales").await {
        Ok(client) => {
            assert_eq!(
                client
                    .query_one("select 1", &[])
                    .await
                    .unwrap()
                    .get::<_, i32>(0),
                1
            );
            End::In
        }
        Err(error) if error.as_db_error().is_some() => {
            let (sqlstate, message) = refusal(&error);
            refused(&sqlstate, without_session(&message))
        }
        Err(error) => {
            let io = std::error::Error::source(&error).and_then(|error| error.downcast_ref::<std::io::Error>());
            End::Alert(alert(io.unwrap_or_else(|| panic!("{error:?}"))))
        }
    }
}

fn alert(error: &std::io::Error) -> rustls::AlertDescription {
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        _ => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_certificate_in_the_users_name_is_all_the_proof_that_psql_needs() {
    let ca = ClientCa::new();
    let rig = rig(&ca, "").await;
    let client = ca.client("ann");
    write(&rig.world, "ann.crt", &client.cert_pem);
    write(&rig.world, "ann.key", &client.key_pem);
    let key = rig.world.dir.path().join("ann.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut psql = rig.world.psql(rig.port());
    psql.env("PGUSER", "ann")
        .env_remove("PGPASSWORD")
        .args(["-d", "sales", "-w", "-c", "select current_user"]);
    psql.env("PGSSLCERT", rig.world.dir.path().join("ann.crt"))
        .env("PGSSLKEY", key);
    let output = psql.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "IAMR:rs01");
    rig.wait_until_idle().await;
}

/// A CA for the machines of one team, say: the handshake holds DNS names to its constraints, and
/// nothing holds common names to them, so that they prove nothing (RFC 5280 section 4.2.1.10).
#[tokio::test]
async fn a_common_name_proves_nothing_behind_name_constraints() {
    let ca = ClientCa::held_to(Some("ann"));
    let rig = rig(&ca, "").await;
    let of = |wanted: Wanted<'_>| ca.issue(&wanted);
    let by_name = of(Wanted { dns: &["ann"], ..Wanted::default() });
    assert_eq!(login(&rig, "ann", "", Some(&by_name)).await, End::In);
    for user in ["ann", "bob"] {
        let by_common_name = of(Wanted { common: Some(user), ..Wanted::default() });
        assert_eq!(login(&rig, user, "", Some(&by_common_name)).await, wrong(user));
    }
    let beyond = of(Wanted { dns: &["bob"], ..Wanted::default() });
    assert!(matches!(login(&rig, "bob", "", Some(&beyond)).await, End::Alert(_)));
}

#[tokio::test]
async fn a_client_certificate_lets_in_the_user_it_names() {
    let (ca, other) = (ClientCa::new(), ClientCa::new());
    let rig = rig(&ca, "").await;
    let of = |wanted: Wanted<'_>| ca.issue(&wanted);
    let none = Wanted::default;
    let unknown_ca = End::Alert(rustls::AlertDescription::UnknownCA);
    for (name, user, client, end) in [
        ("dNSName", "ann", of(Wanted { dns: &["ann"], ..none() }), End::In),
        ("one of several", "ann", of(Wanted { dns: &["x", "ann"], ..none() }), End::In),
        ("common name", "ann", of(Wanted { common: Some("ann"), ..none() }), End::In),
        ("dNSName wins", "bob", of(Wanted { dns: &["ann"], common: Some("bob"), ..none() }), wrong("bob")),
        ("another's", "bob", of(Wanted { dns: &["ann"], ..none() }), wrong("bob")),
        ("other case", "ann", of(Wanted { dns: &["Ann"], ..none() }), wrong("ann")),
        ("wildcard", "ann", of(Wanted { dns: &["*"], ..none() }), wrong("ann")),
        ("no usage stated", "ann", of(Wanted { dns: &["ann"], usages: Some(&[]), ..none() }), wrong("ann")),
        (
            "both usages",
            "ann",
            of(Wanted { dns: &["ann"], usages: Some(&[ServerAuth, ClientAuth]), ..none() }),
            End::In,
        ),
        (
            "a server's",
            "ann",
            of(Wanted { dns: &["ann"], usages: Some(&[ServerAuth]), ..none() }),
            End::Alert(rustls::AlertDescription::UnsupportedCertificate),
        ),
        (
            "expired",
            "ann",
            of(Wanted { dns: &["ann"], is_expired: true, ..none() }),
            End::Alert(rustls::AlertDescription::CertificateExpired),
        ),
        ("another CA's", "ann", other.client("ann"), unknown_ca),
        ("disabled", "gone", of(Wanted { dns: &["gone"], ..none() }), wrong("gone")),
        ("user with a password", USER, of(Wanted { dns: &["ann"], ..none() }), End::In),
    ] {
        assert_eq!(login(&rig, user, PASSWORD, Some(&client)).await, end, "{name}");
    }
    // The certificate names the user, and no conn_id.
    let both = of(Wanted { dns: &["ann~sales"], ..none() });
    assert_eq!(login(&rig, "ann~sales", PASSWORD, Some(&ca.client("ann"))).await, End::In);
    assert_eq!(login(&rig, "ann~sales", PASSWORD, Some(&both)).await, wrong("ann~sales"));
    assert_eq!(login(&rig, "ann~sales", PASSWORD, None).await, required());
    assert_eq!(login(&rig, "ann", PASSWORD, None).await, required());
    assert_eq!(login(&rig, "gone", PASSWORD, None).await, required());
    assert_eq!(login(&rig, USER, PASSWORD, None).await, End::In, "not asked of others");
    let ann = ca.client("ann");
    assert_eq!(login(&rig, USER, "wrong", Some(&ann)).await, wrong(USER), "it is no password");
    assert_eq!(login(&rig, "nobody", PASSWORD, Some(&ca.client("nobody"))).await, wrong("nobody"));
}

#[tokio::test]
async fn any_other_name_may_be_proven_by_a_certificate() {
    let ca = ClientCa::new();
    let any = "[users.\"*\"]\nauth = \"cert\"\nconnections = [\"sales\"]\nmax_sessions = 1\n";
    let mut world = World::start(&Setup { config: format!("{USERS}{any}"), ..Setup::default() }).await;
    ask(&mut world, &ca, "");
    let rig = Rig::over(world).await;
    for name in ["eve", "zoë", "ann"] {
        let client = ca.issue(&Wanted { common: Some(name), ..Wanted::default() });
        assert_eq!(login(&rig, name, "", Some(&client)).await, End::In, "{name}");
    }
    let eve = ca.client("eve");
    assert_eq!(login(&rig, "eve~sales", "", Some(&eve)).await, End::In);
    let both = ca.issue(&Wanted { common: Some("eve~x"), ..Wanted::default() });
    assert_eq!(login(&rig, "eve~x~sales", "", Some(&both)).await, wrong("eve~x~sales"), "no name holds a ~");
    assert_eq!(login(&rig, "mallory", PASSWORD, Some(&eve)).await, wrong("mallory"));
    assert_eq!(login(&rig, "gone", "", Some(&ca.client("gone"))).await, wrong("gone"), "its own entry says so");
    assert_eq!(login(&rig, USER, "wrong", Some(&ca.client(USER))).await, wrong(USER), "its own entry has a password");
    assert_eq!(login(&rig, "eve", PASSWORD, None).await, required());
    // Each by its own name.
    rig.wait_until_idle().await;
    let open =
        async |name: &str| login_over(encrypt(&rig, Some(&ca.client(name))).await.unwrap(), name, "", "sales").await;
    let _one = open("eve").await.unwrap();
    let _other = open("bob2").await.unwrap();
    assert_eq!(refusal(&open("eve").await.unwrap_err()).0, "53300");
}

#[tokio::test]
async fn in_clear_there_is_no_certificate() {
    let ca = ClientCa::new();
    let mut world = World::start(&Setup { config: USERS.into(), tls: "prefer", ..Setup::default() }).await;
    ask(&mut world, &ca, "");
    let rig = Rig::over(world).await;
    let error = login_over(tcp(rig.port()).await, "ann", PASSWORD, "sales")
        .await
        .unwrap_err();
    let (sqlstate, message) = refusal(&error);
    assert_eq!(refused(&sqlstate, without_session(&message)), required());
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_and_the_list_is_read_again() {
    use rustls::AlertDescription as Alert;
    let ca = ClientCa::new();
    let (ann, bob) = (ca.client("ann"), ca.client("bob"));
    let mut world = World::start(&Setup { config: USERS.into(), ..Setup::default() }).await;
    write(&world, "clients.crl", &ca.revoke(&[&ann], 2999));
    ask(&mut world, &ca, "client_crl = \"clients.crl\"\n");
    let rig = Rig::over(world).await;
    let revoked = || End::Alert(Alert::CertificateRevoked);
    assert_eq!(login(&rig, "ann", "", Some(&ann)).await, revoked());
    assert_eq!(login(&rig, "bob", "", Some(&bob)).await, End::In);
    assert_eq!(login(&rig, USER, PASSWORD, None).await, End::In);

    write(&rig.world, "clients.crl", &ca.revoke(&[&bob], 2999));
    assert_eq!(login(&rig, "ann", "", Some(&ann)).await, revoked(), "a login never reads");
    rig.app.read_references().await;
    assert_eq!(login(&rig, "ann", "", Some(&ann)).await, End::In);
    assert_eq!(login(&rig, "bob", "", Some(&bob)).await, revoked());

    for bad in ["", "garbage", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"] {
        write(&rig.world, "clients.crl", bad);
        rig.app.read_references().await;
        assert_eq!(login(&rig, "ann", "", Some(&ann)).await, End::In, "the last good list stays");
        assert_eq!(login(&rig, "bob", "", Some(&bob)).await, revoked());
    }

    // As PostgreSQL does: a list that is out of date says nothing about anybody.
    write(&rig.world, "clients.crl", &ca.revoke(&[&bob], 2021));
    rig.app.read_references().await;
    for (user, client) in [("ann", &ann), ("bob", &bob)] {
        assert!(matches!(login(&rig, user, "", Some(client)).await, End::Alert(_)), "{user}");
    }
    assert_eq!(login(&rig, USER, PASSWORD, None).await, End::In);

    // Nor does another CA's.
    write(&rig.world, "clients.crl", &ClientCa::new().revoke(&[], 2999));
    rig.app.read_references().await;
    assert_eq!(login(&rig, "ann", "", Some(&ann)).await, End::Alert(Alert::UnknownCA));
}

#[tokio::test]
async fn another_ca_is_taken_over_without_a_restart() {
    let (old, new) = (ClientCa::new(), ClientCa::new());
    let rig = rig(&old, "").await;
    let (by_old, by_new) = (old.client("ann"), new.client("ann"));
    let unknown = || End::Alert(rustls::AlertDescription::UnknownCA);
    assert_eq!(login(&rig, "ann", "", Some(&by_old)).await, End::In);
    assert_eq!(login(&rig, "ann", "", Some(&by_new)).await, unknown());
    let shown = raw::certificate(rig.port(), rig.sandbox().ca.pem()).await;

    write(&rig.world, "clients.crt", &format!("{}{}", old.pem(), new.pem()));
    rig.app.read_references().await;
    for client in [&by_old, &by_new] {
        assert_eq!(login(&rig, "ann", "", Some(client)).await, End::In, "both, while changing over");
    }
    write(&rig.world, "clients.crt", &new.pem());
    rig.app.read_references().await;
    assert_eq!(login(&rig, "ann", "", Some(&by_old)).await, unknown());
    for bad in ["", "garbage"] {
        write(&rig.world, "clients.crt", bad);
        rig.app.read_references().await;
        assert_eq!(login(&rig, "ann", "", Some(&by_new)).await, End::In, "the last good one stays");
    }
    assert_eq!(raw::certificate(rig.port(), rig.sandbox().ca.pem()).await, shown);

    // The listener's own certificate changes by itself, too.
    rig.world.new_certificate(&["localhost"]);
    rig.app.read_references().await;
    assert_ne!(raw::certificate(rig.port(), rig.sandbox().ca.pem()).await, shown);
    assert_eq!(login(&rig, "ann", "", Some(&by_new)).await, End::In);
}
