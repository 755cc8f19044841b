//! Assize, a multi-agent code reviewer for GitLab merge requests. ARCHITECTURE.md draws the straight line; this file only starts it.

pub mod agent;
pub mod change;
pub mod checkout;
pub mod cli;
pub mod codex;
pub mod commands;
pub mod comment;
pub mod env;
pub mod error;
pub mod exit;
pub mod gitlab;
pub mod model;
pub mod report;
pub mod review;
pub mod round;
pub mod settings;
pub mod story;
pub mod telemetry;
pub mod yaml;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{CommandFactory as _, Parser as _};
use tracing::Instrument as _;

use cli::{Cli, Color, Command, LogFormat};
use commands::Pace;
use env::{Env, Io};
use error::Failure;
use exit::Exit;
use report::Style;

/// Width of a report that goes to no terminal, in columns.
const DEFAULT_WIDTH: usize = 100;

/// How long what runs beside a run may go on after its end.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Captures what the process was given, and runs.
pub fn start() -> Exit {
    let env = Env {
        vars: std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect(),
        cwd: std::env::current_dir().unwrap_or_else(|_| ".".into()),
        stdout_terminal: std::io::stdout().is_terminal(),
        stderr_terminal: std::io::stderr().is_terminal(),
        width: terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)),
        started_unix: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
    };
    let mut io = Io { stdin: Box::new(std::io::stdin()), stdout: Box::new(std::io::stdout()), stderr: Box::new(std::io::stderr()) };
    run(std::env::args_os(), &env, &mut io)
}

/// Runs the program with everything given as values, and returns how it ended. Errors are written to `io.stderr`.
pub fn run(args: impl IntoIterator<Item = OsString>, env: &Env, io: &mut Io) -> Exit {
    run_at(Pace::default(), args, env, io)
}

/// Runs the program like [`run`], at another pace.
pub fn run_at(pace: Pace, args: impl IntoIterator<Item = OsString>, env: &Env, io: &mut Io) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return explain(&error, env, io),
    };
    let color = |terminal: bool| match cli.color {
        Color::Always => true,
        Color::Never => false,
        // https://no-color.org: set and not empty.
        Color::Auto => terminal && env.var("NO_COLOR").is_none() && env.var("TERM") != Some("dumb"),
    };
    let style = Style { color: color(env.stdout_terminal), width: env.width.unwrap_or(DEFAULT_WIDTH) };
    let export = telemetry::Export::new(env);
    let log = telemetry::log(cli.log_format == LogFormat::Json, cli.verbose, cli.quiet, export.as_ref());
    let work = || tracing::dispatcher::with_default(&log, || dispatch(&cli, env, io, style, &pace));
    let outcome = catch_unwind(AssertUnwindSafe(work));
    if let Some(export) = export {
        export.farewell();
    }
    let failure = match outcome {
        Ok(Ok(exit)) => return exit,
        Ok(Err(failure)) => failure,
        Err(_) => Failure {
            exit: Exit::Bug,
            message: "this is a bug in Assize".to_owned(),
            hint: Some("please report it with the lines above".to_owned()),
        },
    };
    complain(&failure, color(env.stderr_terminal), io);
    failure.exit
}

fn dispatch(cli: &Cli, env: &Env, io: &mut Io, style: Style, pace: &Pace) -> Result<Exit, Failure> {
    // One thread: the waiting is for models and git, and logs of everything that runs reach the same place.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::outside(format!("cannot start the runtime: {error}")))?;
    let span = tracing::info_span!("run", otel.name = "assize");
    let work = async {
        match &cli.command {
            Command::Review(args) => commands::review::run(args, env, io, style, cli.quiet, pace).await,
            Command::Publish(args) => commands::publish::run(args, env, io, style, cli.quiet, pace).await,
            Command::Replay(args) => commands::replay::run(args, env, io, style).await,
            Command::Plan(args) => commands::plan::run(args, env, io).await,
            Command::Codex(command) => commands::codex::run(command, io),
            Command::Config(command) => commands::config::run(command, env, io).await,
            Command::Completions { shell } => {
                let mut text = Vec::new();
                clap_complete::generate(*shell, &mut Cli::command(), "assize", &mut text);
                commands::print(io, &String::from_utf8_lossy(&text)).map(|()| Exit::Done)
            }
            Command::Man => {
                let mut text = Vec::new();
                let manual = clap_mangen::Man::new(Cli::command());
                manual.render(&mut text).map_err(|error| Failure::outside(format!("cannot write the manual page: {error}")))?;
                commands::print(io, &String::from_utf8_lossy(&text)).map(|()| Exit::Done)
            }
        }
    };
    let outcome = runtime.block_on(work.instrument(span));
    // A name that is still being looked up, or a file that is being read, keeps nobody waiting.
    runtime.shutdown_timeout(LAST_WAIT);
    outcome
}

/// Shows clap's own answers: help and version are data, everything else is a usage error.
fn explain(error: &clap::Error, env: &Env, io: &mut Io) -> Exit {
    let colored = |terminal: bool| terminal && env.var("NO_COLOR").is_none();
    let rendered = error.render();
    if error.use_stderr() {
        let text = if colored(env.stderr_terminal) { rendered.ansi().to_string() } else { rendered.to_string() };
        say(io, &text);
        return Exit::Usage;
    }
    let text = if colored(env.stdout_terminal) { rendered.ansi().to_string() } else { rendered.to_string() };
    match commands::print(io, &text) {
        Ok(()) => Exit::Done,
        Err(failure) => failure.exit,
    }
}

fn complain(failure: &Failure, color: bool, io: &mut Io) {
    let (red, cyan, reset) = if color { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m") } else { ("", "", "") };
    let hint = failure.hint.as_ref().map(|hint| format!("{cyan}hint{reset}: {}\n", report::printable(hint))).unwrap_or_default();
    // Messages quote files, paths and servers.
    say(io, &format!("{red}error{reset}: {}\n{hint}", report::printable(&failure.message)));
}

/// Writes to standard error; when that is closed there is nobody left to tell.
fn say(io: &mut Io, text: &str) {
    if io.stderr.write_all(text.as_bytes()).is_ok() {
        io.stderr.flush().ok();
    }
}
