//! The state of a session by the messages of both directions: idle or not, between messages or not.

use super::meter::Activity;
use super::scanner::{Mark, Scanner};

/// The messages of both directions: which answers the warehouse owes, and whether a transaction or
/// a COPY is open.
pub(super) struct Dialogue {
    client: Scanner,
    upstream: Scanner,
    /// How many of Query and FunctionCall were sent and not yet answered by ReadyForQuery.
    queries: u64,
    /// How many of Sync were sent and not yet answered by ReadyForQuery.
    syncs: u64,
    /// Parse, Bind, Execute, … were sent without a Sync behind them: a portal may run on, in a
    /// transaction of its own.
    unsynced: bool,
    /// The transaction status of the last ReadyForQuery.
    status: u8,
    /// COPY FROM STDIN is under way, during which the server ignores Sync.
    copying_in: bool,
    /// Ends of COPY data that the client has sent before the server asked for the data. Such a COPY
    /// is over for the client when the server begins it: the Syncs behind it are answered.
    ended_ahead: u64,
    /// Syncs of this COPY that we take for ignored. If the COPY fails before the server reads them,
    /// they are answered after all.
    ignored: u64,
    /// The type of the warehouse's last message, without those that may come at any time.
    last: u8,
    goodbye: bool,
}

impl Default for Dialogue {
    /// Begins with a session that has just become ready for queries.
    fn default() -> Self {
        Self {
            client: Scanner::default(),
            upstream: Scanner::default(),
            queries: 0,
            syncs: 0,
            unsynced: false,
            ignored: 0,
            last: b'Z',
            status: b'I',
            copying_in: false,
            ended_ahead: 0,
            goodbye: false,
        }
    }
}

impl Dialogue {
    /// Follows the bytes that the client sent.
    pub(super) fn client_sent(&mut self, bytes: &[u8]) {
        let Self { client, queries, syncs, unsynced, copying_in, ended_ahead, ignored, goodbye, .. } = self;
        client.follow(bytes, |mark| match mark {
            Mark::Begins(b'S') if *copying_in => *ignored += 1,
            Mark::Begins(b'Q' | b'F') => (*queries, *unsynced) = (*queries + 1, false),
            Mark::Begins(b'S') => (*syncs, *unsynced) = (*syncs + 1, false),
            Mark::Begins(b'P' | b'B' | b'E' | b'D' | b'C') => *unsynced = true,
            Mark::Begins(b'c' | b'f') => {
                *ended_ahead += u64::from(!std::mem::take(copying_in));
                // A COPY by Execute waits for one more Sync.
                *unsynced = *queries == 0;
            }
            Mark::Begins(b'X') => *goodbye = true,
            Mark::Begins(_) | Mark::Body(..) => {}
        });
    }

    /// Follows the bytes that the warehouse sent.
    pub(super) fn upstream_sent(&mut self, bytes: &[u8]) {
        let Self { upstream, queries, syncs, unsynced, status, copying_in, ended_ahead, ignored, last, .. } = self;
        upstream.follow(bytes, |mark| match mark {
            // Notice, NotificationResponse, ParameterStatus: at any time, and no answer.
            Mark::Begins(b'N' | b'A' | b'S') => {}
            Mark::Begins(b'Z') => *copying_in = false,
            Mark::Begins(tag) => {
                *last = tag;
                match tag {
                    b'G' if *ended_ahead > 0 => *ended_ahead -= 1,
                    b'G' => {
                        *copying_in = true;
                        // Those behind the COPY have been sent already, as by Execute: they are
                        // ignored too.
                        *ignored = std::mem::take(syncs);
                    }
                    b'C' => *ignored = 0,
                    b'E' => *copying_in = false,
                    _ => {}
                }
            }
            Mark::Body(b'Z', state) => {
                // A query is answered by more than this; a Sync may be by nothing else.
                let is_bare = *last == b'Z';
                let owed = match (&mut *queries, &mut *syncs, &mut *ignored) {
                    (queries @ 1.., ..) if !is_bare => queries,
                    (_, syncs @ 1.., _) => syncs,
                    (_, _, ignored @ 1..) => ignored,
                    (queries, ..) => queries,
                };
                *owed = owed.saturating_sub(1);
                (*last, *status) = (b'Z', state);
                if *queries + *syncs == 0 && !*unsynced {
                    // All that was sent has been read: what is left was the end of a COPY that
                    // failed.
                    *ended_ahead = 0;
                }
            }
            Mark::Body(..) => {}
        });
    }

