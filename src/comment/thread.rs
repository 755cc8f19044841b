//! The thread of one finding. Its first line must be enough; it must not say what the diff above it shows.

use super::defuse::{self, code, guarded, line, prose};
use super::page::Page;
use super::phrases::{Spot, capital, field, label, no_line, precedent, proposal, sources, standing};
use crate::change::LineKind;
use crate::review::{Finding, Place, Severity, Standing};
use crate::round::plan::{Opening, Rooting};

/// Places outside the change that a thread names.
const MAX_RELATED: usize = 10;
/// The longest quote of such a place, in characters.
const MAX_QUOTE_CHARS: usize = 160;

/// What a text is posted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Post {
    /// Lines of the diff.
    Lines,
    /// A file.
    File,
    /// The summary.
    Summary,
}

/// Returns the thread of a finding, its marker last.
pub fn thread(opening: &Opening<'_>, page: &Page<'_>) -> String {
    let finding = opening.finding;
    let post = match opening.place {
        Rooting::Lines => Post::Lines,
        Rooting::File | Rooting::Refused => Post::File,
    };
    let mut parts = vec![first_line(opening, page)];
    parts.extend(without_line(opening, page));
    parts.extend(says(finding, post, page));
    parts.extend(opening.earlier.and_then(|earlier| precedent(earlier, page)));
    parts.push(foot(opening, page));
    parts.push(opening.marker.to_owned());
    guarded(&parts.join("\n\n"))
}

/// Returns what a finding says below its first line: what is wrong, what to write instead, what else breaks.
pub(super) fn says(finding: &Finding, post: Post, page: &Page<'_>) -> Vec<String> {
    let body = prose(&finding.body, page.links);
    let body = (!body.is_empty()).then_some(body);
    [body, proposal(finding, post, page.links), related(finding, page)].into_iter().flatten().collect()
}

/// Returns the code as a suggestion that GitLab can apply, or why it cannot be one.
pub(super) fn applicable(finding: &Finding, post: Post, code: &str) -> Result<String, &'static str> {
    match (post, &finding.place) {
        (Post::Lines, Place::Lines(span)) => {
            let (first, last) = (span.first(), span.last());
            let above = last.new_counter().saturating_sub(first.new_counter());
            let replaced = usize::try_from(above).unwrap_or(usize::MAX).saturating_add(1);
            if first.kind() == LineKind::Removed || last.kind() == LineKind::Removed || replaced != span.text().len() {
                return Err("it would replace removed lines");
            }
            defuse::suggestion(code, above)
        }
        (Post::Lines | Post::File, _) => Err("this thread is on the file and not on the lines"),
        (Post::Summary, _) => Err("it is part of the summary"),
    }
}

fn first_line(opening: &Opening<'_>, page: &Page<'_>) -> String {
    let finding = opening.finding;
    let unverified = (finding.standing == Standing::Unverified).then_some("not verified");
    let labels: String = label(opening.sight, opening.known).into_iter().chain(unverified).flat_map(|label| [" · ", label]).collect();
    let rules = page.rules(&finding.rule_ids);
    let rules = if rules.is_empty() { rules } else { format!(" · {rules}") };
    let title = line(&finding.title, page.links);
    format!("**{} · {}{labels}** — {title}{rules}", capital(finding.severity), field(&finding.category))
}

/// Why the thread is not on lines, and which ones are meant.
fn without_line(opening: &Opening<'_>, page: &Page<'_>) -> Option<String> {
    match (opening.place, &opening.finding.place) {
        (Rooting::Lines, _) => None,
        (Rooting::File | Rooting::Refused, Place::File { why, .. }) => Some(no_line(*why).to_owned()),
        (Rooting::File | Rooting::Refused, place @ (Place::Lines(_) | Place::Outside(_))) => {
            let spot = Spot::of(place, page).linked();
            Some(format!("About {spot}. It stands on the file, because GitLab took no thread on the lines."))
        }
    }
}

fn related(finding: &Finding, page: &Page<'_>) -> Option<String> {
    if finding.related.is_empty() {
        return None;
    }
    let mut lines = vec!["It breaks:".to_owned(), String::new()];
    for related in finding.related.iter().take(MAX_RELATED) {
        let spot = Spot::of(&Place::Outside(related.clone()), page).linked();
        let quote = code(&related.quote.chars().take(MAX_QUOTE_CHARS).collect::<String>());
        lines.push(if quote.is_empty() { format!("- {spot}") } else { format!("- {spot}: {quote}") });
    }
    match finding.related.len().saturating_sub(MAX_RELATED) {
        0 => {}
        more => lines.push(format!("- and {more} more")),
    }
    Some(lines.join("\n"))
}

fn foot(opening: &Opening<'_>, page: &Page<'_>) -> String {
    let finding = opening.finding;
    let found = match (sources(finding, page), standing(finding.standing)) {
        (who, None) => format!("found by {who}"),
        (who, Some(standing)) => format!("found by {who}, {standing}"),
    };
    let answer = match finding.severity {
        // Nobody waves through their own critical.
        Severity::Critical => "reply “disagree: why”, or “won't fix: why” if you are not the author",
        Severity::Important | Severity::Suggestion | Severity::Nit => "reply “won't fix” or “disagree: why”",
    };
    format!("<sub>{} · {found} · {answer}; replies are {}</sub>", opening.known.id, page.reading())
}
