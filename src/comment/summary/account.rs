//! What stands below the table, folded: what became of earlier findings, and an account of what was looked at, by whom, and what was not.

use std::collections::BTreeMap;

use super::{Facts, head};
use crate::change::RepoPath;
use crate::comment::defuse::{cell, code, code_cell, line, sentence};
use crate::comment::page::{Page, link};
use crate::comment::phrases::{details, listed, person, shown, title};
use crate::report::{left_out_reason, plural, thousands};
use crate::review::{DropReason, Mode, Outcome, Review};
use crate::round::{Known, Status};

/// Closed findings that are told one by one: so many fixed ones, and so many dismissed ones.
const MAX_CLOSED: usize = 20;
/// Files that are named for one reason.
const MAX_NAMED: usize = 15;
/// Reviewers, reasons and remarks that are told one by one, of each kind.
const MAX_LINES: usize = 25;

/// Returns what became of earlier findings; nothing when none is closed.
pub(super) fn earlier(facts: &Facts<'_>, page: &Page<'_>) -> Option<String> {
    let summary = head::settled(facts)?;
    let mut fixed = Vec::new();
    let mut dismissed = Vec::new();
    for known in &facts.reconciled.known {
        match &known.status {
            Status::Open | Status::ClaimedFixed { .. } => {}
            Status::Fixed { round, commit } => fixed.push((*round, known, format!("fixed in {}", code(commit.short())))),
            Status::Dismissed { by, why } => {
                let why = line(why, page.links);
                let why = if why.is_empty() { why } else { format!(", “{why}”") };
                dismissed.push((known.last, known, format!("dismissed by {}{why}", person(by, page.links))));
            }
        }
    }
    let mut items = closed(facts, fixed, "fixed", page);
    items.extend(closed(facts, dismissed, "dismissed", page));
    if facts.marker.trimmed > 0 {
        items.push(format!("- {} older ones are no longer remembered one by one", facts.marker.trimmed));
    }
    Some(details(&format!("Earlier findings: {summary}"), &items.join("\n")))
}

/// Tells findings that were closed, each with its round and how; those of the last rounds stand first.
fn closed(facts: &Facts<'_>, mut findings: Vec<(u32, &Known, String)>, word: &str, page: &Page<'_>) -> Vec<String> {
    findings.sort_by_key(|(round, known, _)| (std::cmp::Reverse(*round), known.id));
    let tell = |(_, known, how): &(u32, &Known, String)| {
        let words = title(&known.title);
        let words = facts.thread(known).map_or_else(|| words.clone(), |thread| link(&words, &page.note(thread.note)));
        format!("- {} {words}: {how}", known.id)
    };
    let mut items: Vec<String> = findings.iter().take(MAX_CLOSED).map(tell).collect();
    if let more @ 1.. = findings.len().saturating_sub(MAX_CLOSED) {
        items.push(format!("- and {more} more {word}"));
    }
    items
}

/// Returns the account of what was looked at.
pub(super) fn looked_at(facts: &Facts<'_>, page: &Page<'_>) -> String {
    let mut parts = Vec::new();
    let mut items = Vec::new();
    if let Some(review) = facts.did.review() {
        parts.extend(reviewers(review, page));
        items.extend(scrutiny(review, page));
        items.extend(unread(review));
        items.extend(left_out(review));
        items.extend(dropped(review));
    }
    items.push(round(facts, page));
    items.push(instructions(facts));
    if let Some(review) = facts.did.review() {
        items.push(receivers(review));
        items.extend(review.remarks.iter().take(MAX_LINES).map(|remark| sentence(remark, page.links)));
    }
    if facts.language != "en" && !facts.language.starts_with("en-") {
        items.push(format!("reviewers were asked to write in {}; the words around theirs are English only", code(facts.language)));
    }
    let items: Vec<String> = items.into_iter().map(|item| format!("- {item}")).collect();
    parts.push(items.join("\n"));
    details("What was looked at", &parts.join("\n\n"))
}

/// Who read, with what, for how much.
fn reviewers(review: &Review, page: &Page<'_>) -> Option<String> {
    let read: Vec<_> = review.reviewers.iter().filter(|reviewer| reviewer.model.is_some()).collect();
    if read.is_empty() {
        return None;
    }
    let mut table = vec!["| reader | model | claims | tokens in | cached | tokens out |\n|---|---|--:|--:|--:|--:|".to_owned()];
    table.extend(read.iter().take(MAX_LINES).map(|reviewer| {
        let used = reviewer.usage;
        let share = (used.cached * 100).checked_div(used.input).map_or_else(|| "—".to_owned(), |share| format!("{share} %"));
        let row = [
            cell(&reviewer.title, page.links),
            reviewer.model.as_deref().map_or_else(String::new, code_cell),
            reviewer.claims.to_string(),
            thousands(used.input),
            share,
            thousands(used.output),
        ];
        format!("| {} |", row.join(" | "))
    }));
    Some(table.join("\n"))
}

