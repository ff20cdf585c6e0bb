//! The limit on lines of the log that repeat: one a second for each kind and address.
//!
//! An unproven client must not fill the log as fast as it connects. So the first line of a kind is
//! written, those of the next second are left out, and their number is in the next line of the
//! kind, or, where there is none within another second, in a line of its own. Refusals of proven
//! clients matter to an operator, and many clients may be behind one address: [`OF_PROVEN`] of them
//! are written. Lines about sessions are not limited.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};
use tracing::{Level, error, info, warn};

use crate::address::{neighbourhood, wider};
use crate::config::ConnId;

/// The time within which one line stands for all others of its kind.
const SPAN: Duration = Duration::from_secs(1);

/// How many lines of one kind about proven clients are written within [`SPAN`].
const OF_PROVEN: u32 = 10;

/// The most kinds of one [`Share`] that are remembered, in some 150 bytes each. Beyond them, new
/// addresses count by wider networks.
const MAX_KINDS: usize = 2048;

/// The most wider networks of one [`Share`] that are remembered beside its kinds. Beyond them, new
/// addresses share one kind.
const MAX_NETWORKS: usize = 512;

/// The kind of a line: lines of one kind stand for each other.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct LineKind {
    /// The level of the line.
    pub(crate) level: Level,
    /// The message of the line.
    pub(crate) event: &'static str,
    /// The sort of reason, for events that have several.
    pub(crate) class: &'static str,
    /// The client's address; all of an IPv6 /64 count as one. `None`: the line is about no single
    /// address.
    pub(crate) client: Option<IpAddr>,
    /// The connection that a proven client asked for and may open. `None`: it is not known yet, or
    /// the line is about no connection.
    pub(crate) conn_id: Option<ConnId>,
    /// Whether the line is about a client that has proved who it is.
    pub(crate) is_proven: bool,
}

/// Whether a line is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// The line is written, and says how many of its kind were left out since the last one. `None`:
    /// none were.
    Write(Option<u64>),
    /// The line is left out, and counted.
    LeaveOut,
}

/// The lines of the last second, by kind. All threads that log about unproven clients share one;
/// its lock guards the map, and no line is written under it.
#[derive(Default)]
pub(crate) struct Repeats(Mutex<Seens>);

/// The kinds that are remembered, by the room that they share.
type Seens = HashMap<Share, HashMap<LineKind, Seen>>;

/// What has room of its own: the event and class of a line, and whether its address is in IPv6, of
/// which one client may have any number. Many addresses that do one thing hide nobody who does
/// another. All parts are ours to choose, so that there are few.
type Share = (&'static str, &'static str, bool);

struct Seen {
    /// The time at which the first line of the last second was written.
    since: Instant,
    /// The number of lines that were written in the second from `since` on.
    written: u32,
    left_out: u64,
}

impl LineKind {
    fn share(&self) -> Share {
        (self.event, self.class, self.client.is_some_and(|client| client.is_ipv6()))
    }

    fn most(&self) -> u32 {
        if self.is_proven { OF_PROVEN } else { 1 }
    }
}

