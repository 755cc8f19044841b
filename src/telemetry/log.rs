//! Logs on standard error: warnings by default, more with `-v`, JSON lines for machines. It must not see a token: callers log names, not values.

use tracing::Dispatch;
use tracing::level_filters::LevelFilter;

/// Returns where the run's log events go. `verbose` counts the `-v`s; `quiet` leaves errors only.
pub fn log(json: bool, verbose: u8, quiet: bool) -> Dispatch {
    let level = match (quiet, verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, 3..) => LevelFilter::TRACE,
    };
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_target(verbose > 1);
    if json { Dispatch::new(builder.json().finish()) } else { Dispatch::new(builder.without_time().with_ansi(false).finish()) }
}
