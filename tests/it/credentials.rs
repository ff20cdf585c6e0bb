//! Database logins from IAM: fetched once for however many ask, never too old, and what a client
//! reads when there is none.

use std::time::Duration;

use crate::support;
use crate::support::{PASSWORD, Rig, Setup, USER, assert_refused, raw};
use redshift_sandbox::aws::{Fault, Times, Workgroup};
use tokio::task::JoinSet;
use tokio_postgres::{Client, Error};

const NOT_AVAILABLE: &str = "connection \"sales\" is not available to the proxy";
const NOT_NOW: &str = "cannot open \"sales\" now";
const HINT: Option<&str> = Some("Try again shortly.");

/// The calls of a flight, in their order.
const CALLS: [&str; 3] = ["GetParameter", "AssumeRole", "GetCredentials"];

fn calls(rig: &Rig) -> [usize; 3] {
    CALLS.map(|operation| rig.sandbox().aws.calls(operation))
}

/// A rig whose clients need no TLS, with all the time that a thousand of them may take.
async fn rig_for_crowds() -> Rig {
    let config = "[limits]\nstartup_timeout = \"2m\"\n[credentials]\ntimeout = \"2m\"\n".into();
    Rig::with(Setup { tls: "prefer", upstream: "tls_timeout = \"2m\"\n".into(), config, ..Setup::default() }).await
}

/// So many logins at once, each of which then answers a query.
fn crowd(rig: &Rig, size: usize) -> JoinSet<()> {
    let (mut clients, port) = (JoinSet::new(), rig.port());
    for _ in 0..size {
        clients.spawn(async move {
            let client = support::login_over(raw::tcp(port).await, USER, PASSWORD, "sales")
                .await
                .unwrap();
            client.batch_execute("select 1").await.unwrap();
        });
    }
    clients
}

