//! What stands above the table: the headline, and whatever must not be overlooked. It must not be more than a few lines when all is well.

use std::collections::BTreeSet;

use super::{Did, Facts, Open, Task};
use crate::change::RepoPath;
use crate::comment::defuse::{code, line, sentence};
use crate::comment::page::Page;
use crate::comment::phrases::{listed, person, title};
use crate::report::plural;
use crate::review::{Mode, Outcome, Review, Severity};
use crate::round::reading::HEADLINE;
use crate::round::{FindingId, Origin, Status};

/// Gaps, and things undone, that are told one by one.
const MAX_TOLD: usize = 12;

/// Returns headline, second line, and warnings.
pub(super) fn lines(facts: &Facts<'_>, open: &[Open<'_>], page: &Page<'_>) -> Vec<String> {
    let first = format!("{HEADLINE}{}{}", headline(facts, open), limits(facts));
    let second = second(facts, open, page);
    let mut lines = vec![if second.is_empty() { first } else { format!("{first}\n{second}") }];
    lines.extend(lifted(facts, page));
    lines.extend(detectors_only(facts, page));
    lines.extend(gaps(facts, page));
    lines.extend(undone(facts, page));
    lines.extend(memory(facts));
    lines
}

/// What was found, or that nothing was.
fn headline(facts: &Facts<'_>, open: &[Open<'_>]) -> String {
    let serious = counts(open, &[Severity::Critical, Severity::Important]);
    let mild = counts(open, &[Severity::Suggestion, Severity::Nit]);
    let found = if serious.is_empty() { mild } else { serious };
    let later = if facts.is_later() { " open" } else { "" };
    match facts.did.review() {
        _ if !found.is_empty() => format!("{}{later}", listed(&found)),
        _ if !facts.reconciled.known.is_empty() => "nothing open".to_owned(),
        Some(review) => nothing_found(review),
        None => "nothing found".to_owned(),
    }
}

fn nothing_found(review: &Review) -> String {
    if review.mode == Mode::NothingToReview {
        return "nothing to review".to_owned();
    }
    match crate::report::share_of_files(review) {
        Some(share) => format!("nothing found in {share}"),
        None => "no reviewer answered, and the detectors found nothing".to_owned(),
    }
}

