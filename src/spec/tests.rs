//! Both sources over a table that does as it is told, on paused clocks.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::asked::Asked;
use super::table::{Item, Items};
use super::*;
use crate::aws::{AwsError, Call, Operation};
use crate::client_auth::Principal;
use crate::clock::{Clock, TokioClock};
use crate::config::{self, Bounds, ConnId, ConnSpec, ItemValue, SpecsTable, UnknownKeys, connection_from_item};
use crate::fault::{Fault, Kind};
use crate::wire::refusal::Refusal;

/// What the table holds, whether it answers, and what it was asked for.
#[derive(Default)]
struct Fake {
    items: Mutex<BTreeMap<String, BTreeMap<String, ItemValue>>>,
    fails: Mutex<Option<fn() -> AwsError>>,
    asked: Mutex<Vec<String>>,
}

impl Items for Arc<Fake> {
    fn item<'a>(&'a self, conn_id: &'a ConnId) -> BoxFuture<'a, Result<Item, AwsError>> {
        self.asked.lock().unwrap().push(conn_id.to_string());
        let failure = *self.fails.lock().unwrap();
        let answer =
            failure.map_or_else(|| Ok(self.items.lock().unwrap().get(conn_id.as_str()).cloned()), |of| Err(of()));
        std::future::ready(answer).boxed()
    }
}

fn throttled() -> AwsError {
    let source = Box::new(std::fmt::Error);
    AwsError::Throttled { call: Call::new(Operation::GetItem, "t"), code: "Throttling".into(), source }
}

fn denied() -> AwsError {
    let source = Box::new(std::fmt::Error);
    AwsError::Denied { call: Call::new(Operation::GetItem, "t"), code: "AccessDenied".into(), source }
}

struct Rig {
    fake: Arc<Fake>,
    specs: Specs,
}

impl Rig {
    /// A table for `bi-*`, and `own` and `bi-own` in the configuration.
    fn new() -> Self {
        Self::with(&["own", "bi-own"])
    }

    /// The same, with these in the configuration.
    fn with(names: &[&str]) -> Self {
        let fake = Arc::new(Fake::default());
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::start());
        let bounds = Arc::new(Bounds {
            conn_ids: vec!["bi-*".into()],
            roles: vec!["arn:aws:iam::123456789012:role/rs-*".into()],
            parameter_prefix: "/lava/".into(),
            hosts: vec!["*.redshift-serverless.amazonaws.com".into()],
            base_identity: true,
        });
        let own = |name: &str| {
            let id = ConnId::new(name).unwrap();
            let spec = connection_from_item("file", &id, &item("dev"), &bounds, secs(900)).unwrap();
            (id, Arc::new(spec))
        };
        let file = names.iter().map(|name| own(name)).collect();
        let settings = SpecsTable {
            dynamodb_table: "t".into(),
            refresh: secs(60),
            password_duration: secs(900),
            bounds: Arc::clone(&bounds),
        };
        let times = (secs(10), secs(5));
        let table = SpecTable::over(Box::new(Arc::clone(&fake)), settings, &clock, &Handle::current(), times);
        Self { fake, specs: Specs::new(file, Some(Arc::new(table)), None) }
    }

    /// The configuration alone: each with its database, and whether it is enabled.
    fn of_file(specs: &[(&str, &str, bool)]) -> Specs {
        let rig = Self::new();
        let specs = specs.iter().map(|(name, database, enabled)| {
            let mut spec = ConnSpec::clone(rig.specs.file.get("own").unwrap());
            spec.id = ConnId::new(name).unwrap();
            (spec.database, spec.enabled) = (Some((*database).to_owned()), *enabled);
            (spec.id.clone(), Arc::new(spec))
        });
        Specs::new(specs.collect(), None, None)
    }

    fn put(&self, conn_id: &str, item: BTreeMap<String, ItemValue>) {
        self.fake.items.lock().unwrap().insert(conn_id.into(), item);
    }

    fn fails(&self, by: Option<fn() -> AwsError>) {
        *self.fake.fails.lock().unwrap() = by;
    }

    fn calls(&self) -> usize {
        self.fake.asked.lock().unwrap().len()
    }

    async fn open(&self, conn_id: &str) -> Result<Arc<ConnSpec>, SpecError> {
        permitted(&self.specs, &principal(&["*"]), Asked::Database(conn_id)).await
    }

    /// The database of the connection that is found.
    async fn leads_to(&self, rights: &[&str], asked: Asked<'_>) -> Option<String> {
        match permitted(&self.specs, &principal(rights), asked).await {
            Ok(spec) => spec.database.clone(),
            Err(SpecError::NotYours { .. }) => None,
            Err(other) => panic!("{other}"),
        }
    }

    /// The database that a name leads to.
    async fn database(&self, conn_id: &str) -> String {
        self.open(conn_id).await.unwrap().database.clone().unwrap()
    }
}

