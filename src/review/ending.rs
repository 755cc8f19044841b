//! How a run ends: the exit code as a pure function of the review and the gate.

use super::{Gap, Mode, Review};
use crate::exit::Exit;
use crate::review::Verdict;

/// Returns the code a run ends with. `gate` is the verdict from which on it fails, `on_incomplete` fails it when something is missing too.
pub fn exit(review: &Review, gate: Option<Verdict>, on_incomplete: bool) -> Exit {
    let met = gate.is_some_and(|gate| review.verdict >= gate) || (on_incomplete && !review.complete());
    let outside = |gap: &Gap| !gap.by_budget;
    let applies = |exit: Exit| match exit {
        Exit::Gate => met,
        Exit::Incomplete => review.incomplete.iter().any(outside),
        Exit::Coverage => review.incomplete.iter().any(|gap| gap.by_budget),
        Exit::Done => true,
        // These end a run before there is a review.
        Exit::Bug | Exit::Usage | Exit::Refused => false,
    };
    Exit::PRECEDENCE.into_iter().find(|exit| applies(*exit)).unwrap_or(Exit::Done)
}

/// Returns whether the review may be shown as complete in a mode: detectors alone are complete, but never an approval.
pub fn may_approve(review: &Review) -> bool {
    review.complete() && review.mode == Mode::Reviewed
}