fn counts(open: &[Open<'_>], severities: &[Severity]) -> Vec<String> {
    let count = |severity: Severity| open.iter().filter(|open| open.known.severity == severity).count();
    let some = severities.iter().map(|severity| (*severity, count(*severity))).filter(|(_, count)| *count > 0);
    some.map(|(severity, count)| match severity {
        Severity::Critical | Severity::Important => format!("{count} {severity}"),
        Severity::Suggestion | Severity::Nit => plural(count, severity.word()),
    })
    .collect()
}

/// What a reader of the headline alone must know.
fn limits(facts: &Facts<'_>) -> &'static str {
    let detectors = facts.did.review().map_or(!facts.reviewed, |review| matches!(review.mode, Mode::DetectorsOnly(_)));
    match (facts.complete, detectors, facts.lifted.is_some()) {
        (_, _, true) => ", gate lifted",
        (true, true, false) => " (detectors only)",
        (true, false, false) => "",
        (false, _, false) => ", and not everything was reviewed",
    }
}

fn second(facts: &Facts<'_>, open: &[Open<'_>], page: &Page<'_>) -> String {
    let mut parts = Vec::new();
    let mild = counts(open, &[Severity::Suggestion, Severity::Nit]);
    let led = !counts(open, &[Severity::Critical, Severity::Important]).is_empty();
    let mild = if led && !mild.is_empty() { format!("and {}", listed(&mild)) } else { String::new() };
    parts.extend(settled(facts));
    let round = format!("round {} at {}", facts.round, code(page.head.short()));
    let lines = |review: &Review| format!("+{}\u{A0}−{}", review.size.added, review.size.removed);
    let size = |review: &Review| format!("{} ({})", plural(review.size.files, "file"), lines(review));
    match facts.did {
        Did::Whole(review) if facts.is_later() => parts.push(format!("{round} reviewed the whole change, {}", size(review))),
        Did::Whole(review) => {
            parts.extend(match review.mode {
                Mode::NothingToReview if review.left_out.is_empty() => None,
                Mode::NothingToReview => Some(format!("{} left out, see below", plural(review.left_out.len(), "file"))),
                // The headline has the number of files already.
                Mode::Reviewed | Mode::DetectorsOnly(_) if open.is_empty() => Some(lines(review)),
                Mode::Reviewed | Mode::DetectorsOnly(_) => Some(format!("in {}", size(review))),
            });
            parts.extend(tier(review, page));
        }
        Did::Narrowed(review) => {
            let read: BTreeSet<&RepoPath> = review.groups.iter().flatten().collect();
            parts.push(match read.len() {
                0 => format!("{round}: nothing to review in what changed since"),
                all if all == review.size.files => format!("{round} reviewed what changed since, in {}", plural(all, "file")),
                some => format!("{round} reviewed what changed since, in {some} of {}", plural(review.size.files, "file")),
            });
        }
        Did::Rechecked => parts.push(format!("{round}: the same change on another base, so nobody read it again")),
        Did::Conversation => parts.push(format!("{round}, with its threads read again")),
    }
    match (mild.is_empty(), facts.is_later() || parts.is_empty()) {
        (true, _) => parts.join(" · "),
        (false, true) => [vec![mild], parts].concat().join(" · "),
        (false, false) => format!("{mild}, {}", parts.join(" · ")),
    }
}

/// What became of earlier findings, in numbers.
pub(super) fn settled(facts: &Facts<'_>) -> Option<String> {
    let count = |wanted: fn(&Status) -> bool| facts.reconciled.known.iter().filter(|known| wanted(&known.status)).count();
    let fixed = count(|status| matches!(status, Status::Fixed { .. }));
    let dismissed = count(|status| matches!(status, Status::Dismissed { .. }));
    let parts: Vec<String> =
        [(fixed, "fixed"), (dismissed, "dismissed")].iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The tier with its first reason; the others stand in the account.
fn tier(review: &Review, page: &Page<'_>) -> Option<String> {
    match review.mode {
        Mode::Reviewed => {}
        Mode::DetectorsOnly(_) | Mode::NothingToReview => return None,
    }
    let tier = review.tier.tier.word();
    // How a path gives itself away is for the account.
    let first = review.tier.reasons.first().map(|first| first.split(": ").next().unwrap_or(first));
    Some(first.map_or_else(|| format!("{tier} review"), |first| format!("{tier} review, because {}", reason(review, first, page))))
}

/// Returns a reason of the tier; a path that it begins with is code.
pub(super) fn reason(review: &Review, text: &str, page: &Page<'_>) -> String {
    let mut paths = review.groups.iter().flatten();
    let named = paths.find_map(|path| text.strip_prefix(path.as_str()).filter(|rest| rest.starts_with(' ')).map(|rest| (path, rest)));
    match named {
        Some((path, rest)) => format!("{} {}", code(path.as_str()), line(rest.trim_start(), page.links)),
        None => line(text, page.links),
    }
}

fn lifted(facts: &Facts<'_>, page: &Page<'_>) -> Option<String> {
    let lifted = facts.lifted?;
    let asked = |review: &Review| review.reviewers.iter().any(|reviewer| reviewer.outcome == Outcome::Answered);
    let ran = match facts.did.review() {
        Some(review) if asked(review) => "",
        Some(_) => " Detectors ran; no reviewer did.",
        None => " Nobody read the change again.",
    };
    let (by, why) = (person(lifted.by, page.links), line(lifted.why, page.links));
    Some(format!(
        "**Gate lifted** by {by} at {}: “{why}”.{ran} This approves nothing, and holds for this head only.",
        code(lifted.head.short())
    ))
}

fn detectors_only(facts: &Facts<'_>, page: &Page<'_>) -> Option<String> {
    match &facts.did.review()?.mode {
        Mode::DetectorsOnly(why) if facts.lifted.is_none() => {
            Some(format!("**No reviewer ran**, because {}. Detectors alone see what a pattern can see.", line(why, page.links)))
        }
        Mode::DetectorsOnly(_) | Mode::Reviewed | Mode::NothingToReview => None,
    }
}

fn gaps(facts: &Facts<'_>, page: &Page<'_>) -> Option<String> {
    if facts.complete {
        return None;
    }
    let gaps = facts.did.review().map_or(&[][..], |review| &review.incomplete);
    let mut told: Vec<String> = gaps.iter().take(MAX_TOLD).map(|gap| sentence(&gap.what, page.links)).collect();
    if gaps.len() > MAX_TOLD {
        told.push(format!("and {} more", gaps.len() - MAX_TOLD));
    }
    if told.is_empty() {
        told.push("what an earlier round left out, which nobody has read since".to_owned());
    }
    let missing: Vec<String> = told.iter().map(|gap| format!("- {gap}")).collect();
    let rest = match facts.reconciled.open().next() {
        Some(_) => format!("What was found is below; {} for the rest.", page.job("run the job again")),
        None => format!("{} for the rest.", page.job("Run the job again")),
    };
    Some(format!("**Missing from this review:**\n\n{}\n\n{rest}", missing.join("\n")))
}

fn undone(facts: &Facts<'_>, page: &Page<'_>) -> Option<String> {
    if facts.undone.is_empty() {
        return None;
    }
    let name = |id: FindingId| {
        let known = facts.reconciled.finding(id);
        known.map_or_else(|| id.to_string(), |known| format!("{id} ({})", title(&known.title)))
    };
    let mut items = vec!["**GitLab did not take everything:**".to_owned(), String::new()];
    items.extend(facts.undone.iter().take(MAX_TOLD).map(|undone| {
        let task = match undone.task {
            Task::Thread(id) => format!("no thread for {}, whose text is below", name(id)),
            Task::Reply(id) => format!("no reply to {}", name(id)),
            Task::Resolve(id) => format!("the thread of {} is not resolved", name(id)),
            Task::Approve => "no approval".to_owned(),
            Task::WithdrawApproval => "the approval still stands".to_owned(),
            Task::RequestChanges => "no request for changes".to_owned(),
            Task::ClearRequestedChanges => "the request for changes still stands".to_owned(),
        };
        format!("- {task}: {}", line(&undone.why, page.links))
    }));
    if facts.undone.len() > MAX_TOLD {
        items.push(format!("- and {} more; the job's log has them all", facts.undone.len() - MAX_TOLD));
    }
    Some(items.join("\n"))
}

/// What was forgotten.
fn memory(facts: &Facts<'_>) -> Option<String> {
    let rebuilt = match facts.origin {
        Origin::First | Origin::Summary => None,
        Origin::Rebuilt => Some(
            "**The earlier summary was gone or damaged.** What is known of earlier rounds comes from the threads; findings without a thread, \
             and what people dismissed, are forgotten."
                .to_owned(),
        ),
    };
    let lost = (facts.marker.lost > 0).then(|| {
        let findings = plural(usize::try_from(facts.marker.lost).unwrap_or(usize::MAX), "open finding");
        format!("**{findings} did not fit into this note's memory.** What has no thread counts as new in the next round.")
    });
    let parts: Vec<String> = [rebuilt, lost].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

/// What the bot's vote does; nothing where it does nothing.
pub(super) fn votes(facts: &Facts<'_>) -> Option<String> {
    let done = |task| !facts.is_undone(task);
    let mut said = Vec::new();
    if facts.vote.approve && done(Task::Approve) {
        said.push("**Assize approves** this head.");
    } else if facts.bot.approved && done(Task::WithdrawApproval) {
        said.push("**Assize took its approval back.**");
    }
    match facts.vote.request_changes {
        Some(true) if done(Task::RequestChanges) => said.push("**Assize requests changes**, because a critical is open."),
        Some(false) if facts.bot.requested_changes && done(Task::ClearRequestedChanges) => {
            said.push("**Assize took its request for changes back.**");
        }
        Some(_) | None => {}
    }
    (!said.is_empty()).then(|| said.join(" "))
}
