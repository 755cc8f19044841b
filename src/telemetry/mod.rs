//! What a run says while it runs: sections in a CI log, one line on a terminal. It must never stop or slow a review.

mod log;
mod otlp;
mod progress;

pub use log::log;
pub use otlp::Export;
pub use progress::Progress;
