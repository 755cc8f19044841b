//! The commands, one file each. They put the rooms in a row; what is decided is decided in the rooms.

pub mod codex;
pub mod config;
pub mod examine;
pub mod input;
pub mod merge_request;
pub mod models;
mod outputs;
pub mod plan;
pub mod prepare;
pub mod publish;
pub mod replay;
pub mod review;
pub mod stop;

use std::collections::BTreeSet;
use std::io::Write as _;

use crate::env::Io;
use crate::error::Failure;
use crate::gitlab;
use crate::model;
use crate::review::risk::Forced;
use crate::review::{ReviewerName, Tier};

/// How patiently a run deals with others: what is sent again, and after which pauses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Requests to GitLab.
    pub gitlab: gitlab::Retry,
    /// The wait for GitLab to make the diff of a push.
    pub diff: gitlab::DiffWait,
    /// Requests to models.
    pub models: model::Retry,
}

/// Returns the names of reviewers that a flag lists.
pub(crate) fn reviewer_names(words: &[String]) -> Result<BTreeSet<ReviewerName>, Failure> {
    let name = |word: &String| {
        ReviewerName::parse(word.trim()).ok_or_else(|| {
            Failure::usage(format!("`{word}` is no name of a reviewer")).hint("lower-case letters, digits and hyphens, comma-separated")
        })
    };
    words.iter().map(name).collect()
}

/// Why reviewers are idle when `--only` chose others.
pub(crate) const ONLY_FLAG: &str = "--only names others";

/// Returns the tier that `--tier` asks for.
pub(crate) fn forced_by_flag(word: Option<&str>, may_lower: bool) -> Option<Forced> {
    word.and_then(Tier::parse).map(|tier| Forced { tier, by: format!("--tier {}", tier.word()), may_lower })
}

/// Writes to standard output. A reader that has seen enough and closed the pipe is no error.
pub(crate) fn print(io: &mut Io, text: &str) -> Result<(), Failure> {
    match io.stdout.write_all(text.as_bytes()).and_then(|()| io.stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::outside(format!("cannot write to standard output: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
