use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::MetricType;

use super::family::{Family, OURS, PREFIX, PROCESS};
use super::*;
use crate::aws::{Call, Observer, Operation};
use crate::clock::SystemClock;
use crate::config::ConnId;

fn metrics() -> Arc<Metrics> {
    Metrics::new(Arc::new(SystemClock))
}

fn id(name: &str) -> ConnId {
    ConnId::new(name).unwrap()
}

/// The names of the configuration's connections, numbered.
fn many(count: usize) -> Vec<ConnId> {
    (0..count)
        .map(|number| id(&format!("c{number:05}")))
        .collect()
}

fn configure(metrics: &Metrics, connections: &[ConnId]) {
    metrics.configured(connections.iter().map(|conn_id| (conn_id, 7)));
}

fn readings(metrics: &Metrics) -> Readings {
    let listed = metrics.connections.list().into_iter();
    let connections = listed.map(|(conn_id, of)| Connection {
        conn_id: conn_id.as_str().to_owned(),
        of,
        sessions: 3,
        credential: Some(41.5),
    });
    let reference = ReferenceReading { name: "a\"b\\c\nd".to_owned(), errors: 2, age: Some(1.5) };
    Readings {
        connections: connections.collect(),
        certificates: vec![("server".to_owned(), -2.0)],
        references: vec![reference],
        ..Readings::default()
    }
}

fn written(metrics: &Arc<Metrics>, format: Format) -> String {
    let written = metrics.write(format, readings(metrics)).unwrap();
    String::from_utf8(written.text.to_vec()).unwrap()
}

/// The samples of a text by their names and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let samples: Vec<_> = lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect();
    let by_name: BTreeMap<_, _> = samples.iter().cloned().collect();
    assert_eq!(by_name.len(), samples.len(), "a series is there twice");
    by_name
}

fn sample(text: &str, name: &str) -> f64 {
    let name = format!("{PREFIX}_{name}");
    *samples(text)
        .get(&name)
        .unwrap_or_else(|| panic!("{name} in {text}"))
}

/// The name of a metric as its samples have it.
fn full_name(family: &Family, prefix: &str) -> String {
    let suffix = match family.kind {
        MetricType::Counter => "_total",
        _ => "",
    };
    format!("{prefix}{}{suffix}", family.name)
}

fn all() -> impl Iterator<Item = (&'static Family, String)> {
    let ours = OURS
        .iter()
        .map(|family| (family, full_name(family, &format!("{PREFIX}_"))));
    ours.chain(PROCESS.iter().map(|family| (family, full_name(family, ""))))
}

#[test]
fn dials_of_connections_without_metrics_of_their_own_are_counted_too() {
    let metrics = metrics();
    metrics
        .connections
        .of_known(None)
        .dials
        .count(Outcome::Denied);
    let text = written(&metrics, Format::Text);
    assert_eq!(sample(&text, "dial_attempts_total{conn_id=\"other\",outcome=\"denied\"}"), 1.0);
}

#[test]
fn a_login_that_began_before_a_reload_does_not_put_the_limit_back() {
    let metrics = metrics();
    let (file, table) = (id("sales"), id("lava"));
    configure(&metrics, std::slice::from_ref(&file));
    let limit = |conn_id: &ConnId, origin, max| metrics.connections.of(conn_id, origin, max).limit();
    assert_eq!(limit(&file, Origin::File, 5), Some(7));
    assert_eq!([3, 4].map(|max| limit(&table, Origin::Table, max)), [Some(3), Some(4)]);
    assert_eq!(limit(&id("later"), Origin::File, 5), Some(5), "it is not known otherwise");
}

#[test]
fn a_sum_of_some_counts_leaves_out_one() {
    let counts = counts::Counts::<Outcome>::default();
    counts.add(Outcome::Ok, 5);
    counts.add(Outcome::Error, 2);
    assert_eq!((counts.sum(), counts.sum_but(Outcome::Ok)), (7, 2));
}

#[test]
fn every_metric_is_there_from_the_start_with_its_labels() {
    let metrics = metrics();
    configure(&metrics, &[id("sales")]);
    let text = written(&metrics, Format::Text);
    for (family, name) in all() {
        assert!(text.contains(&format!("# TYPE {name} {}\n", family.kind.as_str())), "{name}");
        assert!(text.contains(&format!("# HELP {name} {}\n", family.help)), "{name}");
        let suffix = if matches!(family.kind, MetricType::Histogram) { "_count" } else { "" };
        let begins = format!("{name}{suffix}");
        let sample = samples(&text)
            .into_keys()
            .find(|sample| sample.split('{').next() == Some(&begins));
        let sample = sample.unwrap_or_else(|| panic!("no sample of {name}"));
        let labels: Vec<_> = match sample.split_once('{') {
            Some((_, labels)) => labels
                .split("\",")
                .map(|label| label.split('=').next().unwrap())
                .collect(),
            None => Vec::new(),
        };
        assert_eq!(labels, family.labels, "{sample}");
    }
    let open_metrics = written(&metrics, Format::OpenMetrics);
    assert_eq!(
        samples(&open_metrics)
            .keys()
            .filter(|name| !name.starts_with("process_"))
            .collect::<Vec<_>>(),
        samples(&text)
            .keys()
            .filter(|name| !name.starts_with("process_"))
            .collect::<Vec<_>>()
    );
    assert!(open_metrics.ends_with("\n# EOF\n") && !text.contains("# EOF"));
}

