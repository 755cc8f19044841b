//! The record of one review: everything that reports, comments and `result.json` tell. It must not format anything.

use super::{Coverage, Dropped, Finding, ReviewerReport, Spending, Verdict};
use crate::change::{CommitId, RepoPath};

/// One review, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    /// What was reviewed.
    pub subject: Subject,
    /// How large the filtered change is.
    pub size: Size,
    /// How much scrutiny it got, and why.
    pub tier: TierDecision,
    /// Files left out of the reviewers' view, sorted by path.
    pub left_out: Vec<LeftOut>,
    /// Files reviewed although they look generated: the mark is new with this change.
    pub newly_generated: Vec<RepoPath>,
    /// How the models were used.
    pub mode: Mode,
    /// Number of rules whose detectors ran.
    pub rules: usize,
    /// The groups that a large change was cut into; one for a change that fits.
    pub groups: Vec<Vec<RepoPath>>,
    /// Everybody on the roster and beside it, in roster order, then coordinator and refuter.
    pub reviewers: Vec<ReviewerReport>,
    /// Findings, worst first, then by place.
    pub findings: Vec<Finding>,
    /// Claims that became no finding, with reasons.
    pub dropped: Vec<Dropped>,
    /// What each reviewer read.
    pub coverage: Coverage,
    /// Over the findings.
    pub verdict: Verdict,
    /// Why the review is incomplete; empty = complete.
    pub incomplete: Vec<Gap>,
    /// Remarks that a reader should see, e.g. that the configuration came from the working tree.
    pub remarks: Vec<String>,
    /// Providers that received code, sorted.
    pub received_code: Vec<String>,
    /// What models used, and what it cost.
    pub spending: Spending,
}

impl Review {
    /// Returns whether everything that the tier requires was done.
    pub fn complete(&self) -> bool {
        self.incomplete.is_empty()
    }
}

/// What was reviewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// For people, e.g. `working tree against a1b2c3d4 (main)` or `change.diff`.
    pub label: String,
    /// The base, if it is a commit.
    pub base: Option<CommitId>,
    /// The head, if it is a commit.
    pub head: Option<CommitId>,
}

/// Size of the filtered change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Files.
    pub files: usize,
    /// Added lines.
    pub added: usize,
    /// Removed lines.
    pub removed: usize,
}

impl Size {
    /// Returns added and removed lines together, as tiers count them.
    pub fn lines(self) -> usize {
        self.added + self.removed
    }
}

/// How much scrutiny a change gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// One generalist.
    Trivial,
    /// Quality, codex, docs.
    Lite,
    /// Everyone.
    Full,
}

impl Tier {
    /// All tiers, least first.
    pub const ALL: [Self; 3] = [Self::Trivial, Self::Lite, Self::Full];

    /// Returns the word used in files and flags.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trivial => "trivial",
            Self::Lite => "lite",
            Self::Full => "full",
        }
    }

    /// Returns the tier of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.word() == word)
    }
}

/// A tier with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierDecision {
    /// The tier.
    pub tier: Tier,
    /// One clause each that fits behind “because”, e.g. `src/auth/session.rs is security-sensitive`.
    pub reasons: Vec<String>,
}

/// A file left out of the reviewers' view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The file.
    pub path: RepoPath,
    /// Why.
    pub reason: crate::change::Noise,
}

/// How the models were used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reviewers ran, or were meant to.
    Reviewed,
    /// No model was configured, or `--no-model` was given; the reason.
    DetectorsOnly(String),
    /// Nothing passed the filter.
    NothingToReview,
}

/// Why a review is incomplete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// One sentence for people.
    pub what: String,
    /// A ceiling or coverage stopped it (exit 5); else something outside failed (exit 3).
    pub by_budget: bool,
}
