//! Two hundred reloads under the load of fifty clients: nobody notices but those who lost their
//! right, and the process is as large as before.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::admin::metric;
use crate::support::console::Console;
use crate::support::operated::Operated;
use crate::support::pgbench::Load;
use crate::support::raw::{self, SOON, Stream};
use crate::support::rewrite::{Mounted, atomically, first_half, half};
use crate::support::session::{self, Session, TERMINATED};
use crate::support::{PASSWORD, Setup, USER, connection, verifier};

const CLIENTS: usize = 50;

/// Reloads in all, and after how many of them the load has to have run once more.
const RELOADS: usize = 200;
const BETWEEN_RUNS: usize = 25;

/// Reloads and runs before memory is first looked at: what is allocated once is there then.
const WARM_UP: usize = 30;

/// How much more memory there may be in the end, in KiB. A configuration that each reload left
/// behind would be more.
const SLACK_KIB: u64 = 6 * 1024;

/// The files of a volume.
const FILES: [&str; 3] = ["proxy.toml", "server.crt", "server.key"];

/// A session ends this soon after its right.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The user whose right to `sales` comes and goes.
const COMER: &str = "comer";

/// What is put before a reload, and what has to come of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Change {
    /// A cap and a description differ.
    Settings,
    /// There is another connection, or it is gone again.
    Connection,
    /// Nothing differs.
    Nothing,
    /// A key that is unknown, and a value of the wrong type.
    Faults,
    /// The file is half written.
    Half,
    /// There is no file.
    Missing,
    /// The new certificate is there, and its key is not yet.
    CertificateFirst,
    /// Then the key comes.
    Key,
    /// A user may no longer open what it has open.
    RightTaken,
    /// The user may again.
    RightGiven,
}

use Change::{CertificateFirst, Connection, Faults, Half, Key, Missing, Nothing, RightGiven, RightTaken, Settings};

/// Of a good and a bad state each: the round of changes that is gone through again and again.
const ROUND: [Change; 10] =
    [Settings, Faults, Connection, Half, RightTaken, RightGiven, Missing, CertificateFirst, Key, Nothing];

impl Change {
    fn is_good(self) -> bool {
        !matches!(self, Faults | Half | Missing | CertificateFirst)
    }

    /// What whoever asked for the reload is told, of a bad one.
    fn told(self) -> &'static [&'static str] {
        match self {
            Faults => &["proxy.toml", "upstream.connect_timeot", "upstream.tls_timeout"],
            Half | Missing => &["proxy.toml"],
            CertificateFirst => &["listen.tls"],
            _ => &[],
        }
    }
}

/// The ways to ask for a reload.
#[derive(Clone, Copy, Debug)]
enum Way {
    Signal,
    Post,
    Console,
}

const WAYS: [Way; 3] = [Way::Signal, Way::Post, Way::Console];

/// Where the files are.
enum Place {
    /// Files of a folder, each rewritten alone.
    Folder,
    /// A volume, whose files are all swapped at once.
    Volume(Mounted),
}

struct Reloads {
    operated: Operated,
    console: Console,
    place: Place,
    /// The configuration at the start.
    first: String,
    /// The certificate and the key that belong together.
    pair: [String; 2],
    /// The certificate that clients are shown.
    shown: Vec<u8>,
    /// The sessions of the user whose right goes, and comes again.
    leaving: Vec<Session<Stream>>,
    /// Reloads that went well, and that were refused.
    counted: [usize; 2],
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_reloads_under_load_harm_nobody_but_those_who_lost_their_right() {
    let config = comer("[\"sales\"]");
    // Two lines a session would soon be most of what this process holds.
    let env = [("RUST_LOG", "info,redshift_iam_proxy::session=warn")];
    let operated = Operated::start_with(Setup { config, ..Setup::default() }, &env).await;
    let mut reloads = Reloads::new(operated).await;

    let load = reloads.load();
    for at in 0..WARM_UP {
        reloads.change(at).await;
    }
    load.runs(2).await;
    load.stop().await.unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(reloads.session(USER).await);
    }
    let (files, memory) = (reloads.operated.proxy.fds(), reloads.operated.proxy.rss_kib());

