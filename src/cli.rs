//! The command line: arguments → configuration → command → exit code, and nothing else. This is
//! the only module that reads the process's environment.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{Write, stderr, stdin, stdout};
use std::process::ExitCode;

use self::args::{CONFIGURATION, CheckArgs, Cli, Command, FAILED, IamPolicyArgs, ImportLavaArgs, UrlArgs};
use self::check::CheckOutcome;
use self::running::{Running, RunningError};
use crate::bound;
use crate::config::Config;
use crate::fault::chain;
use crate::serve;

pub mod iam_policy;

mod args;
mod bootstrap;
pub(crate) mod check;
pub(crate) mod connection;
mod hash_password;
mod health;
mod http;
mod import_lava;
mod running;
mod url;

/// Runs the command that the arguments name, the program's name first, and gives the exit code of
/// the process.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::from_args(args) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match &cli.command {
        None | Some(Command::Serve) => with_config(&cli, |config| run_proxy(&cli, config)),
        Some(Command::Check(args)) => with_config(&cli, |config| check(&config, args)),
        Some(Command::IamPolicy(args)) => with_config(&cli, |config| print_policies(&config, args)),
        Some(Command::ImportLava(args)) => import(&cli, args),
        Some(Command::Url(args)) => with_config(&cli, |config| print_url(&config, args)),
        Some(Command::HashPassword(args)) => {
            let hash = hash_password::HashPassword { generate: args.generate, like: args.like.clone() };
            exit_code(hash.run(&mut stdout(), &mut stderr()))
        }
        Some(Command::Healthcheck) => healthcheck(&cli),
        Some(Command::Reload) => to_the_running(&cli, |running| running.reload(&mut stdout(), &mut stderr())),
        Some(Command::Drain) => to_the_running(&cli, |running| running.drain("/drain", &mut stdout())),
        Some(Command::Shutdown) => to_the_running(&cli, |running| running.drain("/shutdown", &mut stdout())),
    }
}

/// Runs the proxy until a signal ends it.
fn run_proxy(cli: &Cli, config: Config) -> ExitCode {
    let command_line =
        serve::CommandLine { config: cli.config.clone(), load: cli.loader(environment), env: environment };
    let Err(error) = serve::serve(config, command_line) else { return ExitCode::SUCCESS };
    // Signals no longer end the process by themselves, so it must not wait for a reader of stderr.
    serve::last_words(chain(&error));
    ExitCode::from(if error.is_configuration() { CONFIGURATION } else { FAILED })
}

/// A variable of the process's environment, if it is set to text.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Loads the configuration, and runs a command with it.
fn with_config(cli: &Cli, command: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    match cli.load(&environment) {
        Ok(config) => command(config),
        Err(problems) => {
            print(problems);
            ExitCode::from(CONFIGURATION)
        }
    }
}

/// Looks once at the running proxy.
fn healthcheck(cli: &Cli) -> ExitCode {
    if let Some(bound) = bound::ask(&cli.config) {
        return exit_code(health::check_bound(bound));
    }
    match cli.reach(&environment, health::NEEDED) {
        Ok(reach) => exit_code(health::check_configured(&reach)),
        // Probes know 0 and 1 alone.
        Err(problems) => {
            print(problems);
            ExitCode::from(FAILED)
        }
    }
}

/// Runs a command that the running proxy does.
fn to_the_running(cli: &Cli, command: impl FnOnce(&Running) -> Result<(), RunningError>) -> ExitCode {
    let bound = bound::ask(&cli.config);
    let needed = if bound.is_some() { running::NEEDED_OF_BOUND } else { running::NEEDED };
    let found = match cli.reach(&environment, needed) {
        Ok(reach) => Running::find(&reach, bound, &environment),
        Err(problems) if bound.is_none() => {
            print(problems);
            return ExitCode::from(CONFIGURATION);
        }
        Err(_told_with_all_others) => Err(RunningError::NoToken),
    };
    match found {
        // Whether a proxy runs is not known: the configuration alone is to blame.
        Err(error) if bound.is_none() && error.is_configuration() => {
            print(error);
            ExitCode::from(CONFIGURATION)
        }
        Err(error @ RunningError::NoToken) => {
            // A reload would be refused for the same.
            match cli.load(&environment) {
                Ok(config) => print_warnings(&config.warnings),
                Err(problems) => print(problems),
            }
            let error = format_args!("{error}; SIGHUP and SIGTERM need none");
            print(error);
            ExitCode::from(FAILED)
        }
        found => exit_code(found.and_then(|running| command(&running))),
    }
}

/// Runs `check`: live, or with `--offline`.
fn check(config: &Config, args: &CheckArgs) -> ExitCode {
    print_warnings(&config.warnings);
    if !args.offline {
        return match check::live(config, args, &environment, &mut stdout()) {
            Ok(CheckOutcome::Proved) => ExitCode::SUCCESS,
            Ok(CheckOutcome::Failed) => ExitCode::from(FAILED),
            Err(error) => exit_code(Err::<(), _>(error)),
        };
    }
    print_warnings(&check::ages(config));
    match check::offline(config, &args.conn_ids) {
        Ok(told) => exit_code(writeln!(stdout(), "{told}ok")),
        Err(unknown) => exit_code(Err::<(), _>(unknown)),
    }
}

/// Runs the command `iam-policy`.
fn print_policies(config: &Config, args: &IamPolicyArgs) -> ExitCode {
    print_warnings(&config.warnings);
    match iam_policy::document(config, &args.conn_ids, args.principal.as_ref()) {
        Ok(document) => exit_code(writeln!(stdout(), "{document}")),
        Err(unknown) => exit_code(Err::<(), _>(unknown)),
    }
}

/// Runs the command `url`.
fn print_url(config: &Config, args: &UrlArgs) -> ExitCode {
    print_warnings(&config.warnings);
    match url::snippet(config, &args.conn_id, args.user.as_deref(), args.format) {
        Ok(snippet) => {
            let printed = exit_code(writeln!(stdout(), "{}", snippet.text));
            snippet
                .notes
                .iter()
                .for_each(|note| print(format_args!("note: {note}")));
            printed
        }
        Err(error) => exit_code(Err::<(), _>(error)),
    }
}

/// Runs the command `import-lava`.
fn import(cli: &Cli, args: &ImportLavaArgs) -> ExitCode {
    let imported = match &args.table {
        None => import_lava::from_files(&args.files, &mut stdin()),
        Some(table) => match import_lava::aws_settings(cli, &environment) {
            Ok(aws) => import_lava::from_table(table, &aws, &environment),
            Err(problems) => {
                print(problems);
                return ExitCode::from(CONFIGURATION);
            }
        },
    };
    let printed = exit_code(stdout().write_all(imported.toml.as_bytes()));
    imported.notes.iter().for_each(print);
    if imported.is_whole { printed } else { ExitCode::from(FAILED) }
}

/// The exit code of a command that is over; its error is printed.
fn exit_code(result: Result<(), impl Error>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    print(chain(&error));
    ExitCode::from(FAILED)
}

/// Prints warnings about the configuration.
fn print_warnings(warnings: &[String]) {
    for warning in warnings {
        print(format_args!("warning: {warning}"));
    }
}

/// Prints a message for people on stderr. Where that cannot be written to, the exit code has to do.
fn print(message: impl Display) {
    let _unread = writeln!(stderr(), "{message}");
}
