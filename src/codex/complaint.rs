//! What is wrong with a rule file, and where: one screen with the line it is about. It must not decide what is wrong.

use std::fmt;

use crate::error::Failure;

/// The widest part of a source line that a message shows, in characters.
const MAX_SHOWN_CHARS: usize = 120;

/// A place in a rule file, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    /// Line, 1-based.
    pub(super) line: usize,
    /// Column, 1-based.
    pub(super) column: usize,
    /// Number of characters; at least 1 is underlined, and nothing beyond the line.
    pub(super) width: usize,
}

impl At {
    /// Returns the first character of a line.
    pub(super) fn line(line: usize) -> Self {
        Self { line, column: 1, width: 1 }
    }
}

/// A problem before the file's name and text are known to it.
#[derive(Clone, Debug)]
pub(super) struct Complaint {
    /// Where.
    pub(super) at: At,
    /// What is wrong.
    pub(super) message: String,
    /// What to do.
    pub(super) hint: Option<String>,
}

impl Complaint {
    /// Returns a complaint without a hint.
    pub(super) fn new(at: At, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), hint: None }
    }

    /// Adds what to do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the nearest of the words that are valid there, or all of them if none is near.
    pub(super) fn nearest<'a>(self, word: &str, valid: impl IntoIterator<Item = &'a str>) -> Self {
        let valid: Vec<&str> = valid.into_iter().collect();
        match nearest(word, valid.iter().copied()) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self.hint(format!("valid here: {}", valid.join(", "))),
        }
    }
}

/// Returns the word that `word` was most likely meant to be.
pub(super) fn nearest<'a>(word: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in valid {
        let likeness = strsim::jaro_winkler(&lower, &candidate.to_lowercase());
        if likeness > 0.8 && best.is_none_or(|(known, _)| likeness > known) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// A rule file that is no rule: what is wrong, where, and the line itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The file.
    pub origin: String,
    /// The line, 1-based.
    pub line: usize,
    /// The column in characters, 1-based.
    pub column: usize,
    /// What is wrong, a lowercase fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The part of the source line that is shown, made printable.
    shown: Box<str>,
    /// Where in `shown` the underline starts, in characters.
    offset: usize,
    /// Length of the underline in characters.
    width: usize,
}

impl RuleError {
    /// Returns the complaint as it concerns this file.
    pub(super) fn new(origin: &str, text: &str, complaint: Complaint) -> Self {
        let Complaint { at, message, hint } = complaint;
        let source: Vec<char> = text.split('\n').nth(at.line.saturating_sub(1)).unwrap_or("").trim_end_matches('\r').chars().collect();
        let start = at.column.saturating_sub(1).min(source.len());
        // A line that is too long is shown around the place.
        let from = if source.len() > MAX_SHOWN_CHARS { start.saturating_sub(MAX_SHOWN_CHARS / 3) } else { 0 };
        let to = source.len().min(from + MAX_SHOWN_CHARS);
        let shown: String = source[from..to].iter().map(|&c| if c.is_control() { ' ' } else { c }).collect();
        let width = at.width.clamp(1, to.saturating_sub(start).max(1));
        Self {
            origin: origin.to_owned(),
            line: at.line,
            column: at.column,
            message,
            hint,
            shown: shown.into(),
            offset: start - from,
            width,
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(f, "{}:{}:{}: {}", self.origin, self.line, self.column, self.message)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {}", self.shown)?;
        write!(f, "{gutter} | {}{}", " ".repeat(self.offset), "^".repeat(self.width))?;
        match &self.hint {
            Some(hint) => write!(f, "\n{gutter} = hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RuleError {}

impl From<RuleError> for Failure {
    fn from(error: RuleError) -> Self {
        Self::usage(error.to_string())
    }
}
