//! What is said to models, in the order that lets a provider charge for it once: what all rounds share, what all readers of a group share, what one
//! reader alone gets. It must not depend on a clock, on chance or on the order in which anything finished.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Boundary, Finding, FollowUp, Group, Place, Prompt, Source, Suggestion, Tool, is_detected, patch};
use crate::change::{Change, RepoPath};

/// Largest part of AGENTS.md that is shown, in bytes.
const MAX_AGENTS_BYTES: usize = 16 << 10;
/// Largest part of a description or a note that is shown, in bytes.
const MAX_WORDS_BYTES: usize = 8 << 10;
/// Most files that the index of other groups names.
const MAX_INDEX_FILES: usize = 2_000;
const NEVER_FAILS: &str = "writing to a string cannot fail";

/// What the author and others wrote about the change. Untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestWords {
    /// The title.
    pub title: String,
    /// The description.
    pub description: String,
}

/// Returns what comes before the first bar: preamble, rule index, AGENTS.md. It stays the same over rounds while its sources do.
pub fn system(preamble: &str, index: &str, agents_md: Option<&str>) -> String {
    let mut out = format!("{preamble}\n\n# Rule index\n\n");
    out.push_str(if index.is_empty() { "No rule applies to the changed files.\n" } else { index });
    out.push_str("\n# AGENTS.md\n\n");
    match agents_md {
        Some(text) => writeln!(out, "{}", within(text, MAX_AGENTS_BYTES)).expect(NEVER_FAILS),
        None => out.push_str("There is none.\n"),
    }
    out
}

/// Returns the change as all readers of group `number` see it: its patches whole, the files of other groups by name.
pub fn change(boundary: &Boundary, change: &Change, groups: &[Group], number: usize) -> String {
    let group = &groups[number];
    let mut patches = String::new();
    for piece in &group.pieces {
        let file = change.file(&piece.path).expect("a group holds files of its change");
        patches.push_str(&patch::patch(file, &piece.lines));
        patches.push('\n');
    }
    let mut out = String::from("# The change\n\n");
    if groups.len() > 1 {
        writeln!(out, "This is group {} of {}.\n", number + 1, groups.len()).expect(NEVER_FAILS);
    }
    out.push_str(&boundary.wrap("diff", &format!("group-{}", number + 1), patches.trim_end()));
    let own: BTreeSet<&RepoPath> = group.paths().into_iter().collect();
    let others: BTreeSet<&RepoPath> = groups.iter().flat_map(Group::paths).filter(|path| !own.contains(path)).collect();
    if !others.is_empty() {
        out.push_str("\nFiles in other groups; `read_diff` shows them:\n");
        out.push_str(&boundary.wrap("index", "other-groups", &index(change, &others)));
    }
    out
}

/// Returns the change by names alone, for a judge who reads what they need.
pub fn change_by_name(boundary: &Boundary, change: &Change) -> String {
    let all: BTreeSet<&RepoPath> = change.files().iter().map(crate::change::FileDiff::path).collect();
    format!("# The change\n\nIt is large; `read_diff` shows each file:\n{}", boundary.wrap("index", "all", &index(change, &all)))
}

fn index(change: &Change, paths: &BTreeSet<&RepoPath>) -> String {
    let mut out = String::new();
    for path in paths.iter().take(MAX_INDEX_FILES) {
        let file = change.file(path).expect("the index holds files of the change");
        writeln!(out, "{}", patch::heading(file).trim_start_matches("### ")).expect(NEVER_FAILS);
    }
    if paths.len() > MAX_INDEX_FILES {
        writeln!(out, "and {} more; `list_files` finds them", paths.len() - MAX_INDEX_FILES).expect(NEVER_FAILS);
    }
    out
}

/// Returns what one reviewer alone gets. `words` are left out for a blind one, whatever is given.
pub fn reviewer(boundary: &Boundary, prompt: &Prompt, words: Option<&RequestWords>, language: &str) -> String {
    let mut out = spoken(boundary, prompt, words);
    write!(
        out,
        "# Your part: {}\n\n{}\n\n{}The worst severity that you may give: {}. Language of title and body: {}.\n\nFinish with one call of `submit_findings`.\n",
        prompt.title,
        prompt.text,
        allowed(&prompt.tools),
        prompt.ceiling,
        language
    )
    .expect(NEVER_FAILS);
    out
}

/// Returns what the coordinator or the refuter gets: their prompt and the candidates, numbered from `C-1`.
pub fn judge(boundary: &Boundary, prompt: &Prompt, words: Option<&RequestWords>, candidates: &[&Finding], language: &str) -> String {
    let mut out = spoken(boundary, prompt, words);
    write!(out, "# Your part: {}\n\n{}\n\n{}", prompt.title, prompt.text, allowed(&prompt.tools)).expect(NEVER_FAILS);
    writeln!(out, "Language of title and body: {language}.\n\n# Candidates\n").expect(NEVER_FAILS);
    for (index, finding) in candidates.iter().enumerate() {
        out.push_str(&boundary.wrap("candidate", &format!("C-{}", index + 1), &candidate(index + 1, finding)));
    }
    out.push_str("\nFinish with one call of `submit_verdict`.\n");
    out
}