    let load = reloads.load();
    for at in 0..RELOADS {
        if at == RELOADS / 2 {
            reloads.mount();
        }
        reloads.change(at).await;
        if at % BETWEEN_RUNS == 0 {
            load.runs(1).await;
        }
    }
    let transactions = load
        .stop()
        .await
        .expect("no transaction and no login fails");
    assert!(transactions >= (RELOADS / BETWEEN_RUNS * CLIENTS) as u64, "{transactions}");
    for held in &mut held {
        assert_eq!(session::query(&mut held.stream, "select 'still here'").await, "still here");
    }
    reloads.operated.proxy.wait_for_fds(files).await;
    let after = reloads.operated.proxy.rss_kib();
    assert!(after <= memory + SLACK_KIB, "{memory} KiB before, {after} KiB after");
    assert_eq!(reloads.outcomes().await, reloads.counted, "each was counted");
    assert_eq!(reloads.counted, [(WARM_UP + RELOADS) * 6 / 10, (WARM_UP + RELOADS) * 4 / 10]);
}

impl Reloads {
    async fn new(operated: Operated) -> Self {
        let console = operated.console().await;
        let first = operated.text();
        let pair = ["server.crt", "server.key"]
            .map(|file| std::fs::read_to_string(operated.world.dir.path().join(file)).unwrap());
        let shown = raw::certificate(operated.proxy.port, operated.world.sandbox.ca.pem()).await;
        Self { operated, console, place: Place::Folder, first, pair, shown, leaving: Vec::new(), counted: [0; 2] }
    }

    fn load(&self) -> Load {
        Load::start(&self.operated.world, self.operated.proxy.port, "sales", CLIENTS)
    }

    /// Opens a session on `sales`.
    async fn session(&self, user: &str) -> Session<Stream> {
        let mut stream = raw::open(self.operated.proxy.port, Some(self.operated.world.sandbox.ca.pem())).await;
        let messages = self.log_in(&mut stream, user).await;
        assert_eq!(messages.last().unwrap().0, b'Z', "{messages:?}");
        Session { stream, key: (0, Vec::new()) }
    }

    async fn log_in(&self, stream: &mut Stream, user: &str) -> Vec<raw::Message> {
        session::log_in(stream, &raw::startup(0, &[("user", user), ("database", "sales")]), PASSWORD).await
    }

    /// From now on the files are those of a volume.
    fn mount(&mut self) {
        let folder = self.operated.world.dir.path();
        self.place = Place::Volume(Mounted::over(folder, &FILES));
    }

    /// Makes the next change of the round, asks for a reload in the next way, and looks at what
    /// has come of both.
    async fn change(&mut self, at: usize) {
        let change = ROUND[at % ROUND.len()];
        // All ways for all changes: their numbers have no divisor in common.
        let way = WAYS[at % WAYS.len()];
        self.prepare(change).await;
        self.write(change, at);
        let told = self.reload(way).await;
        let answered = Instant::now();
        let at = format!("{at}: {change:?} by {way:?}");
        self.counted[usize::from(!change.is_good())] += 1;
        match told {
            Ok(()) => assert!(change.is_good(), "{at}: was accepted"),
            Err(text) => {
                assert!(!change.is_good(), "{at}: {text}");
                for part in change.told() {
                    assert!(matches!(way, Way::Signal) || text.contains(part), "{at}: no {part} in {text}");
                }
            }
        }
        self.look(change, answered).await;
    }

    /// Opens what the change will end.
    async fn prepare(&mut self, change: Change) {
        if change == RightTaken {
            let (idle, mut open, mut busy) =
                (self.session(COMER).await, self.session(COMER).await, self.session(COMER).await);
            session::query(&mut open.stream, "begin; select 1").await;
            busy.query("select pg_sleep(60)").await;
            self.leaving = vec![idle, open, busy];
        }
    }

