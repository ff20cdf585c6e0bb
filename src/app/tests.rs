//! A configuration that is swapped while clients connect, and their sessions from outside.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use parking_lot::Mutex;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::clock::SystemClock;
use crate::config::{Problems, UnknownKeys, parse};
use crate::operations::{Channel, DrainState, Operator, ReloadRefused, Reloaded};
use crate::session::Live;
use crate::wire;

/// The text of a configuration with this mode of TLS and these `[limits]`, whose AWS is at `aws`.
fn text(tls: &str, limits: &str, aws: SocketAddr) -> String {
    format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[listen.tls]\nmode = \"{tls}\"\n[limits]\n{limits}\n\
         [aws]\nregion = \"eu-west-1\"\nendpoint_url = \"http://{aws}\"\n\
         [connections.sales]\ntype = \"redshift-serverless\"\ndatabase = \"dev\"\n\
         host = \"sales.123456789012.eu-west-1.redshift-serverless.amazonaws.com\"\n\
         [users.ann]\npassword = \"env:PW\"\nconnections = [\"*\"]\n"
    )
}

/// A configuration that tests set.
#[derive(Default)]
struct Written(Mutex<String>, Mutex<Option<Hang>>);

/// Keeps one load until the other end is dropped.
type Hang = std::sync::mpsc::Receiver<()>;

impl Origin for Written {
    fn load(&self) -> Result<Config, Problems> {
        let hang = self.1.lock().take();
        if let Some(hang) = hang {
            let _dropped = hang.recv();
        }
        let env = |name: &str| (name == "PW").then(|| "pw".to_owned());
        parse(&self.0.lock(), "proxy.toml".as_ref(), &env, UnknownKeys::Refuse)
    }

    fn base<'a>(&'a self, config: &'a Config) -> LocalBoxFuture<'a, Base> {
        Base::with_keys(&config.aws, "AKIA", "secret").boxed_local()
    }
}

/// A proxy whose AWS takes connections and never answers, so that who is logged in waits for it.
struct Rig {
    app: App,
    aws: TcpListener,
    written: Arc<Written>,
}

/// How the proxy answered a login.
#[derive(Debug, Eq, PartialEq)]
enum Answer {
    Admitted,
    /// By its SQLSTATE.
    Refused(String),
}

impl Rig {
    async fn start(tls: &str, limits: &str) -> Self {
        let aws = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let first = text(tls, limits, aws.local_addr().unwrap());
        Self::start_with(&first, aws).await
    }

    async fn start_with(first: &str, aws: TcpListener) -> Self {
        let written = Arc::new(Written::default());
        first.clone_into(&mut written.0.lock());
        let config = written.load().unwrap();
        let base = written.base(&config).await;
        let (network, clock, origin) = (Network::default(), Arc::new(SystemClock), Arc::clone(&written));
        let app = App::start_from(&network, Some(origin), config, base, Workers::current(), clock).await;
        Self { app: app.unwrap(), aws, written }
    }

    /// Reloads the configuration from this text.
    async fn reload(&self, text: &str) -> Result<Reloaded, ReloadRefused> {
        text.clone_into(&mut self.written.0.lock());
        let by = Operator { name: "test".to_owned(), from: None, channel: Channel::Signal };
        self.app.operations().reload(by).await
    }

    /// The text of a configuration with these `[limits]`, with one part replaced by another.
    fn text(&self, part: &str, by: &str) -> String {
        let text = text("prefer", "", self.aws.local_addr().unwrap());
        assert!(text.contains(part));
        text.replace(part, by)
    }

    /// Swaps in another configuration.
    async fn swap(&self, tls: &str, limits: &str) {
        let text = text(tls, limits, self.aws.local_addr().unwrap());
        self.reload(&text).await.unwrap();
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.app.addresses()[0]).await.unwrap()
    }

    /// Logs ann in with this password, as far as AuthenticationOk.
    async fn log_in(&self, password: &str) -> (TcpStream, Answer) {
        let mut client = self.connect().await;
        let answer = log_in(&mut client, password).await;
        (client, answer)
    }

    async fn wait_until(&self, is_so: impl Fn(Counts) -> bool) {
        while !is_so(self.app.counts()) {
            tokio::task::yield_now().await;
        }
    }

    async fn end(self) {
        self.app.abort().await;
        assert_eq!(self.app.counts(), Counts::default());
    }
}

