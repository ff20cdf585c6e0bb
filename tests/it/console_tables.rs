//! The console's tables and actions by the real binary: each table has the figures of what was done
//! before, and each action does what it says.

use std::collections::BTreeSet;

use redshift_sandbox::aws::{Fault, Times};
use tokio::io::AsyncWriteExt;
use tokio_postgres::Client;

use crate::support::console::{Console, Row, psql};
use crate::support::process::Proxy;
use crate::support::secrets::Secrets;
use crate::support::{
    PASSWORD, Setup, USER, World, assert_refused, connection, hostile, login_over, raw, refusal, verifier,
};

/// A running proxy, and the console of its operator.
struct Operated {
    world: World,
    proxy: Proxy,
    console: Console,
}

impl Operated {
    async fn with(config: &str) -> Self {
        let mut all = "[log]\nformat = \"json\"\n[admin]\nusers = [\"ops\"]\nstats_users = [\"monitor\"]\n".to_owned();
        for user in ["ops", "monitor"] {
            all += &format!("[users.{user}]\npassword = \"{}\"\nconnections = []\n", verifier());
        }
        let world = World::start(&Setup { config: format!("{all}{config}"), ..Setup::default() }).await;
        let proxy = Proxy::start(&world, &[]).await;
        let console = Console::open(&world, proxy.port, "ops").await.unwrap();
        Self { world, proxy, console }
    }

    async fn log_in(&self, user: &str, password: &str, conn_id: &str) -> Result<Client, tokio_postgres::Error> {
        let stream = raw::tls(self.proxy.port, self.world.sandbox.ca.pem()).await;
        login_over(stream, user, password, conn_id).await
    }

    async fn session(&self, conn_id: &str) -> Client {
        self.log_in(USER, PASSWORD, conn_id).await.unwrap()
    }

    async fn rows(&self, command: &str) -> Vec<Row> {
        let rows = self.console.run(command).await;
        rows.unwrap_or_else(|error| panic!("{command}: {error:?}"))
    }

    /// The row of which this column has this value.
    async fn row(&self, command: &str, column: &str, value: &str) -> Row {
        let rows = self.rows(command).await;
        let found = rows.iter().find(|row| text(row, column) == value);
        found
            .unwrap_or_else(|| panic!("{command}: no {column} {value} in {rows:?}"))
            .clone()
    }
}

/// The value of a column; empty if it is null.
#[track_caller]
fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    let value = row
        .get(column)
        .unwrap_or_else(|| panic!("no column {column}: {row:?}"));
    value.as_deref().unwrap_or_default()
}

/// The session's id at the end of a message.
fn id(message: &str) -> &str {
    let (_, id) = message.rsplit_once("(session ").unwrap();
    id.trim_end().trim_end_matches(')')
}

