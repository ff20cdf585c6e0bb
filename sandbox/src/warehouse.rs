//! Redshift's login dialogue over TLS, in front of a real PostgreSQL.
//!
//! A client meets what Redshift shows: its startup rules, its kinds of authentication, its
//! parameter statuses, its errors. After that it talks to PostgreSQL, as the very user it logged in
//! as, so queries, COPY and cancel requests are real. Who may log in is the book's ([`Logins`]) to
//! say. This module owns the listener and the orders that tests give; what happens on a connection
//! begins in `session`.

mod auth;
mod backend;
mod dialect;
mod greeting;
mod orders;
mod refusal;
mod relay;
mod rules;
mod session;
mod tally;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use self::auth::Authentication;
use self::orders::Orders;
use self::refusal::Refusal;
use self::session::Shared;
pub use self::tally::Cancel;
use self::tally::Tally;
use crate::ca::{Ca, Leaf};
pub use crate::error::StartError;
use crate::logins::Logins;
use crate::postgres::Postgres;

/// How long the listener rests when the system has no connection to give it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address and names of a warehouse.
#[derive(Clone, Debug)]
pub struct WarehouseOptions {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// DNS names and IP addresses in its certificate, for example
    /// `analytics.123456789012.eu-west-1.redshift-serverless.amazonaws.com`.
    pub names: Vec<String>,
    /// How statements reach PostgreSQL.
    pub statements: Statements,
}

/// How clients' statements reach PostgreSQL.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Statements {
    /// Statements reach PostgreSQL as the client sent them; the sandbox does not read them.
    #[default]
    Untouched,
    /// With what only Redshift knows (`varchar(max)`, `SHOW TABLES FROM SCHEMA`, columns of its
    /// catalog) in PostgreSQL's words.
    Redshift,
}

impl Default for WarehouseOptions {
    /// 127.0.0.1, any port, as `localhost` and `127.0.0.1`; statements untouched.
    fn default() -> Self {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned).to_vec();
        Self { listen: (Ipv4Addr::LOCALHOST, 0).into(), names, statements: Statements::default() }
    }
}

/// A listening warehouse. Dropping it ends it and all its sessions.
///
/// Orders hold from the next connection on. Those with a count are carried out once each by so many
/// logins: resets first, then errors, then refusals; giving such an order again replaces what is
/// left of it.
pub struct Warehouse {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Owns the sessions' tasks: they end with it.
    listener: JoinHandle<()>,
    _postgres: Arc<Postgres>,
}

