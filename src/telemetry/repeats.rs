//! Of lines that say the same of the same address, one a second is written.
//!
//! What an unproven client can cause is not to fill the log as fast as it connects. Here it is
//! counted: the first line of a kind is written, those of the next second are left out, and their
//! number is told by the next line of the kind, or, where there is none within another second, by a
//! line of its own. Refusals of proven clients are what an operator looks for, and many clients may
//! be behind one address: of theirs [`OF_PROVEN`] are written. Lines about sessions do not come
//! here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{Level, error, info, warn};

use crate::address::neighbourhood;
use crate::config::ConnId;

/// How long one line stands for all others of its kind.
const SPAN: Duration = Duration::from_secs(1);

/// Lines of one kind within [`SPAN`] that are about proven clients.
const OF_PROVEN: u32 = 10;

/// Kinds remembered, some 150 bytes each. Beyond, addresses that are new share one kind.
const MAX_KINDS: usize = 4096;

/// What lines have in common that stand for each other.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Kind {
    pub(crate) level: Level,
    /// The message.
    pub(crate) event: &'static str,
    /// What sort of reason it has, where there are several.
    pub(crate) class: &'static str,
    /// In IPv6 its /64 counts. `None`: it is about no single address.
    pub(crate) client: Option<IpAddr>,
    /// The connection that a proven client asked for and may open. `None`: it is not known yet, or
    /// the line is about no connection.
    pub(crate) conn_id: Option<ConnId>,
}

/// Whether a line is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It is, and says how many of its kind were left out since the last one. `None`: none.
    Write(Option<u64>),
    LeaveOut,
}

/// Lines of the last second, by kind. Shared by all that log of unproven clients.
#[derive(Default)]
pub(crate) struct Repeats(Mutex<HashMap<Kind, Seen>>);

struct Seen {
    /// When the first line of the last second was written.
    since: Instant,
    /// How many were written in that second.
    written: u32,
    left_out: u64,
}

impl Kind {
    fn most(&self) -> u32 {
        if self.conn_id.is_some() { OF_PROVEN } else { 1 }
    }
}

impl Repeats {
    /// Counts a line that is about to be written.
    pub(crate) fn judge(&self, mut kind: Kind) -> Verdict {
        kind.client = kind.client.map(neighbourhood);
        let now = Instant::now();
        let mut seen = self.seen();
        if seen.len() >= MAX_KINDS && !seen.contains_key(&kind) {
            (kind.client, kind.conn_id) = (None, None);
        }
        let most = kind.most();
        let last = seen
            .entry(kind)
            .or_insert(Seen { since: now, written: 0, left_out: 0 });
        if now - last.since < SPAN {
            if last.written == most {
                last.left_out += 1;
                return Verdict::LeaveOut;
            }
            last.written += 1;
            return Verdict::Write(None);
        }
        (last.since, last.written) = (now, 1);
        Verdict::Write(Some(std::mem::take(&mut last.left_out)).filter(|left_out| *left_out > 0))
    }

    /// Tells, for as long as it is polled, what was left out where no other line of the kind has
    /// come.
    pub(crate) async fn tell_in_time(&self) {
        loop {
            sleep(SPAN).await;
            tell(self.quiet_for(2 * SPAN));
        }
    }

    /// Tells all that has not been told yet.
    pub(crate) fn tell_rest(&self) {
        tell(self.quiet_for(Duration::ZERO));
    }

