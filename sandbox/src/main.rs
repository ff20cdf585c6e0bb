//! The program: the sandbox, or its AWS endpoint alone, at fixed addresses, until it is told to
//! end.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use redshift_sandbox::aws::{Aws, AwsOptions};
use redshift_sandbox::error::StartError;
use redshift_sandbox::logins::Logins;
use redshift_sandbox::sandbox::Sandbox;
use redshift_sandbox::warehouse::{Authentication, Statements, WarehouseOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A stand-in for Amazon Redshift Serverless and for the AWS calls that lead to it.
///
/// Listens on loopback addresses only, where it is told to. Not for real data.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves both until SIGINT or SIGTERM; prints `ready` on standard output once clients may
    /// come.
    ///
    /// Needs the programs of a PostgreSQL server (found in $PG_BIN, /usr/lib/postgresql/*/bin or
    /// the PATH). Keeps everything in a temporary folder, and removes that in the end.
    Serve(Serve),
    /// Serves the AWS calls alone, likewise, for a warehouse that is there already.
    Aws(AwsAlone),
}

#[derive(clap::Args)]
struct Serve {
    /// Where the AWS endpoint (HTTP) listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4566")]
    aws: SocketAddr,
    /// Where the warehouse (Redshift's protocol, TLS only) listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5441")]
    warehouse: SocketAddr,
    /// Where to write the CA certificate (PEM) that the warehouse's certificate is signed by; new
    /// on each start.
    #[arg(long, value_name = "FILE")]
    ca_out: PathBuf,
    /// How the warehouse asks for passwords.
    #[arg(long, value_enum, default_value = "cleartext")]
    auth: Auth,
    /// Each login waits so long, as if the workgroup had been idle.
    #[arg(long, value_name = "SECS", default_value_t = 0)]
    wake_delay: u64,
}

#[derive(clap::Args)]
struct AwsAlone {
    /// The database login that GetCredentials hands out, to everybody and always.
    #[arg(long = "static", value_names = ["USER", "PASSWORD"], num_args = 2, required = true, allow_hyphen_values = true)]
    login: Vec<String>,
    /// Where it listens (HTTP). Port 0: any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[derive(Clone, Copy, ValueEnum)]
enum Auth {
    /// Code 3, the password itself.
    Cleartext,
    /// Code 5.
    Md5,
    /// Code 10, SCRAM-SHA-256.
    Scram,
    /// Code 13, Redshift's SHA-256 digest.
    Digest,
}

impl From<Auth> for Authentication {
    fn from(auth: Auth) -> Self {
        match auth {
            Auth::Cleartext => Self::Cleartext,
            Auth::Md5 => Self::Md5,
            Auth::Scram => Self::Scram,
            Auth::Digest => Self::Digest,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
    match run(command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes = std::iter::successors(error.source(), |cause| cause.source());
            let chain: String = causes.map(|cause| format!(": {cause}")).collect();
            eprintln!("redshift-sandbox: {error}{chain}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    // Two files a session; what the system does not allow is noticed when it is needed.
    let _limit = rlimit::increase_nofile_limit(u64::MAX);
    // From the beginning, so that a signal during the start ends an orderly start instead of
    // leaving PostgreSQL behind.
    let mut signals = Signals::new()?;
    match command {
        Command::Serve(serve) => run_sandbox(serve, &mut signals).await,
        Command::Aws(alone) => run_aws(alone, &mut signals).await,
    }
}

async fn run_sandbox(serve: Serve, signals: &mut Signals) -> Result<(), Box<dyn std::error::Error>> {
    let mut aws = AwsOptions { listen: serve.aws, ..AwsOptions::default() };
    for workgroup in aws.workgroups.values_mut() {
        // A name that resolves to where the warehouse is, and that its certificate carries.
        "localhost".clone_into(&mut workgroup.host);
    }
    let keys = Keys::of(&aws);
    let statements = Statements::Redshift;
    let warehouse = WarehouseOptions { listen: serve.warehouse, statements, ..WarehouseOptions::default() };
    let sandbox = Sandbox::start(aws, warehouse).await?;
    sandbox.warehouse.ask(serve.auth.into());
    sandbox
        .warehouse
        .slow_wake(Duration::from_secs(serve.wake_delay));
    write_atomically(&serve.ca_out, sandbox.ca.pem())?;
    describe(&sandbox, &serve.ca_out, &keys);
    writeln!(io::stdout(), "ready")?;
    signals.next().await;
    drop(sandbox);
    Ok(())
}

async fn run_aws(alone: AwsAlone, signals: &mut Signals) -> Result<(), Box<dyn std::error::Error>> {
    let [user, password] = alone.login.as_slice() else { return Err("--static takes a user and a password".into()) };
    let options = AwsOptions { listen: alone.listen, ..AwsOptions::default() };
    let keys = Keys::of(&options);
    let aws = Aws::start(options, Logins::fixed(user, password)).await;
    let aws = aws.map_err(|source| StartError::Listen { address: alone.listen, source })?;
    eprintln!("AWS endpoint   {}, every login is {user}'s", aws.url());
    keys.describe(&aws);
    writeln!(io::stdout(), "ready")?;
    signals.next().await;
    drop(aws);
    Ok(())
}

/// The signals that end the program.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The environment for a client of the AWS endpoint.
struct Keys {
    id: String,
    secret: String,
    region: String,
}

impl Keys {
    fn of(options: &AwsOptions) -> Self {
        let AwsOptions { access_key_id, secret_access_key, region, .. } = options;
        Self { id: access_key_id.clone(), secret: secret_access_key.clone(), region: region.clone() }
    }

    fn describe(&self, aws: &Aws) {
        eprintln!("keys           AWS_ACCESS_KEY_ID={}", self.id);
        eprintln!("               AWS_SECRET_ACCESS_KEY={}", self.secret);
        eprintln!("               AWS_REGION={} AWS_ENDPOINT_URL={}", self.region, aws.url());
    }
}

fn describe(sandbox: &Sandbox, ca: &Path, keys: &Keys) {
    let (aws, warehouse, postgres) = (sandbox.aws.url(), sandbox.warehouse.address(), sandbox.postgres.tls_address());
    let database = sandbox.postgres.database();
    eprintln!("AWS endpoint   {aws}");
    eprintln!("warehouse      {warehouse}, TLS as localhost, database {database}");
    eprintln!("PostgreSQL     {postgres}, TLS as localhost, SCRAM, the same logins and database");
    eprintln!("CA certificate {}", ca.display());
    keys.describe(&sandbox.aws);
}

/// Writes a file by renaming, so that a reader finds all of it or none.
fn write_atomically(path: &Path, text: &str) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(readable())
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

/// A certificate is public: clients of other users may read it.
fn readable() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}
