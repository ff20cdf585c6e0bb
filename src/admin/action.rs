//! The actions of the admin address: what they answer, at once or line by line.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::answer::{self, Answer, JSON};
use super::json::ToJson;
use super::progress::Progress;
use crate::operations::{Channel, DrainProgress, DrainState, Operator, SharedOperations, count_of};

/// The longest time from one line about a drain to the next.
const NEXT_LINE: Duration = Duration::from_secs(5);

/// The longest wait for a reload, which may wait for the one before it. The command `reload` waits
/// for 300 s.
const LONGEST_RELOAD: Duration = Duration::from_secs(280);

/// How often is looked whether there is something new to tell about a drain; a look walks all
/// sessions.
const LOOK: Duration = Duration::from_secs(1);

/// How a drain ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// The process stays, and refuses clients.
    Drain,
    /// The process ends.
    Shutdown,
}

/// Reloads, and answers what came of it. A client that leaves does not stop it. Values may be
/// waited for, and so may the reload before it.
pub(super) async fn reload(operations: &SharedOperations, from: IpAddr, progress: &watch::Sender<Progress>) -> Answer {
    progress.send_replace(Progress::Action);
    let (operations, by) = (Arc::clone(operations), operator(from));
    let reloading = tokio::spawn(async move { operations.reload(by).await });
    let reloaded = timeout(LONGEST_RELOAD, reloading).await;
    progress.send_replace(Progress::Answer);
    match reloaded {
        Ok(Ok(Ok(reloaded))) => answer::whole(StatusCode::OK, JSON, reloaded.to_json()),
        Ok(Ok(Err(refused))) => answer::whole(StatusCode::UNPROCESSABLE_ENTITY, JSON, refused.to_json()),
        Ok(Err(_panicked)) => answer::line(StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
        Err(_elapsed) => {
            answer::line(StatusCode::GATEWAY_TIMEOUT, "the reload goes on: the log tells what comes of it")
        }
    }
}

/// Drains, and answers with lines that tell how far it has come; the last is `drained`. A client
/// that leaves does not stop it.
pub(super) fn drain(
    operations: &SharedOperations,
    from: IpAddr,
    ending: Ending,
    progress: watch::Sender<Progress>,
) -> Answer {
    let (operations, by) = (Arc::clone(operations), operator(from));
    let (lines, receiver) = mpsc::channel(16);
    progress.send_replace(Progress::Action);
    tokio::spawn(async move {
        let draining = async {
            match ending {
                Ending::Drain => operations.drain(by).await,
                Ending::Shutdown => operations.shutdown(by).await,
            }
        };
        tokio::pin!(draining);
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut told, mut looked) = (None, 0);
        loop {
            tokio::select! {
                biased;
                () = &mut draining => break,
                _ = looks.tick() => {
                    let now = operations.drain_progress();
                    looked += 1;
                    let news = (now.state, now.sessions, now.busy);
                    if told != Some(news) || LOOK * looked >= NEXT_LINE {
                        // A client that does not read misses lines, and one that is gone misses
                        // all.
                        let _unread = lines.try_send(Bytes::from(line(&now)));
                        (told, looked) = (Some(news), 0);
                    }
                }
            }
        }
        progress.send_replace(Progress::Answer);
        let _gone = lines.send(Bytes::from_static(b"drained\n")).await;
    });
    answer::lines(receiver)
}

/// One line about a drain that is under way.
fn line(progress: &DrainProgress) -> String {
    let DrainProgress { state, sessions, busy, left } = progress;
    let left = left.map(|left| format!("; all are closed in {} s", left.as_secs()));
    let left = left.unwrap_or_default();
    let sessions = count_of(*sessions, "session");
    match state {
        DrainState::Serving | DrainState::Delaying => format!("still accepting: {sessions}{left}\n"),
        DrainState::Draining | DrainState::Drained => format!("draining: {sessions}, {busy} busy{left}\n"),
    }
}

/// The operator behind a request from this address: all that is known is that it has the token.
fn operator(from: IpAddr) -> Operator {
    Operator { name: "token".to_owned(), from: Some(from.to_canonical()), channel: Channel::Http }
}
