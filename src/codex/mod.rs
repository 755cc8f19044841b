//! The team's codex: rules, their selection by path and language, their detectors. A pure room: rule texts and sources in, hits out; it must
//! not read files and knows nothing of models.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod body;
mod detect;
mod examples;
mod mask;
mod parse;
mod set;
mod words;

pub use detect::{Detected, Scope, detect};
pub use examples::{ExampleFailure, check_examples};
pub use mask::Mask;
pub use parse::{MAX_RULE_BYTES, parse, split};
pub use set::builtin;
pub use words::{ReviewerName, Severity};

use std::collections::BTreeMap;
use std::fmt;

use ast_grep_config::RuleConfig;
use ast_grep_language::SupportLang;
use globset::GlobSet;

use crate::change::{Language, RepoPath};

/// The ID of a rule: an upper-case domain, a hyphen, four digits, e.g. `SEC-0007`. Never reused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(String);

impl RuleId {
    /// Returns the ID if `text` has the form `DOMAIN-0000`.
    pub fn parse(text: &str) -> Option<Self> {
        let (domain, number) = text.split_once('-')?;
        let well_formed = (2..=12).contains(&domain.len())
            && domain.bytes().all(|b| b.is_ascii_uppercase())
            && number.len() == 4
            && number.bytes().all(|b| b.is_ascii_digit());
        well_formed.then(|| Self(text.to_owned()))
    }

    /// Returns the ID as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One rule of the codex, as checked by the parser.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its ID.
    pub id: RuleId,
    /// What to do, in the imperative.
    pub title: String,
    /// What is wrong where a detector hits; the title stands in when there is none.
    pub message: Option<String>,
    /// How bad a violation is.
    pub severity: Severity,
    /// The reviewer that owns it.
    pub reviewer: ReviewerName,
    /// Where it stands in its life.
    pub status: RuleStatus,
    /// Who answers for it.
    pub owner: Option<String>,
    /// A document behind it.
    pub rfc: Option<String>,
    /// Where it applies.
    pub applies_to: Applies,
    /// Free words; `secret` and `steering` make its detectors run on filtered files too.
    pub tags: Vec<String>,
    /// What a machine can see by itself; any of them is enough.
    pub detectors: Vec<Detector>,
    /// The first paragraph: one sentence, shown in the rule index.
    pub guidance: String,
    /// The `Why` section as Markdown.
    pub why: String,
    /// The whole text below the front matter, as `read_rule` shows it.
    pub body: String,
    /// The fenced examples.
    pub examples: Vec<Example>,
    /// The file it was read from, for messages.
    pub origin: String,
}

/// Where a rule stands in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleStatus {
    /// Runs and is recorded, never posted.
    Draft,
    /// In force.
    Active,
    /// No longer in force.
    Deprecated {
        /// The rule that took its place, if one did.
        replaced_by: Option<RuleId>,
    },
}

/// Where a rule applies. Each list is open when it is empty.
#[derive(Clone, Debug, Default)]
pub struct Applies {
    /// Languages.
    pub languages: Vec<Language>,
    /// Globs of paths; none = everywhere.
    pub paths: Option<GlobSet>,
    /// Globs of paths that are left out.
    pub exclude: Option<GlobSet>,
    /// The globs of `paths`, as written.
    pub path_globs: Vec<String>,
    /// The globs of `exclude`, as written.
    pub exclude_globs: Vec<String>,
}

/// What a machine can see by itself.
#[derive(Clone)]
pub enum Detector {
    /// A syntax pattern; a match counts when its range meets an added line.
    Structural {
        /// The language it is written for.
        language: Language,
        /// The compiled rule.
        rule: std::sync::Arc<RuleConfig<SupportLang>>,
    },
    /// A pattern tried on every added line by itself.
    Regex {
        /// What to find.
        find: regex::Regex,
        /// A line that also matches this does not count.
        except: Option<regex::Regex>,
    },
    /// Files that changed without others.
    CoChange {
        /// Some file changed here …
        changed: GlobSet,
        /// … and none here; none = the change itself is the hit.
        without: Option<GlobSet>,
        /// The globs of `without`, as written, for the message.
        without_globs: Vec<String>,
    },
}

impl fmt::Debug for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Structural { language, .. } => write!(f, "Structural({language})"),
            Self::Regex { find, .. } => write!(f, "Regex({find})"),
            Self::CoChange { without_globs, .. } => write!(f, "CoChange(without {without_globs:?})"),
        }
    }
}

/// A fenced example of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Whether the detectors must catch it.
    pub expect: Expect,
    /// The fence's language word; `files` for a co-change example.
    pub language: String,
    /// The file name given behind the language.
    pub file: Option<RepoPath>,
    /// The code between the fences.
    pub code: String,
    /// Line of the opening fence in the rule file, 1-based.
    pub line: usize,
}

/// What the detectors must make of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It must be caught.
    Bad,
    /// It must not be caught.
    Good,
}

/// The rules in force for a run, by ID.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: BTreeMap<RuleId, Rule>,
}

impl RuleSet {
    /// Returns the rules in the order of their IDs.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// Returns the rule with this ID.
    pub fn get(&self, id: &RuleId) -> Option<&Rule> {
        self.rules.get(id)
    }

    /// Returns the number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Returns whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// The text of one changed file at the head, as detectors read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The whole file.
    Whole(String),
    /// Only what the diff shows: the run has no files to read from.
    HunksOnly,
}

/// A place that a detector points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The rule.
    pub rule: RuleId,
    /// The file.
    pub path: RepoPath,
    /// The lines of the file's diff (indices over all lines of all hunks, first and last); none for a whole-file hit.
    pub lines: Option<(usize, usize)>,
    /// One sentence that adds facts to the rule's message, e.g. which file is missing; may be empty.
    pub detail: String,
    /// Why the hit does not count, if it does not.
    pub set_aside: Option<SetAside>,
}

/// Why a detector's hit does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetAside {
    /// The same normalised text is in the base.
    AlreadyThere,
    /// `assize:ignore RULE-ID reason` stands on or above the line; the reason.
    Suppressed(String),
    /// The rule is a draft.
    Draft,
}
