//! What a scrape of the metrics, and the line of totals, read of the running proxy. Nothing here
//! takes longer where there are more sessions.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::control::Control;
use super::heartbeat::{Gauges, Reading};
use crate::metrics::{Connection, End, Exposition, Format, OTHER, Outcome, Readings, ReferenceReading};
use crate::operations::{Operations, Totals};
use crate::session::Shared;

/// The most references that are shown by name; the others are shown as one.
const MAX_REFERENCES: usize = 1_000;

impl Control {
    /// Writes all metrics. Files of `/proc` are read: no work for an async thread.
    pub(super) fn exposition(&self, format: Format) -> Exposition {
        let metrics = &self.shared.metrics;
        let failed = |_never| Exposition { content_type: format.content_type(), text: bytes::Bytes::new() };
        metrics
            .write(format, self.readings())
            .unwrap_or_else(failed)
    }

    fn readings(&self) -> Readings {
        let (shared, live) = (&self.shared, self.live.load_full());
        let (caps, metrics, now) = (&shared.caps, &shared.metrics, shared.metrics.now());
        metrics
            .connections
            .forget_gone(|conn_id| caps.sessions_on(conn_id) > 0);
        let connections: Vec<_> = metrics
            .connections
            .list()
            .into_iter()
            .map(|(conn_id, of)| {
                let expires = live.logins.expires(&conn_id);
                Connection {
                    sessions: caps.sessions_on(&conn_id),
                    conn_id: conn_id.as_str().to_owned(),
                    of,
                    credential: expires.map(|at| secs_until(at, now)),
                }
            })
            .collect();
        let counted: usize = connections
            .iter()
            .map(|connection| connection.sessions)
            .sum();
        Readings {
            handshakes: shared.handshakes.count_common(),
            handshake_limit: live.limits.handshakes.max,
            login_oldest: shared.sessions.oldest_login(),
            bans: shared.bans.count(&live.limits.bans),
            connections,
            other_sessions: caps.sessions().saturating_sub(counted),
            certificates: self.certificates_left(now),
            references: self.references_read(now),
            log_lines_dropped: crate::telemetry::lines_dropped(),
            ..Readings::default()
        }
    }

    /// The seconds that each kind of certificate has left, by the one that ends first.
    fn certificates_left(&self, now: SystemTime) -> Vec<(String, f64)> {
        let mut left = BTreeMap::<String, f64>::new();
        for certificate in self.certificates() {
            let secs = secs_until(certificate.expires, now);
            let first = left.entry(certificate.which).or_insert(secs);
            *first = first.min(secs);
        }
        left.into_iter().collect()
    }

    /// The references by name; those beyond [`MAX_REFERENCES`] as one, with the greatest age.
    fn references_read(&self, now: SystemTime) -> Vec<ReferenceReading> {
        let mut read = BTreeMap::<String, ReferenceReading>::new();
        for reference in self.references() {
            let age = reference.last_read.map(|at| -secs_until(at, now));
            let is_shown = read.len() < MAX_REFERENCES || read.contains_key(&reference.reference);
            let name = if is_shown { reference.reference } else { OTHER.to_owned() };
            let of = ReferenceReading { name: name.clone(), errors: 0, age };
            let of = read.entry(name).or_insert(of);
            of.errors += reference.errors;
            of.age = match (of.age, age) {
                (Some(one), Some(other)) => Some(one.max(other)),
                (age, None) | (None, age) => age,
            };
        }
        read.into_values().collect()
    }

    /// What the log's line of totals says. It walks no sessions.
    pub(super) fn reading(&self) -> Reading {
        let Shared { handshakes, caps, bans, .. } = &*self.shared;
        let gauges = Gauges {
            handshakes: handshakes.count(),
            sessions: caps.sessions(),
            bans: bans.count(&self.live.load().limits.bans),
        };
        Reading { totals: self.totals_since_start(), lines_dropped: crate::telemetry::lines_dropped(), gauges }
    }

    /// The sums of all events since the start.
    pub(super) fn totals_since_start(&self) -> Totals {
        let metrics = &self.shared.metrics;
        let connections = &metrics.connections;
        let logins = connections.sum(|of| of.logins.of(Outcome::Ok));
        let ends = connections.sum(|of| of.ends.sum_but(End::Refused));
        Totals {
            accepted: metrics.accepted(),
            logins,
            refusals: connections.sum(|of| of.logins.sum_but(Outcome::Ok)),
            ended: ends,
            cancels: metrics.cancels.sum(),
            bytes_up: connections.sum(|of| of.bytes.up()),
            bytes_down: connections.sum(|of| of.bytes.down()),
            aws_calls: metrics.calls().map(|(_, counts)| counts.sum()).sum(),
            aws_errors: metrics
                .calls()
                .map(|(_, counts)| counts.sum_but(Outcome::Ok))
                .sum(),
        }
    }
}

/// The seconds from now until then; below 0 once it has passed.
fn secs_until(then: SystemTime, now: SystemTime) -> f64 {
    match then.duration_since(now) {
        Ok(left) => left.as_secs_f64(),
        Err(passed) => -passed.duration().as_secs_f64(),
    }
}
