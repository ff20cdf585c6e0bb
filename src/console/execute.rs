//! Does what a command says, and makes its answer.

use std::sync::Arc;

use thiserror::Error;

use super::answer::{Answer, Column, Kind, Value};
use super::command::Command;
use super::error::ConsoleError;
use super::show::{self, Table};
use super::tables::Tables;
use crate::config::ConnId;
use crate::operations::{
    ActionError, CheckedStep, Operator, ReloadRefused, Reloaded, SharedOperations, Which, count_of,
};

/// Why a command was not done.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum ExecuteError {
    /// The action is not possible.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// The configuration has problems, and the one in force stays.
    #[error("the configuration is not usable, and nothing has changed")]
    Reload(ReloadRefused),
    /// The table was not made: the system gave no thread, or making it has failed.
    #[error("internal error")]
    NotMade,
}

impl ExecuteError {
    /// The SQLSTATE of the error.
    pub(crate) fn sqlstate(&self) -> &'static str {
        match self {
            Self::Action(ActionError::NoSuchConnection(_)) => "42704",
            Self::Action(ActionError::UnderWay(_)) => "55006",
            Self::Reload(_) => "F0000",
            Self::NotMade => "XX000",
        }
    }

    /// The DETAIL of the error: each problem of a configuration in a line of its own.
    pub(crate) fn detail(&self) -> Option<String> {
        match self {
            Self::Action(_) | Self::NotMade => None,
            Self::Reload(refused) => Some(refused.problems.join("\n")),
        }
    }
}

impl From<ExecuteError> for ConsoleError {
    fn from(error: ExecuteError) -> Self {
        let told = Self::new(error.sqlstate(), error.to_string());
        match error.detail() {
            Some(detail) => told.detail(detail),
            None => told,
        }
    }
}

/// `CHECK`: the steps of a connection that was checked.
pub(super) const CHECK: Table<CheckedStep> = Table(&[
    ("step", Kind::Text, |step| Value::text(&step.step)),
    ("ok", Kind::Bool, |step| Value::Bool(step.is_ok)),
    ("ms", Kind::Float8, |step| Value::rounded(step.took.as_secs_f64() * 1000.0)),
    ("detail", Kind::Text, |step| Value::text(&step.detail)),
]);

/// The columns of the table that a command answers with. `None`: it answers with its tag alone.
/// Clients ask for them before the command is done.
pub(super) fn columns(command: &Command) -> Option<Vec<Column>> {
    match command {
        Command::Show(what) => Some(show::columns(what)),
        Command::Check(_) => Some(CHECK.columns()),
        Command::Habit(habit) => habit.columns(),
        Command::Kill(_)
        | Command::Enable(_)
        | Command::Disable(_)
        | Command::Refresh(_)
        | Command::Unban(_)
        | Command::SetLogLevel(_)
        | Command::Reload
        | Command::Drain
        | Command::Shutdown => None,
    }
}

/// Does what a command says. A table is made when it is the turn of this operator's.
///
/// A drain is begun, not waited for: the console stays, and `SHOW DRAIN` tells how far it has come.
///
/// # Errors
/// See [`ExecuteError`].
pub(crate) async fn execute(
    (operations, tables): (&SharedOperations, &Tables),
    by: Operator,
    command: &Command,
) -> Result<Answer, ExecuteError> {
    Ok(match command {
        Command::Show(what) => {
            let made = tables.make(&Arc::from(by.name), what, operations).await;
            Answer::Rows(made.map_err(|_unfinished| ExecuteError::NotMade)?)
        }
        Command::Kill(which) => kill(operations, by, which),
        Command::Enable(conn_id) => set_enabled(operations, by, conn_id, true)?,
        Command::Disable(conn_id) => set_enabled(operations, by, conn_id, false)?,
        Command::Check(conn_id) => Answer::Rows(CHECK.of(operations.check(by, conn_id).await?)),
        Command::Refresh(conn_id) => done(format!("REFRESH {}", operations.refresh(by, conn_id)?)),
        Command::Unban(address) => done(format!("UNBAN {}", operations.unban(by, *address))),
        Command::SetLogLevel(level) => {
            operations.set_log_level(by, *level);
            done("SET".to_owned())
        }
        Command::Reload => reloaded(operations.reload(by).await.map_err(ExecuteError::Reload)?),
        Command::Drain => {
            let operations = SharedOperations::clone(operations);
            tokio::spawn(async move { operations.drain(by).await });
            begun("DRAIN", "the drain has begun: SHOW DRAIN tells how far it has come")
        }
        Command::Shutdown => {
            let operations = SharedOperations::clone(operations);
            tokio::spawn(async move { operations.shutdown(by).await });
            begun("SHUTDOWN", "the drain has begun: the process, and this console, end with it")
        }
        Command::Habit(habit) => habit.answer(),
    })
}

