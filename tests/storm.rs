//! Many logins at once, and an AWS that is away or slow: few calls, and an answer for everyone in
//! time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails has done its work"
)]

mod support;

use std::time::Duration;

use redshift_sandbox::aws::{AwsOptions, Fault, SecretValue, Skew, Times};
use support::line::Line;
use support::stand_in::StandIn;
use support::{PASSWORD, Rig, Setup, USER, World, assert_refused, connection, login_over, raw};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Everything that a login may call.
const OPERATIONS: [&str; 5] = ["GetCallerIdentity", "GetParameter", "GetSecretValue", "AssumeRole", "GetCredentials"];

const HINT: Option<&str> = Some("Try again shortly.");

/// At once: what a descriptor limit of 20,000 has room for, at four for each session (client, proxy
/// twice, warehouse).
const WAVE: usize = 2000;
const WAVES: usize = 5;

fn calls(rig: &Rig) -> [usize; 5] {
    OPERATIONS.map(|operation| rig.sandbox().aws.calls(operation))
}

/// Names of connections, each with a workgroup of its own under the one role.
fn names(count: usize) -> Vec<&'static str> {
    (0..count)
        .map(|at| &*Box::leak(format!("mart-{at}").into_boxed_str()))
        .collect()
}

/// PostgreSQL would take minutes over as many sessions, and is not what is asked here: the
/// warehouse is one that speaks TLS and takes any password. The clients are real ones, in clear.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_logins_over_a_hundred_connections_cause_a_hundred_calls() {
    support::require_open_files(10_000);
    let config = "[limits]\nstartup_timeout = \"2m\"\nmax_handshakes = 10000\n[credentials]\ntimeout = \"2m\"\n".into();
    let (upstream, workgroups) = ("tls_timeout = \"2m\"\n".into(), names(100));
    let setup = Setup { tls: "prefer", upstream, config, workgroups: workgroups.clone(), ..Setup::default() };
    let mut world = World::start(&setup).await;
    let warehouse = StandIn::replace_all(&mut world).await;
    let rig = Box::pin(Rig::over(world)).await;
    for wave in 0..WAVES {
        // Nobody is served before all of the first wave have found nothing.
        let is_cold = wave == 0;
        if is_cold {
            rig.sandbox()
                .aws
                .fault("GetCredentials", Fault::Hang, Times::Always);
        }
        let (mut clients, port) = (JoinSet::new(), rig.port());
        for at in 0..WAVE {
            let conn_id = workgroups[at % workgroups.len()];
            clients.spawn(async move {
                login_over(raw::tcp(port).await, USER, PASSWORD, conn_id)
                    .await
                    .unwrap()
            });
        }
        if is_cold {
            rig.wait_until(|counts| counts.sessions == WAVE).await;
            rig.sandbox().aws.clear_faults();
        }
        assert_eq!(clients.join_all().await.len(), WAVE);
        rig.wait_until_idle().await;
    }
    assert_eq!((calls(&rig), warehouse.logins()), ([1, 1, 0, 1, 100], 10_000));
}

/// How AWS is down.
#[derive(Clone, Copy, Debug)]
enum Outage {
    Failing,
    Throttling,
    Away,
}

/// Logins by IAM, by IAM with a secret that fills in the spec, and by passwords out of both stores.
const KINDS: [&str; 4] = ["sales", "by-secret", "secret-password", "parameter-password"];
const BY_IAM: [&str; 2] = ["sales", "by-secret"];
const STORED: [&str; 2] = ["secret-password", "parameter-password"];

/// Each stored value is asked for again every two minutes at most; so many tries each time.
const MOST_TRIES: usize = 12;

async fn everyone_is_served(rig: &Rig, conn_ids: &[&str], when: &str) {
    let logins = conn_ids
        .iter()
        .map(|conn_id| async move { (*conn_id, rig.connect(conn_id).await) });
    for (conn_id, login) in futures_util::future::join_all(logins).await {
        login.unwrap_or_else(|error| panic!("{conn_id} {when}: {:?}", error.as_db_error()));
    }
}

