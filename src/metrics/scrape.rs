//! One scrape: what is counted and what was read for it, as text.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::registry::Registry;

use super::connections::OfConnection;
use super::counts::Counts;
use super::family::{
    BANS_ACTIVE, BUILD_INFO, BYTES, CANCELS, CERTIFICATE_EXPIRES, CLIENT_AUTH_FAILURES, CONFIG_LAST_RELOAD,
    CONFIG_RELOADS, CONNECTIONS_ACCEPTED, CPU_SECONDS, CREDENTIAL_CALLS, CREDENTIAL_EXPIRES, CREDENTIAL_WAITERS,
    DIAL_ATTEMPTS, HANDSHAKE_LIMIT, HANDSHAKES_ACTIVE, LAST_LOGIN, LOG_LINES_DROPPED, LOGIN_OLDEST, LOGIN_SECONDS,
    LOGINS, MAX_FDS, OPEN_FDS, PREFIX, REFERENCE_AGE, REFERENCE_ERRORS, REFUSALS, RESIDENT_MEMORY, SESSION_LIMIT,
    SESSIONS, SESSIONS_ACTIVE, START_TIME, TLS_FAILURES, USER_PASSWORD_USES, VIRTUAL_MEMORY,
};
use super::format::Format;
use super::label::{Direction, Label, Side};
use super::page::{Page, labelled};
use super::process::ProcessFigures;
use super::recorder::Metrics;

/// The name that stands for all connections without metrics of their own.
pub(crate) const OTHER: &str = "other";

/// The values that are not counted but read for a scrape.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    /// Clients that are not authenticated yet, less those with a place kept for the console.
    pub(crate) handshakes: usize,
    /// The most clients that may be unauthenticated.
    pub(crate) handshake_limit: usize,
    /// The age of the oldest connection that is not ready. `None`: there is none.
    pub(crate) login_oldest: Option<Duration>,
    /// Bans in force.
    pub(crate) bans: usize,
    /// The connections that have metrics of their own, by name.
    pub(crate) connections: Vec<Connection>,
    /// The sessions on all other connections.
    pub(crate) other_sessions: usize,
    /// The certificates and lists, each with the seconds until it ends.
    pub(crate) certificates: Vec<(String, f64)>,
    /// The values that are read elsewhere.
    pub(crate) references: Vec<ReferenceReading>,
    /// Log lines that were dropped.
    pub(crate) log_lines_dropped: u64,
    /// The figures of the process.
    pub(crate) process: ProcessFigures,
}

/// One connection at a scrape.
pub(crate) struct Connection {
    /// Its name.
    pub(crate) conn_id: String,
    /// Its metrics.
    pub(crate) of: Arc<OfConnection>,
    /// Its sessions.
    pub(crate) sessions: usize,
    /// The seconds left of the credential that expires first. `None`: none is held that expires.
    pub(crate) credential: Option<f64>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.conn_id)
    }
}

/// One value that is read elsewhere, at a scrape.
#[derive(Clone, Debug)]
pub(crate) struct ReferenceReading {
    /// The reference as it is written.
    pub(crate) name: String,
    /// Reads that failed.
    pub(crate) errors: u64,
    /// The seconds since it was last read. `None`: it has not been yet.
    pub(crate) age: Option<f64>,
}

/// A text of all metrics, and what it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Exposition {
    /// The `Content-Type` of the text.
    pub(crate) content_type: &'static str,
    /// The text, which all who asked for it at the same time share.
    pub(crate) text: Bytes,
}

impl Metrics {
    /// Writes all metrics in a format, with `readings` for what is not counted. It reads files of
    /// `/proc`, and takes milliseconds where there are many connections: no work for an async
    /// thread.
    ///
    /// # Errors
    /// Never: text can always be written to memory.
    pub(crate) fn write(self: &Arc<Self>, format: Format, mut readings: Readings) -> Result<Exposition, fmt::Error> {
        readings.process = self.process.read();
        let text = format.write(write(self, readings)?).into();
        Ok(Exposition { content_type: format.content_type(), text })
    }
}

/// Writes everything in OpenMetrics, without its end.
fn write(metrics: &Arc<Metrics>, readings: Readings) -> Result<String, fmt::Error> {
    let process = readings.process;
    let mut text = String::with_capacity(16 * 1024 + readings.connections.len() * 3 * 1024);
    let mut ours = Registry::with_prefix(PREFIX);
    ours.register_collector(Box::new(Scrape { metrics: Arc::clone(metrics), readings }));
    text::encode_registry(&mut text, &ours)?;
    let mut of_process = Registry::default();
    of_process.register_collector(Box::new(process));
    text::encode_registry(&mut text, &of_process)?;
    Ok(text)
}

