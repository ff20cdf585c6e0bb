//! A warehouse over a PostgreSQL, and clients for it: psql, tokio-postgres and one that is
//! scripted; and the AWS CLI.
#![allow(dead_code, reason = "every test program uses another part of it")]

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use redshift_sandbox::ca::Ca;
use redshift_sandbox::logins::{Login, Logins};
use redshift_sandbox::postgres::{Postgres, PostgresOptions};
use redshift_sandbox::warehouse::{Warehouse, WarehouseOptions};
use redshift_sandbox::wire;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_postgres::{Client, Config, NoTls};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) mod cli;

pub(crate) const USER: &str = "IAMR:rs01";

pub(crate) struct Rig {
    pub(crate) warehouse: Warehouse,
    pub(crate) postgres: Arc<Postgres>,
    pub(crate) logins: Arc<Logins>,
    pub(crate) ca: Ca,
    trust: tempfile::NamedTempFile,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::with(WarehouseOptions::default()).await
    }

    pub(crate) async fn with(options: WarehouseOptions) -> Self {
        let ca = Ca::new();
        let postgres = Arc::new(Postgres::start(PostgresOptions::new(&ca)).await.unwrap());
        let logins = Logins::new(Some(postgres.provision()));
        let warehouse = Warehouse::start(options, postgres.clone(), &ca, logins.clone())
            .await
            .unwrap();
        let trust = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(trust.path(), ca.pem()).unwrap();
        Self { warehouse, postgres, logins, ca, trust }
    }

    pub(crate) async fn login(&self) -> Login {
        self.logins.mint(USER, Duration::from_secs(900)).await
    }

    /// psql against a port, with verified TLS unless the variables say otherwise.
    pub(crate) fn psql(&self, port: u16, password: &str) -> Command {
        let mut command = Command::new("psql");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", "/nonexistent");
        command
            .env("PGHOST", "localhost")
            .env("PGPORT", port.to_string())
            .env("PGDATABASE", "dev");
        command
            .env("PGUSER", USER)
            .env("PGPASSWORD", password)
            .env("PGCONNECT_TIMEOUT", "30");
        command
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", self.trust.path());
        command.args(["-X", "-A", "-t", "-q"]).kill_on_drop(true);
        command
    }

    /// psql against the warehouse, with the statement.
    pub(crate) async fn query(&self, password: &str, sql: &str) -> Output {
        self.psql(self.warehouse.address().port(), password)
            .args(["-c", sql])
            .output()
            .await
            .unwrap()
    }

    /// A verified TLS connection, before the startup message.
    pub(crate) async fn dial(&self) -> TlsStream<TcpStream> {
        let mut socket = TcpStream::connect(self.warehouse.address()).await.unwrap();
        socket
            .write_all(&[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f])
            .await
            .unwrap();
        assert_eq!(socket.read_u8().await.unwrap(), b'S');
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.ca.pem().as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
            .unwrap()
    }

    /// tokio-postgres over a connection dialled here; `options` as in PGOPTIONS.
    pub(crate) async fn connect(&self, password: &str, options: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = Config::new();
        config.user(USER).password(password).dbname("dev");
        if !options.is_empty() {
            config.options(options);
        }
        let (client, connection) = config.connect_raw(self.dial().await, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// A client that speaks the protocol by hand.
pub(crate) struct Scripted(pub(crate) TlsStream<TcpStream>);

impl Scripted {
    /// Sends a startup message and nothing else.
    pub(crate) async fn start(rig: &Rig, parameters: &[(&str, &str)]) -> Self {
        let parameters = [("user", USER), ("database", "dev")]
            .iter()
            .chain(parameters);
        let startup = wire::startup(wire::PROTOCOL_3_0, parameters.copied());
        let mut stream = rig.dial().await;
        stream.write_all(&startup).await.unwrap();
        Self(stream)
    }

    /// Starts, and answers a cleartext request.
    pub(crate) async fn log_in(rig: &Rig, password: &str, parameters: &[(&str, &str)]) -> Self {
        let mut client = Self::start(rig, parameters).await;
        assert_eq!(client.receive().await, (b'R', vec![0, 0, 0, 3]));
        client.send(b'p', format!("{password}\0").as_bytes()).await;
        client
    }

    pub(crate) async fn send(&mut self, kind: u8, body: &[u8]) {
        self.0.write_all(&wire::message(kind, body)).await.unwrap();
    }

    pub(crate) async fn receive(&mut self) -> (u8, Vec<u8>) {
        let wire::Message { kind, body } = wire::read_message(&mut self.0, usize::MAX).await.unwrap();
        (kind, body)
    }

    /// Everything up to and with the first message of that type.
    pub(crate) async fn receive_until(&mut self, last: u8) -> Vec<(u8, Vec<u8>)> {
        let mut messages = Vec::new();
        loop {
            let message = self.receive().await;
            messages.push(message);
            if messages.last().unwrap().0 == last {
                return messages;
            }
        }
    }

    /// The next message, which must be an ErrorResponse, as `C message`, and its field types.
    pub(crate) async fn refusal(&mut self) -> (String, String) {
        let (kind, body) = self.receive_until(b'E').await.pop().unwrap();
        assert_eq!(kind, b'E');
        let fields: Vec<_> = body
            .split(|byte| *byte == 0)
            .filter(|field| !field.is_empty())
            .collect();
        let field = |kind| {
            fields
                .iter()
                .find(|field| field[0] == kind)
                .map(|field| String::from_utf8_lossy(&field[1..]))
        };
        let said = format!("{} {}", field(b'C').unwrap(), field(b'M').unwrap());
        (said, fields.iter().map(|field| char::from(field[0])).collect())
    }
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap().trim_end()
}
