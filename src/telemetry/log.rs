//! Logs on standard error: warnings by default, more with `-v`, JSON lines for machines; and beside them the spans of the run for a collector, if
//! there is one. It must not see a token: callers log names, not values.

use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
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
    // Spans are for collectors: lines say what they mean by themselves.
    let wanted = filter_fn(move |metadata| metadata.is_event() && *metadata.level() <= level).with_max_level_hint(level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(verbose > 1);
    let lines =
        if json { lines.json().with_filter(wanted).boxed() } else { lines.without_time().with_ansi(false).with_filter(wanted).boxed() };
    Dispatch::new(tracing_subscriber::registry().with(lines).with(export.map(Export::layer)))
}