/// The connection that a client means, looked up where its name alone does not tell.
async fn permitted(specs: &Specs, principal: &Principal, asked: Asked<'_>) -> Result<Arc<ConnSpec>, SpecError> {
    match specs.named(principal, asked)? {
        Named::Known(spec) => Ok(spec),
        Named::InTable(look_up) => specs.look_up(principal, look_up).await,
    }
}

fn principal(rights: &[&str]) -> Principal {
    let toml = format!(
        "[specs]\ndynamodb_table = \"t00\"\nconn_ids = [\"*\"]\nroles = []\nparameter_prefix = \"/lava/\"\n\
         [users.ann]\npassword = \"env:PW\"\nconnections = {rights:?}\n"
    );
    let env = |name: &str| (name == "PW").then(|| "planted".to_owned());
    let config = config::parse(&toml, Path::new("proxy.toml"), &env, UnknownKeys::Refuse).unwrap();
    Principal { user: "ann".into(), holder: config.holder("ann").unwrap(), verifier_index: Some(0) }
}

/// An enabled one of this database.
fn item(database: &str) -> BTreeMap<String, ItemValue> {
    let texts = [
        ("type", "redshift-serverless"),
        ("host", "wg1.123456789012.eu-west-1.redshift-serverless.amazonaws.com"),
        ("database", database),
        ("role_arn", "arn:aws:iam::123456789012:role/rs-1"),
    ];
    let texts = texts
        .into_iter()
        .map(|(name, text)| (name.to_owned(), ItemValue::Text(text.into())));
    texts
        .chain([("enabled".to_owned(), ItemValue::Bool(true))])
        .collect()
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn answer(error: &SpecError) -> Refusal {
    error.refusal().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_edited_item_is_seen_when_the_old_one_is_believed_no_longer() {
    let rig = Rig::new();
    rig.put("bi-x", item("one"));
    assert_eq!(rig.database("bi-x").await, "one");
    rig.put("bi-x", item("two"));
    tokio::time::sleep(secs(59)).await;
    assert_eq!((rig.database("bi-x").await.as_str(), rig.calls()), ("one", 1));
    tokio::time::sleep(secs(1)).await;
    assert_eq!((rig.database("bi-x").await.as_str(), rig.calls()), ("two", 2));
}

#[tokio::test(start_paused = true)]
async fn a_missing_item_reads_like_a_name_that_nobody_knows_and_is_asked_for_every_ten_seconds() {
    let rig = Rig::new();
    let unknown = answer(&rig.open("nowhere").await.unwrap_err());
    assert_eq!(rig.calls(), 0);
    let missing = rig.open("bi-x").await.unwrap_err();
    assert_eq!(format!("{:?}", answer(&missing)), format!("{unknown:?}").replace("nowhere", "bi-x"));
    tokio::time::sleep(secs(9)).await;
    assert!(rig.open("bi-x").await.is_err());
    assert_eq!(rig.calls(), 1);
    rig.put("bi-x", item("one"));
    tokio::time::sleep(secs(1)).await;
    assert_eq!((rig.database("bi-x").await.as_str(), rig.calls()), ("one", 2));
}

#[tokio::test(start_paused = true)]
async fn names_outside_the_rights_or_the_tables_globs_or_in_the_configuration_are_not_asked_for() {
    let rig = Rig::new();
    for name in ["bi-own", "bi-secret", "fin-x", "own"] {
        rig.put(name, item("elsewhere"));
    }
    assert_eq!(rig.database("bi-own").await, "dev", "the configuration wins");
    assert_eq!(rig.database("own").await, "dev");
    assert!(rig.open("fin-x").await.is_err());
    let some = principal(&["bi-public", "own"]);
    for name in ["bi-secret", "bi-own", "bi-*", "bi-\0", "", "proxy_admin"] {
        let found = permitted(&rig.specs, &some, Asked::Database(name)).await;
        assert!(matches!(found, Err(SpecError::NotYours { .. })), "{name:?}");
    }
    assert!(rig.open(&format!("bi-{}", "x".repeat(100))).await.is_err());
    assert_eq!(rig.calls(), 0);
}

/// Whoever writes the table could otherwise answer for names that clients type in another case, or
/// that have none.
#[tokio::test(start_paused = true)]
async fn the_table_is_never_asked_for_a_name_of_the_configuration_in_another_case() {
    let rig = Rig::new();
    for name in ["BI-Own", "bi-OWN", "bi-x"] {
        rig.put(name, item("elsewhere"));
    }
    for (asked, want) in [
        (Asked::ServerName("bi-own"), Some("dev")),
        (Asked::User("bi-own"), Some("dev")),
        (Asked::Database("BI-Own"), None),
        (Asked::User("BI-Own"), None),
        (Asked::User("bi-OWN"), None),
    ] {
        assert_eq!(rig.leads_to(&["*"], asked).await.as_deref(), want, "{asked:?}");
    }
    assert_eq!(rig.calls(), 0);
    for asked in [Asked::ServerName("bi-x"), Asked::User("bi-x"), Asked::Database("bi-x")] {
        assert_eq!(rig.leads_to(&["*"], asked).await.as_deref(), Some("elsewhere"), "{asked:?}");
    }
    assert_eq!(rig.calls(), 1);
}

/// A server name has no case: the file's `Bi-Sales` answers, and no item `bi-sales`, whoever may
/// open which.
#[tokio::test(start_paused = true)]
async fn a_server_name_is_looked_up_in_the_configuration_without_case_before_the_table() {
    let rig = Rig::with(&["Bi-Sales", "BI-Both", "bi-both"]);
    for name in ["bi-sales", "bi-both"] {
        rig.put(name, item("elsewhere"));
    }
    for (rights, name, want) in [
        (&["*"][..], "bi-sales", Some("dev")),
        (&["bi-sales"], "bi-sales", None),
        (&["*"], "bi-both", Some("dev")),
        (&["BI-*"], "bi-both", Some("dev")),
        (&["own"], "bi-both", None),
    ] {
        assert_eq!(
            rig.leads_to(rights, Asked::ServerName(name))
                .await
                .as_deref(),
            want,
            "{rights:?} {name}"
        );
    }
    assert_eq!(rig.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_user_asks_for_so_many_names_that_nobody_has() {
    let rig = Rig::new();
    rig.put("bi-old", item("one"));
    rig.put("bi-new", item("one"));
    rig.open("bi-old").await.unwrap();
    for at in 0..20 {
        for _ in 0..3 {
            rig.open(&format!("bi-{at}")).await.unwrap_err();
        }
    }
    assert_eq!(rig.calls(), 21, "remembered ones cost nothing");
    for name in ["bi-20", "bi-0", "bi-new"] {
        assert!(matches!(rig.open(name).await, Err(SpecError::NotYours { .. })), "{name}");
    }
    assert_eq!(rig.calls(), 21);
    let other = Principal { user: "bob".into(), ..principal(&["*"]) };
    permitted(&rig.specs, &other, Asked::Database("bi-20"))
        .await
        .unwrap_err();
    assert_eq!(rig.calls(), 22, "each has its own");
    tokio::time::sleep(secs(3)).await;
    rig.open("bi-new").await.expect("one more");
    rig.open("bi-21").await.unwrap_err();
    rig.open("bi-22").await.unwrap_err();
    assert_eq!(rig.calls(), 24);
    tokio::time::sleep(secs(57)).await;
    assert_eq!((rig.database("bi-old").await.as_str(), rig.calls()), ("one", 25), "what was found is read again");
    for at in 100..130 {
        rig.open(&format!("bi-{at}")).await.unwrap_err();
    }
    assert_eq!(rig.calls(), 25 + 19);
}

#[tokio::test(start_paused = true)]
async fn hints_name_nothing_of_the_table() {
    let rig = Rig::new();
    rig.put("bi-x", item("one"));
    rig.open("bi-x").await.unwrap();
    let Err(SpecError::NotYours { may_open, .. }) = rig.open("bi-y").await else { panic!() };
    assert_eq!(may_open.iter().map(ConnId::as_str).collect::<Vec<_>>(), ["bi-own", "own"]);
}

#[tokio::test(start_paused = true)]
async fn while_the_table_fails_an_old_item_serves_for_a_quarter_of_an_hour() {
    let rig = Rig::new();
    rig.put("bi-x", item("one"));
    assert_eq!(rig.database("bi-x").await, "one");
    assert!(rig.open("bi-gone").await.is_err());
    rig.fails(Some(throttled));
    tokio::time::sleep(secs(60 + 899)).await;
    assert_eq!(rig.database("bi-x").await, "one");
    tokio::time::sleep(secs(1)).await;
    for name in ["bi-x", "bi-gone", "bi-new"] {
        let error = rig.open(name).await.unwrap_err();
        assert_eq!((error.kind(), answer(&error)), (Kind::Unavailable, Refusal::not_now(name)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_may_not_be_read_is_reported_to_the_operator() {
    let rig = Rig::new();
    rig.put("bi-x", item("one"));
    assert_eq!(rig.database("bi-x").await, "one");
    rig.fails(Some(denied));
    tokio::time::sleep(secs(60)).await;
    let error = rig.open("bi-x").await.unwrap_err();
    assert_eq!((error.kind(), answer(&error)), (Kind::Operator, Refusal::not_available("bi-x")));
    rig.open("bi-x").await.unwrap_err();
    assert_eq!(rig.calls(), 2, "remembered");
}

#[tokio::test(start_paused = true)]
async fn a_faulty_item_is_reported_with_its_attributes_and_read_again_once_fixed() {
    let rig = Rig::new();
    let mut bad = item("one");
    bad.insert("password".into(), ItemValue::Text("hunter2".into()));
    bad.insert("x_host".into(), ItemValue::Number("1".into()));
    rig.put("bi-x", bad);
    let error = rig.open("bi-x").await.unwrap_err();
    assert_eq!((error.kind(), answer(&error)), (Kind::Operator, Refusal::not_available("bi-x")));
    let told = crate::fault::chain(&error);
    assert!(told.starts_with("connection bi-x: its item in t cannot be used: ") && !told.contains("hunter2"), "{told}");
    assert!(told.contains("password: ") && told.contains("x_host: "), "{told}");
    rig.put("bi-x", item("one"));
    tokio::time::sleep(secs(60)).await;
    assert_eq!(rig.database("bi-x").await, "one");
}

#[tokio::test(start_paused = true)]
async fn the_report_of_an_item_is_cut_to_a_length() {
    let rig = Rig::new();
    let many = (0..1000).map(|n| (format!("y-{n}"), ItemValue::Bool(true)));
    rig.put("bi-x", item("one").into_iter().chain(many).collect());
    let told = crate::fault::chain(&rig.open("bi-x").await.unwrap_err());
    assert!(told.len() < 1200, "{}", told.len());
}

#[tokio::test(start_paused = true)]
async fn a_missing_enabled_is_false() {
    let rig = Rig::new();
    let mut off = item("one");
    off.remove("enabled");
    rig.put("bi-x", off);
    let spec = rig.open("bi-x").await.unwrap();
    assert!(matches!(check_enabled(&spec), Err(SpecError::Disabled(_))));
}

/// The conn_id that is found.
async fn found(specs: &Specs, rights: &[&str], asked: Asked<'_>) -> Option<String> {
    match permitted(specs, &principal(rights), asked).await {
        Ok(spec) => Some(spec.id.to_string()),
        Err(SpecError::NotYours { asked: told, .. }) => {
            assert_eq!(told, asked.name());
            None
        }
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_real_database_is_the_connection_that_the_user_may_open_if_it_is_one() {
    let specs = Rig::of_file(&[
        ("sales", "dev", true),
        ("fin", "dev", true),
        ("hr", "people", true),
        ("old-hr", "people", false),
        ("archive", "old", false),
        ("people", "staff", true),
        ("stock", "sales", true),
    ]);
    for (rights, database, want) in [
        (&["*"][..], "dev", None),
        (&["sales", "hr"], "dev", Some("sales")),
        (&["fin"], "dev", Some("fin")),
        (&["hr"], "dev", None),
        (&[], "dev", None),
        // A conn_id of that name comes first; one that is not the user's is as none.
        (&["*"], "people", Some("people")),
        (&["*"], "sales", Some("sales")),
        (&["stock"], "sales", Some("stock")),
        // One that is disabled makes no other ambiguous, and is found where it is the only one.
        (&["hr", "old-hr"], "people", Some("hr")),
        (&["*"], "old", Some("archive")),
        (&["*"], "staff", Some("people")),
    ] {
        assert_eq!(
            found(&specs, rights, Asked::Database(database))
                .await
                .as_deref(),
            want,
            "{rights:?} {database}"
        );
    }
}

/// dbt-core#1800: a profile's `ANALYTICS` for the database `analytics`. PostgreSQL and Redshift
/// fold names in SQL, not the database of a login; nor do we. The hint says what there is.
#[tokio::test(start_paused = true)]
async fn case_counts_in_the_name_of_a_real_database_as_it_does_in_postgresql() {
    let specs = Rig::of_file(&[("dw", "analytics", true)]);
    assert_eq!(
        found(&specs, &["*"], Asked::Database("analytics"))
            .await
            .as_deref(),
        Some("dw")
    );
    for name in ["ANALYTICS", "Analytics", "DW"] {
        let refused = permitted(&specs, &principal(&["*"]), Asked::Database(name))
            .await
            .unwrap_err();
        assert_eq!(answer(&refused), Refusal::not_yours(name, &["dw"]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_conn_id_behind_the_user_is_that_name_and_no_database() {
    let specs = Rig::of_file(&[("sales", "dev", true), ("fin", "dev", true), ("hr", "people", true)]);
    for (rights, conn_id, want) in [
        (&["*"][..], "sales", Some("sales")),
        (&["*"], "fin", Some("fin")),
        (&["fin"], "sales", None),
        (&["*"], "Sales", None),
        (&["*"], "people", None),
        (&["*"], "proxy_admin", None),
        (&["*"], "", None),
    ] {
        assert_eq!(found(&specs, rights, Asked::User(conn_id)).await.as_deref(), want, "{rights:?} {conn_id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_name_is_a_conn_id_whatever_its_case_and_never_a_database() {
    let specs = Rig::of_file(&[
        ("Sales", "dev", true),
        ("fin", "x", true),
        ("FIN", "x", true),
        ("A", "x", true),
        ("a.B", "x", true),
    ]);
    for (rights, name, want) in [
        (&["*"][..], "sales", Some("Sales")),
        (&["fin"], "sales", None),
        (&["*"], "fin", Some("fin")),
        (&["FIN"], "fin", Some("FIN")),
        (&["*"], "a.b", Some("a.B")),
        (&["*"], "dev", None),
        (&["*"], "nope", None),
    ] {
        assert_eq!(
            found(&specs, rights, Asked::ServerName(name))
                .await
                .as_deref(),
            want,
            "{rights:?} {name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_port_of_a_connection_is_no_right_to_it() {
    let specs = Rig::of_file(&[("sales", "dev", true), ("fin", "sales", true)]);
    let port = ConnId::new("sales").unwrap();
    assert_eq!(found(&specs, &["*"], Asked::Port(&port)).await.as_deref(), Some("sales"));
    assert_eq!(found(&specs, &["fin"], Asked::Port(&port)).await, None, "nor is its name a database there");
}

/// At most one look at each connection, and none where a right names what it covers: one user's
/// typing errors are nobody else's waiting time.
#[tokio::test(start_paused = true)]
async fn an_unknown_name_costs_a_look_at_each_connection_at_most() {
    let config = config::many::many(1000, 40);
    let holder = config.holder("u00001").unwrap();
    let principal = Principal { user: "u00001".into(), holder, verifier_index: None };
    let specs = Specs::new(config.connections, None, None);
    for (asked, want) in [
        (Asked::Database("nowhere"), 10),
        (Asked::User("nowhere"), 10),
        (Asked::ServerName("nowhere"), 10),
        // All have this one: two that the user may open are enough to know.
        (Asked::Database("dev"), 10),
    ] {
        let (steps, refused) = config::value::work::of(|| specs.named(&principal, asked));
        let Err(SpecError::NotYours { may_open, .. }) = refused else { panic!("{asked:?}") };
        assert_eq!(may_open.len(), want, "{asked:?}");
        // Two globs that begin with a wildcard are compared with each of 1,000.
        assert!(steps < 3 * 1000, "{asked:?}: {steps}");
    }
}

#[tokio::test(start_paused = true)]
async fn databases_of_items_are_not_searched() {
    let rig = Rig::new();
    rig.put("bi-x", item("real"));
    rig.open("bi-x").await.unwrap();
    assert!(matches!(rig.open("real").await, Err(SpecError::NotYours { .. })));
    assert_eq!(rig.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_keeps_its_right_as_long_as_names_and_item_give_it() {
    let rig = Rig::new();
    let permission = |rights: &[&str], name: &str| {
        let holder = principal(rights).holder;
        rig.specs.permission(&holder, &ConnId::new(name).unwrap())
    };
    assert_eq!(permission(&["*"], "own"), Permission::Granted);
    for (rights, name) in [(&["bi-*"][..], "own"), (&["*"], "gone"), (&["*"], "OWN"), (&["own"], "bi-x")] {
        assert_eq!(permission(rights, name), Permission::Lost, "{name}");
    }
    assert_eq!(permission(&["bi-*"], "bi-x"), Permission::InTable);
    let off = Rig::of_file(&[("off", "dev", false)]);
    assert_eq!(off.permission(&principal(&["*"]).holder, &ConnId::new("off").unwrap()), Permission::Lost);

    let of_item = async |item: Option<BTreeMap<String, ItemValue>>| {
        rig.fake.items.lock().unwrap().clear();
        if let Some(item) = item {
            rig.put("bi-x", item);
        }
        let found = rig
            .specs
            .read_again(&ConnId::new("bi-x").unwrap(), Duration::ZERO)
            .await;
        found
            .unwrap()
            .unwrap()
            .permission(&principal(&["bi-*"]).holder)
    };
    let with = |name: &str, value: ItemValue| {
        let mut item = item("dev");
        item.insert(name.to_owned(), value);
        Some(item)
    };
    assert_eq!(of_item(Some(item("dev"))).await, Permission::Granted);
    assert_eq!(of_item(None).await, Permission::Lost);
    assert_eq!(of_item(with("enabled", ItemValue::Bool(false))).await, Permission::Lost);
    let role = "arn:aws:iam::123456789012:role/other";
    assert_eq!(of_item(with("role_arn", ItemValue::Text(role.to_owned()))).await, Permission::Lost);
    let typo = with("nonsense", ItemValue::Bool(true));
    assert_eq!(of_item(typo).await, Permission::InTable, "it says nothing of rights: sessions stay");
}