async fn connect(port: u16, ca: String, conn_id: &str) -> Result<Client, Error> {
    support::login_over(raw::tls(port, &ca).await, USER, PASSWORD, conn_id).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_logins_on_a_cold_cache_share_one_call_of_each_kind() {
    let rig = rig_for_crowds().await;
    rig.sandbox()
        .aws
        .fault("GetCredentials", Fault::Hang, Times::Always);
    let clients = crowd(&rig, 1000);
    rig.wait_until(|counts| counts.sessions == 1000).await;
    rig.sandbox().aws.clear_faults();
    assert_eq!(clients.join_all().await.len(), 1000);
    assert_eq!((calls(&rig), rig.sandbox().warehouse.logins()), ([1, 1, 1], 1000));
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn a_hanging_call_holds_up_nobody_elses_and_outlives_the_client_that_caused_it() {
    let rig = Rig::with(Setup { workgroups: vec!["fin-emea"], ..Setup::default() }).await;
    let hanging = ("workgroupName", "analytics");
    rig.sandbox()
        .aws
        .fault_where("GetCredentials", hanging, Fault::Hang, Times::Always);
    let login = || tokio::spawn(connect(rig.port(), rig.sandbox().ca.pem().to_owned(), "sales"));
    let first = login();
    rig.sandbox().aws.wait_for_calls("GetCredentials", 1).await;
    let others = [login(), login(), login()];
    rig.wait_until(|counts| counts.sessions == 4).await;
    tokio::time::timeout(Duration::from_secs(1), rig.connect("fin-emea"))
        .await
        .expect("at once")
        .unwrap();

    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    rig.wait_until(|counts| counts.sessions == 3).await;
    rig.sandbox().aws.clear_faults();
    for other in others {
        other.await.unwrap().unwrap();
    }
    let asked = rig.sandbox().aws.requests("GetCredentials");
    let mut workgroups = asked
        .iter()
        .map(|call| &*call.parameters["workgroupName"])
        .collect::<Vec<_>>();
    workgroups.sort_unstable();
    assert_eq!(workgroups, ["analytics", "fin-emea"]);
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn an_expired_login_is_replaced_before_the_warehouse_sees_it() {
    let rig = Rig::start().await;
    rig.connect("sales").await.unwrap();
    rig.advance(Duration::from_secs(901));
    rig.connect("sales").await.unwrap();
    let warehouse = &rig.sandbox().warehouse;
    assert_eq!((warehouse.dials(), warehouse.passwords_seen(), warehouse.logins()), (2, 2, 2));
    assert_eq!(calls(&rig), [2, 2, 2]);
}

#[tokio::test]
async fn a_login_serves_until_two_minutes_before_its_end_and_needs_no_aws_for_it() {
    let rig = Rig::start().await;
    rig.sandbox().logins.rotate();
    rig.connect("sales").await.unwrap();
    for operation in CALLS {
        rig.sandbox()
            .aws
            .fault(operation, Fault::Deny, Times::Always);
    }
    rig.advance(Duration::from_secs(600));
    rig.connect("sales").await.expect("300 s are left");
    assert_eq!(calls(&rig), [1, 1, 1]);
    rig.sandbox().aws.clear_faults();
    rig.advance(Duration::from_secs(190));
    rig.connect("sales").await.expect("110 s were left");
    rig.connect("sales").await.expect("the new one is kept");
    assert_eq!((calls(&rig), rig.sandbox().warehouse.dials()), ([2, 2, 2], 4));
}

#[tokio::test]
async fn a_login_in_use_is_replaced_ahead_of_its_end() {
    let rig = Rig::start().await;
    rig.sandbox().logins.rotate();
    rig.connect("sales").await.unwrap();
    rig.sandbox()
        .aws
        .fault("GetCredentials", Fault::Hang, Times::Always);
    rig.advance(Duration::from_secs(720));
    rig.connect("sales")
        .await
        .expect("not held up by the refresh");
    rig.sandbox().aws.wait_for_calls("GetCredentials", 2).await;
    rig.sandbox().aws.clear_faults();
    rig.advance(Duration::from_secs(100));
    rig.connect("sales").await.unwrap();
    assert_eq!((calls(&rig), rig.sandbox().warehouse.dials()), ([2, 2, 2], 3));
}

#[tokio::test]
async fn a_fresh_login_with_less_life_than_the_margin_is_used_once() {
    let rig = Rig::start().await;
    rig.sandbox().logins.set_life(Some(Duration::from_secs(60)));
    for flights in 1..=2 {
        rig.connect("sales").await.unwrap();
        assert_eq!(calls(&rig), [1, 1, flights]);
    }
    assert_eq!(rig.sandbox().warehouse.dials(), 2);
}

#[tokio::test]
async fn a_cached_login_that_the_warehouse_refuses_is_fetched_and_dialled_once_more() {
    let rig = Rig::start().await;
    rig.connect("sales").await.unwrap();
    rig.sandbox().logins.revoke_all();
    let client = rig
        .connect("sales")
        .await
        .expect("the client notices nothing");
    assert_eq!(
        client
            .query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
    let warehouse = &rig.sandbox().warehouse;
    assert_eq!((warehouse.dials(), warehouse.logins()), (3, 2));
    assert_eq!(calls(&rig), [1, 1, 2]);
    rig.connect("sales").await.expect("the new one is kept");
    assert_eq!(calls(&rig), [1, 1, 2]);
}

#[tokio::test]
async fn postgresqls_own_code_for_a_refused_login_counts_as_well() {
    let rig = Rig::start().await;
    rig.sandbox()
        .warehouse
        .login_error(1, "28P01", "password authentication failed for user \"IAMR:rs01\"");
    rig.connect("sales")
        .await
        .expect("the client notices nothing");
    assert_eq!((calls(&rig), rig.sandbox().warehouse.dials()), ([1, 1, 2], 2));
}

#[tokio::test]
async fn a_refused_login_that_cannot_be_replaced_is_refused_for_the_replacements_reason() {
    let rig = Rig::start().await;
    rig.connect("sales").await.unwrap();
    rig.sandbox().logins.revoke_all();
    rig.sandbox()
        .aws
        .fault("GetCredentials", Fault::InternalError, Times::Next(3));
    assert_refused(&rig.connect("sales").await.unwrap_err(), "57P03", NOT_NOW, HINT);
    assert_eq!((calls(&rig), rig.sandbox().warehouse.dials()), ([1, 1, 4], 2));
    rig.connect("sales")
        .await
        .expect("the refused login is forgotten");
    assert_eq!((calls(&rig), rig.sandbox().warehouse.dials()), ([1, 1, 5], 3));
}

#[tokio::test]
async fn a_hundred_clients_with_the_same_refused_login_cause_one_more_fetch() {
    let rig = rig_for_crowds().await;
    crowd(&rig, 1).join_all().await;
    rig.sandbox().logins.revoke_all();
    assert_eq!(crowd(&rig, 100).join_all().await.len(), 100);
    assert_eq!((calls(&rig), rig.sandbox().warehouse.logins()), ([1, 1, 2], 101));
}

#[tokio::test]
async fn a_warehouse_that_refuses_every_login_is_dialled_twice() {
    let rig = Rig::start().await;
    rig.sandbox().warehouse.refuse_logins(usize::MAX);
    assert_refused(&rig.connect("sales").await.unwrap_err(), "08004", NOT_AVAILABLE, None);
    // One for the cache, which was cold, and one for the login that was refused.
    assert_eq!((calls(&rig), rig.sandbox().warehouse.dials()), ([1, 1, 2], 2));
    // While that is remembered, no call of AWS for each attempt.
    for dials in 3..=5 {
        assert_refused(&rig.connect("sales").await.unwrap_err(), "08004", NOT_AVAILABLE, None);
        assert_eq!((calls(&rig), rig.sandbox().warehouse.dials()), ([1, 1, 2], dials));
    }
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn a_refusal_by_aws_is_not_available_to_clients_and_is_cached() {
    let config = support::connection("lost", &[("workgroup", "\"no-such-workgroup\"")])
        + &support::connection("strange", &[("external_id", "\"/strange\"")])
        + &support::connection("bad", &[("external_id", "\"/bad\"")])
        + &support::connection("missing", &[("external_id", "\"/missing\"")]);
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    let aws = &rig.sandbox().aws;
    aws.put_parameter("/strange", "planted-external-id");
    aws.put_parameter("/bad", "planted external id");
    aws.fault_where("GetCredentials", ("workgroupName", "analytics"), Fault::Deny, Times::Always);
    for (conn_id, flight) in
        [("sales", [1, 1, 1]), ("lost", [0, 0, 1]), ("strange", [1, 1, 0]), ("bad", [1, 0, 0]), ("missing", [1, 0, 0])]
    {
        let before = calls(&rig);
        for attempt in 1..=2 {
            let error = rig.connect(conn_id).await.unwrap_err();
            let message = format!("connection \"{conn_id}\" is not available to the proxy");
            assert_refused(&error, "08004", &message, None);
            let reply = format!("{:?}", error.as_db_error());
            for secret in ["planted", "sandbox-external-id", "123456789012", "arn:", "/lava", "localhost"] {
                assert!(!reply.contains(secret), "{reply}");
            }
            let now = calls(&rig);
            let made = [0, 1, 2].map(|at| now[at] - before[at]);
            assert_eq!(made, flight, "{conn_id}, attempt {attempt}");
        }
    }
    assert_eq!(rig.sandbox().warehouse.dials(), 0);
}

#[tokio::test]
async fn a_remembered_refusal_is_forgotten_after_negative_ttl() {
    // Shorter than any login.
    let config = "[credentials]\nnegative_ttl = \"0.001s\"\n".into();
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    rig.sandbox()
        .aws
        .fault("AssumeRole", Fault::Deny, Times::Next(1));
    assert_refused(&rig.connect("sales").await.unwrap_err(), "08004", NOT_AVAILABLE, None);
    rig.connect("sales")
        .await
        .expect("the right was granted meanwhile");
    assert_eq!(calls(&rig), [1, 2, 1]);
}

#[tokio::test]
async fn an_aws_that_fails_is_tried_three_times_and_not_held_against_the_next_client() {
    let rig = Rig::start().await;
    let aws = &rig.sandbox().aws;
    for (fault, tries) in [(Fault::InternalError, 3), (Fault::Close, 3), (Fault::Garbage, 3)] {
        let before = aws.calls("GetCredentials");
        aws.fault("GetCredentials", fault, Times::Always);
        let error = rig.connect("sales").await.unwrap_err();
        assert_refused(&error, "57P03", NOT_NOW, HINT);
        assert_eq!(aws.calls("GetCredentials") - before, tries, "{fault:?}");
        aws.clear_faults();
    }
    rig.connect("sales").await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_throttled_once_is_repeated() {
    let rig = Rig::start().await;
    for operation in CALLS {
        rig.sandbox()
            .aws
            .fault(operation, Fault::Throttle, Times::Next(1));
    }
    rig.connect("sales").await.unwrap();
    assert_eq!(calls(&rig), [2, 2, 2]);
}

#[tokio::test]
async fn an_aws_that_does_not_answer_is_given_up_at_the_flights_deadline() {
    let config = "[credentials]\ntimeout = \"2s\"\n".into();
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    rig.sandbox()
        .aws
        .fault("AssumeRole", Fault::Hang, Times::Always);
    let started = tokio::time::Instant::now();
    assert_refused(&rig.connect("sales").await.unwrap_err(), "57P03", NOT_NOW, HINT);
    let waited = started.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(20)).contains(&waited), "{waited:?}");
    rig.sandbox().aws.clear_faults();
    rig.connect("sales").await.unwrap();
}

#[tokio::test]
async fn an_aws_that_cannot_be_reached_is_for_another_time() {
    let (_closed, port) = support::closed_port();
    let rig = Rig::with(Setup { aws: Some(format!("http://127.0.0.1:{port}")), ..Setup::default() }).await;
    assert_refused(&rig.connect("sales").await.unwrap_err(), "57P03", NOT_NOW, HINT);
}

#[tokio::test]
async fn without_a_role_the_base_identity_logs_in() {
    let keys = [("workgroup", "\"base-only\""), ("role_arn", ""), ("external_id", "")];
    let config = support::connection("plain", &keys);
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    let callers = vec!["arn:aws:iam::123456789012:user/proxy".to_owned()];
    rig.sandbox()
        .aws
        .put_workgroup("base-only", Workgroup { callers, host: "localhost".into(), port: 1 });
    let client = rig.connect("plain").await.unwrap();
    let row = client
        .query_one("select current_user::text", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), "IAM:proxy");
    assert_eq!(calls(&rig), [0, 0, 1]);
}

#[tokio::test]
async fn a_warehouse_that_is_not_where_aws_said_is_looked_up_again() {
    let keys = [("workgroup", "\"moving\""), ("host", ""), ("port", "")];
    let config = support::connection("moved", &keys) + "[credentials]\nnegative_ttl = \"0.001s\"\n";
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    let aws = &rig.sandbox().aws;
    let (_closed, port) = support::closed_port();
    let callers = vec!["arn:aws:iam::123456789012:role/rs01".to_owned()];
    let at = |port| Workgroup { callers: callers.clone(), host: "localhost".into(), port };
    aws.put_workgroup("moving", at(port));
    let message = "could not reach the warehouse for \"moved\"";
    assert_refused(&rig.connect("moved").await.unwrap_err(), "08001", message, None);
    assert_eq!(aws.calls("GetWorkgroup"), 2, "once more, and no more");
    aws.put_workgroup("moving", at(rig.sandbox().warehouse.address().port()));
    rig.connect("moved")
        .await
        .expect("it is where AWS says now");
    rig.connect("moved").await.expect("and stays there");
    assert_eq!((aws.calls("GetWorkgroup"), aws.calls("GetCredentials")), (3, 1));
}

/// A new access key is unknown to some of AWS for its first minutes.
#[tokio::test]
async fn a_stored_password_serves_while_aws_does_not_know_the_base_key() {
    let report = support::connection(
        "report",
        &[
            ("user", "\"report\""),
            ("password", "\"/lava/demo/report\""),
            ("role_arn", ""),
            ("external_id", ""),
            ("workgroup", ""),
        ],
    );
    let rig = Rig::with(Setup { config: report, ..Setup::default() }).await;
    let password = rig
        .sandbox()
        .logins
        .mint("report", Duration::from_secs(7200))
        .await
        .password;
    rig.sandbox()
        .aws
        .put_parameter("/lava/demo/report", &password);
    rig.connect("report").await.unwrap();
    rig.sandbox()
        .aws
        .replace_keys("AKIASANDBOXEXAMPLE01", "sandbox/secret/access/key/EXAMPLE0000001");
    for asked in 2..=4 {
        rig.advance(Duration::from_secs(130));
        rig.connect("report")
            .await
            .expect("the last value that was read");
        rig.sandbox()
            .aws
            .wait_for_calls("GetParameter", asked)
            .await;
    }
    let (id, secret) = &rig.world.keys;
    rig.sandbox().aws.replace_keys(id, secret);
    let password = rig
        .sandbox()
        .logins
        .mint("report", Duration::from_secs(7200))
        .await
        .password;
    rig.sandbox()
        .aws
        .put_parameter("/lava/demo/report", &password);
    rig.advance(Duration::from_secs(130));
    rig.connect("report").await.unwrap();
}
