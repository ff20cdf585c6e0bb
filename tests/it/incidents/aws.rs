//! Credentials: whose they are, who chooses them, where they are taken to, and who has used a
//! session before.

use std::collections::BTreeSet;
use std::time::Duration;

use redshift_sandbox::aws::{RoleRule, Workgroup};

use crate::support::hostile::assert_unharmed;
use crate::support::raw::{SOON, startup};
use crate::support::session::log_in;
use crate::support::{PASSWORD, Rig, Setup, USER, assert_refused, connection, verifier};

const ROLES: [&str; 3] = ["one", "two", "three"];

/// Connections of a role each.
async fn roles() -> Rig {
    let of = |name: &&str| {
        let (role, workgroup) = (format!("\"arn:aws:iam::123456789012:role/{name}\""), format!("\"{name}\""));
        connection(name, &[("role_arn", &role), ("workgroup", &workgroup), ("external_id", "")])
    };
    let rig = Rig::with(Setup { config: ROLES.iter().map(of).collect(), ..Setup::default() }).await;
    for name in ROLES {
        let role = format!("arn:aws:iam::123456789012:role/{name}");
        rig.sandbox().aws.put_role(&role, RoleRule::default());
        let port = rig.sandbox().warehouse.address().port();
        let workgroup = Workgroup { callers: [role].into_iter().collect(), host: "localhost".into(), port };
        rig.sandbox().aws.put_workgroup(name, workgroup);
    }
    rig
}

/// What the model of the cache (src/cache/tests/model.rs) shows of any order of events, seen from
/// the warehouse.
#[tokio::test]
async fn amazon_redshift_jdbc_driver_12_and_97_nobody_gets_anothers_credential_or_an_expired_one() {
    let rig = roles().await;
    for round in 1..=3 {
        let logins = (0..30).map(|at| {
            let (rig, name) = (&rig, ROLES[at % ROLES.len()]);
            async move {
                let client = rig.connect(name).await.unwrap();
                let user: String = client
                    .query_one("select current_user::text", &[])
                    .await
                    .unwrap()
                    .get(0);
                assert_eq!(user, format!("IAMR:{name}"));
            }
        });
        futures_util::future::join_all(logins).await;
        assert_eq!(rig.sandbox().aws.calls("GetCredentials"), round * ROLES.len());
        // Expired at the warehouse too: one that was handed out all the same would be refused
        // there, and fetched again.
        rig.advance(Duration::from_secs(901));
    }
    let warehouse = &rig.sandbox().warehouse;
    assert_eq!(
        (warehouse.dials(), warehouse.passwords_seen(), warehouse.logins()),
        (90, 90, 90),
        "no login was refused"
    );
}

/// Not random, but of all kinds.
struct Odd(u64);

impl Odd {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn text(&mut self) -> String {
        (0..=self.below(5))
            .map(|_| PIECES[self.below(PIECES.len())])
            .collect()
    }
}

const PIECES: [&str; 16] = [
    "arn:aws:iam::999999999999:role/evil",
    "arn:aws:iam::123456789012:role/rs01",
    "/../",
    "&RoleArn=arn:aws:iam::999999999999:role/evil",
    "\"},\"workgroupName\":\"evil\"",
    "analytics",
    "%26ExternalId%3Devil",
    "\r\nX-Amz-Security-Token: evil",
    "{user}",
    "${jndi:ldap://evil}",
    "'; drop table x; --",
    "ü\u{202e}",
    " ",
    "*",
    "@evil.example.com:5439/",
    "role_arn=evil",
];

/// Users of the configuration with names that mean something elsewhere.
const USERS: [&str; 6] = [
    "arn:aws:iam::999999999999:role/evil",
    "evil&RoleArn=arn:aws:iam::999999999999:role/evil",
    "evil\",\"workgroupName\":\"evil",
    "../evil",
    "e",
    "evil,ExternalId=evil",
];

