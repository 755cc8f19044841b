//! `assize:ignore RULE-ID reason` in the code. It must not obey a suppression without a reason.

use std::sync::LazyLock;

use regex::Regex;

use super::detect::View;
use super::{RuleId, Source};
use crate::change::{FileDiff, LineKind};

/// The word that starts a suppression.
const WORD: &str = "assize:ignore";
/// The most lines of suppressions above one line that are read.
const MAX_LINES_ABOVE: u32 = 8;

/// Returns the reason for which a line suppresses a rule, if it does.
///
/// `# assize:ignore SEC-0007 the digest is public` gives `the digest is public`. Several suppressions may share a line, each with its reason.
pub fn suppression(line: &str, rule: &RuleId) -> Option<String> {
    static ID: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\s+([A-Z]{2,12}-[0-9]{4})(?:[\s:,;–—-]+(.*))?$").expect("a valid regex"));
    line.split(WORD).skip(1).find_map(|rest| {
        let captures = ID.captures(rest.trim_end())?;
        if captures.get(1)?.as_str() != rule.as_str() {
            return None;
        }
        // What closes the comment is no reason, nor is what opens the next one.
        let reason = captures.get(2)?.as_str().trim_end_matches(|c: char| !c.is_alphanumeric() && !matches!(c, ')' | '.' | '!' | '?'));
        // Nor is another rule's ID: it says what is switched off, not why.
        let says_why = |word: &str| word.contains(char::is_alphanumeric) && RuleId::parse(word.trim_matches([',', ';', ':'])).is_none();
        reason.split_whitespace().any(says_why).then(|| reason.trim().to_owned())
    })
}

/// Returns the reason for which a rule is suppressed at a line of a file's diff: on the line itself or directly above it.
///
/// `first` is the index over all lines of all hunks. Above counts in the head; for a removed line, in the diff.
pub fn suppressed(rule: &RuleId, file: &FileDiff, source: &Source, first: usize) -> Option<String> {
    let view = View::new(0, file, source);
    let line = view.lines.get(first)?;
    match line.kind {
        LineKind::Added | LineKind::Context => at(rule, &view, line.new),
        LineKind::Removed => {
            let above = first.checked_sub(1).and_then(|above| view.lines.get(above)).filter(|above| stands_alone(&above.text));
            suppression(&line.text, rule).or_else(|| above.and_then(|above| suppression(&above.text, rule)))
        }
    }
}

/// Returns whether a line is nothing but a suppression: one behind code is about that code, not about the line below.
fn stands_alone(line: &str) -> bool {
    line.split_once(WORD).is_some_and(|(before, _)| !before.contains(char::is_alphanumeric))
}

/// The same for a line of the head, by its number; suppressions of several rules may stand above each other.
pub(super) fn at(rule: &RuleId, view: &View<'_>, number: u32) -> Option<String> {
    if let Some(reason) = suppression(view.line(number)?, rule) {
        return Some(reason);
    }
    (1..=MAX_LINES_ABOVE)
        .map_while(|above| number.checked_sub(above).and_then(|number| view.line(number)))
        .take_while(|line| stands_alone(line))
        .find_map(|line| suppression(line, rule))
}