/// Sends ann's startup message in clear.
async fn ask(client: &mut TcpStream) {
    let startup = wire::packet(b"\0\x03\0\0user\0ann\0database\0sales\0\0");
    client.write_all(&startup).await.unwrap();
}

/// The type and the body of the next message.
async fn read(client: &mut TcpStream) -> (u8, Vec<u8>) {
    let kind = client.read_u8().await.unwrap();
    let mut body = vec![0; client.read_u32().await.unwrap() as usize - 4];
    client.read_exact(&mut body).await.unwrap();
    (kind, body)
}

async fn log_in(client: &mut TcpStream, password: &str) -> Answer {
    ask(client).await;
    let asked = read(client).await;
    go_on(client, password, asked).await
}

/// Proves ann's password to a proxy that has asked for it.
async fn prove(client: &mut TcpStream, password: &str) -> Answer {
    go_on(client, password, (b'R', vec![0, 0, 0, 10])).await
}

/// Answers the proxy, beginning with the message that was read last.
async fn go_on(client: &mut TcpStream, password: &str, asked: (u8, Vec<u8>)) -> Answer {
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    let mut asked = Some(asked);
    loop {
        let (kind, body) = match asked.take() {
            Some(asked) => asked,
            None => read(client).await,
        };
        if kind == b'E' {
            return Answer::Refused(sqlstate(&body));
        }
        let (step, rest) = body.split_at(4);
        let answer = match step.last() {
            Some(0) => return Answer::Admitted,
            Some(10) => {
                let first = scram.message();
                let length = u32::try_from(first.len()).unwrap().to_be_bytes();
                [b"SCRAM-SHA-256\0", &length[..], first].concat()
            }
            Some(11) => {
                scram.update(rest).unwrap();
                scram.message().to_vec()
            }
            _ => continue,
        };
        client
            .write_all(&wire::message(b'p', &answer))
            .await
            .unwrap();
    }
}

fn sqlstate(error: &[u8]) -> String {
    let mut fields = error.split(|byte| *byte == 0);
    let code = fields.find_map(|field| field.strip_prefix(b"C"));
    String::from_utf8(code.unwrap().to_vec()).unwrap()
}

fn refused(code: &str) -> Answer {
    Answer::Refused(code.to_owned())
}

#[tokio::test]
async fn a_connection_keeps_the_configuration_of_its_arrival_when_another_is_swapped_in() {
    let rig = Rig::start("prefer", "").await;
    let mut early = rig.connect().await;
    rig.wait_until(|counts| counts.tasks == 1).await;
    let counted_as = || {
        rig.app
            .acceptor
            .live
            .load()
            .accounts
            .counted_as("nobody", "nobody")
    };
    let counted_before = counted_as();
    rig.swap("require", "").await;
    assert!(counted_as() == counted_before, "a user that does not exist keeps its bans and salts");
    let mut late = rig.connect().await;
    ask(&mut late).await;
    assert_eq!(read(&mut late).await.0, b'E', "TLS is required of a client that comes now");
    ask(&mut early).await;
    assert_eq!(read(&mut early).await.0, b'R', "the client that came before is asked for its password");
    rig.end().await;
}

#[tokio::test]
async fn a_lower_cap_admits_nobody_until_the_sessions_fit() {
    let rig = Rig::start("prefer", "max_sessions = 3").await;
    let (one, admitted) = rig.log_in("pw").await;
    assert_eq!(admitted, Answer::Admitted);
    let (other, admitted) = rig.log_in("pw").await;
    assert_eq!(admitted, Answer::Admitted);
    rig.swap("prefer", "max_sessions = 1").await;
    assert_eq!(rig.app.counts().sessions, 2, "nobody is put out");
    assert_eq!(rig.log_in("pw").await.1, refused("53300"));
    drop(one);
    rig.wait_until(|counts| counts.sessions == 1).await;
    assert_eq!(rig.log_in("pw").await.1, refused("53300"), "still as many as the cap");
    drop(other);
    rig.wait_until(|counts| counts.sessions == 0).await;
    assert_eq!(rig.log_in("pw").await.1, Answer::Admitted);
    rig.end().await;
}