#[tokio::test]
async fn each_table_has_the_figures_of_what_was_done() {
    let operated = Operated::with(&connection("other", &[])).await;
    let (idle, busy) = (operated.session("sales").await, operated.session("sales").await);
    idle.simple_query("select 1").await.unwrap();
    busy.simple_query("begin").await.unwrap();
    let wrong = operated
        .log_in("nobody", "wrong", "sales")
        .await
        .err()
        .unwrap();
    assert_eq!(refusal(&wrong).0, "28P01");

    let mut sessions = operated.rows("SHOW SESSIONS").await;
    // The one that was refused may still be on its way out.
    sessions.retain(|row| text(row, "state") != "login");
    let states: Vec<_> = sessions
        .iter()
        .map(|row| (text(row, "state"), text(row, "user"), text(row, "conn_id")))
        .collect();
    assert_eq!(states[0].0, "console");
    assert_eq!(states[1..], [("idle", USER, "sales"), ("transaction", USER, "sales")]);
    let of_idle = &sessions[1];
    assert_eq!((text(of_idle, "client_addr"), text(of_idle, "db_user")), ("127.0.0.1", "IAMR:rs01"));
    assert!(text(of_idle, "tls").contains("TLS") && text(of_idle, "ready") >= text(of_idle, "connected"));
    assert!(text(of_idle, "bytes_up").parse::<u64>().unwrap() > 0);

    // The two sides of one session are joined as PgBouncer's are.
    let clients = operated.rows("SHOW CLIENTS").await;
    let servers = operated.rows("SHOW SERVERS").await;
    let links: BTreeSet<_> = servers.iter().map(|row| text(row, "link")).collect();
    assert_eq!(links.len(), 2);
    let linked = clients
        .iter()
        .filter(|row| links.contains(text(row, "ptr")));
    assert!(
        linked
            .clone()
            .all(|row| text(row, "type") == "C" && text(row, "state") == "active")
    );
    assert_eq!(linked.count(), 2);
    assert!(
        servers
            .iter()
            .all(|row| text(row, "type") == "S" && text(row, "user") == "IAMR:rs01")
    );
    assert_eq!(text(&servers[0], "remote_pid"), text(&sessions[1], "upstream_pid"));
    assert!(text(&servers[0], "tls").starts_with("TLSv1.") && text(&servers[0], "local_addr") == "127.0.0.1");
    assert_ne!(text(&servers[0], "local_port"), text(&servers[0], "port"));
    let times = (text(of_idle, "connected"), text(&servers[0], "connect_time"), text(of_idle, "ready"));
    assert!(times.0 <= times.1 && times.1 <= times.2, "{times:?}");

    let sales = operated.row("SHOW CONNECTIONS", "conn_id", "sales").await;
    assert_eq!((text(&sales, "sessions"), text(&sales, "enabled"), text(&sales, "origin")), ("2", "t", "file"));
    assert!(!text(&sales, "last_login").is_empty() && text(&sales, "last_error").is_empty());
    let other = operated.row("SHOW CONNECTIONS", "conn_id", "other").await;
    assert_eq!((text(&other, "sessions"), text(&other, "last_login")), ("0", ""));
    let demo = operated.row("SHOW USERS", "name", USER).await;
    assert_eq!((text(&demo, "sessions"), text(&demo, "password_read")), ("2", "t"));

    let login = operated
        .row("SHOW CREDENTIALS", "source", "serverless")
        .await;
    assert_eq!((text(&login, "name"), text(&login, "user"), text(&login, "held")), ("analytics", "IAMR:rs01", "t"));
    assert_eq!(
        (text(&login, "conn_ids"), text(&login, "role")),
        ("sales", "arn:aws:iam::123456789012:role/rs01"),
        "other was never opened"
    );
    assert!(!text(&login, "expires").is_empty() && text(&login, "in_flight") == "f");
    let role = operated.row("SHOW CREDENTIALS", "source", "role").await;
    assert_eq!(text(&role, "name"), "arn:aws:iam::123456789012:role/rs01");
    assert_eq!((text(&role, "conn_ids"), text(&role, "role")), ("other, sales", ""));

    let cap = operated.row("SHOW LIMITS", "name", "max_sessions").await;
    assert_eq!(text(&cap, "used"), "2");
    let files = operated.row("SHOW LIMITS", "name", "open_files").await;
    let used: u64 = text(&files, "used").parse().unwrap();
    assert!(used.abs_diff(operated.proxy.fds() as u64) <= 3, "{files:?}");
    let listener = operated.row("SHOW LISTENERS", "serves", "clients").await;
    let port = operated.proxy.port.to_string();
    assert_eq!((text(&listener, "port"), text(&listener, "connections")), (&*port, "3"));
    let setting = operated
        .row("SHOW CONFIG", "key", "limits.startup_timeout")
        .await;
    assert_eq!(
        (text(&setting, "value"), text(&setting, "default"), text(&setting, "changeable")),
        ("15s", "15s", "yes")
    );
    let bound = operated.row("SHOW CONFIG", "key", "listen.address").await;
    assert_eq!(text(&bound, "changeable"), "no");
    let certificate = operated.row("SHOW CERTIFICATES", "which", "listener").await;
    assert!(text(&certificate, "days_left").parse::<f64>().unwrap() > 0.0);
    let reference = operated.row("SHOW REFERENCES", "key", "listen.tls").await;
    assert!(text(&reference, "reference").contains("server.crt"), "{reference:?}");
    assert_eq!((text(&reference, "errors"), text(&reference, "last_error")), ("0", ""));
    assert!(text(&operated.rows("SHOW VERSION").await[0], "version").starts_with("redshift-iam-proxy "));
    assert_eq!(text(&operated.rows("SHOW FLEET").await[0], "state"), "alone");
    assert_eq!(text(&operated.rows("SHOW DRAIN").await[0], "state"), "serving");
    assert!(operated.rows("SHOW BANS").await.is_empty());
    let error = operated.row("SHOW ERRORS", "sqlstate", "28P01").await;
    assert!(text(&error, "user").starts_with("unknown-"), "people type passwords there: {error:?}");

    let mut secrets = Secrets::default();
    secrets.add("external id", "sandbox-external-id-5f0c");
    secrets.add("secret key", &operated.world.keys.1);
    for login in operated.world.sandbox.logins.valid("IAMR:rs01") {
        secrets.add("database password", &login.password);
    }
    let (_, keys) = verifier()
        .rsplit_once('$')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    secrets.add("verifier", keys);
    for help in operated.rows("SHOW HELP").await {
        let command = text(&help, "command");
        if command.starts_with("SHOW ") && !command.contains('[') {
            secrets.assert_absent(command, &operated.console.all(command).await);
        }
    }
    drop((idle, busy));
}