impl Warehouse {
    /// Listens at once.
    ///
    /// # Errors
    /// When the address cannot be had, or a name cannot stand in a certificate.
    pub async fn start(
        options: WarehouseOptions,
        postgres: Arc<Postgres>,
        ca: &Ca,
        logins: Arc<Logins>,
    ) -> Result<Self, StartError> {
        let names: Vec<&str> = options.names.iter().map(String::as_str).collect();
        let acceptor = tls::acceptor(&ca.try_issue(&names)?)?;
        let unusable = |source| StartError::Listen { address: options.listen, source };
        if !options.listen.ip().is_loopback() {
            return Err(unusable(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a loopback address")));
        }
        let listener = TcpListener::bind(options.listen).await.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let shared = Arc::new(Shared {
            postgres: Arc::downgrade(&postgres),
            socket: postgres.socket(),
            logins,
            statements: options.statements,
            orders: Mutex::new(Orders::new(acceptor)),
            tally: Tally::new(),
            awake: watch::Sender::new(true),
            hang_up: watch::Sender::new(()),
        });
        let listener = tokio::spawn(listen(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, listener, _postgres: postgres })
    }

    /// The address that it listens at, with the true port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How passwords are asked for; cleartext unless told otherwise.
    pub fn ask(&self, authentication: Authentication) {
        self.shared.orders().authentication = authentication;
    }

    /// Each login waits so long between its startup message and the authentication request.
    pub fn slow_wake(&self, delay: Duration) {
        self.shared.orders().wake_delay = delay;
    }

    /// Logins wait before the authentication request, and cancel requests are not dealt with, until
    /// [`Warehouse::wake`].
    pub fn sleep_until_woken(&self) {
        self.shared.awake.send_replace(false);
    }

    /// Ends [`Warehouse::sleep_until_woken`], for those that wait as well.
    pub fn wake(&self) {
        self.shared.awake.send_replace(true);
    }

    /// The next `count` logins get a TCP reset in answer to their startup message.
    pub fn reset_logins(&self, count: usize) {
        self.shared.orders().resets = count;
    }

    /// The next `count` logins are refused (28000) whatever their password.
    pub fn refuse_logins(&self, count: usize) {
        self.shared.orders().refusals = count;
    }

    /// The next `count` logins get this FATAL error instead of an authentication request.
    pub fn login_error(&self, count: usize, sqlstate: &str, message: &str) {
        self.shared.orders().errors = Some((count, Refusal::new(sqlstate, message)));
    }

    /// Another certificate from now on: of a strange CA, for another name, …
    ///
    /// # Panics
    /// When it is no certificate, or the key is not its key.
    #[expect(clippy::expect_used, reason = "a leaf of Ca::issue is a pair; anything else is the test's mistake")]
    #[expect(clippy::needless_pass_by_value, reason = "issued for this call, and of no use after it")]
    pub fn present(&self, leaf: Leaf) {
        self.shared.orders().acceptor = tls::acceptor(&leaf).expect("a certificate and its key");
    }

    /// Sends these bytes in clear right behind the `S` that answers an SSLRequest (CVE-2021-23222),
    /// until told `None`.
    pub fn forge_behind_ssl(&self, bytes: Option<Vec<u8>>) {
        self.shared.orders().forged = bytes;
    }

    /// Answers SSLRequests with `N`.
    pub fn refuse_tls(&self, yes: bool) {
        self.shared.orders().refuse_tls = yes;
    }

    /// TCP connections accepted so far, without those that turned out to be cancel requests.
    #[must_use]
    pub fn dials(&self) -> usize {
        self.shared.tally.dials()
    }

    /// Logins completed so far; counted just before ReadyForQuery is sent.
    #[must_use]
    pub fn logins(&self) -> usize {
        self.shared.tally.logins()
    }

    /// Answers to authentication requests so far, right or wrong; one SCRAM exchange has two.
    #[must_use]
    pub fn passwords_seen(&self) -> usize {
        self.shared.tally.answers()
    }

    /// The parameters of every startup message that came inside TLS, as received.
    #[must_use]
    pub fn startups(&self) -> Vec<Vec<(String, String)>> {
        self.shared.tally.startups()
    }

    /// The cancel requests so far, each noted just before PostgreSQL gets it.
    #[must_use]
    pub fn cancels(&self) -> Vec<Cancel> {
        self.shared.tally.cancels()
    }

    /// Resolves once [`Warehouse::dials`] has reached `count`.
    pub async fn wait_for_dials(&self, count: usize) {
        self.shared.tally.wait_for_dials(count).await;
    }

    /// Resolves once there have been `count` [`Warehouse::cancels`].
    pub async fn wait_for_cancels(&self, count: usize) {
        self.shared.tally.wait_for_cancels(count).await;
    }

    /// Drops the TCP connection of every session that has logged in, without a word, as maintenance
    /// does.
    pub fn close_sessions(&self) {
        self.shared.hang_up.send_replace(());
    }
}

impl Drop for Warehouse {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    shared.tally.dialled();
                    // Small messages go both ways; a failure costs milliseconds only.
                    let _ = socket.set_nodelay(true);
                    let session = Arc::clone(&shared).serve(socket, peer);
                    sessions.spawn(async move {
                        if let Err(error) = session.await {
                            tracing::debug!(%peer, %error, "connection ended");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_ended) = sessions.join_next() => {}
        }
    }
}