/// `per-user`, where a client's name does go to AWS: as the session's name, cleaned, and nowhere
/// else.
#[tokio::test]
async fn confused_deputy_no_client_input_reaches_an_arn() {
    let user = |name: &&str| {
        let name = name.replace('"', "\\\"");
        format!("[users.\"{name}\"]\npassword = \"{}\"\nconnections = [\"mine\"]\n", verifier())
    };
    let config = connection("mine", &[("identity", "\"per-user\"")]) + &USERS.iter().map(user).collect::<String>();
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    let mut odd = Odd(0x5eed_0f0d_d5ee_d001);
    let say = async |user: &str, database: &str, texts: [&str; 4]| {
        let [options, application_name, region, extra] = texts;
        let pairs = [
            ("user", user),
            ("database", database),
            ("options", options),
            ("application_name", application_name),
            ("region", region),
            ("role_arn", extra),
        ];
        let startup = startup(0, &pairs.map(|(name, value)| (name, value)));
        let mut stream = rig.tls().await;
        log_in(&mut stream, &startup, PASSWORD)
            .await
            .last()
            .unwrap()
            .0
    };
    for _ in 0..60 {
        let (stranger, database) = (odd.text(), odd.text());
        let texts = [odd.text(), odd.text(), odd.text(), odd.text()];
        assert_eq!(say(&stranger, "mine", texts.each_ref().map(String::as_str)).await, b'E');
        assert_eq!(say(USER, &database, texts.each_ref().map(String::as_str)).await, b'E');
    }
    assert_eq!(rig.sandbox().aws.calls("AssumeRole"), 0, "neither a stranger nor a strange database");
    for user in USERS {
        let texts = [odd.text(), odd.text(), odd.text(), odd.text()];
        // The warehouse may refuse a setting; the login's calls were made.
        say(user, "mine", texts.each_ref().map(String::as_str)).await;
    }

    let told = |operation: &str, parameter: &str| -> BTreeSet<String> {
        let requests = rig.sandbox().aws.requests(operation);
        requests
            .iter()
            .map(|request| {
                request
                    .parameters
                    .get(parameter)
                    .cloned()
                    .unwrap_or_default()
            })
            .collect()
    };
    let only = |text: &str| BTreeSet::from([text.to_owned()]);
    assert_eq!(rig.sandbox().aws.calls("AssumeRole"), USERS.len(), "each user is a session");
    assert_eq!(told("AssumeRole", "RoleArn"), only("arn:aws:iam::123456789012:role/rs01"));
    assert_eq!(told("AssumeRole", "ExternalId").len(), 1, "the one of the configuration");
    assert_eq!(told("GetParameter", "Name"), only("/lava/demo/rs01-external-id"));
    assert_eq!(told("GetCredentials", "workgroupName"), only("analytics"));
    assert_eq!(told("GetCredentials", "dbName"), only("dev"));
    let names = told("AssumeRole", "RoleSessionName");
    let is_plain = |name: &String| {
        name.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_=,.@-".contains(&b))
    };
    assert_eq!(names.len(), USERS.len(), "{names:?}");
    assert!(
        names
            .iter()
            .all(|name| (2..=64).contains(&name.len()) && is_plain(name)),
        "{names:?}"
    );
    for request in rig.sandbox().aws.journal() {
        let mut others = request.parameters.clone();
        others.remove("RoleSessionName");
        assert!(!format!("{others:?}").contains("evil"), "{others:?}");
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn a_spec_that_points_to_a_metadata_address_is_a_trap_nobody_falls_into() {
    let at = |conn_id, host| connection(conn_id, &[("host", host), ("tls_server_name", "\"localhost\"")]);
    let names = ["metadata", "hidden", "link-local", "nowhere", "six"];
    let config = at("metadata", "\"169.254.169.254\"")
        // What the system's resolver reads as the same address.
        + &at("hidden", "\"0xa9fea9fe\"")
        + &at("link-local", "\"169.254.1.1\"")
        + &at("nowhere", "\"0.0.0.0\"")
        + &at("six", "\"fd00:ec2::254\"");
    // One that were dialled would hang for longer than the test waits.
    let upstream = "connect_timeout = \"1h\"\nlogin_timeout = \"1h\"\n".into();
    let rig = Rig::with(Setup { config, upstream, ..Setup::default() }).await;
    for conn_id in names {
        let error = tokio::time::timeout(SOON, rig.connect(conn_id))
            .await
            .expect(conn_id)
            .unwrap_err();
        assert_refused(&error, "08001", &format!("could not reach the warehouse for \"{conn_id}\""), None);
    }
    assert_eq!(rig.sandbox().warehouse.dials(), 0);
}

/// There is no pool, so nothing to reset: a client's session is its own, and ends with it.
#[tokio::test]
async fn pgbouncer_1358_no_session_is_used_twice_however_dirty_it_was_left() {
    let rig = Rig::start().await;
    let mut pids = BTreeSet::new();
    for sessions in 1..=5 {
        let client = rig.connect("sales").await.unwrap();
        let sql = "select pg_backend_pid(), current_setting('search_path') like '%dirty%', \
                   (select count(*) from pg_class where relname = 'dirt'), \
                   (select count(*) from pg_prepared_statements where name = 'dirty')";
        let row = client.query_one(sql, &[]).await.unwrap();
        assert_eq!((row.get::<_, bool>(1), row.get::<_, i64>(2), row.get::<_, i64>(3)), (false, 0, 0));
        assert!(pids.insert(row.get::<_, i32>(0)), "{pids:?}");
        let dirt = "set search_path = dirty; prepare dirty as select 1; begin; create temp table dirt (x int)";
        client.batch_execute(dirt).await.unwrap();
        let warehouse = &rig.sandbox().warehouse;
        assert_eq!((warehouse.dials(), warehouse.logins()), (sessions, sessions));
        drop(client);
        rig.wait_until_idle().await;
    }
}