#[test]
fn label_values_are_escaped() {
    let text = written(&metrics(), Format::Text);
    let name = r#"redshift_iam_proxy_reference_errors_total{ref="a\"b\\c\nd"} 2"#;
    assert!(text.lines().any(|line| line == name), "{text}");
}

#[test]
fn what_is_counted_is_shown() {
    let metrics = metrics();
    configure(&metrics, &[id("sales")]);
    let sales = metrics.connections.of(&id("sales"), Origin::File, 9);
    sales.logged_in(SystemTime::UNIX_EPOCH + Duration::from_millis(1500));
    sales.logins.count(Outcome::Denied);
    sales.ends.count(End::Killed);
    sales.dials.count(Outcome::Timeout);
    sales.bytes.add(0, 1 << 40);
    sales.observe(LoginStage::Tls, Duration::from_millis(20));
    metrics.cancels.count(CancelOutcome::Limited);
    metrics.refusals.count(Sqlstate::of("53300"));
    metrics.refusals.count(Sqlstate::of("42501"));
    metrics
        .tls_failures(Side::Upstream)
        .count(TlsReason::Certificate);
    metrics.count_accepted();
    let waiting = metrics.wait_for_credential();
    metrics.called(&Call::new(Operation::GetCredentials, "wg"), Duration::ZERO, Ok(()));
    metrics.cut_off(&Call::new(Operation::GetCredentials, "wg"));
    let text = written(&metrics, Format::OpenMetrics);
    for (name, value) in [
        ("sessions_active{conn_id=\"sales\"}", 3.0),
        ("session_limit{conn_id=\"sales\"}", 7.0),
        ("logins_total{conn_id=\"sales\",outcome=\"ok\"}", 1.0),
        ("logins_total{conn_id=\"sales\",outcome=\"denied\"}", 1.0),
        ("logins_total{conn_id=\"other\",outcome=\"denied\"}", 0.0),
        ("last_login_success_timestamp_seconds{conn_id=\"sales\"}", 1.5),
        ("sessions_total{conn_id=\"sales\",end=\"killed\"}", 1.0),
        ("dial_attempts_total{conn_id=\"sales\",outcome=\"timeout\"}", 1.0),
        ("bytes_total{conn_id=\"sales\",direction=\"down\"}", 1_099_511_627_776.0),
        ("login_seconds_bucket{le=\"0.005\",conn_id=\"sales\",stage=\"tls\"}", 0.0),
        ("login_seconds_bucket{le=\"0.025\",conn_id=\"sales\",stage=\"tls\"}", 1.0),
        ("login_seconds_bucket{le=\"+Inf\",conn_id=\"sales\",stage=\"tls\"}", 1.0),
        ("login_seconds_sum{conn_id=\"sales\",stage=\"tls\"}", 0.02),
        ("cancels_total{outcome=\"limited\"}", 1.0),
        ("refusals_total{sqlstate=\"53300\"}", 1.0),
        ("refusals_total{sqlstate=\"other\"}", 1.0),
        ("tls_failures_total{side=\"upstream\",reason=\"certificate\"}", 1.0),
        ("tls_failures_total{side=\"client\",reason=\"certificate\"}", 0.0),
        ("connections_accepted_total", 1.0),
        ("credential_waiters", 1.0),
        ("credential_calls_total{operation=\"GetCredentials\",outcome=\"ok\"}", 1.0),
        ("credential_calls_total{operation=\"GetCredentials\",outcome=\"timeout\"}", 1.0),
        ("credential_expires_seconds{conn_id=\"sales\"}", 41.5),
        ("certificate_expires_seconds{which=\"server\"}", -2.0),
    ] {
        assert_eq!(sample(&text, name), value, "{name}");
    }
    drop(waiting);
    assert_eq!(sample(&written(&metrics, Format::Text), "credential_waiters"), 0.0);
}

/// A table of ten thousand items is a table of a thousand series.
#[test]
fn connections_of_the_table_beyond_a_thousand_are_other() {
    let metrics = metrics();
    for conn_id in many(connections::MAX_CONNECTIONS + 5) {
        let of = metrics.connections.of(&conn_id, Origin::Table, 1);
        of.logins.count(Outcome::Ok);
    }
    let text = written(&metrics, Format::Text);
    assert_eq!(sample(&text, "logins_total{conn_id=\"other\",outcome=\"ok\"}"), 5.0);
    assert_eq!(sample(&text, "logins_total{conn_id=\"c00999\",outcome=\"ok\"}"), 1.0);
    assert!(!text.contains("c01000"));
    assert_eq!(metrics.connections.sum(|of| of.logins.sum()), 1005);
}