impl Repeats {
    /// Counts a line that is about to be written, and decides whether it is.
    pub(crate) fn judge(&self, mut kind: LineKind) -> Verdict {
        kind.client = kind.client.map(neighbourhood);
        let now = Instant::now();
        let mut shares = self.seen();
        let seen = shares.entry(kind.share()).or_default();
        if seen.len() >= MAX_KINDS && !seen.contains_key(&kind) {
            (kind.client, kind.conn_id) = (kind.client.map(wider), None);
            if seen.len() >= MAX_KINDS + MAX_NETWORKS && !seen.contains_key(&kind) {
                kind.client = None;
            }
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

    /// Logs, for as long as it is polled, the number of lines left out of each kind of which no
    /// other line has come.
    pub(crate) async fn report_in_time(&self) {
        loop {
            sleep(SPAN).await;
            report(self.quiet_for(2 * SPAN));
        }
    }

    /// Logs all numbers that have not been logged yet: at the end of the process.
    pub(crate) fn report_rest(&self) {
        report(self.quiet_for(Duration::ZERO));
    }

    /// Forgets the kinds whose line stands for no others any more. Returns those of which lines
    /// were left out, and how many. Such a kind is kept until its last second began `age` ago.
    fn quiet_for(&self, age: Duration) -> Vec<(LineKind, u64)> {
        let now = Instant::now();
        let is_over =
            |_: &LineKind, seen: &mut Seen| now - seen.since >= if seen.left_out > 0 { age } else { age.min(SPAN) };
        let mut shares = self.seen();
        let over: Vec<_> = shares
            .values_mut()
            .flat_map(|seen| seen.extract_if(is_over))
            .collect();
        drop(shares);
        over.into_iter()
            .map(|(kind, seen)| (kind, seen.left_out))
            .filter(|(_, left_out)| *left_out > 0)
            .collect()
    }

    fn seen(&self) -> MutexGuard<'_, Seens> {
        self.0.lock()
    }
}

/// Logs how many lines of these kinds were left out.
fn report(kinds: Vec<(LineKind, u64)>) {
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

    fn kind(class: &'static str, client: &str) -> LineKind {
        let client = Some(client.parse().unwrap());
        LineKind { level: Level::INFO, event: "login refused", class, client, conn_id: None, is_proven: false }
    }

    fn remembered(repeats: &Repeats) -> usize {
        repeats.seen().values().map(HashMap::len).sum()
    }

    #[tokio::test(start_paused = true)]
    async fn one_line_a_second_of_a_kind_is_written_with_the_number_left_out() {
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
    async fn ten_lines_a_second_about_proven_clients_are_written() {
        let repeats = Repeats::default();
        let judge = || repeats.judge(LineKind { is_proven: true, ..kind("3D000", "10.0.0.1") });
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
        let level = LineKind { level: Level::WARN, ..kind("28P01", "10.0.0.1") };
        let event = LineKind { event: "cancel forwarded", ..kind("28P01", "10.0.0.1") };
        let conn_id = LineKind { conn_id: ConnId::new("sales").ok(), ..kind("28P01", "10.0.0.1") };
        let proven = LineKind { is_proven: true, ..kind("28P01", "10.0.0.1") };
        for other in [
            kind("28P01", "10.0.0.1"),
            kind("28000", "10.0.0.1"),
            kind("28P01", "10.0.0.2"),
            kind("28P01", "2001:db8::1"),
            kind("28P01", "2001:db8:0:1::1"),
            level,
            event,
            conn_id,
            proven,
        ] {
            assert_eq!(repeats.judge(other.clone()), Verdict::Write(None), "{other:?}");
        }
        assert_eq!(repeats.judge(kind("28P01", "::ffff:10.0.0.1")), Verdict::LeaveOut);
        assert_eq!(repeats.judge(kind("28P01", "2001:db8::2")), Verdict::LeaveOut, "the same /64");
    }

    #[tokio::test(start_paused = true)]
    async fn lines_left_out_without_a_successor_are_logged_by_themselves() {
        let repeats = Repeats::default();
        let (one, other) = (kind("28P01", "10.0.0.1"), kind("28P01", "10.0.0.2"));
        for _ in 0..3 {
            repeats.judge(one.clone());
        }
        repeats.judge(other);
        advance(SPAN).await;
        assert_eq!(repeats.quiet_for(2 * SPAN), [], "the next line may still tell of it");
        assert_eq!(remembered(&repeats), 1, "one that has left nothing out is forgotten");
        advance(SPAN).await;
        assert_eq!(repeats.quiet_for(2 * SPAN), [(one.clone(), 2)]);
        assert_eq!(remembered(&repeats), 0);
        repeats.judge(one.clone());
        repeats.judge(one.clone());
        assert_eq!(repeats.quiet_for(Duration::ZERO), [(one, 1)], "at the end all is told");
    }

    /// Review of issue 13: whoever had 4,096 networks hid all others.
    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_addresses_hides_neither_other_networks_nor_other_reasons() {
        let repeats = Repeats::default();
        let of = |number: usize| kind("28P01", &format!("2001:db8:1:{number:x}::1"));
        for number in 0..MAX_KINDS {
            assert_eq!(repeats.judge(of(number)), Verdict::Write(None));
        }
        assert_eq!(repeats.judge(of(MAX_KINDS)), Verdict::LeaveOut, "its /48 has a line by now");
        assert_eq!(repeats.judge(of(1)), Verdict::LeaveOut, "who is known is still told apart");
        for other in [
            kind("28P01", "2001:db8:2::1"),
            kind("28P01", "10.0.0.1"),
            kind("unknown user", "2001:db8:1:ffff::1"),
            LineKind { event: "cancel limited", ..kind("28P01", "2001:db8:1:ffff::1") },
        ] {
            assert_eq!(repeats.judge(other.clone()), Verdict::Write(None), "{other:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_both_bounds_new_addresses_share_a_line() {
        let repeats = Repeats::default();
        let of = |number: usize| kind("28P01", &format!("2001:{number:x}::1"));
        let most = MAX_KINDS + MAX_NETWORKS;
        for number in 0..=most {
            assert_eq!(repeats.judge(of(number)), Verdict::Write(None));
        }
        for number in 0..1000 {
            assert_eq!(repeats.judge(of(most + 1 + number)), Verdict::LeaveOut);
        }
        assert_eq!(remembered(&repeats), most + 1);
        advance(2 * SPAN).await;
        let over = repeats.quiet_for(2 * SPAN);
        assert_eq!(
            over.iter()
                .map(|(kind, left_out)| (kind.client, *left_out))
                .collect::<Vec<_>>(),
            [(None, 1000)]
        );
        assert_eq!(remembered(&repeats), 0);
    }
}
