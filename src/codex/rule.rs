//! What a rule is, once its file has been checked. It must not parse anything: `parse` does.

use std::fmt;

use ast_grep_config::RuleConfig;
use ast_grep_language::SupportLang;
use globset::GlobSet;

use super::{ReviewerName, Severity};
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
        f.pad(&self.0)
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
