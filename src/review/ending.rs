//! How a run ends: the exit code as a pure function of the review and the gate.

use super::{Gap, Verdict};
use crate::exit::Exit;

/// When a run fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The verdict from which on it fails.
    pub verdict: Option<Verdict>,
    /// It fails when something is missing, too.
    pub incomplete: bool,
}

impl Gate {
    /// Returns whether a run passes this gate that `other` would stop.
    pub fn loosens(self, other: Self) -> bool {
        let later = match (self.verdict, other.verdict) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(own), Some(other)) => own > other,
        };
        later || (other.incomplete && !self.incomplete)
    }
}

/// Returns the code a run ends with: `verdict` is over everything that is open, `gaps` are what is missing.
pub fn exit(verdict: Verdict, gaps: &[Gap], gate: Gate) -> Exit {
    let met = gate.verdict.is_some_and(|bound| verdict >= bound) || (gate.incomplete && !gaps.is_empty());
    let applies = |exit: Exit| match exit {
        Exit::Gate => met,
        Exit::Incomplete => gaps.iter().any(|gap| !gap.by_budget),
        Exit::Coverage => gaps.iter().any(|gap| gap.by_budget),
        Exit::Done => true,
        // These end a run before there is a review.
        Exit::Bug | Exit::Usage | Exit::Refused => false,
    };
    Exit::PRECEDENCE.into_iter().find(|exit| applies(*exit)).unwrap_or(Exit::Done)
}
