//! The cluster's folder: its files, their owner and the settings.

use std::fmt::Write;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::programs::{self, Unprivileged};
use crate::ca::Leaf;
use crate::error::StartError;

/// The role that owns everything; trusted on the Unix socket only.
pub(super) const SUPERUSER: &str = "postgres";

/// Plain TCP is refused; roles without a password cannot come in by TCP at all.
const HBA: &str = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";

/// An initialised cluster that is not running. Dropping it removes it.
pub(super) struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    owner: Option<Unprivileged>,
}

impl Cluster {
    pub(super) fn create(leaf: &Leaf, max_connections: u16) -> Result<Self, StartError> {
        let programs = programs::find()?;
        let owner = programs::unprivileged()?;
        // As root the server's user must be able to come here, and root's TMPDIR may be closed to
        // it. A Unix socket's path is also limited to about 100 bytes, which per-user temporary
        // folders have been known to exceed.
        let parent = if owner.is_some() { PathBuf::from("/tmp") } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new()
            .prefix("redshift-sandbox-")
            .tempdir_in(&parent)
            .map_err(file(&parent))?;
        let cluster = Self { folder, programs, owner };
        cluster.own(cluster.path())?;
        cluster.initdb()?;
        cluster.configure(leaf, max_connections)?;
        Ok(cluster)
    }

    /// Holds the Unix socket, the certificate and the data folder.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The server's command line, to be run as whoever owns the folder.
    pub(super) fn server(&self, port: u16) -> Command {
        let postgres = self.programs.join("postgres");
        let mut command = match programs::setpriv() {
            Some(setpriv) => {
                let mut command = self.command(&setpriv);
                // A fast shutdown; pdeathsig watches the *thread* that spawns, see process::keep.
                command.args(["--pdeathsig", "INT"]).arg(postgres);
                command
            }
            None => self.command(&postgres),
        };
        command
            .arg("-D")
            .arg(self.data())
            .arg("-p")
            .arg(port.to_string());
        // Control-C at a terminal is for this process, which then ends the server itself.
        command.process_group(0);
        command
    }

    fn initdb(&self) -> Result<(), StartError> {
        let program = self.programs.join("initdb");
        let mut command = self.command(&program);
        command.arg("-D").arg(self.data()).args([
            "-U",
            SUPERUSER,
            "-E",
            "UTF8",
            "--locale=C",
            "--auth=trust",
            "--no-sync",
        ]);
        let output = command.output().map_err(file(&program))?;
        if output.status.success() {
            return Ok(());
        }
        Err(StartError::Program { program: "initdb", log: String::from_utf8_lossy(&output.stderr).into_owned() })
    }

    fn configure(&self, leaf: &Leaf, max_connections: u16) -> Result<(), StartError> {
        let (cert, key) = (self.path().join("server.crt"), self.path().join("server.key"));
        self.write(&cert, &leaf.cert_pem)?;
        self.write(&key, &leaf.key_pem)?;
        self.write(&self.data().join("pg_hba.conf"), HBA)?;
        let mut settings = String::from(SETTINGS);
        let paths = [("unix_socket_directories", self.path()), ("ssl_cert_file", &cert), ("ssl_key_file", &key)];
        for (name, path) in paths {
            let quoted = path.to_string_lossy().replace('\'', "''");
            // Writing to a String cannot fail.
            let _ = writeln!(settings, "{name} = '{quoted}'");
        }
        let _ = writeln!(settings, "max_connections = {max_connections}");
        self.write(&self.data().join("postgresql.conf"), &settings)
    }

    fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Readable by its owner only, which PostgreSQL insists on for the key.
    fn write(&self, path: &Path, text: &str) -> Result<(), StartError> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options
            .open(path)
            .and_then(|mut open| open.write_all(text.as_bytes()))
            .map_err(file(path))?;
        self.own(path)
    }

    fn own(&self, path: &Path) -> Result<(), StartError> {
        match self.owner {
            Some(Unprivileged { uid, gid }) => chown(path, Some(uid), Some(gid)).map_err(file(path)),
            None => Ok(()),
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // Messages are read by this program, and nothing of the caller's PG… variables is meant for
        // this server.
        command
            .current_dir(self.path())
            .env_clear()
            .env("LC_ALL", "C")
            .env("PATH", &self.programs);
        if let Some(Unprivileged { uid, gid }) = self.owner {
            command.uid(uid).gid(gid);
        }
        command
    }
}

/// Makes the error for `map_err`, with the path that was touched.
pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> StartError {
    let path = path.to_owned();
    move |source| StartError::File { path, source }
}

/// Nothing is kept, so nothing is synced; 16 MB of buffers serve a rig. The time zone is
/// Redshift's.
const SETTINGS: &str = "\
listen_addresses = '127.0.0.1'
unix_socket_permissions = 0700
ssl = on
password_encryption = 'scram-sha-256'
shared_buffers = '16MB'
max_wal_senders = 0
wal_level = 'minimal'
fsync = off
synchronous_commit = off
full_page_writes = off
jit = off
huge_pages = off
logging_collector = off
log_destination = 'stderr'
log_min_error_statement = 'panic'
timezone = 'UTC'
log_timezone = 'UTC'
";
