//! A real PostgreSQL in a temporary folder.
//!
//! Two doors: a Unix socket where everybody is trusted (for the [`crate::warehouse`] in front of
//! it), and TCP on 127.0.0.1 with TLS and SCRAM-SHA-256, for clients that want plain PostgreSQL.
//! Nothing in it survives: writes are not synced, and the folder goes when the [`Postgres`] is
//! dropped. This module owns what is done *with* the server; starting and ending it is `process`'s
//! and `cluster`'s.

mod cluster;
mod process;
mod programs;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Mutex;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use crate::ca::Ca;
pub use crate::error::StartError;
use crate::logins::{Login, Provision};
use process::Running;

/// The database that everything happens in; Redshift's own default name.
const DATABASE: &str = "dev";

/// Run in [`DATABASE`] at the start: views and functions of Redshift's catalog.
const CATALOG: &str = include_str!("postgres/catalog.sql");

/// The options of a PostgreSQL that is started.
#[derive(Clone, Copy)]
pub struct PostgresOptions<'a> {
    /// Signs the certificate (localhost, 127.0.0.1) of the TLS door.
    pub ca: &'a Ca,
    /// PostgreSQL's setting of that name.
    pub max_connections: u16,
}

impl<'a> PostgresOptions<'a> {
    /// 1500 connections.
    #[must_use]
    pub fn new(ca: &'a Ca) -> Self {
        Self { ca, max_connections: 1500 }
    }
}

/// A running server. Dropping it ends the server and removes its folder, and waits for both.
///
/// If this process is killed instead, the server is told to end by the kernel where `setpriv`
/// (util-linux) is installed; the folder then stays, and without `setpriv` the server does too.
pub struct Postgres {
    running: Running,
    /// Roles are created and altered one at a time: PostgreSQL fails concurrent changes of one
    /// role.
    roles: Mutex<()>,
}

impl Postgres {
    /// Creates a cluster and waits until it accepts connections, which takes a second or two.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start; its own words are in the error.
    pub async fn start(options: PostgresOptions<'_>) -> Result<Self, StartError> {
        let leaf = options.ca.try_issue(&["localhost", "127.0.0.1"])?;
        let running = process::start(leaf, options.max_connections).await?;
        let postgres = Self { running, roles: Mutex::new(()) };
        postgres
            .connect("postgres")
            .await?
            .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
            .await?;
        postgres.execute(CATALOG).await?;
        Ok(postgres)
    }

    /// The folder of the Unix socket: what libpq takes as `host`, together with [`Postgres::port`].
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        self.running.socket_dir()
    }

    /// The Unix socket itself.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.socket_dir().join(format!(".s.PGSQL.{}", self.port()))
    }

    /// The TCP port, which is also the number in the Unix socket's name.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.running.port()
    }

    /// The door with TLS and SCRAM; its certificate names localhost and 127.0.0.1.
    #[must_use]
    pub fn tls_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// The one database there is to use.
    #[must_use]
    pub fn database(&self) -> &str {
        DATABASE
    }

    /// Runs statements as superuser in [`Postgres::database`], on a connection of their own.
    ///
    /// # Errors
    /// The error of PostgreSQL for the first statement that fails.
    pub async fn execute(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.connect(DATABASE).await?.batch_execute(sql).await
    }

    /// Creates the role if it is missing, with the right to create tables.
    ///
    /// # Errors
    /// The error of PostgreSQL.
    pub async fn ensure_role(&self, user: &str) -> Result<(), tokio_postgres::Error> {
        let _one_at_a_time = self.roles.lock().await;
        ensure_role(&self.connect(DATABASE).await?, user).await
    }

    /// For [`crate::logins::Logins::new`]: every minted login becomes a role with that password, so
    /// that it also works at [`Postgres::tls_address`]. A role has one password: the last one
    /// minted.
    ///
    /// The server is not kept alive by it; once that is gone, logins are minted without a role.
    #[must_use]
    pub fn provision(self: &Arc<Self>) -> Provision {
        let postgres = Arc::downgrade(self);
        Arc::new(move |login| {
            let postgres = postgres.upgrade();
            Box::pin(async move {
                let Some(postgres) = postgres else { return };
                if let Err(error) = postgres.set_password(&login).await {
                    tracing::error!(user = login.user, %error, "a login has no role in PostgreSQL");
                }
            })
        })
    }

    async fn set_password(&self, login: &Login) -> Result<(), tokio_postgres::Error> {
        let _one_at_a_time = self.roles.lock().await;
        let client = self.connect(DATABASE).await?;
        ensure_role(&client, &login.user).await?;
        let until = login
            .expires_at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        let quote = "SELECT format('ALTER ROLE %I PASSWORD %L VALID UNTIL %L', $1::text, $2::text, to_timestamp($3))";
        let row = client
            .query_one(quote, &[&login.user, &login.password, &until])
            .await?;
        client.batch_execute(row.get(0)).await
    }

    async fn connect(&self, database: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = Config::new();
        config
            .host_path(self.socket_dir())
            .port(self.port())
            .user(cluster::SUPERUSER)
            .dbname(database);
        let (client, connection) = config.connect(NoTls).await?;
        // Ends by itself when the client is dropped.
        tokio::spawn(connection);
        Ok(client)
    }
}

async fn ensure_role(client: &Client, user: &str) -> Result<(), tokio_postgres::Error> {
    let role = postgres_protocol::escape::escape_identifier(user);
    match client
        .batch_execute(&format!("CREATE ROLE {role} LOGIN"))
        .await
    {
        Err(error) if error.code() == Some(&SqlState::DUPLICATE_OBJECT) => return Ok(()),
        created => created?,
    }
    // Redshift lets every user make tables in `public`, as PostgreSQL did before version 15.
    let grants =
        format!("GRANT CREATE, TEMPORARY ON DATABASE {DATABASE} TO {role}; GRANT ALL ON SCHEMA public TO {role}");
    client.batch_execute(&grants).await
}