/// Review of issue 13: whoever wrote a thousand items into the table, and opened each, took the room
/// for good.
#[tokio::test(start_paused = true)]
async fn connections_of_the_table_go_after_ten_minutes_without_logins_and_sessions() {
    let connections = &metrics().connections;
    let all = many(connections::MAX_CONNECTIONS);
    for conn_id in &all {
        connections
            .of(conn_id, Origin::Table, 1)
            .logins
            .count(Outcome::Ok);
    }
    tokio::time::advance(Duration::from_secs(599)).await;
    connections.of(&all[1], Origin::Table, 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    connections.forget_gone(|conn_id| *conn_id == all[0]);
    let names: Vec<_> = connections
        .list()
        .into_iter()
        .map(|(conn_id, _)| conn_id)
        .collect();
    assert_eq!(names, all[..2], "one has a session, the other had a login");
    let late = connections.of(&id("late"), Origin::Table, 1);
    assert!(!Arc::ptr_eq(&late, &connections.other));
    assert_eq!(connections.sum(|of| of.logins.sum()), 1000, "sums keep them");
}

#[test]
fn a_great_configuration_shows_some_metrics_at_the_first_login() {
    let metrics = metrics();
    let all = many(connections::MAX_CONNECTIONS + 1);
    configure(&metrics, &all);
    let text = written(&metrics, Format::Text);
    assert!(text.contains("c00999") && !text.contains("c01000"));
    assert!(!text.contains("login_seconds_sum"), "five histograms for each are for later");
    assert!(text.len() < 4 << 20, "{}", text.len());
    metrics
        .connections
        .of(&all[1000], Origin::File, 1)
        .observe(LoginStage::Connect, Duration::ZERO);
    let text = written(&metrics, Format::Text);
    assert_eq!(sample(&text, "login_seconds_count{conn_id=\"c01000\",stage=\"connect\"}"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn connections_that_a_reload_removed_go_after_ten_minutes_without_sessions() {
    let metrics = metrics();
    configure(&metrics, &[id("left"), id("stays")]);
    let left = metrics.connections.of(&id("left"), Origin::File, 1);
    left.ends.count(End::Revoked);
    configure(&metrics, &[id("stays")]);
    let names = || -> Vec<String> {
        let listed = metrics.connections.list().into_iter();
        listed
            .map(|(conn_id, _)| conn_id.as_str().to_owned())
            .collect()
    };
    metrics.connections.forget_gone(|_| false);
    assert_eq!(names(), ["left", "stays"], "the last counts are scraped once more");
    tokio::time::advance(Duration::from_secs(600)).await;
    metrics.connections.forget_gone(|_| true);
    assert_eq!(names(), ["left", "stays"]);
    metrics.connections.forget_gone(|_| false);
    assert_eq!(names(), ["stays"]);
    assert_eq!(metrics.connections.sum(|of| of.ends.sum()), 1, "sums keep them");
    configure(&metrics, &[id("left"), id("stays")]);
    assert_eq!(names(), ["left", "stays"]);
}

/// docs/metrics.md lists every metric with its labels, and every value of a label.
#[test]
fn the_page_lists_what_there_is() {
    let page = include_str!("../../docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.filter_map(|row| row.split_once("` |"));
    let (names, _labels) =
        rows.partition::<Vec<_>, _>(|(name, _)| name.contains('_') && !name.contains('`') && *name != "conn_id");
    let listed: Vec<_> = names.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut wanted: Vec<_> = all()
        .map(|(family, name)| {
            let name = name.trim_start_matches(PREFIX).trim_start_matches('_');
            let labels = family.labels.join(",");
            if labels.is_empty() { name.to_owned() } else { format!("{name}{{{labels}}}") }
        })
        .collect();
    let mut sorted = listed.clone();
    sorted.sort();
    wanted.sort();
    assert_eq!(sorted, wanted);
    fn values<L: label::Label>() -> impl Iterator<Item = &'static str> {
        L::ALL.iter().map(|value| value.text())
    }
    let values = values::<Outcome>()
        .chain(values::<CancelOutcome>())
        .chain(values::<ReloadOutcome>())
        .chain(values::<End>())
        .chain(values::<LoginStage>())
        .chain(values::<AuthReason>())
        .chain(values::<TlsReason>())
        .chain(values::<Side>())
        .chain(values::<Sqlstate>())
        .chain(values::<Slot>())
        .chain(values::<label::Direction>());
    for value in values {
        assert!(page.contains(&format!("`{value}`")), "{value}");
    }
}