/// Returns what the coordinator gets who follows up: the prompt and the questions, numbered from `Q-1`.
pub fn follow_up(boundary: &Boundary, prompt: &Prompt, questions: &[FollowUp], language: &str) -> String {
    let mut out = format!("# Your part: {}\n\n{}\n\n{}", prompt.title, prompt.text, allowed(&prompt.tools));
    writeln!(out, "Language of replies: {language}.\n\n# Questions\n").expect(NEVER_FAILS);
    for (index, question) in questions.iter().enumerate() {
        out.push_str(&boundary.wrap("question", &format!("Q-{}", index + 1), &asked(index + 1, question)));
    }
    out.push_str("\nFinish with one call of `submit_verdict`: `judgements` empty, one entry in `answers` for each question.\n");
    out
}

fn asked(number: usize, question: &FollowUp) -> String {
    let mark = if question.detected { " · detector" } else { "" };
    let mut out = format!("Q-{number} · {} · {}{mark}\nplace: {}\n", question.matter.word(), question.severity, question.place);
    if !question.rule_ids.is_empty() {
        let ids: Vec<String> = question.rule_ids.iter().map(ToString::to_string).collect();
        writeln!(out, "rules: {}", ids.join(", ")).expect(NEVER_FAILS);
    }
    writeln!(out, "claim: {}", question.title).expect(NEVER_FAILS);
    let code = |out: &mut String, name: &str, code: &str, none: &str| match code {
        "" => writeln!(out, "{name}: {none}").expect(NEVER_FAILS),
        code => writeln!(out, "{name}:\n{code}").expect(NEVER_FAILS),
    };
    code(&mut out, "code then", &question.old, "not known");
    code(&mut out, "code now", &question.new, "nothing of it is in the change");
    if let Some(words) = &question.words {
        writeln!(out, "a person wrote:\n{}", within(words, MAX_WORDS_BYTES)).expect(NEVER_FAILS);
    }
    out
}

fn spoken(boundary: &Boundary, prompt: &Prompt, words: Option<&RequestWords>) -> String {
    let Some(words) = words.filter(|_| !prompt.blind) else { return String::new() };
    let mut out = String::from("# The merge request's own words\n\n");
    out.push_str(&boundary.wrap("title", "merge-request", &within(&words.title, MAX_WORDS_BYTES)));
    if !words.description.trim().is_empty() {
        out.push_str(&boundary.wrap("description", "merge-request", &within(&words.description, MAX_WORDS_BYTES)));
    }
    out.push('\n');
    out
}

fn allowed(tools: &[Tool]) -> String {
    if tools.is_empty() {
        return "You have no tools beside the one that submits.\n".to_owned();
    }
    let names: Vec<String> = tools.iter().map(|tool| format!("`{}`", tool.word())).collect();
    format!("Tools that you may call: {}.\n", names.join(", "))
}

fn candidate(number: usize, finding: &Finding) -> String {
    let sources: Vec<String> = finding
        .sources
        .iter()
        .map(|source| match source {
            Source::Detector(rule) => format!("detector of {rule}"),
            Source::Reviewer(name) => name.to_string(),
        })
        .collect();
    let mark = if is_detected(finding) { " · detector" } else { "" };
    let mut out = format!(
        "C-{number} · {} · {}{mark} · from {} · confidence {} %\n",
        finding.severity,
        finding.category,
        sources.join(", "),
        finding.confidence.percent()
    );
    let quote = match &finding.place {
        Place::Lines(span) => {
            writeln!(out, "place: {} {} to {}", span.path(), span.first().reference(), span.last().reference()).expect(NEVER_FAILS);
            Some(span.text().join("\n"))
        }
        Place::File { path, .. } => {
            writeln!(out, "place: {path} as a whole").expect(NEVER_FAILS);
            None
        }
        Place::Outside(related) => {
            writeln!(out, "place: {}:{}, outside the change", related.path, related.line).expect(NEVER_FAILS);
            Some(related.quote.clone())
        }
    };
    if !finding.rule_ids.is_empty() {
        let ids: Vec<String> = finding.rule_ids.iter().map(ToString::to_string).collect();
        writeln!(out, "rules: {}", ids.join(", ")).expect(NEVER_FAILS);
    }
    writeln!(out, "title: {}\nbody: {}", finding.title, finding.body).expect(NEVER_FAILS);
    if let Some(quote) = quote {
        writeln!(out, "lines:\n{quote}").expect(NEVER_FAILS);
    }
    for related in &finding.related {
        writeln!(out, "breaks {}:{}: {}", related.path, related.line, related.quote).expect(NEVER_FAILS);
    }
    if let Suggestion::Applies(code) | Suggestion::Plain { code, .. } = &finding.suggestion {
        writeln!(out, "suggestion:\n{code}").expect(NEVER_FAILS);
    }
    out
}

/// The beginning of a text that has at most so many bytes, and a line that says so where it is cut.
fn within(text: &str, most: usize) -> std::borrow::Cow<'_, str> {
    if text.len() <= most {
        return text.into();
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\n[cut: {} of {} bytes shown]", &text[..end], end, text.len()).into()
}

#[cfg(test)]
mod tests;
