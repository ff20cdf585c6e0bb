//! The program: the command line decides everything else.

use std::process::ExitCode;

use redshift_iam_proxy::cli;

fn main() -> ExitCode {
    cli::main(std::env::args_os())
}
