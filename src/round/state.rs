//! What is remembered of a merge request from round to round. It must not know where it is kept: `marker` writes and reads it.

mod trail;
mod wire;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

pub use self::trail::{Override, Posting, Trail, Unsettled, line_digest};
use crate::change::{CommitId, RepoPath, Side};
use crate::codex::RuleId;
use crate::review::{Finding, Place, Severity, Tier, Usage, Usd, Verdict};

/// The format that this program writes, and the newest that it understands. Format 2 added what [`Trail`], [`Posting`] and [`Override`] hold.
pub const STATE_VERSION: u32 = 2;
/// The oldest format whose programs may read and write what this program writes: they keep what they do not know.
const MIN_READER: u32 = 1;
/// The longest title that is remembered, in characters.
const MAX_TITLE_CHARS: usize = 200;

/// Fields that a newer program wrote: kept and written back, never read.
pub type Extra = BTreeMap<String, Value>;

/// Everything that is remembered of a merge request.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The newest format that wrote to it.
    pub version: u32,
    /// The oldest format that may read it.
    pub min_reader: u32,
    /// The rounds, oldest first.
    pub rounds: Vec<Round>,
    /// Every finding of every round, sorted by ID.
    pub findings: Vec<Known>,
    /// The number of the next finding. It only grows, so that no `F-n` ever means two things.
    pub next_id: u32,
    /// Closed findings that are no longer remembered, for want of room.
    pub trimmed: u32,
    /// Fields of newer programs.
    pub extra: Extra,
}

/// One round.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// Its number, from 1.
    pub number: u32,
    /// The reviewed head.
    pub head: CommitId,
    /// The merge base.
    pub base: CommitId,
    /// The tip of the target branch, which the instructions came from.
    pub target: CommitId,
    /// Identity of the change whatever it is based on.
    pub patch_id: String,
    /// How much scrutiny it got.
    pub tier: Tier,
    /// The tier that a label or the command line forced.
    pub forced_tier: Option<Tier>,
    /// Over the findings that were open.
    pub verdict: Verdict,
    /// Whether everything that the tier requires was done.
    pub complete: bool,
    /// Tokens and calls of the round.
    pub usage: Usage,
    /// What of it has a known price.
    pub cost: Usd,
    /// Digest of configuration, prompts and codex.
    pub config_digest: String,
    /// The newest note of a person that the round had read.
    pub newest_note: Option<NewestNote>,
    /// Digest of which threads were resolved, see `Conversation::digest`.
    pub threads_digest: String,
    /// How far it has been posted.
    pub posting: Posting,
    /// Who lifted the gate for it, if anyone did.
    pub overridden: Option<Override>,
    /// Fields of newer programs.
    pub extra: Extra,
}

/// The newest note of a person that a round had read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestNote {
    /// GitLab's number.
    pub id: u64,
    /// When it was written, as GitLab gives it.
    pub at: String,
}

/// The lasting name of a finding within its merge request: `F-12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FindingId(u32);

impl FindingId {
    /// Returns the name with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns the name if `text` is `F-` and a number from 1, without leading zeros.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("F-")?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        plain.then(|| digits.parse().ok().map(Self))?
    }

    /// Returns the number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "F-{}", self.0)
    }
}

/// A finding as it is remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Its lasting name.
    pub id: FindingId,
    /// Its identity over rounds, as of the last round that saw it.
    pub fingerprint: String,
    /// Its rules, sorted.
    pub rule_ids: Vec<RuleId>,
    /// How bad it is.
    pub severity: Severity,
    /// One line that states what is wrong; at most 200 characters.
    pub title: String,
    /// Where it stood when it was last seen.
    pub place: KnownPlace,
    /// What became of it.
    pub status: Status,
    /// The round that raised it.
    pub first: u32,
    /// The last round that saw it.
    pub last: u32,
    /// Its thread, if it has one.
    pub thread: Option<ThreadRef>,
    /// What the rounds alone remember.
    pub trail: Trail,
    /// Fields of newer programs.
    pub extra: Extra,
}

/// Where a finding stood when it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPlace {
    /// The file.
    pub path: RepoPath,
    /// The last of its lines; none for a whole file.
    pub line: Option<u32>,
    /// The side that the line number counts on.
    pub side: Side,
}

/// A thread of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadRef {
    /// GitLab's ID of the discussion.
    pub id: String,
    /// Number of its first note, which links point to.
    pub note: u64,
}

/// What became of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is there.
    Open,
    /// A person or GitLab says it is fixed; not checked yet. It counts as open.
    ClaimedFixed {
        /// Who, if it is known.
        by: Option<String>,
    },
    /// It was checked to be gone.
    Fixed {
        /// The round that checked it.
        round: u32,
        /// The head of that round.
        commit: CommitId,
    },
    /// A person decided that it stays.
    Dismissed {
        /// The person's name without `@`.
        by: String,
        /// The reason given, or empty. Untrusted.
        why: String,
    },
}

impl Status {
    /// Returns whether it still counts in the verdict.
    pub const fn is_open(&self) -> bool {
        match self {
            Self::Open | Self::ClaimedFixed { .. } => true,
            Self::Fixed { .. } | Self::Dismissed { .. } => false,
        }
    }
}

/// Why a state could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// A newer program wrote it and this one must leave it alone.
    #[error("the state of this merge request needs format {needs}, and this program reads up to {STATE_VERSION}")]
    TooOld {
        /// The oldest format that may read it.
        needs: u32,
    },
    /// It is damaged.
    #[error("the state of this merge request cannot be read: {0}")]
    Unreadable(String),
}