/// Ends sessions. Where there are none, it says whether the name is known: it may be mistyped.
fn kill(operations: &SharedOperations, by: Operator, which: &Which) -> Answer {
    let killed = operations.kill(by, which);
    let notices = if killed == 0 { unknown(operations, which) } else { None };
    Answer::Done { tag: format!("KILL {killed}"), notices: notices.into_iter().collect() }
}

/// What is to be said of a name that nothing has.
fn unknown(operations: &SharedOperations, which: &Which) -> Option<String> {
    match which {
        Which::User(name) => {
            // `*` stands for users by any name.
            let is_known = operations
                .users()
                .iter()
                .any(|user| user.name == *name || user.name == "*");
            (!is_known).then(|| format!("there is no user \"{name}\": SHOW USERS lists them"))
        }
        Which::Connection(conn_id) => {
            let is_known = operations
                .connections()
                .iter()
                .any(|connection| connection.conn_id == *conn_id);
            (!is_known).then(|| format!("no connection \"{conn_id}\" is known: SHOW CONNECTIONS lists them"))
        }
        Which::Session(id) => {
            let hint = "SHOW SESSIONS lists those of now, and SHOW ERRORS what broke";
            Some(format!("there is no session {id}, or it is ending: {hint}"))
        }
        Which::Address(_) | Which::All => None,
    }
}

fn set_enabled(
    operations: &SharedOperations,
    by: Operator,
    conn_id: &ConnId,
    enabled: bool,
) -> Result<Answer, ExecuteError> {
    operations.set_enabled(by, conn_id, enabled)?;
    Ok(done(if enabled { "ENABLE" } else { "DISABLE" }.to_owned()))
}

/// What a reload did, with a notice for each thing that an operator may have overlooked.
fn reloaded(reloaded: Reloaded) -> Answer {
    let Reloaded { hash_before, hash, changed, needs_restart, ended, warnings } = reloaded;
    let mut notices = Vec::new();
    notices.push(match hash == hash_before {
        true => format!("the configuration is the same as before ({hash})"),
        false => format!("the configuration in force has the hash {hash}, the one before had {hash_before}"),
    });
    notices.extend(changed.iter().map(|key| format!("{key} has a new value")));
    notices.extend(
        needs_restart
            .iter()
            .map(|key| format!("{} stays {} until a restart: the file has {}", key.key, key.old, key.new)),
    );
    if ended > 0 {
        let (have, end) = if ended == 1 { ("has", "ends") } else { ("have", "end") };
        notices.push(format!("{} {have} lost the right to be here and {end}", count_of(ended, "session")));
    }
    notices.extend(warnings);
    Answer::Done { tag: "RELOAD".to_owned(), notices }
}

fn begun(tag: &str, notice: &str) -> Answer {
    Answer::Done { tag: tag.to_owned(), notices: vec![notice.to_owned()] }
}

