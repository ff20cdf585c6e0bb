//! Arguments → configuration → command → exit code; nothing else. The environment of our own is read here.

use std::error::Error;
use std::fmt::Display;
use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use redshift_iam_proxy::cli::check::Verdict;
use redshift_iam_proxy::cli::{
    CONFIGURATION, CheckArgs, Cli, Command, FAILED, IamPolicyArgs, check, health, iam_policy,
};
use redshift_iam_proxy::config::Config;
use redshift_iam_proxy::fault::chain;
use redshift_iam_proxy::{hash_password, serve};

fn main() -> ExitCode {
    let cli = match Cli::from_args(std::env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match &cli.command {
        None | Some(Command::Serve) => with_config(&cli, run),
        Some(Command::Check(args)) => with_config(&cli, |config| check(&config, args)),
        Some(Command::IamPolicy(args)) => with_config(&cli, |config| policies(&config, args)),
        Some(Command::HashPassword(args)) => {
            let hash = hash_password::HashPassword { generate: args.generate, like: args.like.clone() };
            done(hash.run(&mut stdout(), &mut stderr()))
        }
        Some(Command::Healthcheck) => with_config(&cli, |config| done(health::check(&config))),
    }
}

fn run(config: Config) -> ExitCode {
    match serve::serve(config, &environment) {
        Err(error) if error.is_configuration() => {
            tell(chain(&error));
            ExitCode::from(CONFIGURATION)
        }
        served => done(served),
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn with_config(cli: &Cli, command: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    match cli.load(&environment) {
        Ok(config) => command(config),
        Err(faults) => {
            tell(faults);
            ExitCode::from(CONFIGURATION)
        }
    }
}

fn check(config: &Config, args: &CheckArgs) -> ExitCode {
    for warning in &config.warnings {
        tell(format_args!("warning: {warning}"));
    }
    if !args.offline {
        return match check::live(config, args, &environment, &mut stdout()) {
            Ok(Verdict::Proved) => ExitCode::SUCCESS,
            Ok(Verdict::Failed) => ExitCode::from(FAILED),
            Err(error) => done(Err::<(), _>(error)),
        };
    }
    match check::offline(config, &args.conn_ids) {
        Ok(told) => done(writeln!(stdout(), "{told}ok")),
        Err(unknown) => done(Err::<(), _>(unknown)),
    }
}

fn policies(config: &Config, args: &IamPolicyArgs) -> ExitCode {
    for warning in &config.warnings {
        tell(format_args!("warning: {warning}"));
    }
    match iam_policy::document(config, &args.conn_ids, args.principal.as_ref()) {
        Ok(document) => done(writeln!(stdout(), "{document}")),
        Err(unknown) => done(Err::<(), _>(unknown)),
    }
}

fn done(result: Result<(), impl Error>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    tell(chain(&error));
    ExitCode::from(FAILED)
}

/// To stderr, for people; with nobody there to read, the exit code says it.
fn tell(message: impl Display) {
    let _unread = writeln!(stderr(), "{message}");
}