/// The tier, the detectors, and who did not read.
fn scrutiny(review: &Review, page: &Page<'_>) -> Vec<String> {
    let mut items = Vec::new();
    if review.mode == Mode::Reviewed {
        let reasons: Vec<String> = review.tier.reasons.iter().take(MAX_LINES).map(|reason| head::reason(review, reason, page)).collect();
        let because = if reasons.is_empty() { String::new() } else { format!(", because {}", reasons.join("; ")) };
        items.push(format!("{} review{because}", review.tier.tier.word()));
    }
    items.push(format!("detectors of {} ran", plural(review.rules, "rule")));
    let mut idle: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for reviewer in &review.reviewers {
        match &reviewer.outcome {
            Outcome::Answered => {}
            Outcome::Failed { why, .. } => {
                items.push(format!("{} failed: {}", line(&reviewer.title, page.links), sentence(why, page.links)));
            }
            Outcome::NotRun { why } => idle.entry(why).or_default().push(line(&reviewer.title, page.links)),
        }
    }
    items.extend(idle.iter().take(MAX_LINES).map(|(why, names)| format!("not run: {} ({})", listed(names), line(why, page.links))));
    items
}

fn unread(review: &Review) -> Option<String> {
    let unread = review.coverage.unread();
    (!unread.is_empty()).then(|| format!("read by nobody: {}", files(&unread)))
}

fn left_out(review: &Review) -> Vec<String> {
    let mut by_reason: BTreeMap<String, Vec<&RepoPath>> = BTreeMap::new();
    for file in &review.left_out {
        by_reason.entry(left_out_reason(&file.reason)).or_default().push(&file.path);
    }
    let none = crate::comment::Links::new("", Vec::new());
    let mut items: Vec<String> =
        by_reason.iter().take(MAX_LINES).map(|(reason, paths)| format!("left out, {}: {}", line(reason, &none), files(paths))).collect();
    if !review.newly_generated.is_empty() {
        let paths: Vec<&RepoPath> = review.newly_generated.iter().collect();
        items.push(format!("newly marked as generated, and therefore reviewed: {}", files(&paths)));
    }
    items
}

fn files(paths: &[&RepoPath]) -> String {
    let named = paths.iter().take(MAX_NAMED).map(|path| code(&shown(path))).collect::<Vec<_>>().join(", ");
    match paths.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn dropped(review: &Review) -> Option<String> {
    let mut by_reason: BTreeMap<DropReason, usize> = BTreeMap::new();
    for dropped in &review.dropped {
        *by_reason.entry(dropped.reason).or_default() += 1;
    }
    let counts: Vec<String> = by_reason.iter().map(|(reason, count)| format!("{count} {}", dropped_as(*reason))).collect();
    let all = plural(review.dropped.len(), "claim");
    (!counts.is_empty()).then(|| format!("{all} dropped: {}; `result.json` has each with its reason", counts.join(", ")))
}

fn dropped_as(reason: DropReason) -> &'static str {
    match reason {
        DropReason::Unsupported => "without a place that exists",
        DropReason::OutOfScope => "about code that the change does not touch",
        DropReason::AlreadyThere => "there before",
        DropReason::Nit => "too small to show",
        DropReason::NoRule => "without a rule that applies",
        DropReason::Suppressed => "suppressed in the code",
        DropReason::DraftRule => "of draft rules",
        DropReason::Duplicate => "said twice",
        DropReason::Judged => "dropped by the coordinator",
        DropReason::Refuted => "refuted by a second look",
        DropReason::MissedEarlier => "missed earlier and too many",
    }
}

fn round(facts: &Facts<'_>, page: &Page<'_>) -> String {
    let mut parts = vec![format!("round {}: head {}, base {}", facts.round, code(page.head.short()), code(page.base.short()))];
    if let Some(took) = facts.took {
        let (minutes, seconds) = (took.as_secs() / 60, took.as_secs() % 60);
        parts.push(if minutes == 0 { format!("{seconds} s") } else { format!("{minutes} min {seconds} s") });
    }
    let asked = facts.did.review().is_some_and(|review| review.reviewers.iter().any(|reviewer| reviewer.usage.calls > 0));
    match facts.cost_usd {
        Some(cost) if asked => parts.push(format!("{cost:.2} USD")),
        None if asked => parts.push("cost unknown".to_owned()),
        Some(_) | None => {}
    }
    parts.join(", ")
}

fn instructions(facts: &Facts<'_>) -> String {
    let from = facts.instructions;
    let place = format!("the target branch {} at {}", code(from.branch), code(from.commit.short()));
    match from.config {
        Some(config) => format!("configuration ({}), prompts and rules are those of {place}", code(config)),
        None => format!("no configuration file: defaults, with the prompts and rules of {place}"),
    }
}

fn receivers(review: &Review) -> String {
    let names: Vec<String> = review.received_code.iter().take(MAX_LINES).map(|name| code(name)).collect();
    if names.is_empty() { "no model received code".to_owned() } else { format!("code was sent to {}", listed(&names)) }
}

/// Returns the last line for people.
pub(super) fn foot(page: &Page<'_>) -> String {
    format!("<sub>Replies in threads are {}.</sub>", page.reading())
}
