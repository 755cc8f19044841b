//! The Markdown report: the summary as a page for people who keep it as a file. What is posted to GitLab is `comment`'s.

use super::words::{left_out, place, plural, printable, proposed, roster, rules, size, tier};
use crate::review::{Mode, Review};

/// File names listed for one reason before the rest becomes a count.
const NAMES_PER_REASON: usize = 20;

/// Returns the review as a Markdown page.
pub fn markdown(review: &Review) -> String {
    let mut out = format!("### Assize: {}\n\n", super::headline(review));
    push_line(&mut out, &format!("{}, in {} · {}", text(&review.subject.label), size(review), text(&tier(review))));
    if !review.incomplete.is_empty() {
        out.push('\n');
        for gap in &review.incomplete {
            push_line(&mut out, &format!("**Not complete:** {}", text(&gap.what)));
        }
    }
    if !review.findings.is_empty() {
        out.push_str("\n| | finding | rule | where |\n|---|---|---|---|\n");
        for finding in &review.findings {
            let row = format!(
                "| {} | {} | {} | {} |",
                finding.severity,
                cell(&finding.title),
                dash(&rules(finding)),
                code(&place(&finding.place))
            );
            push_line(&mut out, &row);
        }
        for finding in &review.findings {
            push_line(&mut out, &format!("\n**{}** {}\n\n{}", code(&place(&finding.place)), text(&finding.title), text(&finding.body)));
            if let Some(proposed) = proposed(finding) {
                push_line(&mut out, &format!("\n{}", fenced(&printable(proposed))));
            }
        }
    }
    out.push_str("\n<details><summary>What was looked at</summary>\n\n");
    for item in account(review) {
        push_line(&mut out, &format!("- {item}"));
    }
    out.push_str("\n</details>\n");
    out
}

fn account(review: &Review) -> Vec<String> {
    let roster = roster(review);
    let mut items = vec![format!("detectors of {}", plural(review.rules, "rule"))];
    if let Mode::DetectorsOnly(why) = &review.mode {
        items.push(format!("no reviewer ran: {}", text(why)));
    }
    for reviewer in &review.reviewers {
        if let (Some(model), used) = (&reviewer.model, reviewer.usage) {
            let cached = used.cached_percent().map(|share| format!(" ({share} % cached)")).unwrap_or_default();
            items.push(format!(
                "{}: {} · {} in {} · {} tokens in{cached}, {} out · {}",
                text(&reviewer.title),
                code(model),
                plural(reviewer.claims, "claim"),
                plural(usize::try_from(used.calls).unwrap_or(usize::MAX), "call"),
                used.input,
                used.output,
                review.spending.cost_of(&reviewer.name)
            ));
        }
    }
    if let Some(spent) = super::words::spent(review) {
        items.push(format!("tokens of all: {}", text(&spent)));
    }
    if !matches!(review.mode, Mode::DetectorsOnly(_)) {
        items.extend(roster.not_run.iter().map(|line| format!("not run: {}", text(line))));
    }
    items.extend(roster.failed.iter().map(|line| format!("failed: {}", text(line))));
    items.extend(left_out(review, NAMES_PER_REASON).iter().map(|line| format!("left out, {}", text(line))));
    items.extend(review.newly_generated.iter().map(|path| format!("newly marked generated, so reviewed: {}", code(path.as_str()))));
    items.extend(review.coverage.unread().iter().map(|path| format!("read by nobody: {}", code(path.as_str()))));
    if !review.dropped.is_empty() {
        items.push(format!("{} dropped; the JSON report has each with its reason", plural(review.dropped.len(), "claim")));
    }
    if !review.received_code.is_empty() {
        items.push(format!("providers that received code: {}", review.received_code.join(", ")));
    }
    items.extend(review.remarks.iter().map(|remark| text(remark)));
    items
}

fn push_line(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

fn dash(text: &str) -> String {
    if text.is_empty() { "—".to_owned() } else { text.to_owned() }
}

/// Foreign text as prose: no control characters, no raw HTML, no heading or quick action at the start of a line.
fn text(text: &str) -> String {
    let escaped = printable(text).replace('&', "&amp;").replace('<', "&lt;");
    let lines = escaped.lines().map(|line| {
        let special = line.trim_start().starts_with(['#', '/', '>', '|', '`', '~']);
        if special { format!("\\{}", line.trim_start()) } else { line.to_owned() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn cell(foreign: &str) -> String {
    text(foreign).replace('\n', " ").replace('|', "\\|")
}

/// Foreign text as inline code, with a fence longer than any run of back-quotes inside.
fn code(text: &str) -> String {
    let text = printable(text).replace('\n', " ").replace('|', "\\|");
    let fence = "`".repeat(longest_run(&text, '`') + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Foreign text as a code block that it cannot close.
fn fenced(text: &str) -> String {
    let fence = "`".repeat(longest_run(text, '`').max(2) + 1);
    format!("{fence}\n{}\n{fence}", text.trim_end_matches('\n'))
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or(0)
}
