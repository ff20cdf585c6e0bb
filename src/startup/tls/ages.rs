//! Certificates and lists that age: who has to see to newer ones is told, at start, at each
//! reading, when one ends, and once a day from 30 days before its end; of a revocation list in the
//! last tenth of its term, if that is shorter.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tracing::warn;

use crate::config::value::{Stage, Term};

/// How often one that is ending is told of again.
const AGAIN: Duration = Duration::from_secs(24 * 3600);

/// What a term is of.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Of {
    /// The first certificate of `listen.tls.cert`.
    Server,
    /// The others of it.
    Issuer,
    /// `listen.tls.client_ca`
    ClientCa,
    /// `listen.tls.client_crl`
    ClientCrl,
}

/// A certificate or list that somebody has to see to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Aging {
    pub(crate) of: Of,
    pub(crate) name: String,
    pub(crate) stage: Stage,
}

/// What was told of last, and when.
#[derive(Default)]
pub(super) struct Told(Mutex<HashMap<(Of, Term), (bool, SystemTime)>>);

impl Aging {
    /// Each of these that is not simply valid.
    pub(super) fn among(terms: &[(Of, Term)], now: SystemTime) -> impl Iterator<Item = (&(Of, Term), Self)> {
        terms.iter().filter_map(move |key| {
            let (of, term) = key;
            let stage = match of {
                Of::Server | Of::Issuer | Of::ClientCa => term.at(now),
                Of::ClientCrl => term.of_list_at(now),
            };
            (stage != Stage::Valid).then(|| (key, Self { of: *of, name: term.name.clone(), stage }))
        })
    }

    /// The key of the configuration.
    pub(crate) fn key(&self) -> &'static str {
        match self.of {
            Of::Server | Of::Issuer => "listen.tls.cert",
            Of::ClientCa => "listen.tls.client_ca",
            Of::ClientCrl => "listen.tls.client_crl",
        }
    }

    /// Whether clients are refused by it, or refuse it.
    pub(crate) fn breaks_logins(&self) -> bool {
        match self.stage {
            Stage::Valid | Stage::Ending(_) => false,
            Stage::NotYet | Stage::Over => self.of != Of::ClientCa,
        }
    }
}

impl fmt::Display for Aging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.of {
            Of::Server => "the certificate",
            Of::Issuer => "an issuer's certificate in the chain",
            Of::ClientCa => "a CA",
            Of::ClientCrl => "the revocation list",
        };
        write!(f, "{what} of {:?} ", self.name)?;
        match self.stage {
            Stage::Valid => f.write_str("is valid"),
            Stage::NotYet => f.write_str("is not valid yet"),
            Stage::Ending(0) => f.write_str("ends within a day"),
            Stage::Ending(days) => write!(f, "ends in {days} days"),
            Stage::Over if self.of == Of::ClientCrl => f.write_str("is out of date"),
            Stage::Over => f.write_str("has expired"),
        }?;
        f.write_str(match (self.of, self.stage) {
            (Of::Server | Of::Issuer, Stage::Over | Stage::NotYet) => ": clients that verify it refuse it",
            (Of::Server | Of::Issuer, _) => ": then clients that verify it refuse it",
            (Of::ClientCa, _) => ": a trust anchor's end is not looked at, but that of what it signed may be near",
            (Of::ClientCrl, Stage::Over) => ": no certificate of this CA is accepted",
            (Of::ClientCrl, _) => ": then no certificate of this CA is accepted",
        })
    }
}

impl Told {
    /// Tells of each that is due: all of them where they were just read.
    pub(super) fn tell(&self, terms: &[(Of, Term)], now: SystemTime, is_read: bool) {
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
            warn!(key = aging.key(), "{aging}");
        }
    }
}

/// Tells again and again what is due. By the hour, and not when the next one ends: the machine may
/// have been suspended, and its clock set. Never ends.
pub(crate) async fn by_the_hour(tell: impl Fn()) {
    const HOUR: Duration = Duration::from_secs(3600);
    loop {
        tokio::time::sleep(HOUR).await;
        tell();
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
    fn told(told: &Told, terms: &[(Of, Term)], now: SystemTime, is_read: bool) -> usize {
        let before: Vec<_> = told
            .0
            .lock()
            .iter()
            .map(|(key, at)| (key.clone(), *at))
            .collect();
        told.tell(terms, now, is_read);
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
        let memory = Told::default();
        let terms = [(Of::Server, term("proxy", DAY * 365))];
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

    /// Lists live for days: one that is renewed in time is never told of.
    #[test]
    fn a_revocation_list_is_told_of_in_the_last_tenth_of_its_term() {
        for (days, ahead) in [(7, DAY * 7 / 10), (30, DAY * 3), (300, DAY * 30), (3000, DAY * 30)] {
            let terms = [(Of::ClientCrl, term("ca", DAY * days))];
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
    async fn somebody_looks_every_hour() {
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
            (Of::Server, begins - DAY, "the certificate of \"x\" is not valid yet: clients that verify it refuse it"),
            (Of::Issuer, begins, "an issuer's certificate in the chain of \"x\" ends in 20 days: then clients"),
            (Of::Server, begins + DAY * 21, "the certificate of \"x\" has expired: clients that verify it refuse it"),
            (Of::ClientCa, begins + DAY * 21, "a CA of \"x\" has expired: a trust anchor's end is not looked at"),
            (Of::ClientCrl, begins + DAY * 20, "the revocation list of \"x\" ends within a day: then no"),
        ] {
            let terms = [(of, term("x", DAY * 20))];
            let (_, aging) = Aging::among(&terms, now).next().unwrap();
            assert!(aging.to_string().starts_with(want), "{aging}");
        }
        assert_eq!(Aging::among(&[(Of::Server, term("x", DAY * 365))], begins).count(), 0);
    }
}
