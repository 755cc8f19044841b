//! The table of open findings, and the texts of those that have no thread. It must not grow without bound: what is left out is counted.

use super::{Facts, Open, Task};
use crate::comment::defuse::{cell, code, code_cell};
use crate::comment::page::{Page, link};
use crate::comment::phrases::{Spot, label, title};
use crate::comment::thread::{Post, says};
use crate::comment::{Links, phrases};
use crate::report::plural;
use crate::review::{Place, Severity};
use crate::round::{Sight, Status};

/// Rows of the table.
const MAX_ROWS: usize = 100;
/// Bytes of all rows together.
const MAX_TABLE_BYTES: usize = 60_000;
/// Findings whose text is told.
const MAX_TEXTS: usize = 30;
/// Bytes of all texts together.
const MAX_TEXT_BYTES: usize = 60_000;

/// Returns the table of open findings, and a line about those that have no thread; nothing when none is open.
pub(super) fn table(facts: &Facts<'_>, open: &[Open<'_>], page: &Page<'_>) -> Vec<String> {
    if open.is_empty() {
        return Vec::new();
    }
    let since = if facts.is_later() { (" since |", "---|") } else { ("", "") };
    let mut table = format!("| | finding | rule | where |{}\n|---|---|---|---|{}", since.0, since.1);
    let mut told = 0;
    for open in open.iter().take(MAX_ROWS) {
        let row = row(facts, open, page);
        if table.len() + row.len() > MAX_TABLE_BYTES {
            break;
        }
        table.push('\n');
        table.push_str(&row);
        told += 1;
    }
    let mut parts = vec![table];
    if let more @ 1.. = open.len() - told {
        parts.push(format!("And {more} more, none more severe than the last one here; `result.json` in the job's artifacts has them."));
    }
    let capped = facts.unopened(open).capped;
    if capped > 0 {
        let most = plural(facts.policy.max_threads, "thread");
        parts.push(format!("{} no thread of their own: a round opens at most {most}, the worst first.", have(capped)));
    }
    parts
}

fn have(count: usize) -> String {
    if count == 1 { "1 finding has".to_owned() } else { format!("{count} findings have") }
}

fn row(facts: &Facts<'_>, open: &Open<'_>, page: &Page<'_>) -> String {
    let known = open.known;
    let spot = spot(facts, open, page);
    let words = cell(open.seen.map_or(known.title.as_str(), |(finding, _)| &finding.title), &Links::new("", Vec::new()));
    let words = if words.is_empty() { "untitled".to_owned() } else { words };
    let url = facts.thread(known).map_or_else(|| spot.url.clone(), |thread| page.note(thread.note));
    let severity = match known.severity {
        Severity::Critical => "**critical**".to_owned(),
        other => other.to_string(),
    };
    let rules = page.rules(&known.rule_ids);
    let rules = if rules.is_empty() { "—".to_owned() } else { rules };
    let outside = match open.seen {
        Some((finding, _)) if matches!(finding.place, Place::Outside(_)) => " outside the change",
        Some(_) | None => "",
    };
    let since = if facts.is_later() { format!(" {} |", since(open)) } else { String::new() };
    format!("| {severity} | {} | {rules} | {}{outside} |{since}", link(&words, &url), code_cell(&spot.words))
}

fn spot(facts: &Facts<'_>, open: &Open<'_>, page: &Page<'_>) -> Spot {
    match open.seen {
        Some((finding, _)) => Spot::of(&finding.place, page),
        None => Spot::remembered(&open.known.place, facts.head_of(open, page), page),
    }
}

/// Since when a finding is there.
fn since(open: &Open<'_>) -> String {
    let first = format!("round {}", open.known.first);
    match (&open.known.status, open.seen.map(|(_, sight)| sight)) {
        (Status::ClaimedFixed { .. }, _) => format!("{first}, said to be fixed"),
        (_, Some(Sight::New)) => "new".to_owned(),
        (_, Some(sight)) => label(sight).map_or(first, str::to_owned),
        (_, None) => first,
    }
}

/// The open findings of this round that no thread tells.
struct Unopened<'a> {
    findings: Vec<Open<'a>>,
    /// How many of them would have a thread if the round might open more.
    capped: usize,
}

impl<'a> Facts<'a> {
    /// The findings of this round that have no thread and will get none in it.
    fn unopened(&self, open: &[Open<'a>]) -> Unopened<'a> {
        let opened = self.conversation.threads.values().filter(|marked| marked.mark.round == self.round).count();
        let mut room = self.policy.max_threads.saturating_sub(opened);
        let mut unopened = Unopened { findings: Vec::new(), capped: 0 };
        for open in open {
            let Some((finding, _)) = open.seen else { continue };
            if self.conversation.threads.contains_key(&open.known.id) {
                continue;
            }
            let outside = matches!(finding.place, Place::Outside(_));
            let refused = self.is_undone(Task::Thread(open.known.id));
            let due = finding.severity >= self.policy.thread_severity && !outside && !refused;
            if due && room > 0 {
                room -= 1;
                continue;
            }
            unopened.capped += usize::from(due);
            unopened.findings.push(*open);
        }
        unopened
    }
}

/// Returns what the findings say that have no thread; nothing when all have one.
pub(super) fn texts(facts: &Facts<'_>, open: &[Open<'_>], page: &Page<'_>) -> Option<String> {
    let findings = facts.unopened(open).findings;
    if findings.is_empty() {
        return None;
    }
    let mut blocks: Vec<String> = Vec::new();
    let mut bytes = 0;
    for open in findings.iter().take(MAX_TEXTS) {
        let Some((finding, _)) = open.seen else { continue };
        let mut block = vec![format!(
            "**{}** — {} · {} · {}",
            phrases::capital(finding.severity),
            title(&finding.title),
            spot(facts, open, page).linked(),
            code(&open.known.id.to_string())
        )];
        block.extend(says(finding, Post::Summary, page));
        let block = block.join("\n\n");
        bytes += block.len();
        if bytes > MAX_TEXT_BYTES {
            break;
        }
        blocks.push(block);
    }
    if let more @ 1.. = findings.len() - blocks.len() {
        blocks.push(format!("And {more} more; `result.json` in the job's artifacts has their texts."));
    }
    let without = if findings.len() == 1 { "finding" } else { "findings" };
    let summary = format!("Text of the {without} without a thread ({})", findings.len());
    Some(format!("<details><summary>{summary}</summary>\n\n{}\n\n</details>", blocks.join("\n\n")))
}