#[tokio::test]
async fn a_disabled_connection_refuses_new_logins_until_it_is_enabled() {
    let operated = Operated::with("").await;
    let before = operated.session("sales").await;
    operated.rows("DISABLE sales").await;
    let error = operated
        .log_in(USER, PASSWORD, "sales")
        .await
        .err()
        .unwrap();
    assert_refused(&error, "57P03", "connection \"sales\" is disabled", None);
    before.simple_query("select 1").await.unwrap();
    let shown = operated.row("SHOW CONNECTIONS", "conn_id", "sales").await;
    assert_eq!((text(&shown, "enabled"), text(&shown, "disabled_by_operator")), ("t", "t"));
    operated.rows("ENABLE sales").await;
    operated.session("sales").await;
    let error = operated.console.run("DISABLE nosuch").await.unwrap_err();
    assert_eq!(refusal(&error), ("42704".to_owned(), "connection \"nosuch\" does not exist".to_owned()));
    let actions: Vec<_> = operated
        .rows("SHOW ACTIONS")
        .await
        .iter()
        .map(|row| (text(row, "action").to_owned(), text(row, "outcome").to_owned(), text(row, "by").to_owned()))
        .collect();
    let want =
        [("DISABLE nosuch", "connection \"nosuch\" does not exist"), ("ENABLE sales", "ok"), ("DISABLE sales", "ok")];
    assert_eq!(actions, want.map(|(action, outcome)| (action.to_owned(), outcome.to_owned(), "ops".to_owned())));
}

/// The login is let in, and waits for its warehouse when the connection is disabled.
#[tokio::test]
async fn a_login_that_waits_is_refused_when_its_connection_is_disabled() {
    let operated = Operated::with("").await;
    let warehouse = &operated.world.sandbox.warehouse;
    warehouse.sleep_until_woken();
    let (refused, ()) = tokio::join!(operated.log_in(USER, PASSWORD, "sales"), async {
        warehouse.wait_for_dials(1).await;
        operated.rows("DISABLE sales").await;
        warehouse.wake();
    });
    assert_refused(&refused.err().unwrap(), "57P03", "connection \"sales\" is disabled", None);
}

#[tokio::test]
async fn refreshed_credentials_are_fetched_at_the_next_login() {
    let operated = Operated::with("").await;
    let aws = &operated.world.sandbox.aws;
    let calls = || (aws.calls("AssumeRole"), aws.calls("GetCredentials"));
    drop((operated.session("sales").await, operated.session("sales").await));
    assert_eq!(calls(), (1, 1));
    let held = operated.rows("SHOW CREDENTIALS").await;
    operated.rows("REFRESH sales").await;
    let gone = held.len() - operated.rows("SHOW CREDENTIALS").await.len();
    assert_eq!(gone, 3, "an external id, a role session, a login: {held:?}");
    operated.session("sales").await;
    assert_eq!(calls(), (2, 2));
    let action = operated
        .row("SHOW ACTIONS", "action", "REFRESH sales")
        .await;
    assert_eq!(text(&action, "outcome"), "3 forgotten");
    assert_eq!(refusal(&operated.console.run("REFRESH nosuch").await.unwrap_err()).0, "42704");
}

