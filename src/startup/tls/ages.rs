//! Certificates and revocation lists that age. The operator reads of each that ends in the log: at
//! start, at each reading, when it ends, and once a day from 30 days before its end; of a
//! revocation list in the last tenth of its term, if that is shorter.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tracing::warn;

use crate::config::value::{Stage, Term};

/// How often the log repeats that a certificate or list is ending.
const AGAIN: Duration = Duration::from_secs(24 * 3600);

/// The part of `[listen.tls]` that a term belongs to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Part {
    /// The first certificate of `listen.tls.cert`.
    Server,
    /// The other certificates of `listen.tls.cert`.
    Issuer,
    /// A certificate of `listen.tls.client_ca`.
    ClientCa,
    /// A revocation list of `listen.tls.client_crl`.
    ClientCrl,
}

/// A certificate or list that the operator has to renew.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Aging {
    /// The part of `[listen.tls]` that the certificate or list stands in.
    pub(crate) part: Part,
    /// The subject of the certificate, or the issuer of the list, without control characters.
    pub(crate) name: String,
    /// The stage of its term: not begun, about to end, or over.
    pub(crate) stage: Stage,
}

/// The memory of what the log has said of each part: whether it breaks logins, and when that was.
/// The listener's settings hold it; nothing is logged under its lock.
#[derive(Default)]
pub(super) struct Reported(Mutex<HashMap<(Part, Term), (bool, SystemTime)>>);

impl Aging {
    /// Finds the terms that have not begun, are about to end or are over, each with the words for
    /// it.
    pub(super) fn among(terms: &[(Part, Term)], now: SystemTime) -> impl Iterator<Item = (&(Part, Term), Self)> {
        terms.iter().filter_map(move |key| {
            let (part, term) = key;
            let stage = match part {
                Part::Server | Part::Issuer | Part::ClientCa => term.at(now),
                Part::ClientCrl => term.of_list_at(now),
            };
            (stage != Stage::Valid).then(|| (key, Self { part: *part, name: term.name.clone(), stage }))
        })
    }

    /// The key of the configuration that names the part.
    pub(crate) fn key(&self) -> &'static str {
        match self.part {
            Part::Server | Part::Issuer => "listen.tls.cert",
            Part::ClientCa => "listen.tls.client_ca",
            Part::ClientCrl => "listen.tls.client_crl",
        }
    }

    /// Whether clients are refused by the part now, or refuse it.
    pub(crate) fn breaks_logins(&self) -> bool {
        match self.stage {
            Stage::Valid | Stage::Ending(_) => false,
            Stage::NotYet | Stage::Over => self.part != Part::ClientCa,
        }
    }
}

impl fmt::Display for Aging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.part {
            Part::Server => "the certificate",
            Part::Issuer => "an issuer's certificate in the chain",
            Part::ClientCa => "a CA",
            Part::ClientCrl => "the revocation list",
        };
        write!(f, "{what} of {:?} ", self.name)?;
        match self.stage {
            Stage::Valid => f.write_str("is valid"),
            Stage::NotYet => f.write_str("is not valid yet"),
            Stage::Ending(0) => f.write_str("ends within a day"),
            Stage::Ending(days) => write!(f, "ends in {days} days"),
            Stage::Over if self.part == Part::ClientCrl => f.write_str("is out of date"),
            Stage::Over => f.write_str("has expired"),
        }?;
        f.write_str(match (self.part, self.stage) {
            (Part::Server | Part::Issuer, Stage::Over | Stage::NotYet) => ": clients that verify it refuse it",
            (Part::Server | Part::Issuer, _) => ": then clients that verify it refuse it",
            (Part::ClientCa, _) => ": a trust anchor's end is not looked at, but that of what it signed may be near",
            (Part::ClientCrl, Stage::Over) => ": no certificate of this CA is accepted",
            (Part::ClientCrl, _) => ": then no certificate of this CA is accepted",
        })
    }
}

impl Reported {
    /// Logs each part that is due: all of them where they were just read.
    pub(super) fn report(&self, terms: &[(Part, Term)], now: SystemTime, is_read: bool) {
        let due: Vec<_> = {
            let mut told = self.0.lock();
            told.retain(|key, _| terms.contains(key));
            let due = Aging::among(terms, now).filter(|(key, aging)| {
                let (breaks, last) = told
                    .get(*key)
                    .copied()
                    .unwrap_or((false, SystemTime::UNIX_EPOCH));
                let is_due = is_read
                    || breaks != aging.breaks_logins()
                    || now.duration_since(last).is_ok_and(|since| since >= AGAIN);
                if is_due {
                    told.insert((*key).clone(), (aging.breaks_logins(), now));
                }
                is_due
            });
            due.map(|(_, aging)| aging).collect()
        };
        // Nothing is logged under the lock.
        for aging in due {
            warn!(event = "certificate age", key = aging.key(), "{aging}");
        }
    }
}

