//! The table of open findings. It must not grow without bound: what is left out is counted.

use super::{Facts, Open, Task};
use crate::comment::Links;
use crate::comment::defuse::{cell, code_cell};
use crate::comment::page::{Page, link};
use crate::comment::phrases::{Spot, details, label};
use crate::report::plural;
use crate::review::{Place, Severity};
use crate::round::{Sight, Status};

/// Rows that are seen at once; the others are folded.
const MAX_SHOWN: usize = 12;
/// Rows in all.
const MAX_ROWS: usize = 100;
/// Bytes of all rows together.
const MAX_TABLE_BYTES: usize = 60_000;
/// The longest path in a row, in characters; of a longer one the end is shown.
const MAX_PATH_CHARS: usize = 32;

/// Returns the table of open findings, and a line about those that have no thread; nothing when none is open.
pub(super) fn table(facts: &Facts<'_>, open: &[Open<'_>], page: &Page<'_>) -> Vec<String> {
    if open.is_empty() {
        return Vec::new();
    }
    let columns = Columns { rule: open.iter().any(|open| !open.known.rule_ids.is_empty()), since: facts.is_later() };
    let mut rows: Vec<String> = Vec::new();
    let mut bytes = 0;
    for open in open.iter().take(MAX_ROWS) {
        let row = row(facts, open, columns, page);
        bytes += row.len();
        if bytes > MAX_TABLE_BYTES {
            break;
        }
        rows.push(row);
    }
    let untold = open.len() - rows.len();
    // Folding a single row would take more room than the row.
    let shown = if rows.len() <= MAX_SHOWN + 1 { rows.len() } else { MAX_SHOWN };
    let folded = rows.split_off(shown);
    let mut parts = vec![columns.table(&rows)];
    if !folded.is_empty() {
        let more = plural(folded.len() + untold, "more finding");
        let rest = if untold == 0 { String::new() } else { format!("\n\nAnd {untold} more in `result.json`, in the job's artifacts.") };
        parts.push(details(&more, &format!("{}{rest}", columns.table(&folded))));
    }
    let capped = capped(facts, open);
    if capped > 0 {
        let most = plural(facts.policy.max_threads, "thread");
        parts.push(format!("{} no thread of their own: a round opens at most {most}, the worst first.", have(capped)));
    }
    parts
}

fn have(count: usize) -> String {
    if count == 1 { "1 finding has".to_owned() } else { format!("{count} findings have") }
}

/// The columns that have anything to say.
#[derive(Clone, Copy)]
struct Columns {
    rule: bool,
    since: bool,
}

impl Columns {
    fn table(self, rows: &[String]) -> String {
        let names = [Some(""), Some("finding"), self.rule.then_some("rule"), Some("where"), self.since.then_some("since")];
        let names: Vec<&str> = names.into_iter().flatten().collect();
        format!("| {} |\n|{}\n{}", names.join(" | "), "---|".repeat(names.len()), rows.join("\n"))
    }
}

fn row(facts: &Facts<'_>, open: &Open<'_>, columns: Columns, page: &Page<'_>) -> String {
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
    let outside = match open.seen {
        Some((finding, _)) if matches!(finding.place, Place::Outside(_)) => " outside the change",
        Some(_) | None => "",
    };
    let cells = [
        Some(severity),
        Some(link(&words, &url)),
        columns.rule.then(|| if rules.is_empty() { "—".to_owned() } else { rules }),
        Some(format!("{}{outside}", code_cell(&ending(&spot.words)))),
        columns.since.then(|| since(open)),
    ];
    format!("| {} |", cells.into_iter().flatten().collect::<Vec<_>>().join(" | "))
}

/// The end of a long path, from one of its parts on.
fn ending(path: &str) -> String {
    let Some(too_much) = path.chars().count().checked_sub(MAX_PATH_CHARS).filter(|n| *n > 0) else { return path.to_owned() };
    let cut = path.char_indices().nth(too_much).map_or(0, |(at, _)| at);
    match path[cut..].split_once('/') {
        Some((_, end)) => format!("…/{end}"),
        // Not even the name fits.
        None => path.rsplit('/').next().unwrap_or(path).to_owned(),
    }
}

/// Returns where a finding stands.
pub(super) fn spot(facts: &Facts<'_>, open: &Open<'_>, page: &Page<'_>) -> Spot {
    match open.seen {
        Some((finding, _)) => Spot::of(&finding.place, page),
        None => Spot::remembered(&open.known.place, facts.head_of(open, page), page),
    }
}

/// Since when a finding is there.
fn since(open: &Open<'_>) -> String {
    let known = open.known;
    let late = if known.trail.late { ", missed earlier" } else { "" };
    let first = format!("round {}{late}", known.first);
    match (&known.status, open.seen.map(|(_, sight)| sight)) {
        (Status::ClaimedFixed { .. }, _) => format!("{first}, said to be fixed"),
        (_, Some(Sight::New)) => known.trail.earlier.map_or_else(|| format!("new{late}"), |earlier| format!("new{late}, like {earlier}")),
        (_, Some(sight)) => label(sight, known).map_or(first, str::to_owned),
        (_, None) => first,
    }
}

/// How many findings would have a thread if the round might open more.
fn capped(facts: &Facts<'_>, open: &[Open<'_>]) -> usize {
    let due = open.iter().filter(|open| !facts.has_thread(open) && facts.may_open(open)).count();
    due.saturating_sub(facts.room())
}

impl<'a> Facts<'a> {
    /// The findings that have no thread and will get none in this round.
    pub(super) fn untold(&self, open: &[Open<'a>]) -> Vec<Open<'a>> {
        let mut room = self.room();
        let mut untold: Vec<Open<'a>> = Vec::new();
        for open in open.iter().filter(|open| !self.has_thread(open)) {
            if room > 0 && self.may_open(open) {
                room -= 1;
            } else {
                untold.push(*open);
            }
        }
        untold
    }

    /// How many threads the round may still open.
    fn room(&self) -> usize {
        let opened = self.conversation.threads.values().filter(|marked| marked.mark.round == self.round).count();
        self.policy.max_threads.saturating_sub(opened)
    }

    fn has_thread(&self, open: &Open<'_>) -> bool {
        self.conversation.threads.contains_key(&open.known.id)
    }

    /// Whether a thread would be opened if there is room.
    fn may_open(&self, open: &Open<'_>) -> bool {
        let Some((finding, _)) = open.seen else { return false };
        let inside = match finding.place {
            Place::Lines(_) | Place::File { .. } => true,
            Place::Outside(_) => false,
        };
        inside && finding.severity >= self.policy.thread_severity && !self.is_undone(Task::Thread(open.known.id))
    }
}
