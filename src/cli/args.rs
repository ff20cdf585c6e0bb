//! The grammar of the command line: names, defaults and exit codes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand};

use super::bootstrap;
use super::iam_policy::IamPrincipal;
use super::url::Format;
use crate::config::{self, Config, Problems, Reach, UnknownKeys};
use crate::crypto::Verifier;

/// The exit code of a command that did not do what it was asked.
pub(crate) const FAILED: u8 = 1;
/// The exit code of a wrong command line (EX_USAGE of sysexits.h).
pub(crate) const USAGE: u8 = 64;
/// The exit code of a wrong configuration (EX_CONFIG of sysexits.h).
pub(crate) const CONFIGURATION: u8 = 78;

/// The path of the configuration where `--config` gives none.
pub(super) const DEFAULT_CONFIG: &str = "proxy.toml";

/// PostgreSQL wire-protocol proxy that reaches Amazon Redshift with IAM credentials
#[derive(Debug, Parser)]
#[command(name = "redshift-iam-proxy", version)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 64 usage, 78 configuration.")]
pub(crate) struct Cli {
    /// The configuration: a path or file:PATH; or env:NAME, ssm:NAME or secret:ID[#key] for the
    /// text itself
    #[arg(long, global = true, value_name = "REF", default_value = DEFAULT_CONFIG)]
    #[arg(env = "REDSHIFT_IAM_PROXY_CONFIG", hide_env_values = true)]
    pub(crate) config: String,

    /// What becomes of a key in the configuration that this version does not know
    #[arg(long, global = true, value_enum, default_value_t = UnknownKeys::Refuse)]
    pub(crate) unknown_keys: UnknownKeys,

    /// `serve` when there is none.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the proxy (also with no command)
    Serve,
    /// Prove each step of each connection, from the configuration to the login, and explain what
    /// fails
    Check(CheckArgs),
    /// Print the least IAM policies that the configuration needs, and the SQL for its database
    /// users, as JSON
    IamPolicy(IamPolicyArgs),
    /// Print lava's connection specs as [connections.*] for the configuration
    ImportLava(ImportLavaArgs),
    /// Print what to paste into a tool to reach a connection through the proxy
    ///
    /// On stdout there is one thing to paste, made out of the configuration alone: no call to AWS,
    /// no connection. What else there is to know is on stderr: where the tool takes the password,
    /// which is never printed, and the CA. The host is listen.public_name, else the first name in
    /// the listener's certificate, else localhost.
    Url(UrlArgs),
    /// Read a password (prompt, or stdin) and print its SCRAM-SHA-256 verifier
    HashPassword(HashPasswordArgs),
    /// Look once at the running proxy's listener and, where there is one, its health address; exit 0
    /// or 1, as a probe for images without a shell
    Healthcheck,
    /// Let the running proxy read its configuration again, and print what came of it
    ///
    /// It goes through admin.address, with admin.token. A configuration that is wrong changes
    /// nothing: each fault is printed, and the exit code is 1.
    Reload,
    /// Let the sessions of the running proxy end and new ones be refused, and wait until none is left
    Drain,
    /// Drain the running proxy, and let its process end
    Shutdown,
}

/// The arguments of `check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Only these, lava's table included; all of the configuration's own when none is given
    #[arg(value_name = "CONN_ID")]
    pub(crate) conn_ids: Vec<String>,

    /// Also whether this user may open them, and with the user's own login where there is one
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,

    /// One document of JSON, at the end
    #[arg(long)]
    pub(crate) json: bool,

    /// The configuration alone: no call to AWS, no connection
    #[arg(long, conflicts_with_all = ["user", "json", "no_login"])]
    pub(crate) offline: bool,

    /// Stop after TLS: the warehouse does not wake up
    #[arg(long)]
    pub(crate) no_login: bool,
}

/// The arguments of `iam-policy`.
#[derive(Args, Debug)]
pub(crate) struct IamPolicyArgs {
    /// Only these; all when none is given
    #[arg(value_name = "CONN_ID")]
    pub(crate) conn_ids: Vec<String>,

    /// Who the proxy is: the ARN of its role or user, or of its session as `aws sts
    /// get-caller-identity` prints it
    #[arg(long, value_name = "ARN", value_parser = IamPrincipal::parse)]
    pub(crate) principal: Option<IamPrincipal>,
}

/// The arguments of `import-lava`.
#[derive(Args, Debug)]
pub(crate) struct ImportLavaArgs {
    /// All of lava's DynamoDB table, by the identity and region that `serve` would use
    #[arg(long, value_name = "NAME", conflicts_with = "files")]
    pub(crate) table: Option<String>,

    /// JSON: specs, or items as DynamoDB has them, one, many, or a map of them; - is stdin
    #[arg(value_name = "FILE", required_unless_present = "table")]
    pub(crate) files: Vec<PathBuf>,
}

/// The arguments of `url`.
#[derive(Args, Debug)]
pub(crate) struct UrlArgs {
    /// The connection: the configuration's, or one that lava's table may have
    #[arg(value_name = "CONN_ID")]
    pub(crate) conn_id: String,

    /// Who logs in; the only user who may open the connection when not given, or the placeholder
    /// USER where there are more
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,

    /// What the tool takes
    #[arg(long, value_enum, default_value_t = Format::Psql)]
    pub(crate) format: Format,
}

/// The arguments of `hash-password`.
#[derive(Args, Debug)]
pub(crate) struct HashPasswordArgs {
    /// Make a random password and print it on stderr
    #[arg(long)]
    pub(crate) generate: bool,

    /// Use the salt and rounds of this verifier
    #[arg(long, value_name = "VERIFIER", value_parser = Verifier::parse)]
    pub(crate) like: Option<Verifier>,
}

impl Cli {
    /// Parses the arguments, the program's name first.
    ///
    /// # Errors
    /// The arguments ask for help or the version, or are wrong: all there is to say was printed,
    /// and the process ends with this code.
    pub(crate) fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, ExitCode> {
        Self::try_parse_from(args).map_err(|mut why| {
            // What --like refuses may be a password in the wrong place.
            if why.kind() == ErrorKind::ValueValidation {
                why.insert(ContextKind::InvalidValue, ContextValue::String("…".into()));
            }
            // With nowhere to print to, the code is all that is left.
            let _unprinted = why.print();
            if why.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
        })
    }

    /// Loads the configuration; `env` is the environment.
    ///
    /// # Errors
    /// Every problem that the configuration has.
    pub(crate) fn load(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Problems> {
        config::load_reference(&self.config, env, &|remote| bootstrap::fetch(remote, env), self.unknown_keys)
    }

    /// Loads what is needed to reach the running proxy, which may have other problems than those of
    /// the keys in `needed`.
    ///
    /// # Errors
    /// The problems of these keys.
    pub(crate) fn reach(&self, env: &dyn Fn(&str) -> Option<String>, needed: &[&str]) -> Result<Reach, Problems> {
        config::load_reach(&self.config, env, &|remote| bootstrap::fetch(remote, env), needed)
    }

    /// The means to load the configuration again.
    pub(crate) fn loader(
        &self,
        env: fn(&str) -> Option<String>,
    ) -> Box<dyn Fn() -> Result<Config, Problems> + Send + Sync> {
        let (reference, unknown_keys) = (self.config.clone(), self.unknown_keys);
        Box::new(move || {
            config::load_reference(&reference, &env, &|remote| bootstrap::fetch(remote, &env), unknown_keys)
        })
    }
}
