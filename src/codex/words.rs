//! The words that rules and findings share: severities and names of reviewers.

use std::fmt;

/// How bad a finding is, from least to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Optional; not shown by default.
    Nit,
    /// An improvement worth considering.
    Suggestion,
    /// A measurable regression or a concrete risk.
    Important,
    /// Will cause an outage or data loss, or is exploitable.
    Critical,
}

impl Severity {
    /// All severities, worst first.
    pub const WORST_FIRST: [Self; 4] = [Self::Critical, Self::Important, Self::Suggestion, Self::Nit];

    /// Returns the word used in files, prompts and comments.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nit => "nit",
            Self::Suggestion => "suggestion",
            Self::Important => "important",
            Self::Critical => "critical",
        }
    }

    /// Returns the severity of a word, in any case.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORST_FIRST.into_iter().find(|severity| severity.word().eq_ignore_ascii_case(word.trim()))
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The name of a reviewer: lower-case letters, digits and hyphens; also the category of its findings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReviewerName(String);

impl ReviewerName {
    /// Returns the name if `text` is 1 to 40 lower-case letters, digits and hyphens, a letter first.
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.len() <= 40
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        well_formed.then(|| Self(text.to_owned()))
    }

    /// Returns the name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReviewerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