/// What is on its way at a REFRESH was asked for with what the operator wants to be rid of.
#[tokio::test]
async fn a_login_that_is_on_its_way_is_not_kept_after_a_refresh() {
    let operated = Operated::with("").await;
    let aws = &operated.world.sandbox.aws;
    aws.fault("GetCredentials", Fault::Hang, Times::Always);
    let (session, ()) = tokio::join!(operated.session("sales"), async {
        aws.wait_for_calls("GetCredentials", 1).await;
        operated.rows("REFRESH sales").await;
        aws.clear_faults();
    });
    operated.session("sales").await;
    assert_eq!((aws.calls("AssumeRole"), aws.calls("GetCredentials")), (2, 2));
    drop(session);
}

#[tokio::test]
async fn a_ban_is_shown_and_lifted() {
    let operated = Operated::with("[limits]\nban_after = 2\n").await;
    for _ in 0..2 {
        let error = operated.log_in(USER, "wrong", "sales").await.err().unwrap();
        assert_eq!(refusal(&error).0, "28P01");
    }
    let error = operated
        .log_in(USER, PASSWORD, "sales")
        .await
        .err()
        .unwrap();
    assert_eq!(refusal(&error).0, "28000");
    let ban = operated.row("SHOW BANS", "user", USER).await;
    assert_eq!(text(&ban, "address"), "127.0.0.1");
    assert!(text(&ban, "seconds_left").parse::<f64>().unwrap() > 0.0);
    operated.rows("UNBAN 127.0.0.1").await;
    assert!(operated.rows("SHOW BANS").await.is_empty());
    operated.session("sales").await;
}

#[tokio::test]
async fn check_proves_the_steps_and_names_the_first_that_fails() {
    let broken = connection("broken", &[("workgroup", "\"nosuch\"")]);
    let operated = Operated::with(&broken).await;
    let steps = operated.rows("CHECK sales").await;
    assert!(steps.iter().all(|step| text(step, "ok") == "t"), "{steps:?}");
    let names: Vec<_> = steps.iter().map(|step| text(step, "step")).collect();
    assert_eq!((names[0], names.last().unwrap()), ("config", &"login dev"));
    let calls = |stats: &[Row]| -> u64 { text(&stats[0], "aws_calls").parse().unwrap() };
    let before = calls(&operated.rows("SHOW STATS").await);
    operated.rows("CHECK sales").await;
    assert!(calls(&operated.rows("SHOW STATS").await) > before, "its calls to AWS are counted");
    let steps = operated.rows("CHECK broken").await;
    let failed = steps.last().unwrap();
    assert_eq!(text(failed, "ok"), "f");
    assert!(
        text(failed, "step").starts_with("GetCredentials") && text(failed, "detail").contains("Fix: "),
        "{failed:?}"
    );
    assert_eq!(refusal(&operated.console.run("CHECK nosuch").await.unwrap_err()).0, "42704");
    let outcomes: Vec<_> = operated
        .rows("SHOW ACTIONS")
        .await
        .iter()
        .map(|row| text(row, "outcome").to_owned())
        .collect();
    assert_eq!(outcomes[2..4], ["ok", "ok"]);
    assert!(outcomes[1].starts_with("failed at GetCredentials"), "{outcomes:?}");
    assert!(
        !operated
            .console
            .all("CHECK sales")
            .await
            .contains("sandbox-external-id")
    );
}

#[tokio::test]
async fn the_level_of_the_log_is_set_until_the_next_reload() {
    let mut operated = Operated::with("").await;
    assert_eq!(text(&operated.row("SHOW CONFIG", "key", "log.level").await, "value"), "info");
    operated.rows("SET log_level = debug").await;
    let level = operated.row("SHOW CONFIG", "key", "log.level").await;
    assert_eq!((text(&level, "value"), text(&level, "in_file")), ("debug", "info"));
    assert_eq!(text(&operated.rows("SHOW log_level").await[0], "log_level"), "debug");
    operated.session("sales").await;
    operated.proxy.wait_for_log("\"level\":\"DEBUG\"").await;
    let line = operated.proxy.wait_for_log("SET log_level = debug").await;
    assert!(line.contains("admin action"), "{line}");
}

