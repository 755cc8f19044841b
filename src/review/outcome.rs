//! How the parts of a review ended, and the verdict over its findings. Nothing here has a default: a failed reviewer cannot look clean.

use std::collections::BTreeMap;

use super::{ReviewerName, Severity};
use crate::change::RepoPath;

/// How one reviewer of the roster ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every group was answered.
    Answered,
    /// Some of its work got no usable answer; what it said before counts.
    Failed {
        /// One sentence for people: what failed, and what was tried.
        why: String,
        /// A ceiling of time, tokens or money stopped it, not a fault outside.
        by_budget: bool,
    },
    /// Not run, by the tier, a trigger or the settings.
    NotRun {
        /// One sentence for people.
        why: String,
    },
}

/// One reviewer of the roster with its outcome and cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewerReport {
    /// The reviewer.
    pub name: ReviewerName,
    /// Its title, as comments show it.
    pub title: String,
    /// The model that answered, e.g. `anthropic/claude-sonnet-4-6`; none if none did.
    pub model: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// What it used over all its calls.
    pub usage: Usage,
    /// How many claims it made, before any check.
    pub claims: usize,
}

/// Tokens and calls of one or several model calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests sent, retries included.
    pub calls: u64,
    /// Input tokens, cached ones included.
    pub input: u64,
    /// Input tokens that the provider read from its cache.
    pub cached: u64,
    /// Input tokens that the provider wrote to its cache.
    pub cache_write: u64,
    /// Output tokens.
    pub output: u64,
}

impl Usage {
    /// Returns the tokens that count towards a ceiling: input that no cache held, and output.
    pub const fn counted(&self) -> u64 {
        self.input.saturating_sub(self.cached).saturating_add(self.output)
    }

    /// Returns the part of the input that came from the provider's cache, in per cent; nothing without input.
    pub fn cached_percent(&self) -> Option<u64> {
        self.cached.saturating_mul(100).checked_div(self.input)
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.input += other.input;
        self.cached += other.cached;
        self.cache_write += other.cache_write;
        self.output += other.output;
    }
}

/// What became of one file for one reviewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileRead {
    /// Embedded in an answered request, or returned by `read_diff`.
    Read,
    /// The reviewer answered, but its field does not include the file.
    NotItsConcern,
    /// Filtered as noise.
    Filtered,
    /// A ceiling was reached first.
    OverBudget,
    /// Its request got no usable answer.
    Failed,
}

/// Every file × reviewer with its reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// File → reviewer → what became of it.
    pub reads: BTreeMap<RepoPath, BTreeMap<ReviewerName, FileRead>>,
}

impl Coverage {
    /// Returns the files that passed the filter and that nobody read, sorted.
    pub fn unread(&self) -> Vec<&RepoPath> {
        self.reads
            .iter()
            .filter(|(_, by)| !by.is_empty() && !by.values().any(|read| matches!(read, FileRead::Read | FileRead::Filtered)))
            .map(|(path, _)| path)
            .collect()
    }
}

/// The verdict over the checked findings that are open. Models set severities, never verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing, or nits.
    Approved,
    /// Anything else above nit.
    ApprovedWithComments,
    /// Three or more importants.
    MinorIssues,
    /// Any critical.
    SignificantConcerns,
}

impl Verdict {
    /// Returns the verdict over these severities.
    pub fn over(severities: impl IntoIterator<Item = Severity>) -> Self {
        let mut importants = 0;
        let mut worst = Self::Approved;
        for severity in severities {
            let alone = match severity {
                Severity::Nit => Self::Approved,
                Severity::Suggestion => Self::ApprovedWithComments,
                Severity::Important => {
                    importants += 1;
                    if importants >= 3 { Self::MinorIssues } else { Self::ApprovedWithComments }
                }
                Severity::Critical => Self::SignificantConcerns,
            };
            worst = worst.max(alone);
        }
        worst
    }

    /// Returns the word used in files and settings.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::ApprovedWithComments => "approved_with_comments",
            Self::MinorIssues => "minor_issues",
            Self::SignificantConcerns => "significant_concerns",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_the_worst_findings() {
        use Severity::{Critical, Important, Nit, Suggestion};
        let check = |severities: &[Severity], verdict| assert_eq!(Verdict::over(severities.iter().copied()), verdict, "{severities:?}");
        check(&[], Verdict::Approved);
        check(&[Nit, Nit, Nit], Verdict::Approved);
        check(&[Suggestion], Verdict::ApprovedWithComments);
        check(&[Important, Important], Verdict::ApprovedWithComments);
        check(&[Important, Nit, Important, Important], Verdict::MinorIssues);
        check(&[Important, Important, Important, Critical], Verdict::SignificantConcerns);
    }
}
