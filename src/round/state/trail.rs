//! What is remembered of a finding and of a round beside what people read: enough to know the finding again, to check whether it is fixed, and to go
//! on where a run died. It must not hold source text: digests only.

use sha2::{Digest as _, Sha256};

use super::FindingId;
use crate::change::CommitId;
use crate::codex::RuleId;
use crate::review::{Finding, Place, Severity, Source};

/// Raised when the recipe of line digests changes: digests of other versions never meet.
const VERSION: &str = "assize-line-1";

/// What is remembered of a finding for the rounds alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// How many lines above its last line it begins.
    pub above: u32,
    /// Digest of its first line as reviewers saw it, see [`line_digest`]; none without a line.
    pub text: Option<String>,
    /// The rules whose detectors saw it, sorted.
    pub detectors: Vec<RuleId>,
    /// A reviewer saw it, too: how bad it is was not the detectors' word alone.
    pub reviewed: bool,
    /// A finding of the same kind that a person dismissed at another place.
    pub earlier: Option<FindingId>,
    /// It stands in code that an earlier round had reviewed without seeing it.
    pub late: bool,
    /// How often it was raised again after it was closed.
    pub returns: u32,
    /// The worst that it may be, since the coordinator granted so to a person who disagreed.
    pub ceiling: Option<Severity>,
    /// What is still to be done about it.
    pub unsettled: Option<Unsettled>,
}

/// What is still to be done about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsettled {
    /// Its code changed, and whether it is fixed was asked and not answered: the next run asks again.
    Unchecked,
    /// What a person said about it was not answered: the next run asks again.
    Unanswered,
    /// The bot owes a reply in its thread, which is not known to be posted.
    Owed,
}

/// How far a round has been written to the merge request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Posting {
    /// The summary is written; threads and replies may be missing.
    Begun,
    /// Everything is posted. Rounds of programs that did not say so count as posted.
    #[default]
    Done,
}

/// A person lifted the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The person's name without `@`.
    pub by: String,
    /// The reason given, one line. Untrusted.
    pub why: String,
    /// The head that it holds for.
    pub head: CommitId,
    /// The note.
    pub note: u64,
    /// When it was written, as GitLab gives it.
    pub at: String,
}

impl Trail {
    /// Returns the trail of a finding that is seen for the first time.
    pub fn of(finding: &Finding) -> Self {
        let mut trail = Self::default();
        trail.seen(finding);
        trail
    }

    /// Takes over where and by whom a later round saw it.
    pub fn seen(&mut self, finding: &Finding) {
        (self.above, self.text) = match &finding.place {
            Place::Lines(span) => {
                let (first, last) = (span.first(), span.last());
                let above = if first.side() == last.side() { last.line().saturating_sub(first.line()) } else { 0 };
                (above, span.text().first().map(|line| line_digest(line)))
            }
            Place::File { .. } | Place::Outside(_) => (0, None),
        };
        self.detectors = finding
            .sources
            .iter()
            .filter_map(|source| match source {
                Source::Detector(rule) => Some(rule.clone()),
                Source::Reviewer(_) => None,
            })
            .collect();
        self.detectors.sort();
        self.reviewed |= is_reviewed(finding);
    }
}

/// Returns whether a reviewer is among those who saw a finding.
pub(super) fn is_reviewed(finding: &Finding) -> bool {
    finding.sources.iter().any(|source| match source {
        Source::Reviewer(_) => true,
        Source::Detector(_) => false,
    })
}

/// Returns the digest of a line but for its white space, 16 hexadecimal digits.
pub fn line_digest(line: &str) -> String {
    let mut hash = Sha256::new_with_prefix(VERSION);
    for word in line.split_whitespace() {
        hash.update((word.len() as u64).to_be_bytes());
        hash.update(word);
    }
    hex::encode(&hash.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_line_is_fixed_and_knows_no_white_space() {
        assert_eq!(line_digest("  let a = b;"), line_digest("let\ta =  b;\r"));
        assert_ne!(line_digest("let a"), line_digest("leta"));
        assert_eq!(line_digest("let a = b;"), "2a0b48faa687d494");
    }
}