/// Review of issue 13: whoever set the level to `error` left no trace of what was done next.
#[tokio::test]
async fn what_operators_do_is_logged_at_every_level() {
    let mut operated = Operated::with("").await;
    operated.rows("SET log_level = error").await;
    operated.rows("UNBAN 10.1.2.3").await;
    operated.rows("KILL USER nobody").await;
    let file = operated.world.dir.path().join("proxy.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    crate::support::rewrite::atomically(&file, &format!("{text}# other\n"));
    operated.rows("RELOAD").await;
    operated.rows("SET log_level = error").await;
    operated.rows("KILL USER last").await;
    operated.proxy.wait_for_log("KILL USER \\\"last").await;
    let log = operated.proxy.log();
    for action in
        ["SET log_level = error", "UNBAN 10.1.2.3", "KILL USER \\\"nobody", "\"RELOAD\"", "\"config changed\""]
    {
        assert!(log.contains(action), "{action}: {log}");
    }
}

/// A user reads out the end of a message: the operator finds the whole cause by it.
#[tokio::test]
async fn an_error_is_found_by_the_id_that_psql_shows() {
    let denied = connection("denied", &[("workgroup", "\"nosuch\"")]);
    let operated = Operated::with(&denied).await;
    let told = operated
        .world
        .psql(operated.proxy.port)
        .args(["-d", "denied", "-c", "select 1"])
        .output()
        .await
        .unwrap();
    let told = String::from_utf8(told.stderr).unwrap();
    let line = told
        .lines()
        .find(|line| line.contains("(session "))
        .unwrap();
    let found = operated.rows(&format!("SHOW ERRORS {}", id(line))).await;
    let [error] = &found[..] else { panic!("{told}: {found:?}") };
    assert_eq!((text(error, "user"), text(error, "conn_id"), text(error, "sqlstate")), (USER, "denied", "08004"));
    assert!(text(error, "cause").contains("GetCredentials"), "{error:?}");
    assert!(operated.rows("SHOW ERRORS nosuchid0000").await.is_empty());
    let shown = operated.row("SHOW CONNECTIONS", "conn_id", "denied").await;
    assert!(text(&shown, "last_error").starts_with("no credential: "), "{shown:?}");
    assert!(text(&shown, "last_error").contains("GetCredentials") && !text(&shown, "last_error_at").is_empty());
}

/// Whoever looks for the reason of a client that times out is told how far it came, and by which
/// limit.
#[tokio::test]
async fn clients_that_time_out_are_shown_with_how_far_they_came() {
    let operated = Operated::with("[limits]\nstartup_timeout = \"3s\"\n").await;
    let port = operated.proxy.port;
    let ca = operated.world.sandbox.ca.pem();
    let (mut silent, mut secured, mut asked) =
        (raw::tcp(port).await, raw::tls(port, ca).await, raw::tls(port, ca).await);
    asked.write_all(&hostile::demo()).await.unwrap();
    raw::until_closed(&mut silent).await;
    raw::until_closed(&mut secured).await;
    raw::until_closed(&mut asked).await;
    let mut causes: Vec<_> = operated
        .rows("SHOW ERRORS")
        .await
        .iter()
        .map(|row| text(row, "cause").to_owned())
        .collect();
    causes.sort();
    let stalled = [
        "TLS was there, and no startup message had come",
        "the TLS handshake, or the startup message in clear, was not there or not whole",
        "the client had not proved who it is",
    ];
    assert_eq!(causes, stalled.map(|stalled| format!("not logged in within limits.startup_timeout: {stalled}")));
}

/// What a client says of itself is harmless on the operator's terminal.
#[tokio::test]
async fn terminal_escapes_of_clients_are_spelled_out() {
    let operated = Operated::with("").await;
    let stream = raw::tls(operated.proxy.port, operated.world.sandbox.ca.pem()).await;
    let mut config = tokio_postgres::Config::new();
    config
        .user(USER)
        .password(PASSWORD)
        .dbname("sales")
        .application_name("\u{1b}[2Jx\u{202e}y\n'")
        .ssl_mode(tokio_postgres::config::SslMode::Disable);
    let (client, connection) = config
        .connect_raw(stream, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    for table in ["SESSIONS", "CLIENTS", "SERVERS"] {
        let command = format!("SHOW {table}");
        let shown = psql(&operated.world, operated.proxy.port, "ops")
            .args(["-At", "-c", &command])
            .output()
            .await
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains("\\u{1b}[2Jx\\u{202e}y"), "{table}: {shown}");
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{table}: {shown}");
    }
    drop(client);
}

/// What psql prints of a command, with its notices and errors.
async fn said(operated: &Operated, command: &str) -> String {
    let mut psql = psql(&operated.world, operated.proxy.port, "ops");
    let output = psql
        .args(["-v", "QUIET=off", "-c", command])
        .output()
        .await
        .unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[tokio::test]
async fn a_reload_keeps_what_is_disabled_and_tells_what_waits_and_what_is_wrong() {
    let mut operated = Operated::with("").await;
    operated.rows("DISABLE sales").await;
    operated.rows("SET log_level = debug").await;
    operated
        .world
        .edit("[listen]\naddress = \"127.0.0.1:0\"", "[listen]\naddress = \"127.0.0.1:1\"");
    let told = said(&operated, "RELOAD").await;
    assert!(
        told.contains("NOTICE:  listen.address stays 127.0.0.1:0 until a restart: the file has 127.0.0.1:1"),
        "{told}"
    );
    assert!(told.contains("\nRELOAD\n") || told.starts_with("RELOAD\n"), "{told}");
    let bound = operated.row("SHOW CONFIG", "key", "listen.address").await;
    assert_eq!((text(&bound, "value"), text(&bound, "at_restart")), ("127.0.0.1:0", "127.0.0.1:1"));
    assert_eq!(text(&operated.row("SHOW CONFIG", "key", "log.level").await, "value"), "info");
    let error = operated
        .log_in(USER, PASSWORD, "sales")
        .await
        .err()
        .unwrap();
    assert_refused(&error, "57P03", "connection \"sales\" is disabled", None);

    operated
        .world
        .edit("[admin]\n", "[admin]\nnosuch = 1\nwatch = 2\n");
    let told = said(&operated, "RELOAD").await;
    let (error, detail) = told
        .split_once("\nDETAIL:  ")
        .unwrap_or_else(|| panic!("{told}"));
    assert_eq!(error, "ERROR:  the configuration is not usable, and nothing has changed");
    assert_eq!(detail.trim_end().lines().count(), 2, "{detail}");
    for key in ["nosuch", "watch"] {
        assert!(
            detail
                .lines()
                .any(|line| line.contains(&format!("admin.{key}"))),
            "{key}: {detail}"
        );
    }
}

#[tokio::test]
async fn kills_and_drains_are_answered_at_once_and_shown() {
    let mut operated = Operated::with("").await;
    let sessions = (operated.session("sales").await, operated.session("sales").await);
    assert_eq!(said(&operated, "KILL CONNECTION sales").await, "KILL 2\n");
    let told = said(&operated, "KILL USER nobody").await;
    assert!(told.contains("KILL 0\n") && told.contains("NOTICE:  there is no user \"nobody\""), "{told}");
    let told = said(&operated, "SHOW ERRORS (session NOSUCHID0000)").await;
    assert!(told.contains("NOTICE:  session nosuchid0000 is not among"), "{told}");
    assert!(sessions.0.simple_query("select 1").await.is_err() && sessions.1.simple_query("select 1").await.is_err());
    let killed = operated.row("SHOW ERRORS", "sqlstate", "57P01").await;
    assert_eq!((text(&killed, "user"), text(&killed, "cause")), (USER, "an operator ended the session"));

    let busy = operated.session("sales").await;
    busy.simple_query("begin").await.unwrap();
    let told = said(&operated, "DRAIN").await;
    assert!(told.contains("DRAIN\n") && told.contains("NOTICE:  the drain has begun"), "{told}");
    let drain = operated.rows("SHOW DRAIN").await;
    assert!(["draining", "delaying"].contains(&text(&drain[0], "state")), "{drain:?}");
    assert_eq!(text(&drain[0], "sessions"), "1");
    busy.simple_query("commit").await.unwrap();
    let told = said(&operated, "SHUTDOWN").await;
    assert!(told.contains("SHUTDOWN\n"), "{told}");
    assert_eq!(operated.proxy.exit_code().await, Some(0));
}