/// Calls `report` every hour, for ever. A timer to the next end would be wrong on a machine that
/// was suspended, or whose clock was set.
pub(crate) async fn by_the_hour(report: impl Fn()) {
    const HOUR: Duration = Duration::from_secs(3600);
    loop {
        tokio::time::sleep(HOUR).await;
        report();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn term(name: &str, ends: Duration) -> Term {
        let begins = SystemTime::UNIX_EPOCH + DAY * 100;
        Term { name: name.to_owned(), begins, ends: Some(begins + ends), is_weak: false }
    }

    /// How many lines there would be.
    fn told(told: &Reported, terms: &[(Part, Term)], now: SystemTime, is_read: bool) -> usize {
        let before: Vec<_> = told
            .0
            .lock()
            .iter()
            .map(|(key, at)| (key.clone(), *at))
            .collect();
        told.report(terms, now, is_read);
        let after = told.0.lock();
        after
            .iter()
            .filter(|(key, at)| {
                !before
                    .iter()
                    .any(|(known, was)| known == *key && was == *at)
            })
            .count()
    }

    #[test]
    fn a_certificate_about_to_end_is_logged_daily_and_at_its_end() {
        let memory = Reported::default();
        let terms = [(Part::Server, term("proxy", DAY * 365))];
        let end = terms[0].1.ends.unwrap();
        let hour = Duration::from_secs(3600);
        assert_eq!(told(&memory, &terms, end - DAY * 31, true), 0, "nothing to be told of");
        let mut lines = 0;
        let mut now = end - DAY * 30;
        while now < end {
            lines += told(&memory, &terms, now, false);
            now += hour;
        }
        assert_eq!(lines, 30);
        assert_eq!(told(&memory, &terms, end + hour, false), 1, "at once, not a day later");
        assert_eq!(told(&memory, &terms, end + hour * 2, false), 0);
        assert_eq!(told(&memory, &terms, end + DAY * 2, false), 1);
    }

    /// Lists live for days: one that is renewed in time is never logged.
    #[test]
    fn a_revocation_list_is_logged_in_the_last_tenth_of_its_term() {
        for (days, ahead) in [(7, DAY * 7 / 10), (30, DAY * 3), (300, DAY * 30), (3000, DAY * 30)] {
            let terms = [(Part::ClientCrl, term("ca", DAY * days))];
            let end = terms[0].1.ends.unwrap();
            let stage = |now| {
                Aging::among(&terms, now)
                    .next()
                    .map(|(_, aging)| aging.stage)
            };
            assert_eq!(stage(terms[0].1.begins), None, "{days} days");
            assert_eq!(stage(end - ahead - Duration::from_secs(1)), None, "{days} days");
            assert_eq!(stage(end - ahead), Some(Stage::Ending(ahead.as_secs() / DAY.as_secs())), "{days} days");
            assert_eq!(stage(end + DAY), Some(Stage::Over));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn aging_is_looked_at_every_hour() {
        let looks = std::sync::atomic::AtomicUsize::new(0);
        let looking = by_the_hour(|| {
            looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
        assert!(
            tokio::time::timeout(DAY + Duration::from_secs(1), looking)
                .await
                .is_err()
        );
        assert_eq!(looks.into_inner(), 24);
    }

    #[test]
    fn warnings_name_the_certificate_and_the_consequence() {
        let begins = term("x", DAY).begins;
        for (of, now, want) in [
            (Part::Server, begins - DAY, "the certificate of \"x\" is not valid yet: clients that verify it refuse it"),
            (Part::Issuer, begins, "an issuer's certificate in the chain of \"x\" ends in 20 days: then clients"),
            (Part::Server, begins + DAY * 21, "the certificate of \"x\" has expired: clients that verify it refuse it"),
            (Part::ClientCa, begins + DAY * 21, "a CA of \"x\" has expired: a trust anchor's end is not looked at"),
            (Part::ClientCrl, begins + DAY * 20, "the revocation list of \"x\" ends within a day: then no"),
        ] {
            let terms = [(of, term("x", DAY * 20))];
            let (_, aging) = Aging::among(&terms, now).next().unwrap();
            assert!(aging.to_string().starts_with(want), "{aging}");
        }
        assert_eq!(Aging::among(&[(Part::Server, term("x", DAY * 365))], begins).count(), 0);
    }
}