fn done(tag: String) -> Answer {
    Answer::Done { tag, notices: Vec::new() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::*;
    use crate::config::LogLevel;
    use crate::console::command::Show;
    use crate::operations::fake::Fake;
    use crate::operations::{Channel, RestartKey};

    async fn answer(fake: &Arc<Fake>, command: &Command) -> Result<Answer, ExecuteError> {
        let by = Operator { name: "ops".to_owned(), from: None, channel: Channel::Console };
        let operations: SharedOperations = Arc::<Fake>::clone(fake);
        tokio::time::timeout(Duration::from_secs(5), execute((&operations, &Tables::default()), by, command))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn actions_answer_by_their_tag_with_the_number() {
        let fake = Arc::new(Fake::of("x"));
        let conn_id = |name| ConnId::new(name).unwrap();
        for (command, tag, action) in [
            (Command::Kill(Which::All), "KILL 3", "KILL All"),
            (Command::Enable(conn_id("sales")), "ENABLE", "true sales"),
            (Command::Disable(conn_id("sales")), "DISABLE", "false sales"),
            (Command::Refresh(conn_id("sales")), "REFRESH 2", "REFRESH sales"),
            (Command::Unban("10.0.0.1".parse().unwrap()), "UNBAN 1", "UNBAN 10.0.0.1"),
            (Command::SetLogLevel(LogLevel::Debug), "SET", "SET debug"),
        ] {
            let done = answer(&fake, &command).await.unwrap();
            assert_eq!(done, Answer::Done { tag: tag.to_owned(), notices: Vec::new() });
            assert_eq!(fake.actions.lock().last().unwrap(), action);
        }
    }

    #[tokio::test]
    async fn a_kill_of_nobody_says_whether_the_name_is_known() {
        let fake = Arc::new(Fake::of("known"));
        fake.kills.store(0, Ordering::Relaxed);
        let of = |which| {
            let fake = Arc::clone(&fake);
            async move { answer(&fake, &Command::Kill(which)).await.unwrap() }
        };
        let notice = |notice: &str| Answer::Done { tag: "KILL 0".to_owned(), notices: vec![notice.to_owned()] };
        let silent = Answer::Done { tag: "KILL 0".to_owned(), notices: Vec::new() };
        let unknown = notice("there is no user \"nobody\": SHOW USERS lists them");
        assert_eq!(of(Which::User("nobody".to_owned())).await, unknown);
        let unknown = notice("no connection \"nope\" is known: SHOW CONNECTIONS lists them");
        assert_eq!(of(Which::Connection("nope".to_owned())).await, unknown);
        for known in [Which::User("known".to_owned()), Which::Connection("known".to_owned()), Which::All] {
            assert_eq!(of(known).await, silent);
        }
    }

    #[tokio::test]
    async fn an_error_that_is_not_kept_is_said_to_be_in_the_log() {
        let fake = Arc::new(Fake::of("x"));
        let of = |id: &str| Command::Show(Show::Errors(Some(id.to_owned())));
        let Answer::Rows(found) = answer(&fake, &of("x")).await.unwrap() else { panic!() };
        assert_eq!((found.rows.len(), found.notices.len()), (1, 0));
        let Answer::Rows(none) = answer(&fake, &of("y")).await.unwrap() else { panic!() };
        assert_eq!(none.rows.len(), 0);
        assert_eq!(none.notices, ["session y is not among the last 1,000 refusals and broken sessions: see the log"]);
    }

    #[tokio::test]
    async fn errors_say_which_connection_and_each_problem_of_a_configuration() {
        let fake = Arc::new(Fake::of("x"));
        let error = answer(&fake, &Command::Disable(ConnId::new("nosuch").unwrap()))
            .await
            .unwrap_err();
        let told = (error.sqlstate(), error.to_string(), error.detail());
        assert_eq!(told, ("42704", "connection \"nosuch\" does not exist".to_owned(), None));
        let error = answer(&fake, &Command::Reload).await.unwrap_err();
        assert_eq!((error.sqlstate(), error.detail().unwrap()), ("F0000", "p:1: k: one\np:2: k: other".to_owned()));
    }

    /// The fake's drain never ends.
    #[tokio::test]
    async fn a_drain_is_begun_and_not_waited_for() {
        let fake = Arc::new(Fake::of("x"));
        for (command, tag) in [(Command::Drain, "DRAIN"), (Command::Shutdown, "SHUTDOWN")] {
            let Answer::Done { tag: told, notices } = answer(&fake, &command).await.unwrap() else { panic!() };
            assert_eq!((&*told, notices.len()), (tag, 1));
            tokio::task::yield_now().await;
            assert_eq!(fake.actions.lock().last().unwrap(), tag);
        }
    }

    #[test]
    fn a_reload_tells_what_waits_for_a_restart_and_who_lost_a_right() {
        let key = RestartKey { key: "listen.address".into(), old: "a".into(), new: "b".into() };
        let of = |needs_restart, ended| Reloaded {
            hash_before: "1".to_owned(),
            hash: "2".to_owned(),
            changed: vec!["listen.tls".to_owned()],
            needs_restart,
            ended,
            warnings: vec!["p:1: k: odd".to_owned()],
        };
        let Answer::Done { tag, notices } = reloaded(of(vec![key], 2)) else { panic!() };
        assert_eq!((&*tag, notices.len()), ("RELOAD", 5));
        assert_eq!(notices[1], "listen.tls has a new value");
        assert_eq!(notices[2], "listen.address stays a until a restart: the file has b");
        assert_eq!(notices[3], "2 sessions have lost the right to be here and end");
        let Answer::Done { notices, .. } = reloaded(of(Vec::new(), 1)) else { panic!() };
        assert_eq!(notices[2], "1 session has lost the right to be here and ends");
        let Answer::Done { notices, .. } = reloaded(of(Vec::new(), 0)) else { panic!() };
        assert_eq!(notices.len(), 3);
    }
}