/// An AWS that is down for a quarter of an hour, from just after everything was fetched.
async fn outage(outage: Outage) {
    let more = connection("by-secret", &[("secret_id", "\"storm/spec\""), ("database", "")])
        + &connection("secret-password", &[("secret_id", "\"storm/login\"")])
        + &connection("parameter-password", &[("password", "\"/storm/password\""), ("user", "\"IAMR:rs01\"")]);
    let config = format!("[credentials]\ntimeout = \"4s\"\n{more}");
    let mut world = World::start(&Setup { config, ..Setup::default() }).await;
    let stored = world
        .sandbox
        .logins
        .mint("IAMR:rs01", Duration::from_secs(86_400))
        .await;
    let aws = &world.sandbox.aws;
    aws.put_secret("storm/spec", SecretValue::Text("{\"dbname\": \"dev\"}".into()));
    let login = serde_json::json!({ "username": stored.user, "password": stored.password });
    aws.put_secret("storm/login", SecretValue::Text(login.to_string()));
    aws.put_parameter("/storm/password", &stored.password);
    let url = aws.url();
    let mut line = Line::to_url(&url).await;
    world.edit(&url, &line.url());
    let rig = Box::pin(Rig::over(world)).await;
    rig.sandbox().logins.rotate();
    everyone_is_served(&rig, &KINDS, "at first").await;

    let before = calls(&rig);
    let mut cut = None;
    match outage {
        Outage::Failing | Outage::Throttling => {
            let fault = if matches!(outage, Outage::Failing) { Fault::InternalError } else { Fault::Throttle };
            for operation in OPERATIONS {
                rig.sandbox().aws.fault(operation, fault, Times::Always);
            }
        }
        Outage::Away => cut = Some(line.cut().await),
    }
    // Ten minutes: 300 s of life are left.
    for minutes in (2..=10).step_by(2) {
        rig.advance(Duration::from_secs(120));
        everyone_is_served(&rig, &KINDS, &format!("{outage:?} for {minutes} minutes")).await;
    }
    let made = calls(&rig);
    let [identity, parameters, secrets, roles, credentials] = [0, 1, 2, 3, 4].map(|at| made[at] - before[at]);
    assert_eq!((identity, roles, credentials), (0, 0, 0), "what is held needs no call");
    assert!(parameters <= 5 * MOST_TRIES && secrets <= 2 * 5 * MOST_TRIES, "{parameters} and {secrets} calls");

    // 180 s are left: another one is asked for, and nobody waits for it.
    rig.advance(Duration::from_secs(120));
    everyone_is_served(&rig, &KINDS, "when it is time for another login").await;
    // 60 s are left: less than the margin.
    rig.advance(Duration::from_secs(120));
    for conn_id in BY_IAM {
        let began = Instant::now();
        let error = rig.connect(conn_id).await.map(|_| ()).expect_err(conn_id);
        assert_refused(&error, "57P03", &format!("cannot open \"{conn_id}\" now"), HINT);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
    everyone_is_served(&rig, &STORED, "later").await;
    // Flights: three stored values twice, the external id, the base identity, the role and two
    // logins twice each.
    let all = calls(&rig).iter().sum::<usize>() - made.iter().sum::<usize>();
    assert!(all <= 15 * MOST_TRIES, "{all} calls");

    rig.sandbox().aws.clear_faults();
    if let Some(socket) = cut {
        line.repair(socket);
    }
    everyone_is_served(&rig, &KINDS, "once AWS is back").await;
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn an_aws_that_fails_takes_nothing_away_until_the_margin() {
    outage(Outage::Failing).await;
}

#[tokio::test]
async fn an_aws_that_throttles_everything_takes_nothing_away_until_the_margin() {
    outage(Outage::Throttling).await;
}

#[tokio::test]
async fn an_aws_that_is_not_there_takes_nothing_away_until_the_margin() {
    outage(Outage::Away).await;
}

/// What a round of logins may take: `credentials.timeout`, and what a busy machine adds.
const DEADLINE: Duration = Duration::from_secs(6);
const SLACK: Duration = Duration::from_secs(6);

#[tokio::test]
async fn an_aws_that_admits_one_call_a_second_serves_everyone_who_comes_again() {
    let mut waiting = names(30);
    let config = format!("[credentials]\ntimeout = \"{}s\"\n", DEADLINE.as_secs());
    let rig = Rig::with(Setup { config, workgroups: waiting.clone(), ..Setup::default() }).await;
    for operation in OPERATIONS {
        rig.sandbox()
            .aws
            .admit_every(operation, Duration::from_secs(1));
    }
    let mut rounds = 0;
    while !waiting.is_empty() {
        rounds += 1;
        let logins = waiting.iter().map(|conn_id| async {
            let outcome = rig.connect(conn_id).await;
            (*conn_id, outcome, Instant::now())
        });
        let began = Instant::now();
        let outcomes = futures_util::future::join_all(logins).await;
        let before = waiting.len();
        waiting.clear();
        for (conn_id, outcome, answered) in outcomes {
            assert!(answered - began < DEADLINE + SLACK, "{conn_id} after {:?}", answered - began);
            if let Err(error) = outcome {
                assert_refused(&error, "57P03", &format!("cannot open \"{conn_id}\" now"), HINT);
                waiting.push(conn_id);
            }
        }
        assert!(waiting.len() < before, "a round in which nobody was served");
    }
    let [identity, parameters, _, roles, credentials] = calls(&rig);
    assert!(rounds <= 15, "{rounds} rounds");
    assert_eq!((identity, parameters, roles), (1, 1, 1));
    assert!((30..=rounds * 60).contains(&credentials), "{credentials} calls in {rounds} rounds");
}

#[tokio::test]
async fn stored_passwords_survive_an_unknown_identity_but_not_a_refusal() {
    let config = connection("stored", &[("password", "\"/storm/password\""), ("user", "\"IAMR:rs01\"")]);
    let world = World::start(&Setup { config, ..Setup::default() }).await;
    let stored = world
        .sandbox
        .logins
        .mint("IAMR:rs01", Duration::from_secs(86_400))
        .await;
    world
        .sandbox
        .aws
        .put_parameter("/storm/password", &stored.password);
    let rig = Box::pin(Rig::over(world)).await;
    rig.connect("stored").await.unwrap();
    rig.sandbox()
        .aws
        .skew(Skew::Ahead(Duration::from_secs(600)));
    rig.advance(Duration::from_secs(121));
    rig.connect("stored")
        .await
        .expect("a clock that is off says nothing about the password");
    // The one that is refused for its time is signed anew, by the time of the refusal.
    assert_eq!(calls(&rig), [0, 3, 0, 0, 0]);
    rig.sandbox().aws.skew(Skew::None);
    rig.sandbox()
        .aws
        .replace_keys("AKIASANDBOXEXAMPLE01", "another");
    rig.advance(Duration::from_secs(121));
    rig.connect("stored")
        .await
        .expect("keys that AWS does not know say nothing about the password");
    let AwsOptions { access_key_id, secret_access_key, .. } = AwsOptions::default();
    rig.sandbox()
        .aws
        .replace_keys(&access_key_id, &secret_access_key);
    // By then it is asked again.
    rig.advance(Duration::from_secs(600));
    rig.connect("stored").await.unwrap();
    assert_eq!(calls(&rig), [0, 5, 0, 0, 0]);
    rig.sandbox()
        .aws
        .fault("GetParameter", Fault::Deny, Times::Always);
    rig.advance(Duration::from_secs(121));
    let error = rig.connect("stored").await.map(|_| ()).unwrap_err();
    assert_refused(&error, "08004", "connection \"stored\" is not available to the proxy", None);
}
