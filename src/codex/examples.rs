//! A rule's examples are its tests: every bad one must be caught by the detectors, every good one must not.

use std::collections::BTreeMap;

use super::{Expect, Rule, RuleSet, RuleStatus, Scope, detect};
use crate::change::{Change, Content, FileDiff, Hunk, Language, Line, LineHash, LineKind, RepoPath, Status};

/// An example that the detectors do not agree with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleFailure {
    /// Line of the fence in the rule file, 1-based.
    pub line: usize,
    /// What went wrong, for people.
    pub what: String,
}

/// Runs a rule's detectors over its examples; empty when all agree or when it has no detector.
pub fn check_examples(rule: &Rule) -> Vec<ExampleFailure> {
    if rule.detectors.is_empty() {
        return Vec::new();
    }
    let mut active = rule.clone();
    active.status = RuleStatus::Active;
    let set = match RuleSet::build(vec![active], &BTreeMap::new(), &BTreeMap::new()) {
        Ok(set) => set,
        Err(fault) => return vec![ExampleFailure { line: 0, what: fault.to_string() }],
    };
    let failures = rule.examples.iter().filter_map(|example| {
        let fail = |what: String| Some(ExampleFailure { line: example.line, what });
        let change = match change(&example.language, example.file.as_ref(), &example.code) {
            Ok(change) => change,
            Err(what) => return fail(what),
        };
        let caught = !detect(&set, &change, &BTreeMap::new(), |_| Scope::All).hits.iter().all(|hit| hit.set_aside.is_some());
        match (example.expect, caught) {
            (Expect::Bad, false) if !change.files().iter().any(|file| rule.applies(file.path())) => {
                fail("the rule does not apply to this bad example's path or language".to_owned())
            }
            (Expect::Bad, false) => fail("this bad example is not caught".to_owned()),
            (Expect::Good, true) => fail("this good example is caught".to_owned()),
            (Expect::Bad, true) | (Expect::Good, false) => None,
        }
    });
    failures.collect()
}

/// An example as a change: a wholly added file, or for `files` one changed file a line.
fn change(language: &str, file: Option<&RepoPath>, code: &str) -> Result<Change, String> {
    if language == "files" {
        let paths = code.lines().map(str::trim).filter(|line| !line.is_empty());
        return Ok(Change::new(paths.map(|path| added(RepoPath::from(path), "")).collect()));
    }
    let known = Language::parse(language).ok_or_else(|| format!("`{language}` is no language known here"))?;
    let path = file.cloned().unwrap_or_else(|| RepoPath::from(format!("example.{}", known.extension()).as_str()));
    Ok(Change::new(vec![added(path, code)]))
}

fn added(path: RepoPath, code: &str) -> FileDiff {
    let lines: Vec<Line> = (1..)
        .zip(code.lines())
        .map(|(new, text)| Line {
            kind: LineKind::Added,
            old: 0,
            new,
            text: text.to_owned(),
            hash: LineHash::of(text.as_bytes()),
            newline: true,
        })
        .collect();
    let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    let hunk = Hunk { old_start: 0, old_lines: 0, new_start: 1, new_lines: count, section: String::new(), lines };
    FileDiff { old: None, new: Some(path), status: Status::Added, old_mode: None, new_mode: None, content: Content::Text(vec![hunk]) }
}
