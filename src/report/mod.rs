//! Reports: a review in, bytes out, one file per format. A pure room; it must not decide anything about the review, only tell it.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod json;
mod markdown;
mod request;
mod terminal;
mod told;
mod words;

pub use json::{RESULT_VERSION, json, schema};
pub use markdown::markdown;
pub use request::{ActionTold, OnRequest, Posting, posted};
pub use terminal::{Style, terminal};
pub use told::{MAX_RESULT_BYTES, Told, read_result};
pub use words::{headline, left_out_reason, plural, printable, share_of_files, thousands};
