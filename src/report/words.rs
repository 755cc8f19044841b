//! Phrases that several reports share. They state findings and gaps, never an approval that nobody gave.

use std::collections::BTreeMap;

use crate::change::Noise;
use crate::review::{Finding, Mode, Outcome, Place, Review, Severity, Suggestion};

/// Returns the one line that must be enough: what was found, in how much of the change, and whether all of it was reviewed.
///
/// `1 critical, 2 important`, `nothing found in 12 of 14 files, and not everything was reviewed`, `nothing to review`.
pub fn headline(review: &Review) -> String {
    if review.mode == Mode::NothingToReview && review.findings.is_empty() {
        return if review.complete() {
            "nothing to review".to_owned()
        } else {
            "nothing found, and not everything was reviewed".to_owned()
        };
    }
    let counts = counts(&review.findings);
    let found = match share_of_files(review) {
        _ if !counts.is_empty() => counts,
        Some(share) => format!("nothing found in {share}"),
        None => return "no reviewer answered, and the detectors found nothing".to_owned(),
    };
    let limits = match (&review.mode, review.complete()) {
        (Mode::DetectorsOnly(_), _) => " (detectors only)",
        (Mode::Reviewed | Mode::NothingToReview, false) => ", and not everything was reviewed",
        (Mode::Reviewed | Mode::NothingToReview, true) => "",
    };
    found + limits
}

fn counts(findings: &[Finding]) -> String {
    let parts = Severity::WORST_FIRST.into_iter().filter_map(|severity| {
        let count = findings.iter().filter(|finding| finding.severity == severity).count();
        let word = match (severity, count) {
            (_, 0) => return None,
            (Severity::Suggestion | Severity::Nit, 2..) => format!("{severity}s"),
            _ => severity.to_string(),
        };
        Some(format!("{count} {word}"))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Returns how much of the change was read, e.g. `12 of 14 files`; `None` for none of it although there were readers.
pub fn share_of_files(review: &Review) -> Option<String> {
    let unread = review.coverage.unread().len();
    // Noise at security-sensitive paths is read, but not part of the filtered change's size.
    let all = review.size.files.max(review.coverage.reads.len());
    match all.saturating_sub(unread) {
        0 if unread > 0 => None,
        read if read == all => Some(plural(all, "file")),
        read => Some(format!("{read} of {}", plural(all, "file"))),
    }
}

/// Returns a count with its noun: `1 file`, `2 files`.
pub fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Returns the size of the filtered change: `14 files (+312 −87)`.
pub(super) fn size(review: &Review) -> String {
    format!("{} (+{} −{})", plural(review.size.files, "file"), review.size.added, review.size.removed)
}

/// Returns the tier with its reasons: `full review, because src/auth/session.rs is security-sensitive`.
pub(super) fn tier(review: &Review) -> String {
    let because = review.tier.reasons.join("; ");
    let comma = if because.is_empty() { "" } else { ", because " };
    format!("{} review{comma}{because}", review.tier.tier.word())
}

/// Returns where a finding stands: `src/orders.rs:41`, `src/http/retry.rs:88–97`, `README.md`.
pub(super) fn place(place: &Place) -> String {
    match place {
        Place::Lines(span) => {
            let (first, last) = (span.first().line(), span.last().line());
            let gone = match span.last().side() {
                crate::change::Side::Old => " (removed)",
                crate::change::Side::New => "",
            };
            if first == last || span.first().side() != span.last().side() {
                format!("{}:{last}{gone}", span.path())
            } else {
                format!("{}:{first}–{last}{gone}", span.path())
            }
        }
        Place::File { path, .. } => path.to_string(),
        Place::Outside(related) => format!("{}:{} (outside the change)", related.path, related.line),
    }
}

/// Returns the rule IDs, comma-separated; empty without one.
pub(super) fn rules(finding: &Finding) -> String {
    finding.rule_ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Returns the code that a finding proposes, applicable or not.
pub(super) fn proposed(finding: &Finding) -> Option<&str> {
    match &finding.suggestion {
        Suggestion::None => None,
        Suggestion::Applies(code) | Suggestion::Plain { code, .. } => Some(code),
    }
}

/// Returns how the reviewers ended: who ran, who failed with the reason, and who was not run, grouped by reason.
pub(super) fn roster(review: &Review) -> Roster {
    let mut roster = Roster::default();
    let mut idle: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for reviewer in &review.reviewers {
        match &reviewer.outcome {
            Outcome::Answered => roster.ran.push(reviewer.title.clone()),
            Outcome::Failed { why, .. } => roster.failed.push(format!("{}: {why}", reviewer.title)),
            Outcome::NotRun { why } => idle.entry(why).or_default().push(&reviewer.title),
        }
    }
    roster.not_run = idle.into_iter().map(|(why, names)| format!("{} ({why})", names.join(", "))).collect();
    roster
}

/// Returns what the models used together: `48,210 in (81 % cached), 1,920 out, by acme/large, acme/small; 0.21 USD`; `None` if no provider said.
pub(super) fn spent(review: &Review) -> Option<String> {
    let mut used = crate::review::Usage::default();
    let mut models: Vec<&str> = Vec::new();
    for reviewer in &review.reviewers {
        used += reviewer.usage;
        models.extend(reviewer.model.as_deref().filter(|model| !models.contains(model)).into_iter().collect::<Vec<_>>());
    }
    let share = used.cached_percent()?;
    let (input, output) = (thousands(used.input), thousands(used.output));
    Some(format!("{input} in ({share} % cached), {output} out, by {}; {}", models.join(", "), review.spending.cost()))
}

/// Returns a number with commas between its thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Who ran, who failed, who was not run.
#[derive(Debug, Default)]
pub(super) struct Roster {
    pub(super) ran: Vec<String>,
    pub(super) failed: Vec<String>,
    pub(super) not_run: Vec<String>,
}

/// Returns the files left out, grouped by reason: `lock file: Cargo.lock, web/yarn.lock`. At most `most` names a reason, the rest as a count.
pub(super) fn left_out(review: &Review, most: usize) -> Vec<String> {
    let mut by_reason: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for file in &review.left_out {
        by_reason.entry(left_out_reason(&file.reason)).or_default().push(file.path.as_str());
    }
    by_reason
        .into_iter()
        .map(|(reason, paths)| {
            let named = paths.iter().take(most).copied().collect::<Vec<_>>().join(", ");
            let rest = paths.len().saturating_sub(most);
            if rest == 0 { format!("{reason}: {named}") } else { format!("{reason}: {named} and {rest} more") }
        })
        .collect()
}

/// Returns why a file was left out, in a few words.
pub fn left_out_reason(noise: &Noise) -> String {
    match noise {
        Noise::LockFile => "lock file",
        Noise::Vendored => "vendored",
        Noise::Minified => "minified",
        Noise::SourceMap => "source map",
        Noise::Binary => "binary",
        Noise::PureRename => "renamed without edits",
        Noise::ModeOnly => "mode changed only",
        Noise::Submodule => "submodule",
        Noise::Generated(mark) => return format!("generated ({mark})"),
        Noise::Ignored => "ignored by filter.ignore",
        Noise::NeverSend => "withheld by filter.never_send",
        Noise::SecretFile => "looks like a secret, withheld",
    }
    .to_owned()
}

/// Returns text without control characters that a terminal would obey; line feeds and tabs stay.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\r' => ' ',
            c if c.is_control() || is_directional(c) => '\u{FFFD}',
            c => c,
        })
        .collect()
}

/// Bidirectional controls: they could make a terminal show a finding in another order than it was written.
fn is_directional(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
