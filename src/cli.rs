//! The command line: arguments → configuration → command → exit code, and nothing else. The
//! environment of our own is read here.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{Write, stderr, stdin, stdout};
use std::process::ExitCode;

use self::args::{CONFIGURATION, CheckArgs, Cli, Command, FAILED, IamPolicyArgs, ImportLavaArgs, UrlArgs};
use self::check::CheckOutcome;
use crate::config::Config;
use crate::fault::chain;
use crate::serve;

mod args;
mod check;
mod hash_password;
mod health;
pub mod iam_policy;
mod import_lava;
mod url;

mod bootstrap;
mod connection;

/// Does what the arguments say, the program's name first. The process ends with this code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::from_args(args) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match &cli.command {
        None | Some(Command::Serve) => with_config(&cli, run),
        Some(Command::Check(args)) => with_config(&cli, |config| check(&config, args)),
        Some(Command::IamPolicy(args)) => with_config(&cli, |config| policies(&config, args)),
        Some(Command::ImportLava(args)) => import(&cli, args),
        Some(Command::Url(args)) => with_config(&cli, |config| paste(&config, args)),
        Some(Command::HashPassword(args)) => {
            let hash = hash_password::HashPassword { generate: args.generate, like: args.like.clone() };
            done(hash.run(&mut stdout(), &mut stderr()))
        }
        Some(Command::Healthcheck) => with_config(&cli, |config| done(health::check(&config))),
    }
}

fn run(config: Config) -> ExitCode {
    let Err(error) = serve::serve(config, &environment) else { return ExitCode::SUCCESS };
    // Signals no longer end the process by themselves: it must not wait for whoever reads stderr.
    serve::last_words(chain(&error));
    ExitCode::from(if error.is_configuration() { CONFIGURATION } else { FAILED })
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
    warn(&config.warnings);
    if args.offline {
        warn(&check::ages(config));
    } else {
        return match check::live(config, args, &environment, &mut stdout()) {
            Ok(CheckOutcome::Proved) => ExitCode::SUCCESS,
            Ok(CheckOutcome::Failed) => ExitCode::from(FAILED),
            Err(error) => done(Err::<(), _>(error)),
        };
    }
    match check::offline(config, &args.conn_ids) {
        Ok(told) => done(writeln!(stdout(), "{told}ok")),
        Err(unknown) => done(Err::<(), _>(unknown)),
    }
}

fn policies(config: &Config, args: &IamPolicyArgs) -> ExitCode {
    warn(&config.warnings);
    match iam_policy::document(config, &args.conn_ids, args.principal.as_ref()) {
        Ok(document) => done(writeln!(stdout(), "{document}")),
        Err(unknown) => done(Err::<(), _>(unknown)),
    }
}

fn paste(config: &Config, args: &UrlArgs) -> ExitCode {
    warn(&config.warnings);
    match url::snippet(config, &args.conn_id, args.user.as_deref(), args.format) {
        Ok(pasted) => {
            let printed = done(writeln!(stdout(), "{}", pasted.text));
            pasted
                .notes
                .iter()
                .for_each(|note| tell(format_args!("note: {note}")));
            printed
        }
        Err(error) => done(Err::<(), _>(error)),
    }
}

fn import(cli: &Cli, args: &ImportLavaArgs) -> ExitCode {
    let imported = match &args.table {
        None => import_lava::from_files(&args.files, &mut stdin()),
        Some(table) => match import_lava::aws_settings(cli, &environment) {
            Ok(aws) => import_lava::from_table(table, &aws, &environment),
            Err(faults) => {
                tell(faults);
                return ExitCode::from(CONFIGURATION);
            }
        },
    };
    let printed = done(stdout().write_all(imported.toml.as_bytes()));
    imported.notes.iter().for_each(tell);
    if imported.is_whole { printed } else { ExitCode::from(FAILED) }
}

fn done(result: Result<(), impl Error>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    tell(chain(&error));
    ExitCode::from(FAILED)
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        tell(format_args!("warning: {warning}"));
    }
}

/// To stderr, for people; with nobody there to read, the exit code says it.
fn tell(message: impl Display) {
    let _unread = writeln!(stderr(), "{message}");
}
