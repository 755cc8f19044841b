//! What a review is made of: claims, findings, outcomes, verdict. A pure room; it must not name a model, a server or a file system.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod answer;
mod boundary;
pub mod brief;
mod check;
mod ending;
mod fingerprint;
mod followup;
mod group;
mod hits;
mod locate;
mod merge;
mod money;
mod outcome;
mod patch;
mod prompt;
mod record;
pub mod risk;
mod roster;
mod suggest;
mod tool;

pub use answer::{Answer, Decision, Judgement, MAX_JUDGED, calls_in, claims, findings_schema, json_in, judgements, verdict_schema};
pub use boundary::{Boundary, visible};
pub use check::{Ground, check, outside};
pub use ending::{Gate, exit};
pub use fingerprint::fingerprints;
pub use followup::{FollowUp, FollowUpAnswer, MAX_FOLLOW_UPS, Matter, Says, by_question, follow_up_answers};
pub use group::{Group, Piece, groups};
pub use hits::{Checked, from_hits, sort, unseen};
pub(crate) use merge::likeness;
pub use merge::{claim_of, is_detected, judge, merge, refute, to_refute};
pub use money::{Cost, FirstTurn, PerMillion, Price, Spending, Spent, Usd};
pub use outcome::{Coverage, FileRead, Outcome, ReviewerReport, Usage, Verdict};
pub use patch::{heading, named, patch};
pub use prompt::{MAX_PROMPT_BYTES, ModelClass, Prompt, Prompts, ReviewerSettings, Trigger};
pub use record::{Gap, LeftOut, Mode, Review, Size, Subject, Tier, TierDecision};

pub use roster::{Choice, Reads, Roster, Seat, roster};
pub use tool::Tool;

pub use crate::codex::{ReviewerName, Severity};

use crate::change::{RepoPath, Span};
use crate::codex::RuleId;

/// What a reviewer or a detector says, unchecked.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// One line that states what is wrong.
    pub title: String,
    /// As the source sees it.
    pub severity: Severity,
    /// The reviewer whose field it is.
    pub category: ReviewerName,
    /// What is wrong, when it bites, the smallest fix.
    pub body: String,
    /// Rules it cites, not yet checked.
    pub rule_ids: Vec<String>,
    /// Where it says the problem is.
    pub cited: Cited,
    /// Places outside the change that it says break.
    pub related: Vec<Quoted>,
    /// Replacement for exactly the cited lines.
    pub suggestion: Option<String>,
    /// How sure the source is.
    pub confidence: Confidence,
    /// Who says so.
    pub source: Source,
    /// An earlier finding (`F-3`) that this is again.
    pub prior_id: Option<String>,
}

/// A place as a reviewer cites it: anchors first, the quote when they do not fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cited {
    /// The file, as written.
    pub path: String,
    /// Anchor of the first line, as written; empty for a whole file.
    pub first: String,
    /// Anchor of the last line; empty for a single line.
    pub last: String,
    /// The exact text of those lines.
    pub quote: String,
}

/// A place outside the change as a reviewer cites it, not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// The file, as written.
    pub path: String,
    /// The line in the head, as written.
    pub line: u32,
    /// The text of the line, as written.
    pub quote: String,
}

/// A place that a finding names beside its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// The file.
    pub path: RepoPath,
    /// The line in the head, 1-based.
    pub line: u32,
    /// The text of the line.
    pub quote: String,
}

/// How sure a source is, in per cent, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Confidence(u8);

impl Confidence {
    /// Certain: a detector saw it.
    pub const CERTAIN: Self = Self(100);

    /// Returns the confidence of a share between 0 and 1; outside values are clamped, and what is no number counts as 0.
    pub fn from_share(share: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=100 first")]
        let percent = (share.clamp(0.0, 1.0) * 100.0).round() as u8;
        Self(percent)
    }

    /// Returns the confidence in per cent.
    pub fn percent(self) -> u8 {
        self.0
    }
}