    /// Whether no answer is owed, no transaction is open, and no message is half sent in either
    /// direction.
    pub(super) fn is_idle(&self) -> bool {
        self.is_answered() && self.status == b'I' && self.client.is_between()
    }

    /// The present state of the session.
    pub(super) fn activity(&self) -> Activity {
        match (self.is_answered(), self.status) {
            (false, _) => Activity::Active,
            (true, b'I') => Activity::Idle,
            (true, _) => Activity::Transaction,
        }
    }

    /// Whether the warehouse owes no answer, nor the rest of one.
    pub(super) fn is_answered(&self) -> bool {
        self.queries + self.syncs == 0 && !self.unsynced && !self.copying_in && self.upstream.is_between()
    }

    /// Whether the client has got whole messages only, so that one of ours would not be taken for a
    /// part of another.
    pub(super) fn is_between_messages_to_client(&self) -> bool {
        self.upstream.is_between()
    }

    /// Whether the last message of the warehouse was an error: as a rule the reason for its end.
    pub(super) fn upstream_said_why(&self) -> bool {
        self.last == b'E'
    }

    /// Whether the client has sent Terminate.
    pub(super) fn client_said_goodbye(&self) -> bool {
        self.goodbye
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &[u8] = b"Q\0\0\0\x08abc\0";
    const READY: &[u8] = b"Z\0\0\0\x05I";
    const IN_TRANSACTION: &[u8] = b"Z\0\0\0\x05T";
    const COMPLETE: &[u8] = b"C\0\0\0\x06S\0";
    const NOTICE: &[u8] = b"N\0\0\0\x05\0";

    #[test]
    fn a_session_is_idle_when_all_is_answered_and_nothing_is_half_said() {
        let mut session = Dialogue::default();
        assert!(session.is_idle());
        session.client_sent(QUERY);
        session.client_sent(QUERY);
        assert!(!session.is_idle() && session.activity() == Activity::Active);
        session.upstream_sent(&[COMPLETE, READY].concat());
        assert!(!session.is_idle(), "the second query is still owed its answer");
        session.upstream_sent(&[COMPLETE, IN_TRANSACTION].concat());
        assert!(!session.is_idle() && session.activity() == Activity::Transaction);
        session.client_sent(QUERY);
        session.upstream_sent(&[COMPLETE, READY].concat());
        assert!(session.is_idle());
        session.client_sent(&QUERY[..3]);
        assert!(!session.is_idle(), "half a message");
    }

    #[test]
    fn a_sync_during_copy_in_is_not_answered() {
        let mut session = Dialogue::default();
        session.client_sent(QUERY);
        session.upstream_sent(b"G\0\0\0\x07\0\0\0");
        session.client_sent(b"d\0\0\0\x05xS\0\0\0\x04c\0\0\0\x04");
        session.upstream_sent(&[COMPLETE, READY].concat());
        assert!(session.is_idle());
    }

    #[test]
    fn a_sync_sent_ahead_of_copy_in_is_not_answered_either() {
        let mut session = Dialogue::default();
        // Parse, Bind, Execute and Sync at once, as drivers do; then the server asks for the data.
        session.client_sent(b"P\0\0\0\x04B\0\0\0\x04E\0\0\0\x04S\0\0\0\x04");
        session.upstream_sent(b"1\0\0\0\x042\0\0\0\x04G\0\0\0\x07\0\0\0");
        assert!(!session.is_idle(), "it waits for data");
        session.client_sent(b"d\0\0\0\x05xc\0\0\0\x04");
        assert!(!session.is_idle(), "it waits for Sync");
        session.client_sent(b"S\0\0\0\x04");
        assert!(!session.is_idle(), "it owes an answer");
        session.upstream_sent(READY);
        assert!(session.is_idle());
    }

    #[test]
    fn a_sync_that_races_the_failure_of_a_copy_does_not_pass_for_a_query() {
        let mut session = Dialogue::default();
        session.client_sent(QUERY);
        session.upstream_sent(b"G\0\0\0\x07\0\0\0");
        session.client_sent(b"d\0\0\0\x05xS\0\0\0\x04c\0\0\0\x04");
        session.client_sent(QUERY);
        // The COPY failed before the server read the Sync, which it now answers.
        session.upstream_sent(&[b"E\0\0\0\x05\0", READY, NOTICE, READY].concat());
        assert!(!session.is_idle(), "the second query is still owed its answer");
        session.upstream_sent(&[COMPLETE, READY].concat());
        assert!(session.is_idle());
    }

    /// Issue 11, A9: the Sync behind the data was taken for one that the server ignores, and what
    /// came behind for answered.
    #[test]
    fn queries_pipelined_behind_a_copy_in_are_owed_their_answers() {
        let copy = b"P\0\0\0\x04B\0\0\0\x04E\0\0\0\x04d\0\0\0\x05xc\0\0\0\x04S\0\0\0\x04";
        let copied = [b"1\0\0\0\x042\0\0\0\x04G\0\0\0\x07\0\0\0", COMPLETE, READY].concat();
        let done = [COMPLETE, READY].concat();
        for (behind, answer) in [(&copy[..], &copied), (QUERY, &done)] {
            let mut session = Dialogue::default();
            session.client_sent(&[copy, behind].concat());
            session.upstream_sent(&copied);
            assert!(!session.is_idle(), "what is behind the COPY is owed its answer");
            session.upstream_sent(answer);
            assert!(session.is_idle());
        }
        // The data may come behind a Query as well.
        let mut session = Dialogue::default();
        session.client_sent(&[QUERY, b"d\0\0\0\x05xc\0\0\0\x04", QUERY].concat());
        session.upstream_sent(&[b"G\0\0\0\x07\0\0\0", COMPLETE, READY].concat());
        assert!(!session.is_idle());
        session.upstream_sent(&done);
        assert!(session.is_idle());
    }

    #[test]
    fn the_end_of_a_copy_that_failed_does_not_count_for_the_next() {
        let mut session = Dialogue::default();
        session.client_sent(QUERY);
        session.upstream_sent(b"G\0\0\0\x07\0\0\0");
        session.client_sent(b"d\0\0\0\x05x");
        session.upstream_sent(b"E\0\0\0\x05\0");
        session.client_sent(b"c\0\0\0\x04");
        session.upstream_sent(READY);
        assert!(session.is_idle());
        session.client_sent(QUERY);
        session.upstream_sent(b"G\0\0\0\x07\0\0\0");
        session.client_sent(b"d\0\0\0\x05xS\0\0\0\x04c\0\0\0\x04");
        session.upstream_sent(&[COMPLETE, READY].concat());
        assert!(session.is_idle(), "its Sync was ignored");
    }

    #[test]
    fn answers_are_counted_in_whatever_order_queries_and_syncs_were_sent() {
        let sync = b"S\0\0\0\x04";
        let done = [COMPLETE, READY].concat();
        for (sent, answers) in [
            ([&sync[..], QUERY], [READY, &done]),
            ([QUERY, sync], [&done, READY]),
            ([sync, sync], [READY, READY]),
            ([QUERY, QUERY], [&done, &done]),
        ] {
            let mut session = Dialogue::default();
            session.client_sent(&sent.concat());
            session.upstream_sent(answers[0]);
            assert!(!session.is_idle(), "{sent:?}");
            session.upstream_sent(answers[1]);
            assert!(session.is_idle(), "{sent:?}");
        }
    }

    #[test]
    fn a_session_with_a_flush_but_no_sync_is_not_idle() {
        let mut session = Dialogue::default();
        session.client_sent(b"P\0\0\0\x04B\0\0\0\x04E\0\0\0\x04H\0\0\0\x04");
        session.upstream_sent(b"1\0\0\0\x042\0\0\0\x04");
        assert!(!session.is_idle(), "the portal runs");
        session.upstream_sent(COMPLETE);
        assert!(!session.is_idle(), "its transaction is open");
        session.client_sent(b"S\0\0\0\x04");
        session.upstream_sent(READY);
        assert!(session.is_idle());
    }

    #[test]
    fn an_error_that_the_warehouse_sends_last_is_its_reason() {
        let mut session = Dialogue::default();
        session.upstream_sent(&[b"E\0\0\0\x05\0", NOTICE].concat());
        assert!(session.upstream_said_why());
        session.upstream_sent(READY);
        assert!(!session.upstream_said_why());
    }

    #[test]
    fn behind_an_impossible_length_no_boundary_is_known() {
        let mut session = Dialogue::default();
        session.upstream_sent(b"Z\0\0\0\x03");
        session.upstream_sent(READY);
        assert!(!session.is_idle() && !session.is_between_messages_to_client());

        let mut session = Dialogue::default();
        session.upstream_sent(&[READY, b"Z\0\0\0\x03", READY].concat());
        assert!(!session.is_idle() && !session.is_between_messages_to_client(), "behind a whole message");
    }
}
