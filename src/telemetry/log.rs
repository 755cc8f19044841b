//! Logs on standard error: warnings by default, more with `-v`, JSON lines for machines; and beside them the spans of the run for a collector, if
//! there is one. It must not see a token: callers log names, not values.

use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;

use super::otlp::Export;

/// Returns where the run's log events and spans go. `verbose` counts the `-v`s; `quiet` leaves errors only.
pub fn log(json: bool, verbose: u8, quiet: bool, export: Option<&Export>) -> Dispatch {
    let level = match (quiet, verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, 3..) => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(verbose > 1);
    let lines =
        if json { lines.json().with_filter(level).boxed() } else { lines.without_time().with_ansi(false).with_filter(level).boxed() };
    Dispatch::new(tracing_subscriber::registry().with(lines).with(export.map(Export::layer)))
}
