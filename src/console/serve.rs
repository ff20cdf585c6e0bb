//! A console from its greeting to its end: reads messages, has commands done, writes answers.

use std::net::IpAddr;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::sleep;

use super::SERVER_VERSION;
use super::answer::{Answer, Rows};
use super::channel::{Channel, Ended};
use super::command::Command;
use super::error::ConsoleError;
use super::execute::{columns, execute};
use super::message::{self, Asked, Object};
use super::parse::parse;
use super::prepared::{Prepared, Progress};
use super::role::permit;
use super::tables::{Room, Tables};
use super::value::Format;
use crate::operations::{Channel as Way, Operator, SharedOperations};
use crate::relay::{Activity, Meter, Relayed, SessionLimits};
use crate::session_id::SessionId;
use crate::stop::{Phase, Stop};
use crate::wire::Wire;

/// How long a console may be silent where `limits.idle_timeout` is off: its place is one of few.
const MAX_IDLE: Duration = Duration::from_secs(60 * 60);

/// An operator's session on the console.
pub(crate) struct Console {
    channel: Channel,
    prepared: Prepared,
    /// A message has failed: what comes up to the next Sync is dropped.
    is_skipping: bool,
    user: Arc<str>,
    address: IpAddr,
    operations: SharedOperations,
    tables: Arc<Tables>,
}

impl Console {
    /// Makes a console of a client that has proved to be `user`, who may use it from there. The
    /// client is yet to be greeted.
    pub(crate) fn new(
        wire: Wire,
        user: &str,
        address: IpAddr,
        operations: SharedOperations,
        tables: Arc<Tables>,
    ) -> Self {
        let (channel, prepared, user) = (Channel::new(wire), Prepared::default(), user.into());
        Self { channel, prepared, is_skipping: false, user, address, operations, tables }
    }