impl State {
    /// Returns the state before the first round.
    pub fn new() -> Self {
        Self {
            version: STATE_VERSION,
            min_reader: MIN_READER,
            rounds: Vec::new(),
            findings: Vec::new(),
            next_id: 1,
            trimmed: 0,
            extra: Extra::new(),
        }
    }

    /// Returns the state as JSON.
    pub fn to_json(&self) -> String {
        wire::write(self)
    }

    /// Reads a state from JSON.
    pub fn from_json(json: &[u8]) -> Result<Self, StateError> {
        wire::read(json)
    }

    /// Returns the finding of that name.
    pub fn finding(&self, id: FindingId) -> Option<&Known> {
        self.findings.iter().find(|known| known.id == id)
    }

    /// Returns the last round.
    pub fn last(&self) -> Option<&Round> {
        self.rounds.last()
    }

    /// Returns the number of the round over this head and base: the last one's again when it was over the same, so that a run that is
    /// repeated goes on where it stopped.
    pub fn round_over(&self, head: &CommitId, base: &CommitId) -> u32 {
        match self.last() {
            Some(last) if last.head == *head && last.base == *base => last.number,
            Some(last) => last.number.saturating_add(1),
            // Rebuilt from threads, which remember their rounds.
            None => self.findings.iter().map(|known| known.last).max().unwrap_or(0).saturating_add(1),
        }
    }

    /// Returns the state after `round`: its findings replaced, and the round added, or put in the place of the same one.
    #[must_use]
    pub fn after(&self, round: Round, findings: Vec<Known>, next_id: u32) -> Self {
        let mut after = self.clone();
        if after.last().is_some_and(|last| last.number == round.number) {
            after.rounds.pop();
        }
        after.rounds.push(round);
        after.findings = findings;
        after.next_id = next_id.max(self.next_id);
        after.version = self.version.max(STATE_VERSION);
        after
    }

    /// Returns whether everything at the last reviewed head was read: what is found in it later was missed.
    pub fn was_read(&self) -> bool {
        self.last().is_some_and(|last| last.complete && last.posting == Posting::Done)
    }

    /// Returns the state with its last round marked as posted: nothing is owed any more.
    #[must_use]
    pub fn posted(&self) -> Self {
        let mut state = self.clone();
        if let Some(last) = state.rounds.last_mut() {
            last.posting = Posting::Done;
        }
        for known in &mut state.findings {
            known.trail.unsettled = known.trail.unsettled.filter(|unsettled| *unsettled != Unsettled::Owed);
        }
        state
    }

    /// Returns the verdict over the findings that are open.
    pub fn verdict(&self) -> Verdict {
        Verdict::over(self.findings.iter().filter(|known| known.status.is_open()).map(|known| known.severity))
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

impl Known {
    /// Returns a finding as it is remembered when it is first seen.
    pub fn of(id: FindingId, finding: &Finding, round: u32) -> Self {
        Self {
            id,
            fingerprint: finding.fingerprint.clone(),
            rule_ids: finding.rule_ids.clone(),
            severity: finding.severity,
            title: shortened(&finding.title),
            place: KnownPlace::of(&finding.place),
            status: Status::Open,
            first: round,
            last: round,
            thread: None,
            trail: Trail::of(finding),
            extra: Extra::new(),
        }
    }

    /// Takes over what a later round saw of it. Where only detectors looked again, it stays as bad as a reviewer had found it.
    pub fn seen(&mut self, finding: &Finding, round: u32) {
        let kept = (self.trail.reviewed && !trail::is_reviewed(finding)).then_some(self.severity);
        self.fingerprint.clone_from(&finding.fingerprint);
        self.rule_ids.clone_from(&finding.rule_ids);
        self.severity = kept.map_or(finding.severity, |kept| kept.max(finding.severity));
        self.title = shortened(&finding.title);
        self.place = KnownPlace::of(&finding.place);
        self.last = round;
        self.trail.seen(finding);
        self.severity = self.trail.ceiling.map_or(self.severity, |ceiling| self.severity.min(ceiling));
    }

    /// Takes over where a later round saw it, and nothing else: a person decided about what it was.
    pub fn relocated(&mut self, finding: &Finding, round: u32) {
        self.fingerprint.clone_from(&finding.fingerprint);
        self.place = KnownPlace::of(&finding.place);
        self.last = round;
        self.trail.seen(finding);
    }

    /// Returns the first and the last of its lines; none for a whole file.
    pub fn lines(&self) -> Option<(u32, u32)> {
        self.place.line.map(|last| (last.saturating_sub(self.trail.above).max(1), last))
    }
}

fn shortened(title: &str) -> String {
    match title.char_indices().nth(MAX_TITLE_CHARS) {
        Some((at, _)) => format!("{}…", title[..at].trim_end()),
        None => title.to_owned(),
    }
}

impl KnownPlace {
    /// Returns a place as it is remembered.
    pub fn of(place: &Place) -> Self {
        match place {
            Place::Lines(span) => Self { path: span.path().clone(), line: Some(span.last().line()), side: span.last().side() },
            Place::File { path, .. } => Self { path: path.clone(), line: None, side: Side::New },
            Place::Outside(related) => Self { path: related.path.clone(), line: Some(related.line), side: Side::New },
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