    /// Forgets the kinds of which no line stands for others any more: those of which lines were
    /// left out, and how many. One that has to tell of some is kept until its last second began as
    /// long ago as `age`.
    fn quiet_for(&self, age: Duration) -> Vec<(Kind, u64)> {
        let now = Instant::now();
        let is_over =
            |_: &Kind, seen: &mut Seen| now - seen.since >= if seen.left_out > 0 { age } else { age.min(SPAN) };
        let over: Vec<_> = self.seen().extract_if(is_over).collect();
        over.into_iter()
            .map(|(kind, seen)| (kind, seen.left_out))
            .filter(|(_, left_out)| *left_out > 0)
            .collect()
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<Kind, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The field of a line whose verdict is [`Verdict::Write`].
fn tell(kinds: Vec<(Kind, u64)>) {
    macro_rules! line {
        ($level:ident, $kind:ident, $left_out:ident) => {{
            let client_addr = $kind.client.map(|client| client.to_string());
            let (class, conn_id) = ($kind.class, $kind.conn_id.as_ref().map_or("", ConnId::as_str));
            $level!(of = $kind.event, class, client_addr, conn_id, left_out = $left_out, "lines left out");
        }};
    }
    for (kind, left_out) in kinds {
        match kind.level {
            Level::ERROR => line!(error, kind, left_out),
            Level::WARN => line!(warn, kind, left_out),
            _ => line!(info, kind, left_out),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn kind(class: &'static str, client: &str) -> Kind {
        let client = Some(client.parse().unwrap());
        Kind { level: Level::INFO, event: "login refused", class, client, conn_id: None }
    }

    #[tokio::test(start_paused = true)]
    async fn of_one_kind_one_line_a_second_is_written_and_tells_of_the_others() {
        let repeats = Repeats::default();
        let judge = || repeats.judge(kind("28P01", "10.0.0.1"));
        assert_eq!(judge(), Verdict::Write(None));
        for _ in 0..7 {
            assert_eq!(judge(), Verdict::LeaveOut);
        }
        advance(Duration::from_millis(999)).await;
        assert_eq!(judge(), Verdict::LeaveOut);
        advance(Duration::from_millis(1)).await;
        assert_eq!(judge(), Verdict::Write(Some(8)));
        assert_eq!(judge(), Verdict::LeaveOut);
        advance(SPAN).await;
        assert_eq!(judge(), Verdict::Write(Some(1)));
        advance(SPAN).await;
        assert_eq!(judge(), Verdict::Write(None));
    }

    #[tokio::test(start_paused = true)]
    async fn of_proven_clients_ten_lines_are_written() {
        let repeats = Repeats::default();
        let judge = || repeats.judge(Kind { conn_id: ConnId::new("sales").ok(), ..kind("08004", "10.0.0.1") });
        for _ in 0..OF_PROVEN {
            assert_eq!(judge(), Verdict::Write(None));
        }
        assert_eq!((judge(), judge()), (Verdict::LeaveOut, Verdict::LeaveOut));
        advance(SPAN).await;
        assert_eq!((judge(), judge()), (Verdict::Write(Some(2)), Verdict::Write(None)));
    }

    #[tokio::test(start_paused = true)]
    async fn other_kinds_have_lines_of_their_own() {
        let repeats = Repeats::default();
        let level = Kind { level: Level::WARN, ..kind("28P01", "10.0.0.1") };
        let event = Kind { event: "cancel forwarded", ..kind("28P01", "10.0.0.1") };
        let conn_id = Kind { conn_id: ConnId::new("sales").ok(), ..kind("28P01", "10.0.0.1") };
        for other in [
            kind("28P01", "10.0.0.1"),
            kind("28000", "10.0.0.1"),
            kind("28P01", "10.0.0.2"),
            kind("28P01", "2001:db8::1"),
            kind("28P01", "2001:db8:0:1::1"),
            level,
            event,
            conn_id,
        ] {
            assert_eq!(repeats.judge(other.clone()), Verdict::Write(None), "{other:?}");
        }
        assert_eq!(repeats.judge(kind("28P01", "::ffff:10.0.0.1")), Verdict::LeaveOut);
        assert_eq!(repeats.judge(kind("28P01", "2001:db8::2")), Verdict::LeaveOut, "the same /64");
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_other_line_tells_of_is_told_by_itself() {
        let repeats = Repeats::default();
        let (one, other) = (kind("28P01", "10.0.0.1"), kind("28P01", "10.0.0.2"));
        for _ in 0..3 {
            repeats.judge(one.clone());
        }
        repeats.judge(other);
        advance(SPAN).await;
        assert_eq!(repeats.quiet_for(2 * SPAN), [], "the next line may still tell of it");
        assert_eq!(repeats.seen().len(), 1, "one that has left nothing out is forgotten");
        advance(SPAN).await;
        assert_eq!(repeats.quiet_for(2 * SPAN), [(one.clone(), 2)]);
        assert_eq!(repeats.seen().len(), 0);
        repeats.judge(one.clone());
        repeats.judge(one.clone());
        assert_eq!(repeats.quiet_for(Duration::ZERO), [(one, 1)], "at the end all is told");
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_the_bound_new_addresses_share_a_line() {
        let repeats = Repeats::default();
        let of = |number: usize| kind("28P01", &format!("10.0.{}.{}", number / 256, number % 256));
        for number in 0..MAX_KINDS {
            assert_eq!(repeats.judge(of(number)), Verdict::Write(None));
        }
        assert_eq!(repeats.judge(of(MAX_KINDS)), Verdict::Write(None));
        assert_eq!(repeats.judge(of(MAX_KINDS + 1)), Verdict::LeaveOut);
        assert_eq!(repeats.judge(of(0)), Verdict::LeaveOut, "who is known is still told apart");
        assert_eq!(repeats.seen().len(), MAX_KINDS + 1);
        advance(2 * SPAN).await;
        let over = repeats.quiet_for(2 * SPAN);
        assert_eq!(
            over.iter()
                .map(|(kind, left_out)| (kind.client, *left_out))
                .collect::<Vec<_>>()
                .len(),
            2
        );
        assert_eq!(repeats.judge(of(MAX_KINDS)), Verdict::Write(None));
    }
}