/// Who says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A detector of this rule.
    Detector(RuleId),
    /// A reviewer, through a model.
    Reviewer(ReviewerName),
}

/// A claim that survived the checks.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// One line that states what is wrong.
    pub title: String,
    /// After ceilings and merging.
    pub severity: Severity,
    /// The reviewer whose field it is.
    pub category: ReviewerName,
    /// What is wrong, when it bites, the smallest fix.
    pub body: String,
    /// Rules that exist and apply there, sorted.
    pub rule_ids: Vec<RuleId>,
    /// Where.
    pub place: Place,
    /// Verified places outside the change that it breaks.
    pub related: Vec<Related>,
    /// What replaces exactly the lines of the place, checked to fit.
    pub suggestion: Suggestion,
    /// The highest confidence among its sources.
    pub confidence: Confidence,
    /// Who found it, sorted.
    pub sources: Vec<Source>,
    /// How well it is founded.
    pub standing: Standing,
    /// An earlier finding that this is again.
    pub prior_id: Option<String>,
    /// Identity over rounds: 16 hexadecimal digits.
    pub fingerprint: String,
}

/// Where a finding stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On lines of the change.
    Lines(Span),
    /// On a file of the change as a whole.
    File {
        /// The file.
        path: RepoPath,
        /// Why it has no line.
        why: NoLine,
    },
    /// Outside the change, verified in the head: it goes to the summary.
    Outside(Related),
}

impl Place {
    /// Returns the file.
    pub fn path(&self) -> &RepoPath {
        match self {
            Self::Lines(span) => span.path(),
            Self::File { path, .. } => path,
            Self::Outside(related) => &related.path,
        }
    }
}

/// Why a finding is on a file rather than on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLine {
    /// It is about the file as a whole.
    WholeFile,
    /// The cited lines could not be found.
    NotFound,
}

/// The replacement that goes with a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suggestion {
    /// There is none.
    None,
    /// Fits: may be posted as an applicable suggestion.
    Applies(String),
    /// Does not fit: shown as a plain code block, with the reason.
    Plain {
        /// The code as given.
        code: String,
        /// Why it cannot be applied.
        why: String,
    },
}

/// How well a finding is founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Seen by a detector: confirmed by construction.
    Confirmed,
    /// A critical of a model that the refuting pass could not refute.
    Verified,
    /// A critical of a model for which the refuting pass could not run.
    Unverified,
    /// A model's claim that passed the checks.
    Checked,
}

/// A claim that did not become a finding of its own, with the reason. Nothing vanishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropped {
    /// The claim as made.
    pub claim: Claim,
    /// Why it was dropped.
    pub reason: DropReason,
    /// One sentence for people, e.g. the coordinator's own words.
    pub detail: String,
}

/// Why a claim was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// Its place could not be found.
    Unsupported,
    /// It concerns nothing that the change touched.
    OutOfScope,
    /// The same was there before and is untouched.
    AlreadyThere,
    /// A nit: people do not see them.
    Nit,
    /// A codex finding left without a rule.
    NoRule,
    /// Suppressed in the code by `assize:ignore`.
    Suppressed,
    /// The rule is a draft: recorded, never posted.
    DraftRule,
    /// Merged into another finding.
    Duplicate,
    /// Dropped by the coordinator.
    Judged,
    /// Refuted by the second pass.
    Refuted,
    /// Found late in code that an earlier round had read, and one of too many.
    MissedEarlier,
}

impl DropReason {
    /// Returns the word used in `result.json`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::OutOfScope => "out_of_scope",
            Self::AlreadyThere => "already_there",
            Self::Nit => "nit",
            Self::NoRule => "no_rule",
            Self::Suppressed => "suppressed",
            Self::DraftRule => "draft_rule",
            Self::Duplicate => "duplicate",
            Self::Judged => "judged",
            Self::Refuted => "refuted",
            Self::MissedEarlier => "missed_earlier",
        }
    }
}
