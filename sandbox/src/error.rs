//! Why a part of the sandbox did not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a part of the sandbox did not start. Whatever had been started by then is ended again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Returned if no folder with `initdb` and `postgres` is found.
    #[error("no PostgreSQL server programs found ($PG_BIN, /usr/lib/postgresql/*/bin, PATH); install postgresql")]
    NoPostgres,
    /// PostgreSQL refuses to run as root, and there is nobody else to run it as.
    #[error("running as root, and there is neither a user postgres nor nobody to run PostgreSQL as")]
    NoUser,
    /// The thread that watches PostgreSQL did not start, or ended early.
    #[error("cannot watch over PostgreSQL")]
    Thread(#[source] io::Error),
    /// A file, folder or program of PostgreSQL's could not be used.
    #[error("cannot prepare PostgreSQL: {path}")]
    File {
        /// The path that was touched.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// `initdb` or `postgres` ended instead of becoming ready.
    #[error("{program} did not start:\n{log}")]
    Program {
        /// The program, one of the two.
        program: &'static str,
        /// The last lines it wrote.
        log: String,
    },
    /// PostgreSQL runs but refused to be set up.
    #[error("cannot set up PostgreSQL")]
    Setup(#[from] tokio_postgres::Error),
    /// Returned if no certificate can be made for these names.
    #[error("cannot issue a server certificate")]
    Certificate(#[from] rcgen::Error),
    /// The certificate and key cannot be served.
    #[error("cannot use the server certificate")]
    Tls(#[from] rustls::Error),
    /// A listener's address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}
