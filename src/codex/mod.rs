//! The team's codex: rules, their selection by path and language, their detectors. A pure room: rule texts and sources in, hits out; it must
//! not read files and knows nothing of models.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod body;
mod cochange;
mod complaint;
mod detect;
mod examples;
mod front;
mod lines;
mod mask;
mod novelty;
mod parse;
mod pem;
mod rule;
mod set;
mod structural;
mod suppress;
mod words;
mod yaml;

pub use complaint::RuleError;
pub use detect::{Detected, Hit, NotRun, Scope, SetAside, Skipped, Source, detect};
pub use examples::{ExampleFailure, check_examples};
pub use mask::Mask;
pub use parse::{MAX_RULE_BYTES, parse};
pub use rule::{Applies, Detector, Example, Expect, Rule, RuleId, RuleStatus};
pub use set::{RuleSet, applies, builtin};
pub use suppress::{suppressed, suppression};
pub use words::{ReviewerName, Severity};