    /// Serves the client until it leaves, or has to. `id` is the session's, for the last message.
    pub(crate) async fn run(mut self, watched: (&Stop, &Meter), limits: &SessionLimits, id: SessionId) -> Relayed {
        let Ended { end, error, word } = match self.serve(watched, limits).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        };
        self.channel.part(word.map(|word| word.encode(id))).await;
        let Channel { bytes_up, bytes_down, .. } = self.channel;
        Relayed { end, bytes_up, bytes_down, error }
    }

    async fn serve(
        &mut self,
        (stop, meter): (&Stop, &Meter),
        limits: &SessionLimits,
    ) -> Result<std::convert::Infallible, Ended> {
        let mut over = pin!(async {
            match limits.session_lifetime {
                Some(lifetime) => sleep(lifetime).await,
                None => std::future::pending().await,
            }
        });
        self.greet();
        self.channel.flush().await?;
        loop {
            let frame = tokio::select! {
                biased;
                order = stop.reached(Phase::ConsolesToo) => return Err(order.into()),
                () = &mut over => return Err(Ended::lifetime()),
                frame = self.channel.next(limits.idle_timeout.unwrap_or(MAX_IDLE)) => frame?,
            };
            meter.note(self.channel.bytes_up, self.channel.bytes_down, Activity::Idle);
            let asked = Asked::read(&frame).ok_or_else(|| Ended::protocol("a query"))?;
            tokio::select! {
                biased;
                order = stop.reached(Phase::Now) => return Err(order.into()),
                answered = self.answer(asked, frame.tag()) => answered?,
            }
            meter.note(self.channel.bytes_up, self.channel.bytes_down, Activity::Idle);
        }
    }

    /// Tells the client that it is logged in, what drivers want to know of a server, and that it
    /// may ask.
    fn greet(&mut self) {
        let out = &mut self.channel.out;
        out.extend_from_slice(b"R\0\0\0\x08\0\0\0\0"); // AuthenticationOk
        for (name, value) in [
            ("server_version", SERVER_VERSION),
            ("server_encoding", "UTF8"),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("IntervalStyle", "postgres"),
            ("TimeZone", "UTC"),
            ("integer_datetimes", "on"),
            ("standard_conforming_strings", "on"),
            ("default_transaction_read_only", "off"),
            ("in_hot_standby", "off"),
            ("is_superuser", "off"),
            ("session_authorization", &self.user),
        ] {
            message::put_parameter_status(out, name, value);
        }
        let mut random = [0; 8];
        // Without randomness the key is known, and there is nothing that it would cancel.
        let _ = aws_lc_rs::rand::fill(&mut random);
        let [pid @ .., a, b, c, d] = random;
        // No warehouse has such pids, so that a cancel request is never taken for a wrong key.
        let pid = 2_000_000_000 + u32::from_be_bytes(pid) % 100_000_000;
        message::put_backend_key_data(out, pid, [a, b, c, d]);
        message::put_ready_for_query(out, false);
    }

    /// Answers one message, of the type `tag`.
    async fn answer(&mut self, asked: Result<Asked<'_>, ConsoleError>, tag: u8) -> Result<(), Ended> {
        if self.is_skipping && !matches!(asked, Ok(Asked::Sync | Asked::Terminate)) {
            return Ok(());
        }
        match asked {
            Ok(Asked::Query(text)) => self.query(text).await?,
            Ok(Asked::Terminate) => return Err(Ended::client()),
            Ok(Asked::Copy) => {}
            Ok(Asked::FunctionCall) => {
                self.channel
                    .put_error(&ConsoleError::unsupported("the console has no functions"));
                self.ready().await?;
            }
            Err(error) if tag == b'Q' => {
                self.channel.put_error(&error);
                self.ready().await?;
            }
            Ok(Asked::Flush) => self.channel.flush().await?,
            Ok(Asked::Sync) => {
                self.is_skipping = false;
                self.prepared.sync();
                self.ready().await?;
            }
            Ok(asked) => {
                if let Err(error) = self.step(asked).await? {
                    self.fail(&error).await?;
                }
            }
            Err(error) => self.fail(&error).await?,
        }
        self.channel.flush_if_full().await
    }

    /// Does all commands of a text, up to the first that fails.
    async fn query(&mut self, text: &str) -> Result<(), Ended> {
        self.prepared.forget_unnamed();
        match parse(text) {
            Ok(commands) if commands.is_empty() => message::put_bare(&mut self.channel.out, message::EMPTY_QUERY),
            Ok(commands) => {
                for command in commands {
                    let answer = self.perform(&command).await?;
                    match answer {
                        Ok((answer, _room)) => self.put_whole(&command, answer).await?,
                        Err(error) => {
                            self.channel.put_error(&error);
                            break;
                        }
                    }
                }
            }
            Err(error) => self.channel.put_error(&error),
        }
        self.ready().await
    }

    /// Does a step of the extended protocol.
    async fn step(&mut self, asked: Asked<'_>) -> Result<Result<(), ConsoleError>, Ended> {
        let out = &mut self.channel.out;
        let done = match asked {
            Asked::Parse { name, text, types } => self
                .prepared
                .parse(name, text, types)
                .map(|()| message::put_bare(out, message::PARSE_COMPLETE)),
            Asked::Bind { portal, statement, formats, parameters } => self
                .prepared
                .bind(portal, statement, formats, parameters)
                .map(|()| message::put_bare(out, message::BIND_COMPLETE)),
            Asked::Describe(Object::Statement(name)) => self.prepared.statement(name).map(|command| {
                message::put_no_parameters(out);
                match command.as_ref().and_then(columns) {
                    Some(columns) => message::put_row_description(out, &columns, |_| Format::Text),
                    None => message::put_bare(out, message::NO_DATA),
                }
            }),
            Asked::Describe(Object::Portal(name)) => self
                .prepared
                .portal(name)
                .map(|portal| match portal.columns() {
                    Some(columns) => message::put_row_description(out, &columns, |at| portal.format(at)),
                    None => message::put_bare(out, message::NO_DATA),
                }),
            Asked::Close(object) => {
                self.prepared.close(object);
                message::put_bare(out, message::CLOSE_COMPLETE);
                Ok(())
            }
            Asked::Execute { portal, max_rows } => return self.run_portal(portal, max_rows).await,
            Asked::Query(_) | Asked::Flush | Asked::Sync | Asked::FunctionCall | Asked::Copy | Asked::Terminate => {
                Ok(())
            }
        };
        Ok(done)
    }

    /// Runs a portal, or goes on with its rows, of which the client wants at most `max_rows`; 0:
    /// all.
    async fn run_portal(&mut self, name: &str, max_rows: u32) -> Result<Result<(), ConsoleError>, Ended> {
        let (command, is_new) = match self.prepared.portal(name) {
            Ok(portal) => (portal.command.clone(), matches!(portal.progress, Progress::New)),
            Err(error) => return Ok(Err(error)),
        };
        let Some(command) = command else {
            message::put_bare(&mut self.channel.out, message::EMPTY_QUERY);
            return Ok(Ok(()));
        };
        if is_new {
            let answer = match self.perform(&command).await? {
                Ok(answer) => answer,
                Err(error) => return Ok(Err(error)),
            };
            let (rows, done) = match answer {
                (Answer::Rows(Rows { rows, notices, .. }), Some(room)) => {
                    self.put_notices(&notices);
                    (Progress::Rows { rows: rows.into_iter(), _room: room }, None)
                }
                (done, _) => (Progress::Done, Some(done)),
            };
            // COMMIT has closed its own portal.
            if let Ok(portal) = self.prepared.portal(name) {
                portal.progress = rows;
            }
            if let Some(done) = done {
                self.put_whole(&command, done).await?;
                return Ok(Ok(()));
            }
        }
        let Ok(portal) = self.prepared.portal(name) else { return Ok(Ok(())) };
        let columns = portal.columns().unwrap_or_default();
        let mut sent = 0;
        while let Ok(portal) = self.prepared.portal(name) {
            let Progress::Rows { rows, .. } = &mut portal.progress else {
                return Ok(Err(ConsoleError::new("55000", format!("portal \"{name}\" cannot be run anymore"))));
            };
            if max_rows > 0 && sent == max_rows && !rows.as_slice().is_empty() {
                message::put_bare(&mut self.channel.out, message::PORTAL_SUSPENDED);
                return Ok(Ok(()));
            }
            let Some(row) = rows.next() else { break };
            message::put_data_row(&mut self.channel.out, &columns, &row, |at| portal.format(at));
            self.channel.flush_if_full().await?;
            sent += 1;
        }
        message::put_command_complete(&mut self.channel.out, command.tag());
        Ok(Ok(()))
    }

    /// Has a command done, if the user still may. The client is watched for leaving meanwhile; what
    /// has begun goes on without it. A table comes with its room.
    async fn perform(&mut self, command: &Command) -> Result<Result<(Answer, Option<Room>), ConsoleError>, Ended> {
        // Asked each time: a reload may have taken the right, and need not know of consoles.
        let rights = self.operations.console_rights(&self.user, self.address);
        let rights = rights.ok_or_else(Ended::revoked)?;
        if let Err(denied) = permit(rights, command) {
            return Ok(Err(denied));
        }
        if let Command::Habit(habit) = command
            && let Err(error) = self.prepared.observe(habit)
        {
            return Ok(Err(error));
        }
        let by = Operator { name: self.user.to_string(), from: Some(self.address), channel: Way::Console };
        let is_question = matches!(command, Command::Show(_));
        let (command, operations, tables) = (command.clone(), self.operations.clone(), Arc::clone(&self.tables));
        let doing = async move { execute((&operations, &tables), by, &command).await };
        // A question is given up with its client, for it would go on waiting for its turn.
        let doing = if is_question { doing.map(Ok).left_future() } else { tokio::spawn(doing).right_future() };
        let answer = tokio::select! {
            done = doing => match done.map_err(tokio::task::JoinError::try_into_panic) {
                Ok(answer) => answer.map_err(ConsoleError::from),
                Err(Ok(panic)) => resume_unwind(panic),
                Err(Err(_cancelled)) => Err(ConsoleError::internal()),
            },
            gone = self.channel.gone() => return Err(gone),
        };
        Ok(answer.and_then(|answer| {
            let room = match &answer {
                Answer::Rows(rows) => Some(self.tables.hold(&self.user, rows)?),
                Answer::Done { .. } => None,
            };
            Ok((answer, room))
        }))
    }

    /// Writes an answer as the simple protocol has it, all of it as text.
    async fn put_whole(&mut self, command: &Command, answer: Answer) -> Result<(), Ended> {
        match answer {
            Answer::Rows(Rows { columns, rows, notices, .. }) => {
                self.put_notices(&notices);
                message::put_row_description(&mut self.channel.out, &columns, |_| Format::Text);
                for row in rows {
                    message::put_data_row(&mut self.channel.out, &columns, &row, |_| Format::Text);
                    self.channel.flush_if_full().await?;
                }
                message::put_command_complete(&mut self.channel.out, command.tag());
            }
            Answer::Done { tag, notices } => {
                self.put_notices(&notices);
                message::put_command_complete(&mut self.channel.out, &tag);
            }
        }
        Ok(())
    }

    fn put_notices(&mut self, notices: &[String]) {
        for notice in notices {
            message::put_notice(&mut self.channel.out, notice);
        }
    }

    /// Reports an error of the extended protocol: what comes up to the next Sync is dropped, a Flush
    /// too. So the error is sent at once, as PostgreSQL does: asyncpg waits for it before its Sync.
    async fn fail(&mut self, error: &ConsoleError) -> Result<(), Ended> {
        self.channel.put_error(error);
        self.is_skipping = true;
        self.channel.flush().await
    }

    /// Tells the client that it may ask again, and sends everything.
    async fn ready(&mut self) -> Result<(), Ended> {
        message::put_ready_for_query(&mut self.channel.out, self.prepared.is_in_transaction);
        self.channel.flush().await
    }
}

#[cfg(test)]
mod tests;