#[tokio::test]
async fn other_limits_of_bans_count_the_wrong_proofs_of_before() {
    let rig = Rig::start("prefer", "ban_after = 100").await;
    for _ in 0..9 {
        assert_eq!(rig.log_in("wrong").await.1, refused("28P01"));
    }
    rig.swap("prefer", "ban_after = 1").await;
    assert!(rig.app.bans().is_empty());
    assert_eq!(rig.log_in("wrong").await.1, refused("28P01"));
    let banned: Vec<_> = rig.app.bans().into_iter().map(|ban| ban.user).collect();
    assert_eq!(banned, [Some("ann".to_owned()), None], "the address for nine of before and one");
    assert_ne!(rig.log_in("pw").await.1, Answer::Admitted);
    rig.swap("prefer", "ban_exempt = [\"127.0.0.0/8\"]").await;
    assert!(rig.app.bans().is_empty());
    assert_eq!(rig.log_in("pw").await.1, Answer::Admitted);
    rig.swap("prefer", "").await;
    assert_eq!(rig.app.unban([127, 0, 0, 1].into()), 2, "they were not forgotten");
    rig.end().await;
}

#[tokio::test]
async fn fewer_handshakes_make_those_give_way_that_are_too_many() {
    let rig = Rig::start("prefer", "").await;
    let _silent = [rig.connect().await, rig.connect().await, rig.connect().await];
    rig.wait_until(|counts| counts.handshakes == 3).await;
    rig.swap("prefer", "max_handshakes = 2").await;
    assert_eq!(rig.app.counts().handshakes, 3);
    let _next = rig.connect().await;
    rig.wait_until(|counts| counts.tasks == 2).await;
    assert_eq!(rig.app.counts().handshakes, 2);
    rig.end().await;
}

#[tokio::test]
async fn a_session_is_listed_with_its_facts_and_ended_by_its_id() {
    let rig = Rig::start("prefer", "").await;
    let (mut client, admitted) = rig.log_in("pw").await;
    assert_eq!(admitted, Answer::Admitted);
    let _silent = rig.connect().await;
    rig.wait_until(|counts| counts.tasks == 2).await;
    let sessions = rig.app.sessions();
    let [(id, facts), (other, unknown)] = &sessions[..] else { panic!("{sessions:?}") };
    assert_eq!((&*facts.user, facts.client), ("ann", client.local_addr().unwrap().ip()));
    assert_eq!(facts.conn_id.as_ref().map(ConnId::as_str), Some("sales"));
    assert_eq!((facts.stage, unknown.stage), (Stage::AwaitsCredential, Stage::LoggingIn));
    assert!(rig.app.end_session(id.as_str()));
    assert_eq!(read(&mut client).await.0, b'E');
    rig.wait_until(|counts| counts.tasks == 1).await;
    assert_eq!(rig.app.counts().sessions, 0);
    assert!(!rig.app.end_session(id.as_str()), "it is gone");
    assert_eq!(rig.app.sessions().first().map(|(id, _)| *id), Some(*other));
    rig.end().await;
}

#[tokio::test]
async fn a_refused_reload_tells_every_problem_and_changes_nothing() {
    let rig = Rig::start("prefer", "").await;
    let before = rig.app.acceptor.live.load_full();
    let text = rig.text("database = \"dev\"", "database = 1\nnonsense = 2");
    let refused = rig.reload(&text).await.unwrap_err();
    assert_eq!(refused.problems.len(), 2, "{refused}");
    assert!(refused.problems[0].starts_with("proxy.toml:"), "{refused}");
    // Files that are cut off: at their beginning, and between two tables.
    let whole = rig.text("[aws]", "[aws]");
    let (no_users, _) = whole.split_once("[users.ann]").unwrap();
    let no_connections = whole.split_once("[connections").unwrap().0.to_owned()
        + "[users.ann]\npassword = \"env:PW\"\nconnections = []\n";
    for (cut, lost) in [("", "users"), (no_users, "users"), (&no_connections, "connections")] {
        let empty = rig.reload(cut).await.unwrap_err();
        let told = format!("there are no {lost} any more: taken for a file that is not yet written");
        assert_eq!(empty.problems, [told]);
    }
    assert!(Arc::ptr_eq(&before, &rig.app.acceptor.live.load_full()));
    assert_eq!(rig.log_in("pw").await.1, Answer::Admitted);
    rig.end().await;
}

