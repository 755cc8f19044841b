//! The process: captures what it was given, runs, exits. It must not decide anything.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(assize::start().code())
}