struct Scrape {
    metrics: Arc<Metrics>,
    readings: Readings,
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.readings.fmt(f)
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (Self { metrics, readings }, mut page) = (self, Page(encoder));
        of_connections(&mut page, metrics, readings)?;
        page.one_counter(&CONNECTIONS_ACCEPTED, metrics.accepted())?;
        page.one_gauge(&HANDSHAKES_ACTIVE, count(readings.handshakes))?;
        page.one_gauge(&HANDSHAKE_LIMIT, count(readings.handshake_limit))?;
        page.one_gauge(&LOGIN_OLDEST, readings.login_oldest.map_or(0.0, |age| age.as_secs_f64()))?;
        page.one_gauge(&CREDENTIAL_WAITERS, count(metrics.credential_waiters()))?;
        page.counters(
            &CREDENTIAL_CALLS,
            metrics.calls().flat_map(|(operation, counts)| {
                counts
                    .rows()
                    .map(move |(of, n)| ([operation, of.text()], n))
            }),
        )?;
        page.counts(&CLIENT_AUTH_FAILURES, &metrics.auth_failures)?;
        page.counts(&REFUSALS, &metrics.refusals)?;
        let of_side = |side: Side| {
            let rows = metrics.tls_failures(side).rows();
            rows.map(move |(reason, n)| ([side.text(), reason.text()], n))
        };
        page.counters(&TLS_FAILURES, Side::ALL.iter().copied().flat_map(of_side))?;
        page.counts(&USER_PASSWORD_USES, &metrics.password_uses)?;
        page.one_gauge(&BANS_ACTIVE, count(readings.bans))?;
        page.counts(&CANCELS, &metrics.cancels)?;
        let certificates = readings.certificates.iter();
        page.gauges(&CERTIFICATE_EXPIRES, certificates.map(|(which, left)| ([which.as_str()], *left)))?;
        page.counts(&CONFIG_RELOADS, &metrics.reloads)?;
        page.one_gauge(&CONFIG_LAST_RELOAD, metrics.last_reload_secs())?;
        let references = || readings.references.iter();
        page.counters(&REFERENCE_ERRORS, references().map(|of| ([of.name.as_str()], of.errors)))?;
        let ages = references().filter_map(|of| Some(([of.name.as_str()], of.age?)));
        page.gauges(&REFERENCE_AGE, ages)?;
        page.one_counter(&LOG_LINES_DROPPED, readings.log_lines_dropped)?;
        page.gauges(&BUILD_INFO, [([env!("CARGO_PKG_VERSION")], 1)])
    }
}

impl Collector for ProcessFigures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        if let Some(cpu) = self.cpu_secs {
            let mut metric = page.describe(&CPU_SECONDS)?;
            metric.encode_counter::<NoLabelSet, f64, f64>(&cpu, None)?;
        }
        for (family, value) in [
            (&RESIDENT_MEMORY, self.resident),
            (&VIRTUAL_MEMORY, self.virtual_size),
            (&OPEN_FDS, self.open_files),
            (&MAX_FDS, self.max_files),
        ] {
            if let Some(value) = value {
                page.one_gauge(family, value)?;
            }
        }
        self.start_secs
            .map_or(Ok(()), |start| page.one_gauge(&START_TIME, start))
    }
}

/// Writes the metrics that each connection has.
fn of_connections(page: &mut Page<'_>, metrics: &Metrics, readings: &Readings) -> fmt::Result {
    let listed = || readings.connections.iter();
    let other = &*metrics.connections.other;
    let all = || {
        let listed = listed().map(|connection| (connection.conn_id.as_str(), &*connection.of));
        listed.chain([(OTHER, other)])
    };
    let sessions = listed().map(|connection| ([connection.conn_id.as_str()], count(connection.sessions)));
    page.gauges(&SESSIONS_ACTIVE, sessions.chain([([OTHER], count(readings.other_sessions))]))?;
    page.gauges(&SESSION_LIMIT, all().filter_map(|(conn_id, of)| Some(([conn_id], of.limit()?))))?;
    page.counters(&SESSIONS, all().flat_map(|(conn_id, of)| rows(conn_id, &of.ends)))?;
    page.counters(&LOGINS, all().flat_map(|(conn_id, of)| rows(conn_id, &of.logins)))?;
    let bytes = all().flat_map(|(conn_id, of)| {
        [([conn_id, Direction::Up.text()], of.bytes.up()), ([conn_id, Direction::Down.text()], of.bytes.down())]
    });
    page.counters(&BYTES, bytes)?;
    page.counters(&DIAL_ATTEMPTS, all().flat_map(|(conn_id, of)| rows(conn_id, &of.dials)))?;
    page.gauges(&LAST_LOGIN, all().map(|(conn_id, of)| ([conn_id], of.last_login_secs())))?;
    let credentials = listed().filter_map(|of| Some(([of.conn_id.as_str()], of.credential?)));
    page.gauges(&CREDENTIAL_EXPIRES, credentials)?;
    login_seconds(page, all())
}

fn login_seconds<'c>(page: &mut Page<'_>, all: impl Iterator<Item = (&'c str, &'c OfConnection)>) -> fmt::Result {
    let mut metric = page.describe(&LOGIN_SECONDS)?;
    for (conn_id, of) in all {
        for (stage, histogram) in of.stages().into_iter().flatten() {
            let labels = labelled(&LOGIN_SECONDS, [conn_id, stage.text()]);
            let (sum, count, buckets) = histogram.read();
            metric
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
    }
    Ok(())
}

fn rows<'c, L: Label>(
    conn_id: &'c str,
    counts: &'c Counts<L>,
) -> impl Iterator<Item = ([&'c str; 2], u64)> + use<'c, L> {
    counts.rows().map(move |(of, n)| ([conn_id, of.text()], n))
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}