/// Reviewed in issue 13: it kept the one thread of reloads until a restart.
#[tokio::test]
async fn a_load_that_hangs_keeps_no_later_reload_waiting() {
    let rig = Rig::start("prefer", "").await;
    let text = rig.text("[aws]", "[aws]");
    let (until, hang) = std::sync::mpsc::channel();
    *rig.written.1.lock() = Some(hang);
    tokio::time::pause();
    let refused = rig.reload(&text).await.unwrap_err();
    tokio::time::resume();
    assert_eq!(refused.problems, ["not read within 120 s"]);
    while rig.written.1.lock().is_some() {
        tokio::task::yield_now().await;
    }
    rig.reload(&text).await.unwrap();
    drop(until);
    rig.end().await;
}

#[tokio::test]
async fn what_is_held_is_taken_over_unless_what_shapes_it_changes() {
    let rig = Rig::start("prefer", "").await;
    let table = "[specs]\ndynamodb_table = \"lava\"\nconn_ids = [\"bi-*\"]\nroles = [\"arn:aws:iam::123456789012:role/rs\"]\n\
                 parameter_prefix = \"/lava/\"\n[users.ann]\n";
    let with_table = |more: &str| rig.text("[users.ann]\n", &format!("{table}{more}"));
    rig.reload(&with_table("")).await.unwrap();
    let now = || rig.app.acceptor.live.load_full();
    let (first, same) = (now(), |one: &Live, other: &Live| {
        let tables = (one.specs.table().unwrap(), other.specs.table().unwrap());
        (Arc::ptr_eq(&one.logins, &other.logins), Arc::ptr_eq(tables.0, tables.1))
    });
    // Times are not what shapes them.
    let times =
        with_table("").replace("[specs]\n", "[credentials]\nrefresh_margin = \"1m\"\n[specs]\nrefresh = \"9s\"\n");
    rig.reload(&times).await.unwrap();
    assert_eq!(same(&first, &now()), (true, true));
    rig.reload(&times.replace("bi-*", "*")).await.unwrap();
    assert_eq!(same(&first, &now()), (true, false), "the items were judged by other bounds");
    rig.reload(&times.replace("eu-west-1\"\nendpoint", "eu-west-2\"\nendpoint"))
        .await
        .unwrap();
    assert_eq!(same(&first, &now()), (false, false));
    rig.end().await;
}

#[tokio::test]
async fn keys_that_need_a_restart_are_named_until_they_are_as_they_were_bound() {
    let rig = Rig::start("prefer", "").await;
    let other = rig.text("127.0.0.1:0", "127.0.0.2:0");
    for text in [&other, &other.replace("[\"*\"]", "[\"sales\"]")] {
        let reloaded = rig.reload(text).await.unwrap();
        let [key] = &reloaded.needs_restart[..] else { panic!("{reloaded:?}") };
        assert_eq!((&*key.key, &*key.old, &*key.new), ("listen.address", "127.0.0.1:0", "127.0.0.2:0"));
    }
    let back = rig.reload(&rig.text("[\"*\"]", "[\"s*\"]")).await;
    assert_eq!(back.unwrap().needs_restart, []);
    rig.end().await;
}

#[tokio::test]
async fn reloads_wait_for_each_other_and_end_whoever_waits() {
    let rig = Rig::start("prefer", "").await;
    let text = rig.text("[\"*\"]", "[\"sales\"]");
    let before = rig.app.acceptor.live.load().config.hash.clone();
    drop(rig.reload(&text).now_or_never());
    // The first goes on without its caller, and has not begun: whoever asks meanwhile shares it.
    let second = rig.reload(&text).await.unwrap();
    assert_eq!((&second.hash_before, second.ended), (&before, 0));
    assert_ne!(second.hash, before);
    let third = rig.reload(&text).await.unwrap();
    assert_eq!((third.hash_before == third.hash, third.ended), (true, 0));
    rig.end().await;
}

#[tokio::test]
async fn a_login_that_has_lost_its_right_meanwhile_is_broken_off() {
    let rig = Rig::start("prefer", "").await;
    let (mut client, admitted) = rig.log_in("pw").await;
    assert_eq!(admitted, Answer::Admitted);
    let reloaded = rig
        .reload(&rig.text("connections = [\"*\"]", "connections = []"))
        .await;
    assert_eq!(reloaded.unwrap().ended, 1);
    let (kind, body) = read(&mut client).await;
    assert_eq!((kind, &*sqlstate(&body)), (b'E', "57P01"));
    rig.end().await;
}