    /// Looks at what the change means to clients.
    async fn look(&mut self, change: Change, answered: Instant) {
        let (port, ca) = (self.operated.proxy.port, self.operated.world.sandbox.ca.pem());
        match change {
            RightTaken => {
                for mut session in std::mem::take(&mut self.leaving) {
                    session.assert_told(TERMINATED).await;
                }
                assert!(answered.elapsed() < AT_ONCE, "ended {:?} after the reload", answered.elapsed());
                let mut stream = raw::open(port, Some(ca)).await;
                let (tag, body) = self.log_in(&mut stream, COMER).await.pop().unwrap();
                assert_eq!((tag, &*raw::field(&body, b'C')), (b'E', "3D000"));
            }
            RightGiven => drop(self.session(COMER).await),
            CertificateFirst => assert_eq!(raw::certificate(port, ca).await, self.shown, "half of a pair"),
            Key => {
                let shown = raw::certificate(port, ca).await;
                assert_ne!(shown, self.shown, "the new certificate");
                self.shown = shown;
            }
            Settings | Connection | Nothing | Faults | Half | Missing => {}
        }
    }

    /// Writes the files as the change has them.
    fn write(&mut self, change: Change, at: usize) {
        let world = &self.operated.world;
        let sales = "[connections.sales]\n";
        let text = match change {
            Settings => self
                .first
                .replace(sales, &format!("{sales}description = \"{at}\"\nmax_sessions = {}\n", 1000 + at)),
            Connection => {
                let port = world.sandbox.warehouse.address().port().to_string();
                self.first.clone() + &connection(&format!("more-{at}"), &[]).replace("{port}", &port)
            }
            Faults => self
                .first
                .replace("[upstream]\n", "[upstream]\nconnect_timeot = \"1s\"\ntls_timeout = true\n"),
            RightTaken => self.first.replace(&comer("[\"sales\"]"), &comer("[]")),
            Half | Missing | CertificateFirst | Key | Nothing | RightGiven => self.first.clone(),
        };
        let old_key = self.pair[1].clone();
        if change == CertificateFirst {
            let leaf = world.sandbox.ca.issue(&["localhost", "127.0.0.1"]);
            self.pair = [leaf.cert_pem, leaf.key_pem];
        }
        let [certificate, key] = &self.pair;
        let key = if change == CertificateFirst { &old_key } else { key };
        let file = self.operated.file();
        match &mut self.place {
            Place::Folder => {
                let folder = world.dir.path();
                atomically(&folder.join("server.crt"), certificate);
                atomically(&folder.join("server.key"), key);
                match change {
                    Half => half(&file, &text),
                    Missing => std::fs::remove_file(&file).unwrap(),
                    _ => atomically(&file, &text),
                }
            }
            Place::Volume(volume) => {
                let text = if change == Half { first_half(&text) } else { &text };
                let all = [(FILES[0], text), (FILES[1], certificate.as_str()), (FILES[2], key.as_str())];
                volume.swap(if change == Missing { &all[1..] } else { &all });
            }
        }
    }

    /// Asks for a reload and waits until it is over: the faults, as far as this way tells them.
    async fn reload(&self, way: Way) -> Result<(), String> {
        match way {
            Way::Signal => {
                let before = self.outcomes().await;
                self.operated.proxy.signal("HUP").await;
                let counted = async {
                    loop {
                        let [ok, error] = self.outcomes().await;
                        if ok > before[0] {
                            return Ok(());
                        } else if error > before[1] {
                            return Err(String::new());
                        }
                    }
                };
                tokio::time::timeout(SOON, counted)
                    .await
                    .expect("a reload by SIGHUP")
            }
            Way::Post => {
                let reply = self.operated.admin.post("/reload").await;
                if reply.status == 200 { Ok(()) } else { Err(reply.body) }
            }
            Way::Console => match self.console.run("RELOAD").await {
                Ok(_) => Ok(()),
                Err(error) => {
                    let error = error.as_db_error().expect("an ErrorResponse");
                    Err(format!("{}\n{}", error.message(), error.detail().unwrap_or_default()))
                }
            },
        }
    }

    /// The reloads that went well and those that were refused, by the metrics.
    async fn outcomes(&self) -> [usize; 2] {
        let scrape = self.operated.admin.get("/metrics").await;
        ["ok", "error"].map(|outcome| {
            let series = format!("redshift_iam_proxy_config_reloads_total{{outcome=\"{outcome}\"}}");
            let value = metric(&scrape.body, &series).unwrap_or_else(|| panic!("no {series}:\n{}", scrape.body));
            format!("{value}").parse().unwrap()
        })
    }
}

/// The entry of the user whose right goes and comes.
fn comer(connections: &str) -> String {
    format!("[users.{COMER}]\npassword = \"{}\"\nconnections = {connections}\n", verifier())
}
