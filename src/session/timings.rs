//! How long each stage of a login has taken.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// A stage of a login. Redials, and a second credential, add to the stage that they repeat.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LoginStage {
    /// From accept to AuthenticationOk: the client's TLS handshake, its startup message, its proof,
    /// and the look-up of the connection. It holds the time in which the client does nothing.
    ClientAuth,
    /// From AuthenticationOk to a database login: held already, or fetched from AWS.
    Credentials,
    /// DNS and TCP to the warehouse.
    Connect,
    /// SSLRequest and the TLS handshake with the warehouse.
    Tls,
    /// From the startup message to the warehouse until it is ready: an idle workgroup wakes here.
    UpstreamAuth,
}

impl LoginStage {
    /// All stages, in the order in which a login goes through them.
    pub const ALL: [Self; 5] = [Self::ClientAuth, Self::Credentials, Self::Connect, Self::Tls, Self::UpstreamAuth];

    /// The name of the stage in metrics; with `_ms` behind it, its name in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientAuth => "client_auth",
            Self::Credentials => "credentials",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::UpstreamAuth => "upstream_auth",
        }
    }
}

/// The times of one login, as far as it has come. Small, since every session keeps them.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// The time that each stage has taken so far.
    stages: [Took; LoginStage::ALL.len()],
    /// From AuthenticationOk to ReadyForQuery, or to a refusal.
    wait: Took,
    /// How often the warehouse was dialled.
    attempts: u32,
    /// The stage that goes on, which began at `since`. `None`: a pause between two stages.
    current: Option<LoginStage>,
    since: Instant,
}

/// A time in microseconds. `None`: what it measures has not come to its end yet.
type Took = Option<NonZeroU32>;

impl Timings {
    /// The times of a connection that was accepted then.
    pub(super) fn new(accepted: Instant) -> Self {
        Self { stages: [None; 5], wait: None, attempts: 0, current: Some(LoginStage::ClientAuth), since: accepted }
    }

    /// The time that a stage has taken, over all attempts. `None`: the login has not come to its
    /// end.
    #[must_use]
    pub fn of(&self, stage: LoginStage) -> Option<Duration> {
        self.stages
            .get(stage as usize)
            .copied()
            .flatten()
            .map(duration)
    }

    /// The time from AuthenticationOk to ReadyForQuery, or to a refusal. `None`: neither has come,
    /// or no AuthenticationOk was sent.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.wait.map(duration)
    }

    /// How often the warehouse was dialled.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Ends the stage that goes on and begins another, if one is given.
    pub(super) fn enter(&mut self, next: Option<LoginStage>) {
        let now = Instant::now();
        let left = self.current.take();
        if let Some(took) = left.and_then(|stage| self.stages.get_mut(stage as usize)) {
            *took = Some(micros(now - self.since).saturating_add(took.map_or(0, NonZeroU32::get)));
        }
        (self.current, self.since) = (next, now);
    }

    /// Counts a dial, which begins now.
    pub(super) fn dial(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
        self.enter(Some(LoginStage::Connect));
    }

    /// Ends the login of a connection that was accepted then: the client is ready, or refused. The
    /// end of a login is told once.
    pub(super) fn end(&mut self, accepted: Instant) {
        let is_let_in = self.current != Some(LoginStage::ClientAuth);
        self.enter(None);
        if let Some(client_auth) = self.of(LoginStage::ClientAuth).filter(|_| is_let_in) {
            self.wait = Some(micros(accepted.elapsed().saturating_sub(client_auth)));
        }
    }
}

/// At least one microsecond, so that a stage that was gone through is told from one that was not.
fn micros(time: Duration) -> NonZeroU32 {
    u32::try_from(time.as_micros()).map_or(NonZeroU32::MAX, |micros| NonZeroU32::new(micros).unwrap_or(NonZeroU32::MIN))
}

fn duration(took: NonZeroU32) -> Duration {
    Duration::from_micros(took.get().into())
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    async fn pass(millis: u64) {
        advance(Duration::from_millis(millis)).await;
    }

    fn millis(timings: &Timings) -> [Option<u128>; 5] {
        LoginStage::ALL.map(|stage| timings.of(stage).map(|took| took.as_millis()))
    }

    #[tokio::test(start_paused = true)]
    async fn each_stage_has_its_time_over_all_attempts_and_pauses_are_waited_for_only() {
        let accepted = Instant::now();
        let mut timings = Timings::new(accepted);
        pass(100).await;
        timings.enter(None);
        timings.enter(Some(LoginStage::Credentials));
        pass(20).await;
        timings.enter(None);
        for took in [3, 30] {
            timings.dial();
            pass(took).await;
            timings.enter(Some(LoginStage::Tls));
            pass(took).await;
            timings.enter(None);
            pass(250).await;
        }
        timings.dial();
        timings.enter(Some(LoginStage::Tls));
        timings.enter(Some(LoginStage::UpstreamAuth));
        pass(1000).await;
        assert_eq!(timings.wait(), None, "not ready yet");
        timings.end(accepted);
        assert_eq!(millis(&timings), [100, 20, 33, 33, 1000].map(Some));
        assert_eq!(timings.wait(), Some(Duration::from_millis(20 + 2 * (3 + 30 + 250) + 1000)));
        assert_eq!(timings.attempts(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_not_let_in_has_waited_for_nothing() {
        let accepted = Instant::now();
        let mut timings = Timings::new(accepted);
        pass(70).await;
        timings.end(accepted);
        assert_eq!((millis(&timings), timings.wait()), ([Some(70), None, None, None, None], None));
        assert_eq!(timings.attempts(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_that_takes_no_time_was_gone_through() {
        let mut timings = Timings::new(Instant::now());
        timings.enter(None);
        assert_eq!(timings.of(LoginStage::ClientAuth), Some(Duration::from_micros(1)));
        assert_eq!(timings.of(LoginStage::Tls), None);
    }
}