/// The swap comes while the client proves who it is: nobody can tell then what it will open.
#[tokio::test]
async fn a_login_that_straddles_a_swap_is_judged_again() {
    for (part, by, expected) in [
        ("connections = [\"*\"]", "connections = []", refused("57P01")),
        ("[users.ann]", "[users.bob]", refused("57P01")),
        ("connections = [\"*\"]", "connections = [\"sales\"]", Answer::Admitted),
    ] {
        let rig = Rig::start("prefer", "").await;
        let mut client = rig.connect().await;
        ask(&mut client).await;
        assert_eq!(read(&mut client).await.0, b'R', "it is asked for its password");
        let reloaded = rig.reload(&rig.text(part, by)).await.unwrap();
        assert_eq!(reloaded.ended, 0, "there is no session yet");
        assert_eq!(prove(&mut client, "pw").await, Answer::Admitted, "as the configuration of its arrival says");
        let ended = async {
            let (_, body) = read(&mut client).await;
            refused(&sqlstate(&body))
        };
        let answer = tokio::select! {
            biased;
            answer = ended => answer,
            () = rig.wait_until(|counts| counts.sessions == 1 && expected == Answer::Admitted) => Answer::Admitted,
        };
        assert_eq!(answer, expected, "{by}");
        rig.end().await;
    }
}

fn ops() -> Operator {
    Operator { name: "ops".to_owned(), from: None, channel: Channel::Console }
}

#[tokio::test]
async fn a_drained_proxy_stays_and_refuses_clients_until_it_is_shut_down() {
    let rig = Rig::start("prefer", "").await;
    let operations = rig.app.operations();
    let (mut waiting, admitted) = rig.log_in("pw").await;
    assert_eq!((admitted, operations.readiness()), (Answer::Admitted, Ok(())));
    operations.drain(ops()).await;
    assert_eq!(sqlstate(&read(&mut waiting).await.1), "57P03", "a login under way");
    assert!(operations.readiness().unwrap_err().contains("drain"));
    let progress = operations.drain_progress();
    assert_eq!((progress.state, progress.sessions, progress.busy), (DrainState::Drained, 0, 0));
    assert_eq!(rig.log_in("pw").await.1, refused("57P03"));
    assert!(operations.drain(ops()).now_or_never().is_some(), "there is nothing to wait for");
    operations.shutdown(ops()).await;
    rig.app.over().await;
    assert!(TcpStream::connect(rig.app.addresses()[0]).await.is_err());
    assert_eq!(rig.app.counts(), Counts::default());
}

#[tokio::test]
async fn a_drain_goes_on_without_who_asked_and_serves_clients_for_its_delay() {
    let rig = Rig::start("prefer", "drain_delay = \"1h\"").await;
    let operations = rig.app.operations();
    drop(operations.drain(ops()));
    assert!(operations.readiness().unwrap_err().contains("draining"));
    let (_client, admitted) = rig.log_in("pw").await;
    assert_eq!(admitted, Answer::Admitted);
    let progress = operations.drain_progress();
    assert_eq!((progress.state, progress.sessions, progress.busy), (DrainState::Delaying, 1, 0));
    // The delay, and drain_timeout after it.
    assert!(
        progress
            .left
            .is_some_and(|left| left > Duration::from_secs(3600)),
        "{progress:?}"
    );
    assert!(operations.drain(ops()).now_or_never().is_none());
    rig.end().await;
}

#[tokio::test]
async fn a_killed_login_is_told_57p01() {
    let rig = Rig::start("prefer", "").await;
    let operations = rig.app.operations();
    let (mut client, _) = rig.log_in("pw").await;
    let which = Which::User("ann".to_owned());
    assert_eq!((operations.kill(ops(), &which), operations.kill(ops(), &which)), (1, 0));
    assert_eq!(sqlstate(&read(&mut client).await.1), "57P01");
    let actions = operations.actions();
    assert_eq!((&*actions[1].action, &*actions[1].outcome), ("KILL USER \"ann\"", "1 ended"));
    rig.end().await;
}
